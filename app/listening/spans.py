"""Find the user's speech in a stream of sound, holding no more than one turn in memory."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from app.core.errors import NoSpeechError
from app.core.ports import Clock, VoiceActivity
from app.core.types import LISTEN_RATE_HZ, SPEECH_RATE_HZ, FloatArray, Heard, SoundBlock

WINDOW_SAMPLES = 512
_WINDOW_S = WINDOW_SAMPLES / LISTEN_RATE_HZ


@dataclass(frozen=True, slots=True)
class SpeechRules:
    """When a window counts as speech, and how much around it is kept.

    Speech begins after ``speech_s`` of windows over ``enter`` and goes on while they stay over
    ``leave``. ``turn_s`` is the longest turn, counted from its first word.
    """

    enter: float = 0.5
    leave: float = 0.35
    speech_s: float = 0.16
    pad_s: float = 0.2
    turn_s: float = 60.0


class VadSpeechFinder:
    """The ``SpeechFinder`` of the assistant: first to last word of a stream, with a little pad."""

    def __init__(self, vad: VoiceActivity, clock: Clock, rules: SpeechRules | None = None) -> None:
        self._vad = vad
        self._clock = clock
        self._rules = rules or SpeechRules()

    def find(self, blocks: Iterable[SoundBlock]) -> Heard:
        """Read the stream to its end, or to the longest turn after the first word.

        Raises:
            NoSpeechError: when there is none.
        """
        rules = self._rules
        self._vad.reset()
        marks = _Marks(rules)
        low, high = _Track(LISTEN_RATE_HZ), _Track(SPEECH_RATE_HZ)
        vad_s = 0.0
        for block in blocks:
            low.add(block.at_16k)
            high.add(block.at_24k)
            began = self._clock.monotonic_s()
            for probability in self._vad.probabilities(low.windows()):
                marks.step(float(probability))
            vad_s += self._clock.monotonic_s() - began
            keep_s = marks.first_s if marks.first_s is not None else low.judged_s - 1.0
            low.forget_before(keep_s - rules.pad_s - _WINDOW_S)
            high.forget_before(keep_s - rules.pad_s - _WINDOW_S)
            if marks.first_s is not None and low.judged_s - marks.first_s >= rules.turn_s:
                break
        if marks.first_s is None:
            raise NoSpeechError("No speech was found in the recording: speak closer or louder.")
        start_s = max(marks.first_s - rules.pad_s, 0.0)
        limit_s = marks.first_s + rules.turn_s
        end_s = min(marks.last_s + rules.pad_s, low.end_s, limit_s)
        cut = marks.last_s > limit_s - 0.5
        return Heard(
            low.part(start_s, end_s), high.part(start_s, end_s), start_s, end_s, vad_s, cut
        )


class _Marks:
    """The first and last moment of speech, window by window."""

    def __init__(self, rules: SpeechRules) -> None:
        self._rules = rules
        self._index = 0
        self._run = 0
        self._inside = False
        self.first_s: float | None = None
        self.last_s = 0.0

    def step(self, probability: float) -> None:
        """Take in the next window."""
        rules = self._rules
        self._index += 1
        if probability >= (rules.leave if self._run else rules.enter):
            self._run += 1
        else:
            self._run = 0
            self._inside = False
        if self._run * _WINDOW_S >= rules.speech_s:
            if not self._inside and self.first_s is None:
                self.first_s = (self._index - self._run) * _WINDOW_S
            self._inside = True
        if self._inside:
            self.last_s = self._index * _WINDOW_S


class _Track:
    """One sample rate of the stream; the past that nobody needs is dropped."""

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._parts: list[FloatArray] = []
        self._begin = 0  # index in the stream of the first kept sample
        self._end = 0
        self._judged = 0

    @property
    def end_s(self) -> float:
        """How far the stream has come."""
        return self._end / self._rate_hz

    @property
    def judged_s(self) -> float:
        """How far ``windows`` has come."""
        return self._judged / self._rate_hz

    def add(self, samples: FloatArray) -> None:
        """The next samples of the stream."""
        self._parts.append(samples)
        self._end += len(samples)

    def windows(self) -> FloatArray:
        """The whole windows that came since the last call; (T, 512)."""
        count = (self._end - self._judged) // WINDOW_SAMPLES
        start = self._judged
        self._judged += count * WINDOW_SAMPLES
        return self._slice(start, self._judged).reshape(count, WINDOW_SAMPLES)

    def forget_before(self, moment_s: float) -> None:
        """Drop the blocks that end before ``moment_s``."""
        index = int(moment_s * self._rate_hz)
        while self._parts and self._begin + len(self._parts[0]) <= index:
            self._begin += len(self._parts.pop(0))

    def part(self, start_s: float, end_s: float) -> FloatArray:
        """The samples between two moments."""
        return self._slice(round(start_s * self._rate_hz), round(end_s * self._rate_hz))

    def _slice(self, start: int, end: int) -> FloatArray:
        pieces = [np.zeros(0, np.float32)]
        place = self._begin
        for part in self._parts:
            if place < end and place + len(part) > start:
                pieces.append(part[max(start - place, 0) : end - place])
            place += len(part)
        return np.concatenate(pieces)
