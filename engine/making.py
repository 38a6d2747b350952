"""The frames of a line: made a chunk at a time, handed out one by one.

What was made but not handed out when the line is left never was: cache, noise and sound go back to
the frame that was handed out last, as if no more had ever been asked for. So whoever takes the frames
cannot tell the size of the chunks, except by how long they take.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np

from engine.candidates import Replay
from engine.csm.prompt import FrameBudget
from engine.runtime.decoder import Decoder
from engine.sounding import Sounding
from engine.types import CodeArray, FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class _Made:
    """A frame: codes (K,), sound (N,), and the state of the noise after it was drawn."""

    codes: CodeArray
    samples: FloatArray
    noise: bytes


class Making:
    """One line in the making, begun at the decoder's present place.

    Args:
        decoder: whose cache the frames go into; the line's text was read.
        source: where they are drawn: the decoder, or a reading made before.
        sound: decodes them.
        budget: how many the line may have.
        said: how many of them were read with the text.
    """

    def __init__(
        self,
        decoder: Decoder,
        source: Decoder | Replay,
        sound: Sounding,
        budget: FrameBudget,
        said: int,
    ) -> None:
        self._decoder, self._source, self._sound = decoder, source, sound
        self._budget, self._said = budget, said
        self._start = decoder.length
        self._noise = decoder.noise  # after the frame handed out last
        self._waiting = deque[_Made]()
        self._drawn = self._handed = 0
        self._over = False  # the end was drawn
        self._ended = False  # and told

    def next(self) -> tuple[CodeArray, FloatArray] | None:
        """The next frame, codes (K,) and sound (N,); None at the end. Not beyond the budget."""
        if not self._waiting and not self._over:
            self._make()
        if not self._waiting:
            self._ended = True
            return None
        frame = self._waiting.popleft()
        self._handed += 1
        self._noise = frame.noise
        return frame.codes, frame.samples

    def leave(self) -> bool:
        """End here: nothing but what was handed out was ever made.

        Returns:
            Whether the last of it is drawn only, and still has to be read into the cache.
        """
        if self._ended:
            return False
        # To before the last frame, not after it: it is read with the end then, as it always is.
        end = self._start + max(0, self._handed - 1)
        if self._drawn > self._handed or self._decoder.length > end:
            self._decoder.rollback(end)
            self._decoder.noise = self._noise
            self._sound.take_back(len(self._waiting))
        return self._handed > 0

    def _make(self) -> None:
        """A chunk: draw its frames one after the other, decode them together."""
        pace, drawn = self._sound.pace, list[tuple[CodeArray, bytes]]()
        most = min(pace.start(), self._budget.most - self._said - self._drawn)
        while len(drawn) < most:
            if self._drawn:
                self._source.feed()
            least = self._budget.least - self._said - self._drawn
            frame, self._over = self._source.draw(at_least=least)
            if self._over:
                break
            self._drawn += 1
            drawn.append((frame, self._decoder.noise))
        if drawn:
            sound = self._sound.decode(np.stack([codes for codes, _ in drawn]))
            parts = sound.reshape(len(drawn), -1)
            self._waiting.extend(
                _Made(codes, samples, noise)
                for (codes, noise), samples in zip(drawn, parts, strict=True)
            )
        pace.done(len(drawn))
