"""Gains that move in straight lines, for fades and ducking in a device's callback."""

from __future__ import annotations

import numpy as np

from app.core.types import FloatArray


class Ramp:
    """A factor on its way from one value to another, one small step per sample.

    All memory is taken when it is made: ``apply`` only computes into it.
    """

    def __init__(self, value: float, longest: int) -> None:
        self._value = value
        self._target = value
        self._step = 0.0
        self._left = 0
        self._count: FloatArray = np.arange(1, longest + 1, dtype=np.float32)
        self._factors: FloatArray = np.empty(longest, np.float32)

    @property
    def value(self) -> float:
        """The factor after the last sample."""
        return self._value

    @property
    def target(self) -> float:
        """Where it is going, or rests."""
        return self._target

    @property
    def left(self) -> int:
        """Samples until it rests."""
        return self._left

    def to(self, target: float, samples: int) -> None:
        """Be at ``target`` after as many samples; at once for none."""
        self._target = target
        self._left = max(0, samples)
        if self._left:
            self._step = (target - self._value) / self._left
        else:
            self._value = target

    def apply(self, sound: FloatArray) -> None:
        """Multiply (N,) in place and move on by N; N is at most ``longest``."""
        moving = min(self._left, len(sound))
        if moving:
            factors = self._factors[:moving]
            np.multiply(self._count[:moving], self._step, out=factors)
            np.add(factors, self._value, out=factors)
            head = sound[:moving]
            np.multiply(head, factors, out=head)
            self._left -= moving
            self._value = self._value + self._step * moving if self._left else self._target
        if moving < len(sound) and self._value != 1.0:
            rest = sound[moving:]
            np.multiply(rest, self._value, out=rest)


class Edge:
    """Softens a sound that breaks off and comes back: a sudden step would click.

    Of ``samples`` 0 it does nothing.
    """

    def __init__(self, samples: int) -> None:
        self._curve: FloatArray = np.linspace(0.0, 1.0, samples, endpoint=False, dtype=np.float32)
        self._rise = self._fall = samples
        self._level = 0.0

    def broke_off(self, level: float) -> None:
        """The last sample was ``level``; what follows dies away from it."""
        self._fall, self._level = 0, level

    def comes_back(self, softly: bool) -> None:
        """There is sound again; ``softly`` if it begins in the middle."""
        self._rise = 0 if softly else len(self._curve)

    def into(self, sound: FloatArray) -> None:
        """Let (N,) rise, in place, if it has just come back."""
        count = min(len(self._curve) - self._rise, len(sound))
        if count > 0:
            head = sound[:count]
            np.multiply(head, self._curve[self._rise : self._rise + count], out=head)
            self._rise += count

    def out_of(self, silence: FloatArray) -> None:
        """Let the last sample die away into (N,) of silence, in place."""
        left = len(self._curve) - self._fall
        count = min(left, len(silence))
        if count > 0:
            np.multiply(self._curve[left - count : left][::-1], self._level, out=silence[:count])
            self._fall += count
