"""What recognisers and hurried speakers do to a sentence. Works on the user's words only."""

from __future__ import annotations

import random
from dataclasses import dataclass

_DROPPABLE = frozenset(
    "a an the is are do does did to of in on for it you I me my your can could would have and that"
    " am was will be so please".split()
)
_ONSETS = "b c d f g h j k l m n p r s t v w z br cl dr fl gr kr pl sh st th tr ch".split()
_NUCLEI = "a e i o u ai ea ee ie oa oo ou".split()
_CODAS = ["", "", "", "n", "r", "l", "s", "m", "k", "t", "d", "nd", "rn", "x"]


@dataclass(frozen=True, slots=True)
class NoiseRates:
    """Chance of each disturbance per utterance."""

    lower: float = 0.35
    prefix: float = 0.10
    suffix: float = 0.07
    apostrophe: float = 0.12
    drop: float = 0.15
    homophone: float = 0.07
    filler: float = 0.04
    repeat_word: float = 0.02
    misspell: float = 0.03
    synonym: float = 0.40


def pseudo_word(rng: random.Random) -> str:
    """A word that nobody knows, for teaching the model to copy rather than to remember."""
    return "".join(
        rng.choice(_ONSETS) + rng.choice(_NUCLEI) + rng.choice(_CODAS)
        for _ in range(rng.choice((1, 2, 2, 3)))
    )


class Noise:
    """Applies recognition noise; ``homophones`` maps a word to what may be heard instead.

    ``synonyms`` maps a word or phrase to others that people may use for it: more wordings, not noise.
    """

    def __init__(
        self,
        homophones: dict[str, list[str]],
        fillers: list[str],
        synonyms: dict[str, list[str]] | None = None,
        rates: NoiseRates | None = None,
    ) -> None:
        self._homophones = homophones
        self._fillers = fillers
        self._synonyms = synonyms or {}
        self._rates = rates or NoiseRates()

    def disturb(self, text: str, keep: frozenset[str], rng: random.Random) -> str:
        """Disturb ``text``; the words in ``keep`` (slot values to be copied) stay as they are."""
        rates = self._rates
        if rng.random() < rates.synonym:
            text = self._reword(text, keep, rng)
        words = text.split()

        def free() -> list[int]:
            return [i for i, word in enumerate(words) if word.lower() not in keep]

        if rng.random() < rates.drop and len(words) > 3:
            for index in rng.sample(free(), len(free())):
                if words[index] in _DROPPABLE or rng.random() < 0.1:
                    del words[index]
                    break
        if rng.random() < rates.homophone:
            options = [i for i in free() if words[i].lower() in self._homophones]
            if options:
                index = rng.choice(options)
                words[index] = rng.choice(self._homophones[words[index].lower()])
        if rng.random() < rates.filler and words:
            words.insert(rng.randrange(len(words)), rng.choice(self._fillers))
        if rng.random() < rates.repeat_word and words:
            index = rng.randrange(len(words))
            words.insert(index, words[index])
        if rng.random() < rates.misspell:
            options = [i for i in free() if len(words[i]) > 4]
            if options:
                index = rng.choice(options)
                words[index] = _misspell(words[index], rng)
        text = " ".join(words)
        if rng.random() < rates.apostrophe:
            text = text.replace("'", "")
        return text.lower() if rng.random() < rates.lower else text

    def _reword(self, text: str, keep: frozenset[str], rng: random.Random) -> str:
        """One word or phrase replaced by another that may stand for it, now and then two."""
        for _ in range(rng.choice((1, 1, 2))):
            words = text.split()
            found = [
                (start, end)
                for start in range(len(words))
                for end in range(start + 1, min(start + 4, len(words) + 1))
                if " ".join(words[start:end]).lower() in self._synonyms
                and not any(word.lower() in keep for word in words[start:end])
            ]
            if not found:
                break
            start, end = rng.choice(found)
            instead = rng.choice(self._synonyms[" ".join(words[start:end]).lower()])
            text = " ".join([*words[:start], instead, *words[end:]])
        return text


def read_synonyms(groups: list[str]) -> dict[str, list[str]]:
    """Each member of each comma-separated group to the other members."""
    synonyms: dict[str, list[str]] = {}
    for group in groups:
        members = [member.strip() for member in group.split(",")]
        for member in members:
            others = [other for other in members if other != member]
            synonyms.setdefault(member.lower(), []).extend(others)
    return synonyms


def _misspell(word: str, rng: random.Random) -> str:
    place = rng.randrange(1, len(word) - 1)
    if rng.random() < 0.5:
        return word[:place] + word[place + 1 :]
    return word[:place] + rng.choice("aeioustnrl") + word[place + 1 :]
