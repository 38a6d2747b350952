"""Encodes what the user says while it is being said, so that nothing waits for it at the end.

The codec works on a fixed grid of blocks from the beginning of the sound. So the codes are the same to
the last bit, whenever and in however many pieces the sound came.
"""

from __future__ import annotations

import numpy as np

from engine.mimi.codec import MimiCodec
from engine.types import CodeArray, FloatArray

BLOCK_FRAMES = 4
"""Frames that are encoded at once: 0.32 s."""


class Listener:
    """One line of somebody else, on its way in."""

    def __init__(self, codec: MimiCodec) -> None:
        self._stream = codec.stream()
        self._frame = codec.config.frame_samples
        self.forget()

    def forget(self) -> None:
        """What was heard so far is not the beginning of anything."""
        self._stream.reset()
        self._codes: list[CodeArray] = []
        self._sound = np.zeros(0, np.float32)  # as far as it is encoded

    def hear(self, sound: FloatArray) -> None:
        """Encode the whole blocks of ``sound`` (N,), which is all there is so far.

        It goes on from what came before, or begins anew where it is another.
        """
        done = len(self._sound)
        if not np.array_equal(sound[:done], self._sound):
            self.forget()
            done = 0
        block = BLOCK_FRAMES * self._frame
        whole = len(sound) // block * block
        for first in range(done, whole, block):
            self._codes.append(self._stream.encode(sound[first : first + block]))
        if whole > done:
            self._sound = np.array(sound[:whole], np.float32)

    def finish(self, sound: FloatArray) -> CodeArray:
        """Codes (T, K) of the whole line, its last frame filled up with silence.

        Should it not be the whole after all, what comes then still goes on from the last block.
        """
        self.hear(sound)
        rest = sound[len(self._sound) :]
        frames = -(-len(rest) // self._frame)
        padded = np.zeros(frames * self._frame, np.float32)
        padded[: len(rest)] = rest
        place = self._stream.save()
        codes = np.concatenate((*self._codes, self._stream.encode(padded)))
        self._stream.restore(place)
        return codes
