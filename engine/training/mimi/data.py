"""Speech for the codec: one long strip of 16-bit audio with a phoneme track, cut at random."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine.training.espeak import Espeak
from engine.training.speech import (
    ASSISTANTS,
    SAMPLE_RATE_HZ,
    any_voice,
    phoneme_track,
    render,
    user_voice,
)

PHONEME_RATE_HZ = 50.0
_PER_LABEL = int(SAMPLE_RATE_HZ / PHONEME_RATE_HZ)


@dataclass(frozen=True, slots=True)
class CodecSet:
    """Audio (n,) int16 at 24 kHz, phoneme ids (n / 480,) at 50 Hz and the number of ids."""

    audio: NDArray[np.int16]
    labels: NDArray[np.uint8]
    phonemes: int

    def batch(
        self, rng: np.random.Generator, count: int, samples: int
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """`count` random cuts: waves (count, samples) and labels (count, samples / 480), gain ±5 dB."""
        starts = rng.integers(0, (len(self.audio) - samples) // _PER_LABEL, count)
        waves = np.stack([self.audio[s * _PER_LABEL : s * _PER_LABEL + samples] for s in starts])
        labels = np.stack([self.labels[s : s + samples // _PER_LABEL] for s in starts])
        gains = 10 ** (rng.uniform(-5, 5, (count, 1)) / 20)
        return (waves / 32768.0 * gains).astype(np.float32), labels.astype(np.int64)


def build_codec_set(texts: Iterator[str], folder: Path, hours: float, seed: int) -> None:
    """Render `hours` of speech (45 % assistants, 25 % users, 30 % any voice) into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    espeak, rng = Espeak(), random.Random(seed)
    symbols: dict[str, int] = {}
    wanted = int(hours * 3600 * SAMPLE_RATE_HZ)
    audio = np.zeros(wanted, np.int16)
    labels = np.zeros(wanted // _PER_LABEL, np.uint8)
    at = 0
    while at < wanted:
        draw = rng.random()
        if draw < 0.45:
            voice = rng.choice(list(ASSISTANTS.values()))
        else:
            voice = user_voice(rng) if draw < 0.7 else any_voice(rng)
        spoken = render(espeak, next(texts), voice)
        for symbol, _ in spoken.phonemes:
            symbols.setdefault(symbol, min(len(symbols) + 1, 254))
        pieces = -(-len(spoken.samples) // _PER_LABEL)
        take = min(pieces * _PER_LABEL, wanted - at)
        wave = spoken.samples[:take]
        audio[at : at + len(wave)] = (wave * 32767).astype(np.int16)
        track = phoneme_track(spoken.phonemes, pieces, PHONEME_RATE_HZ, symbols)
        first = at // _PER_LABEL
        labels[first : first + take // _PER_LABEL] = track[: take // _PER_LABEL]
        at += pieces * _PER_LABEL
    np.save(folder / "audio.npy", audio)
    np.save(folder / "labels.npy", labels)
    (folder / "phonemes.json").write_text(json.dumps(symbols))


def load_codec_set(folder: Path) -> CodecSet:
    """Open what `build_codec_set` wrote; the audio stays on disk until it is used."""
    symbols = json.loads((folder / "phonemes.json").read_text())
    return CodecSet(
        np.load(folder / "audio.npy", mmap_mode="r"),
        np.load(folder / "labels.npy"),
        len(symbols) + 1,
    )
