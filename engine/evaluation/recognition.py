"""whisper-nano judged by itself: word errors on voices that it never heard in training."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from engine.evaluation.scores import ErrorRate, Heard, error_rate_of, worst
from engine.training.espeak import Espeak, EspeakVoice
from engine.training.whisper.voices import HELD_OUT_VARIANTS, held_out_voice
from engine.types import FloatArray

RECOGNISER_RATE_HZ: Final = 16_000
VOICES_PER_SENTENCE: Final = 2

Hear = Callable[[FloatArray, int], str]
"""A recogniser: what it understands in sound (N,) at a rate in Hz."""


@dataclass(frozen=True, slots=True)
class RecognitionReport:
    """Word errors over everything, by espeak variant, and what went most wrong."""

    total: ErrorRate
    by_variant: dict[str, ErrorRate]
    worst: list[Heard]


def load_recogniser(folder: Path) -> Hear:
    """The model in ``folder`` through faster-whisper's own class: beam 5, one thread."""
    import soxr

    from engine.training.whisper.evaluate import load_model, transcribe

    model = load_model(folder)

    def hear(samples: FloatArray, rate_hz: int) -> str:
        if rate_hz != RECOGNISER_RATE_HZ:
            samples = soxr.resample(samples, rate_hz, RECOGNISER_RATE_HZ)
        return transcribe(model, np.ascontiguousarray(samples, np.float32))

    return hear


def unseen_voices(seed: int = 0) -> Iterator[EspeakVoice]:
    """Endless held-out voices, every variant equally often, accent, rate and pitch by chance."""
    rng = np.random.default_rng(seed)
    while True:
        for variant in HELD_OUT_VARIANTS:
            voice = held_out_voice(rng)
            accent = voice.name.split("+")[0]
            yield EspeakVoice(f"{accent}+{variant}", voice.rate_wpm, voice.pitch, voice.pitch_range)


def judge_recogniser(
    hear: Hear, sentences: Sequence[str], say: Espeak, progress: Callable[[str], None]
) -> RecognitionReport:
    """Let unseen voices say each sentence, ``VOICES_PER_SENTENCE`` times, and count word errors."""
    heard: list[Heard] = []
    voices = unseen_voices()
    for index, text in enumerate(sentences):
        for voice, _ in zip(voices, range(VOICES_PER_SENTENCE), strict=False):
            spoken = say.say(text, voice)
            heard.append(Heard(text, hear(spoken.samples, spoken.sample_rate_hz), voice.name))
        if index % 20 == 19:
            progress(f"recogniser: {index + 1} of {len(sentences)} sentences")
    return RecognitionReport(
        total=error_rate_of(heard),
        by_variant={
            variant: error_rate_of([h for h in heard if h.voice.endswith(f"+{variant}")])
            for variant in HELD_OUT_VARIANTS
        },
        worst=worst(heard),
    )
