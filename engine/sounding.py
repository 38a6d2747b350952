"""The sound of a turn: one stream of the codec from its first line to its last, so that they join."""

from __future__ import annotations

from collections.abc import Sequence

from engine.csm.prompt import Prepared
from engine.mimi.codec import MimiCodec
from engine.types import CodeArray, FloatArray


class Sounding:
    """The stream, and whether it still has to be led through what the turn has spoken."""

    def __init__(self, codec: MimiCodec) -> None:
        self._stream = codec.stream()
        self.behind = False
        """Set when the turn is another than the one that was decoded."""

    def begin(self) -> None:
        """A new turn draws a new breath."""
        self._stream.reset()
        self.behind = False

    def catch_up(self, spoken: Sequence[Prepared]) -> None:
        """Go through what this turn has spoken, when it was set back."""
        if self.behind:
            self.begin()
            for line in spoken:
                self._stream.decode(line.codes)

    def decode(self, codes: CodeArray) -> FloatArray:
        """Sound (N,) of the next codes (T, K)."""
        return self._stream.decode(codes)
