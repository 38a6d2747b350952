"""Speech for the codec: one long strip of 16-bit audio with a phoneme track, cut at random."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine.training.espeak import Espeak, EspeakVoice
from engine.training.speech import (
    ASSISTANTS,
    SAMPLE_RATE_HZ,
    phoneme_track,
    render,
    user_voice,
)

PHONEME_RATE_HZ = 50.0
_PER_LABEL = int(SAMPLE_RATE_HZ / PHONEME_RATE_HZ)
USER = 255
"""The speaker number of everybody who is not an assistant."""


@dataclass(frozen=True, slots=True)
class CodecSet:
    """Audio (n,) int16 at 24 kHz, phoneme ids and speakers (n / 480,) at 50 Hz, the number of ids.

    A speaker is the place of an assistant in `ASSISTANTS`; everyone else is `USER`.
    """

    audio: NDArray[np.int16]
    labels: NDArray[np.uint8]
    speakers: NDArray[np.uint8]
    phonemes: int

    def batch(
        self, rng: np.random.Generator, count: int, samples: int
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """`count` random cuts: waves (count, samples) and labels (count, samples / 480).

        Users come louder and softer by up to 5 dB, assistants by 1: their level is settled.
        """
        starts = rng.integers(0, (len(self.audio) - samples) // _PER_LABEL, count)
        span = samples // _PER_LABEL
        waves = np.stack([self.audio[s * _PER_LABEL : s * _PER_LABEL + samples] for s in starts])
        labels = np.stack([self.labels[s : s + span] for s in starts])
        users = np.array([(self.speakers[s : s + span] == USER).mean() > 0.5 for s in starts])
        decibels = rng.uniform(-1, 1, count) * np.where(users, 5.0, 1.0)
        gains = 10 ** (decibels[:, None] / 20)
        return (waves / 32768.0 * gains).astype(np.float32), labels.astype(np.int64)


def build_codec_set(
    texts: Iterator[str], folder: Path, hours: float, seed: int, users: float = 0.25
) -> None:
    """Render `hours` of speech into `folder`: the assistants in equal parts, and `users` of it by others.

    The others are few on purpose: the codec has four codes a frame, and only the assistants are decoded.
    """
    folder.mkdir(parents=True, exist_ok=True)
    espeak, rng = Espeak(), random.Random(seed)
    symbols: dict[str, int] = {}
    wanted = int(hours * 3600 * SAMPLE_RATE_HZ)
    audio = np.zeros(wanted, np.int16)
    labels = np.zeros(wanted // _PER_LABEL, np.uint8)
    speakers = np.zeros(wanted // _PER_LABEL, np.uint8)
    at = 0
    while at < wanted:
        speaker, voice = _someone(rng, users)
        spoken = render(espeak, next(texts), voice)
        for symbol, _ in spoken.phonemes:
            symbols.setdefault(symbol, min(len(symbols) + 1, 254))
        pieces = -(-len(spoken.samples) // _PER_LABEL)
        take = min(pieces * _PER_LABEL, wanted - at)
        wave = spoken.samples[:take]
        audio[at : at + len(wave)] = (wave * 32767).astype(np.int16)
        track = phoneme_track(spoken.phonemes, pieces, PHONEME_RATE_HZ, symbols)
        first, last = at // _PER_LABEL, (at + take) // _PER_LABEL
        labels[first:last] = track[: last - first]
        speakers[first:last] = speaker
        at += pieces * _PER_LABEL
    np.save(folder / "audio.npy", audio)
    np.save(folder / "labels.npy", labels)
    np.save(folder / "speakers.npy", speakers)
    (folder / "phonemes.json").write_text(json.dumps(symbols))


def _someone(rng: random.Random, users: float) -> tuple[int, EspeakVoice]:
    if rng.random() < users:
        return USER, user_voice(rng)
    speaker = rng.randrange(len(ASSISTANTS))
    return speaker, list(ASSISTANTS.values())[speaker]


def load_codec_set(folder: Path) -> CodecSet:
    """Open what `build_codec_set` wrote; the audio stays on disk until it is used."""
    symbols = json.loads((folder / "phonemes.json").read_text())
    return CodecSet(
        np.load(folder / "audio.npy", mmap_mode="r"),
        np.load(folder / "labels.npy"),
        np.load(folder / "speakers.npy"),
        len(symbols) + 1,
    )
