"""The sound of a turn: one stream of the codec from its first line to its last, so that they join."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from engine.csm.prompt import Prepared
from engine.mimi.codec import MimiCodec, StreamState
from engine.pace import Pace
from engine.types import CodeArray, FloatArray


class Sounding:
    """The stream, its pace, and whether it still has to be led through what the turn has spoken."""

    def __init__(self, codec: MimiCodec) -> None:
        self._stream = codec.stream()
        self._frame_samples = codec.config.frame_samples
        self._none = np.zeros((0, codec.config.codebooks), np.int64)
        self.pace = Pace(1 / codec.config.frame_rate_hz)
        self.behind = False
        """Set when the turn is another than the one that was decoded."""
        self._owed = self._none  # spoken, but the stream was taken back to before it
        self._chunk: tuple[StreamState, CodeArray] | None = None  # decoded last, and from where

    def begin(self) -> None:
        """A new turn draws a new breath."""
        self._stream.reset()
        self.pace.begin()
        self.behind = False
        self._owed, self._chunk = self._none, None

    def catch_up(self, spoken: Sequence[Prepared]) -> None:
        """Go through what this turn has spoken, when it was set back."""
        if self.behind:
            self.begin()
            for line in spoken:
                self.decode(line.codes)

    def decode(self, codes: CodeArray) -> FloatArray:
        """Sound (N,) of the next codes (T, K)."""
        owed, whole = len(self._owed), np.concatenate((self._owed, codes))
        self._chunk = (self._stream.save(), whole) if len(codes) > 1 else None
        self._owed = self._none
        try:
            return self._stream.decode(whole)[owed * self._frame_samples :]
        except BaseException:
            self.behind = True  # somewhere in the middle
            raise

    def take_back(self, frames: int) -> None:
        """The last ``frames`` of the codes decoded last are not spoken after all."""
        if not frames:
            return
        if self._chunk is None:
            self.behind = True
            return
        state, codes = self._chunk
        self._stream.restore(state)
        self._owed, self._chunk = codes[: len(codes) - frames], None
