"""How well a faster-whisper model understands: stock class, beam 5, normalised word error rate.

Takes plain arrays, so the same functions judge espeak's speech, a codec's and csm-nano's. Knows no
training.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.evaluation.wer import word_errors

BEAM = 5


@dataclass(frozen=True, slots=True)
class Heard:
    """What was said and what the recogniser made of it."""

    reference: str
    hypothesis: str
    errors: int
    words: int


@dataclass(frozen=True, slots=True)
class WordErrorRate:
    """Sums over a set, and each item for reading."""

    errors: int
    words: int
    heard: tuple[Heard, ...]

    @property
    def rate(self) -> float:
        """Errors per reference word."""
        return self.errors / self.words if self.words else 0.0


def load_model(model_dir: Path) -> Any:
    """faster-whisper's own class on one CPU thread, from a local folder only."""
    from faster_whisper import WhisperModel

    return WhisperModel(
        str(model_dir), device="cpu", compute_type="int8", cpu_threads=1, local_files_only=True
    )


def transcribe(model: Any, samples: NDArray[np.float32], beam: int = BEAM) -> str:
    """The transcript of 16 kHz float32 mono samples: no fallback temperatures, no earlier
    text, no times.
    """
    segments, _ = model.transcribe(
        samples,
        beam_size=beam,
        language="en",
        temperature=0.0,
        without_timestamps=True,
        condition_on_previous_text=False,
    )
    return " ".join(segment.text.strip() for segment in segments).strip()


def word_error_rate(
    model_dir: Path, items: Iterable[tuple[NDArray[np.float32], str]], beam: int = BEAM
) -> WordErrorRate:
    """Transcribe (samples at 16 kHz, reference text) pairs with the model in `model_dir` and
    count.
    """
    model = load_model(model_dir)
    heard: list[Heard] = []
    for samples, reference in items:
        hypothesis = transcribe(model, samples, beam)
        errors, words = word_errors(reference, hypothesis)
        heard.append(Heard(reference, hypothesis, errors, words))
    return summarise(heard)


def summarise(heard: Sequence[Heard]) -> WordErrorRate:
    """Add up."""
    return WordErrorRate(sum(h.errors for h in heard), sum(h.words for h in heard), tuple(heard))
