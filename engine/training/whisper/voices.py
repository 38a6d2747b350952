"""Which espeak-ng voices whisper-nano hears while it learns, and which it is judged on: disjoint
by variant.

Knows no model. A voice is an accent (`gmw/en-GB-x-rp`) with a variant (`f2`), a rate, a pitch and
a range.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from engine.training.espeak import EspeakVoice

ASSISTANT_VOICES: Final = ("en-us+f2", "en-us+adam")
"""csm-nano speaks with these, so the recogniser that judges it must know them."""

HELD_OUT_VARIANTS: Final = ("m3", "f4", "Annie", "belinda", "john", "paul", "klatt2")
"""Never trained on, with any accent: the voices of evaluation."""

DEVELOPMENT_VARIANTS: Final = ("m5", "steph2", "Marco", "edward")
"""Never trained on either: decisions during development look at these only."""

ACCENTS: Final = {
    "en-us": 0.5,
    "gmw/en": 0.12,
    "gmw/en-GB-x-rp": 0.12,
    "gmw/en-GB-scotland": 0.08,
    "gmw/en-US-nyc": 0.10,
    "gmw/en-GB-x-gbclan": 0.08,
}

# Whispers, monsters and the like are left out: nobody will sound like that.
# fmt: off
TRAINING_VARIANTS: Final = (
    "f1", "f2", "f3", "f5", "m1", "m2", "m4", "m6", "m7", "m8", "adam", "Alex", "Alicia",
    "Andrea", "Andy", "anika", "antonio", "aunty", "benjamin", "boris", "caleb", "david",
    "Denis", "Diogo", "ed", "edward2", "Gene", "Gene2", "grandma", "grandpa", "gustave",
    "Henrique", "Hugo", "iven", "iven2", "iven3", "iven4", "Jacky", "kaukovalta", "klatt",
    "klatt3", "klatt4", "klatt5", "klatt6", "Lee", "linda", "marcelo", "Mario", "max",
    "Michael", "michel", "miguel", "Mike", "Nguyen", "norbert", "pablo", "pedro", "quincy",
    "rob", "robert", "sandro", "shelby", "steph", "steph3", "travis", "Tweaky", "victor", "zac",
)
# fmt: on

_ASSISTANT_SHARE = 0.16


def training_voice(rng: np.random.Generator) -> EspeakVoice:
    """A voice to learn from; one in six is the assistant's own, near its usual manner."""
    if rng.random() < _ASSISTANT_SHARE:
        return EspeakVoice(
            name=ASSISTANT_VOICES[rng.integers(len(ASSISTANT_VOICES))],
            rate_wpm=int(rng.integers(140, 191)),
            pitch=int(rng.integers(40, 61)),
            pitch_range=int(rng.integers(40, 61)),
        )
    return _varied(TRAINING_VARIANTS, rng)


def held_out_voice(rng: np.random.Generator) -> EspeakVoice:
    """A voice for judging: a held-out variant in any accent, rate 130 to 190."""
    return _varied(HELD_OUT_VARIANTS, rng, rates=(130, 191))


def development_voice(rng: np.random.Generator) -> EspeakVoice:
    """As `held_out_voice`, from the development variants."""
    return _varied(DEVELOPMENT_VARIANTS, rng, rates=(130, 191))


def _varied(
    variants: tuple[str, ...],
    rng: np.random.Generator,
    rates: tuple[int, int] = (115, 206),
) -> EspeakVoice:
    accent = rng.choice(list(ACCENTS), p=list(ACCENTS.values()))
    variant = variants[int(rng.integers(len(variants)))]
    return EspeakVoice(
        name=f"{accent}+{variant}",
        rate_wpm=int(rng.integers(*rates)),
        pitch=int(rng.integers(20, 81)),
        pitch_range=int(rng.integers(25, 76)),
    )
