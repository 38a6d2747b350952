"""Whether to believe a recogniser: Whisper writes sentences for noise and silence too.

No single figure tells: batched builds report no doubt at all, noise can look certain, and people do
say "thank you". So a text is dropped only for what cannot be speech, or for two signs together.
Pure; the figures come from the decoder and from the voice activity of the same sound.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from app.core.types import FloatArray
from app.core.words import plain_words

WINDOW_S = 0.032

_ENTER = 0.5
_LEAVE = 0.35
# The detector is late by a window at the onset and lets go early.
_EDGE_S = 0.064

_LEAST_VOICED_S = 0.096
"""Three windows, as many as open a turn: below that nobody spoke."""
_SHORT_VOICED_S = 0.25
_NO_SPEECH = 0.6
_IMPROBABLE = -1.0
_DOUBTFUL = -0.7
_SOME_DOUBT = 0.06
"""From here on Whisper's no-speech figure counts against its stock phrases."""
_MOST_CHARACTERS_PER_S = 25.0
"""Nobody speaks faster; twice the pace of quick speech."""
_REPEATING = 2.4
"""Above this ratio of length to compressed length, Whisper is repeating itself."""

# What Whisper has read under thousands of silent film ends.
_STOCK = frozenset(
    phrase.strip()
    for phrase in """
    thank you, thank you very much, thank you so much, thanks, thanks for watching, bye, bye bye,
    thank you for watching, thank you for listening, thanks for listening, please subscribe, the end,
    like and subscribe, don't forget to subscribe, see you next time, see you in the next video,
    i'll see you in the next video, subtitles by the amara org community, you, so, oh, okay, hmm, yeah,
    music, applause, silence
    """.replace("\n", " ").split(",")
)


@dataclass(frozen=True, slots=True)
class Decoded:
    """A recogniser's text with its doubts: probability of no speech, mean log-probability."""

    text: str
    no_speech: float
    log_probability: float


def voiced_mask(probabilities: FloatArray) -> npt.NDArray[np.bool_]:
    """Which 32 ms windows (T,) are speech: those of runs that reach the entry level somewhere."""
    mask = np.asarray(probabilities) >= _LEAVE
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(np.int8)))
    for start, end in edges.reshape(-1, 2):
        if probabilities[start:end].max() < _ENTER:
            mask[start:end] = False
    return mask


def voiced_s(probabilities: FloatArray) -> float:
    """Seconds of speech in 32 ms windows of voice activity (T,)."""
    return int(voiced_mask(probabilities).sum()) * WINDOW_S


def has_speech(voiced: float) -> bool:
    """Whether there is enough voice (in seconds) to be worth recognising."""
    return voiced >= _LEAST_VOICED_S


def believed(decoded: Decoded, voiced: float) -> str:
    """The text, or '' when it is more likely invented; ``voiced`` in seconds."""
    text = decoded.text.strip()
    words = plain_words(text)
    if not words or not has_speech(voiced) or repeats(text):
        return ""
    doubtful = decoded.log_probability < _DOUBTFUL
    short = voiced < _SHORT_VOICED_S
    if decoded.no_speech > _NO_SPEECH and decoded.log_probability < _IMPROBABLE:
        return ""
    if short and doubtful:
        return ""
    if too_fast(text, voiced):
        return ""
    if " ".join(words) in _STOCK and decoded.no_speech > _SOME_DOUBT and (doubtful or short):
        return ""
    return text


def too_fast(text: str, voiced: float) -> bool:
    """Whether nobody can have said so much in so many seconds of voice."""
    characters = sum(len(word) for word in plain_words(text))
    return characters > _MOST_CHARACTERS_PER_S * (voiced + _EDGE_S)


def repeats(text: str) -> bool:
    """Whether a text says the same over and over, as Whisper does when it hears nothing."""
    data = text.encode()
    return len(data) > _REPEATING * len(zlib.compress(data))
