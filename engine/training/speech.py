"""Utterances for training: espeak's speech at the codec's rate and level, with its alignment.

The voices are named here once, so that every part of the pack (codec, speech model, recogniser) agrees on
who the assistants are and who the users are.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

import numpy as np
import soxr
from numpy.typing import NDArray

from engine.training.espeak import Espeak, EspeakVoice

SAMPLE_RATE_HZ = 24_000
SPEECH_RMS = 0.09
"""Level of the assistants' speech (about -21 dBFS over the whole utterance)."""

ASSISTANTS: dict[str, EspeakVoice] = {
    "nova": EspeakVoice("en-us+f2", rate_wpm=165),
    "atlas": EspeakVoice("en-us+adam", rate_wpm=160),
}
"""The voices the pack ships: one fixed manner each, so that a voice prompt settles everything."""

USERS: tuple[str, ...] = (
    "en-us+f5",
    "en-us+m1",
    "en-us+klatt2",
    "gmw/en-GB-x-rp+f1",
    "gmw/en-GB-x-rp+m4",
    "en-us+steph",
    "en-us+edward",
    "en-us+f1",
)
"""Voices of the other side of a conversation; their rate and pitch vary."""


@dataclass(frozen=True, slots=True)
class Utterance:
    """Speech (n,) float32 at SAMPLE_RATE_HZ with espeak's events (see `espeak.Spoken`)."""

    text: str
    samples: NDArray[np.float32]
    words: tuple[tuple[int, int, float], ...]
    phonemes: tuple[tuple[str, float], ...]

    @property
    def seconds(self) -> float:
        """Length of the sound."""
        return len(self.samples) / SAMPLE_RATE_HZ


def render(espeak: Espeak, text: str, voice: EspeakVoice, rms: float = SPEECH_RMS) -> Utterance:
    """Speak `text` and bring it to the codec's rate and to the level `rms`."""
    spoken = espeak.say(text, voice)
    samples = spoken.samples
    if len(samples):
        samples = soxr.resample(samples, spoken.sample_rate_hz, SAMPLE_RATE_HZ)
        level = float(np.sqrt(np.mean(np.square(samples)))) + 1e-9
        samples = np.clip(samples * (rms / level), -1.0, 1.0).astype(np.float32)
    return Utterance(text, samples, spoken.words, spoken.phonemes)


def user_voice(rng: random.Random) -> EspeakVoice:
    """One of the users, in one of many manners of speaking."""
    return EspeakVoice(
        rng.choice(USERS),
        rate_wpm=rng.randint(135, 190),
        pitch=rng.randint(30, 70),
        pitch_range=rng.randint(35, 65),
    )


def phoneme_track(
    phonemes: tuple[tuple[str, float], ...], frames: int, rate_hz: float, ids: dict[str, int]
) -> NDArray[np.int64]:
    """The phoneme sounding at each of `frames` instants, as ids; symbols missing from `ids` are 0."""
    starts = np.array([start for _, start in phonemes] or [0.0])
    labels = np.array([ids.get(symbol, 0) for symbol, _ in phonemes] or [0])
    middles = (np.arange(frames) + 0.5) / rate_hz
    index = np.searchsorted(starts, middles, side="right") - 1
    return np.where(index >= 0, labels[np.maximum(index, 0)], 0)
