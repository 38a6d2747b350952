"""The mark is looked for: in a sound of any origin, without the original.

The p-value is a bound, not a fit. Without the key, its sequences are independent coin tosses, so
whatever the sound is, its product with them exceeds z times its norm with a probability of at most
exp(-z²/2) (Hoeffding's inequality); that is multiplied by the number of comparisons made.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from engine.types import FloatArray
from engine.watermark.code import PERIOD, Payload
from engine.watermark.correlate import (
    TESTS,
    Match,
    Spectrum,
    compare,
    folded,
    read,
    spectrum_of,
    weighted,
)
from engine.watermark.masking import RATE_HZ
from engine.watermark.speed import SPEEDS, at_speed, doubled, likely_speeds

SURE: Final = 1e-6
"""A mark counts as found below this p-value: one in so many unmarked files is taken for marked."""

_SPAN: Final = 10 * RATE_HZ
_SHORTEST: Final = RATE_HZ // 2


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found in a sound."""

    found: bool
    log10_p: float
    """Logarithm of the chance, at most, that an unmarked sound looks so; 0 is certainty."""
    score: float
    """The best match (``correlate.Match``)."""
    speed: float
    """How fast the sound runs, against how fast it was when it was marked."""
    payload: Payload | None
    """What the mark says; None when it cannot be read without doubt."""
    spans_s: tuple[tuple[float, float], ...]
    """The parts in which it is, looked at in steps of five seconds."""

    @property
    def p_value(self) -> float:
        """Chance, at most, that an unmarked sound looks so."""
        return 10.0**self.log10_p


@dataclass(frozen=True, slots=True, eq=False)
class _Entry:
    start: int
    stop: int
    match: Match
    period: FloatArray
    log10_p: float
    speed: float = 1.0


def verify(samples: FloatArray, key: bytes, *, any_speed: bool = True) -> Verdict:
    """Look for the mark of ``key`` in a sound (N,) at 24 kHz.

    Where it is not found as it is, playing up to 1.2 % faster and slower is tried on the loudest ten
    seconds, unless ``any_speed`` is False; that takes a few seconds.

    Raises:
        WatermarkKeyError: when the key has a wrong length.
    """
    mark = spectrum_of(key)
    stages = 2 if any_speed else 1
    spans = [part for block in _blocks(len(samples)) for part in block]
    best = _Entry(0, 0, Match(0.0, 0, False), np.zeros(PERIOD, np.float32), 0.0)
    found: list[_Entry] = []
    loudest, loudness = (0, 0), 0.0
    for block in _blocks(len(samples)):
        start, stop = block[0]
        sound = weighted(samples[start:stop])
        energy = float(np.sum(np.square(samples[start:stop])))
        loudest, loudness = max(((start, stop), energy), (loudest, loudness), key=lambda b: b[1])
        for part in block:
            period = folded(sound[part[0] - start : part[1] - start])
            match = compare(period, mark)
            entry = _Entry(*part, match, period, _log10_p(match, stages * len(spans) * TESTS))
            best = min(best, entry, key=_order)
            found += [entry] if entry.log10_p < math.log10(SURE) else []
    if any_speed and not found and loudness > 0:
        entry = _at_other_speeds(samples, loudest, mark, stages)
        best = min(best, entry, key=_order)
        found = [entry] if entry.log10_p < math.log10(SURE) else []
    payload = read(best.period, key, best.match) if found else None
    return Verdict(bool(found), best.log10_p, best.match.score, best.speed, payload, _merged(found))


def _blocks(length: int) -> Iterator[list[tuple[int, int]]]:
    """Spans of ten seconds, every five, each followed by its halves where it is long enough."""
    for start in range(0, max(1, length - _SPAN // 2), _SPAN // 2):
        stop = min(length, start + _SPAN)
        if stop - start < _SHORTEST:
            return
        middle = (start + stop) // 2
        halves = [(start, middle), (middle, stop)] if stop - start > _SPAN // 2 else []
        yield [(start, stop), *halves]


def _at_other_speeds(
    samples: FloatArray, span: tuple[int, int], mark: Spectrum, stages: int
) -> _Entry:
    sound = weighted(samples[span[0] : span[1]])
    double, tests = doubled(sound), stages * SPEEDS * TESTS
    entries = [_Entry(*span, Match(0.0, 0, False), np.zeros(PERIOD, np.float32), 0.0)]
    for speed in likely_speeds(sound, mark):
        period = folded(at_speed(double, speed))
        match = compare(period, mark)
        entries.append(_Entry(*span, match, period, _log10_p(match, tests), speed))
    return min(entries, key=_order)


def _order(entry: _Entry) -> tuple[float, float]:
    return entry.log10_p, -entry.match.score


def _log10_p(match: Match, tests: int) -> float:
    return min(0.0, math.log10(tests) - match.score**2 / 2 / math.log(10))


def _merged(found: list[_Entry]) -> tuple[tuple[float, float], ...]:
    merged: list[tuple[float, float]] = []
    for entry in sorted(found, key=lambda one: one.start):
        start_s, stop_s = entry.start / RATE_HZ, entry.stop / RATE_HZ
        if merged and start_s <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], stop_s))
        else:
            merged.append((start_s, stop_s))
    return tuple(merged)
