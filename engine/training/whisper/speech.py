"""The speech that whisper-nano learns from: shards of log-mel features with text, word and phoneme
times.

A shard is a folder with `mel.npy` (raw log10 power, float16, all utterances end to end) and
`meta.npz`. Shard n depends only on (seed, n), so an interrupted build goes on where it stopped and
training can start on the first ones. Six utterances in a row share a voice, so that neighbours can
be joined into one turn. Knows no model.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import soxr
from numpy.typing import NDArray

from engine.training.espeak import Espeak, EspeakVoice, Spoken
from engine.training.whisper.config import FRAMES_PER_S, MEL_BANDS, SAMPLE_RATE_HZ
from engine.training.whisper.mel import log_mel

SHARD_S = 3600.0  # speech per shard
SAME_VOICE = 6  # utterances in a row that share a voice
MAX_UTTERANCE_S = 12.0

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Utterance:
    """One rendered sentence.

    `mel` (T, MEL_BANDS) raw log10 power. `words`: (first character, start in seconds). `phonemes`:
    (id, start in seconds), id from `PhonemeTable`; 0 is a pause.
    """

    text: str
    voice: str
    mel: NDArray[np.float16]
    words: NDArray[np.float32]
    phonemes: NDArray[np.float32]

    @property
    def seconds(self) -> float:
        """Length of the sound."""
        return len(self.mel) / FRAMES_PER_S


class PhonemeTable:
    """espeak's phoneme symbols as small numbers; 0 is a pause or an unknown symbol."""

    SIZE = 128

    def __init__(self, symbols: Sequence[str] = ()) -> None:
        self.symbols = list(symbols)
        self._ids = {symbol: i + 1 for i, symbol in enumerate(self.symbols)}

    def id(self, symbol: str) -> int:
        """The number of `symbol`, a new one where there is room."""
        if not symbol or symbol.startswith("_"):
            return 0
        known = self._ids.get(symbol)
        if known is None and len(self.symbols) < self.SIZE - 1:
            self.symbols.append(symbol)
            known = self._ids[symbol] = len(self.symbols)
        return known or 0

    @classmethod
    def learn(cls, espeak: Espeak, texts: Iterable[str], accents: Iterable[str]) -> PhonemeTable:
        """A table of every symbol met while speaking `texts` in each accent."""
        table = cls()
        sample = list(texts)
        for accent in accents:
            for text in sample:
                for symbol, _ in espeak.say(text, EspeakVoice(accent, rate_wpm=350)).phonemes:
                    table.id(symbol)
        return table


def to_recogniser_rate(spoken: Spoken) -> Floats:
    """The samples of `spoken` at 16 kHz."""
    return np.asarray(
        soxr.resample(spoken.samples, spoken.sample_rate_hz, SAMPLE_RATE_HZ, "HQ"), np.float32
    )


def render(espeak: Espeak, text: str, voice: EspeakVoice, table: PhonemeTable) -> Utterance | None:
    """Speak `text`; None where nothing can be heard or it lasts longer than MAX_UTTERANCE_S."""
    spoken = espeak.say(text, voice)
    seconds = len(spoken.samples) / spoken.sample_rate_hz
    if not 0.15 < seconds < MAX_UTTERANCE_S:
        return None
    words = [(first, start) for first, length, start in spoken.words if length > 0]
    phonemes = [(table.id(symbol), start) for symbol, start in spoken.phonemes]
    return Utterance(
        text=text,
        voice=voice.name,
        mel=log_mel(to_recogniser_rate(spoken)).astype(np.float16),
        words=np.array(words, np.float32).reshape(-1, 2),
        phonemes=np.array(phonemes, np.float32).reshape(-1, 2),
    )


def build_shard(
    folder: Path,
    texts: Iterator[str],
    voices: Callable[[], EspeakVoice],
    table: PhonemeTable,
    seconds: float,
) -> None:
    """Speak `texts` in drawn voices until `seconds` of sound are there; write the shard at once."""
    espeak = Espeak()
    utterances: list[Utterance] = []
    total_s = 0.0
    while total_s < seconds:
        voice = voices()
        for text in islice(texts, SAME_VOICE):
            utterance = render(espeak, text, voice, table)
            if utterance is not None:
                utterances.append(utterance)
                total_s += utterance.seconds
    _write_shard(folder, utterances)


def _write_shard(folder: Path, utterances: Sequence[Utterance]) -> None:
    partial = folder.with_name(folder.name + ".partial")
    partial.mkdir(parents=True, exist_ok=True)
    np.save(partial / "mel.npy", np.concatenate([u.mel for u in utterances]))
    lines = json.dumps([[u.text, u.voice] for u in utterances]).encode()
    np.savez(
        partial / "meta.npz",
        frames=np.array([len(u.mel) for u in utterances]),
        lines=np.frombuffer(lines, np.uint8),
        words=np.concatenate([u.words for u in utterances]),
        word_counts=np.array([len(u.words) for u in utterances]),
        phonemes=np.concatenate([u.phonemes for u in utterances]),
        phoneme_counts=np.array([len(u.phonemes) for u in utterances]),
    )
    partial.rename(folder)


class Shard:
    """A finished shard, memory-mapped."""

    def __init__(self, folder: Path) -> None:
        self._mel: NDArray[np.float16] = np.load(folder / "mel.npy", mmap_mode="r")
        assert self._mel.shape[1] == MEL_BANDS, self._mel.shape
        with np.load(folder / "meta.npz") as meta:
            self._lines: list[tuple[str, str]] = json.loads(meta["lines"].tobytes())
            self.frames: NDArray[np.int64] = meta["frames"]
            self._ends = np.cumsum(self.frames)
            self._words = meta["words"]
            self._word_ends = np.cumsum(meta["word_counts"])
            self._phonemes = meta["phonemes"]
            self._phoneme_ends = np.cumsum(meta["phoneme_counts"])

    def __len__(self) -> int:
        return len(self._lines)

    def __getitem__(self, index: int) -> Utterance:
        text, voice = self._lines[index]
        return Utterance(
            text=text,
            voice=voice,
            mel=self._mel[_span(self._ends, index)],
            words=self._words[_span(self._word_ends, index)],
            phonemes=self._phonemes[_span(self._phoneme_ends, index)],
        )

    def voice(self, index: int) -> str:
        """The name of the voice of utterance `index`, without touching its sound."""
        return self._lines[index][1]


def _span(ends: NDArray[np.int64], index: int) -> slice:
    return slice(int(ends[index - 1]) if index else 0, int(ends[index]))
