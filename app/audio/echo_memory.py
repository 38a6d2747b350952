"""A canceller that knows the rooms of earlier sessions, and greets where it knows nothing."""

from __future__ import annotations

from collections.abc import Callable

from app.audio.echo import WebRtcEcho
from app.audio.echo_state import EchoState, EchoStore, Pair
from app.core.types import FloatArray


class RememberingEcho:
    """The ``EchoCanceller`` for loudspeakers with a memory for each pair of devices."""

    def __init__(
        self,
        echo: WebRtcEcho,
        store: EchoStore,
        pair: Callable[[], Pair],
        greet: Callable[[], None] = lambda: None,
    ) -> None:
        """``pair`` tells the devices in use ('' for none); ``greet`` plays something to learn by.

        Both are called on the thread of ``process``, ``greet`` once for each pair that is not known.
        """
        self._echo, self._store = echo, store
        self._pair, self._greet = pair, greet
        self._now: Pair = ("", "")
        self._known: dict[Pair, EchoState | None] = {}

    def process(self, near: FloatArray, far: FloatArray) -> FloatArray:
        """10 ms of each at 48 kHz (480,); the cleaned microphone (480,)."""
        pair = self._pair()
        if pair != self._now:
            if all(self._now):  # exchanged so quickly that nobody told
                self.reset()
            self._begin(pair)
        return self._echo.process(near, far)

    def _begin(self, pair: Pair) -> None:
        """Other devices than before; what is learnt begins when both are there."""
        self._now = pair
        if not all(pair):
            return
        if pair not in self._known:
            self._known[pair] = self._store.load(pair)
            if self._known[pair] is None:
                self._greet()
        state = self._known[pair]
        if state is not None:
            self._echo.recall(state)

    def remember(self) -> None:
        """Keep what was learnt with these devices, also for later sessions."""
        state = self._echo.state()
        if state is None or not all(self._now):
            return
        before = self._known.get(self._now)
        if state.room is None and before is not None:
            return
        self._known[self._now] = state
        self._store.save(self._now, state)

    def explained(self) -> float:
        """How much of the last 450 ms of the microphone the loudspeaker explains, 0 to 1."""
        return self._echo.explained()

    @property
    def unexplained_db(self) -> float:
        """How much the last block stands out of what is usually left of the echo."""
        return self._echo.unexplained_db

    @property
    def erle_db(self) -> float | None:
        """Echo taken away over the last seconds of playback; None before any."""
        return self._echo.erle_db

    @property
    def settled(self) -> bool:
        """Whether it takes enough away to trust what is left."""
        return self._echo.settled

    def reset(self) -> None:
        """A gap or a change of device: begin with what is known of the devices that are there then."""
        self.remember()
        self._echo.reset()
        self._now = ("", "")
