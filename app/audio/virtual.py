"""A sound device without hardware, on a clock that goes on only when asked, or in real time.

One step is 10 ms: the player is rendered by the code that a sound card's callback runs, its sound
leaves the loudspeaker after the output latency, and the microphone hears the user, background noise
and, through a ``Room``, the loudspeaker. Devices fail when the script says so. Everything is exact
to the sample and the same on every run.

Times are seconds on the session's clock, the count of blocks. What sounds at the microphone at ``t``
is delivered in the block that covers ``t`` + input latency; what is rendered in a block at ``t`` leaves
the loudspeaker at ``t`` + output latency.
"""

from __future__ import annotations

import bisect
import threading
from collections import deque
from collections.abc import Callable
from time import monotonic

import numpy as np

from app.audio.noise import NoiseKind, noise_loop
from app.audio.player import RingPlayer
from app.audio.room import EchoPath, Room
from app.core.live_ports import BLOCK_S, BLOCK_SAMPLES, SESSION_RATE_HZ, DuplexBlock
from app.core.types import FloatArray

OUTPUT_LATENCY_S = 0.03
INPUT_LATENCY_S = 0.02
# A thread that falls behind real time by more than this does not hurry to catch up.
_LATE_S = 0.2


class VirtualDevice:
    """``SteppedDevice`` by ``step``, ``SoundDevice`` by ``start`` and ``stop``; not both at a time.

    ``say``, ``noise``, ``xrun`` and ``unplug`` may be called at any time from any thread.
    """

    def __init__(
        self,
        *,
        room: Room | None = None,
        output_latency_s: float = OUTPUT_LATENCY_S,
        input_latency_s: float = INPUT_LATENCY_S,
        keep_s: float | None = None,
        microphone: bool = True,
        seed: int = 0,
    ) -> None:
        """No ``room``: headphones, which the microphone does not hear.

        ``keep_s`` limits how much of the past ``played`` and ``delivered`` remember (0 is nothing,
        None everything: 23 MB a minute). Without ``microphone``, blocks come with silence.
        """
        self._room = room
        self._output = round(output_latency_s * SESSION_RATE_HZ)
        self._input = round(input_latency_s * SESSION_RATE_HZ)
        self._echo = EchoPath(room, self._output + self._input) if room else None
        self._microphone = microphone
        self._seed = seed
        self._index = 0
        self._player = RingPlayer(SESSION_RATE_HZ, clock=lambda: self._index * BLOCK_S)
        self._player.latency_s = self._output / SESSION_RATE_HZ
        self._xruns = 0
        self._sounds: list[_Sound] = []
        self._noise: FloatArray | None = None
        self._lost_input: set[int] = set()
        self._gaps: list[tuple[int, int]] = []
        kept = None if keep_s is None else round(keep_s * SESSION_RATE_HZ)
        self._played, self._near = _Tape(kept), _Tape(kept)
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    # What happens in the room -----------------------------------------------------------------

    def say(
        self,
        sound: FloatArray | tuple[FloatArray, int],
        at_s: float | None = None,
        gain_db: float = 0.0,
    ) -> float:
        """Let ``sound`` (48 kHz, or with its rate) be heard at the microphone from ``at_s`` on.

        Mixes with whatever else sounds; None is now. Returns when it ends.
        """
        samples, rate = sound if isinstance(sound, tuple) else (sound, SESSION_RATE_HZ)
        if rate != SESSION_RATE_HZ:
            import soxr

            samples = soxr.resample(samples, rate, SESSION_RATE_HZ)
        samples = np.asarray(samples, np.float32) * np.float32(10 ** (gain_db / 20))
        with self._lock:
            start = self._now if at_s is None else round(at_s * SESSION_RATE_HZ)
            bisect.insort(self._sounds, _Sound(start, samples), key=lambda each: each.start)
        return (start + len(samples)) / SESSION_RATE_HZ

    def noise(self, kind: NoiseKind | None, db: float = -60.0) -> None:
        """From now on, background noise with an RMS of ``db`` dBFS; None for none."""
        loop = None
        if kind is not None:
            loop = noise_loop(kind, self._seed) * np.float32(10 ** (db / 20))
        with self._lock:
            self._noise = loop

    def xrun(self, at_s: float, blocks: int = 1) -> None:
        """Lose the microphone's sound of ``blocks`` blocks from ``at_s`` on: they are silent."""
        first = round(at_s / BLOCK_S)
        with self._lock:
            self._lost_input.update(range(first, first + blocks))

    def unplug(self, at_s: float, for_s: float) -> None:
        """Take the device away at ``at_s`` for ``for_s``; the computer going to sleep looks the same.

        No block comes meanwhile; the next one tells the gap. What was on its way to the loudspeaker
        still leaves it, then the player stands still; what sounds in the room is not heard.
        """
        with self._lock:
            bisect.insort(self._gaps, (round(at_s / BLOCK_S), max(1, round(for_s / BLOCK_S))))

    # The device ---------------------------------------------------------------------------------

    def step(self) -> DuplexBlock:
        """Let 10 ms pass."""
        with self._lock:
            return self._step()

    def start(self, on_block: Callable[[DuplexBlock], None]) -> None:
        """Step in real time on a thread of its own, each block handed to ``on_block``."""
        if self._thread is not None:
            raise RuntimeError("the virtual device was started already")
        self._ended.clear()
        self._thread = threading.Thread(
            target=self._run, args=(on_block,), name="virtual-sound", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """End what ``start`` began; may be started again. Not from within ``on_block``."""
        thread, self._thread = self._thread, None
        self._ended.set()
        if thread is not None:
            thread.join()

    @property
    def player(self) -> RingPlayer:
        """Its loudspeaker."""
        return self._player

    @property
    def now_s(self) -> float:
        """Time at the start of the next block."""
        return self._index * BLOCK_S

    @property
    def microphone(self) -> str:
        """Its name, '' without one."""
        return "virtual microphone" if self._microphone else ""

    @property
    def loudspeaker(self) -> str:
        """Its name."""
        return "virtual loudspeaker" if self._room else "virtual headphones"

    @property
    def problem(self) -> str:
        """What is wrong and what to do; '' when all is well."""
        if self._microphone:
            return ""
        return "There is no microphone: plug one in to speak; until then, type."

    @property
    def xruns(self) -> int:
        """How many blocks of input were lost."""
        return self._xruns

    # What was heard -----------------------------------------------------------------------------

    def played(self, start_s: float = 0.0, end_s: float | None = None) -> FloatArray:
        """What left the loudspeaker from ``start_s`` on, at 48 kHz, silence where nothing is kept.

        To ``end_s``, or to now. Sample n left at ``start_s`` + n / 48000.
        """
        return self._taken(self._played, start_s, end_s)

    def delivered(self, start_s: float = 0.0, end_s: float | None = None) -> FloatArray:
        """What the microphone delivered, by the time of the blocks, likewise."""
        return self._taken(self._near, start_s, end_s)

    def _taken(self, tape: _Tape, start_s: float, end_s: float | None) -> FloatArray:
        with self._lock:
            end = self._now if end_s is None else round(end_s * SESSION_RATE_HZ)
            return tape.read(round(start_s * SESSION_RATE_HZ), end)

    @property
    def _now(self) -> int:
        return self._index * BLOCK_SAMPLES

    def _step(self) -> DuplexBlock:
        gap = self._pass_gaps()
        far = np.zeros(BLOCK_SAMPLES, np.float32)
        self._player.render(far)
        near = self._heard(far)
        self._played.put(self._now + self._output, far)
        self._near.put(self._now, near)
        block = DuplexBlock(near, far, self._index, gap)
        self._index += 1
        return block

    def _pass_gaps(self) -> int:
        """Go over the gaps that begin now; how many blocks they took."""
        before = self._index
        while self._gaps and self._gaps[0][0] <= self._index:
            first, blocks = self._gaps.pop(0)
            self._index = max(self._index, first + blocks)
        if self._index > before and self._echo:
            self._echo.reset()
        return self._index - before

    def _heard(self, far: FloatArray) -> FloatArray:
        """What the microphone delivers while ``far`` is rendered."""
        echo = self._echo.push(far) if self._echo else None
        if not self._microphone:
            return np.zeros(BLOCK_SAMPLES, np.float32)
        if self._index in self._lost_input:
            self._lost_input.remove(self._index)
            self._xruns += 1
            return np.zeros(BLOCK_SAMPLES, np.float32)
        near = np.zeros(BLOCK_SAMPLES, np.float32) if echo is None else echo.copy()
        start = self._now - self._input
        if self._noise is not None:
            # The loop is a whole number of blocks long, but the latency need not be.
            at = start % len(self._noise)
            piece = self._noise[at : at + BLOCK_SAMPLES]
            near[: len(piece)] += piece
            near[len(piece) :] += self._noise[: BLOCK_SAMPLES - len(piece)]
        self._mix_sounds(near, start)
        return np.clip(near, -1.0, 1.0, out=near)

    def _mix_sounds(self, near: FloatArray, start: int) -> None:
        """Add what is said from ``start`` on; forget what is over."""
        over = False
        for sound in self._sounds:
            first = sound.start - start
            if first >= BLOCK_SAMPLES:
                break
            last = first + len(sound.samples)
            if last <= 0:
                over = True
                continue
            here = slice(max(first, 0), min(last, BLOCK_SAMPLES))
            near[here] += sound.samples[here.start - first : here.stop - first]
        if over:
            self._sounds = [each for each in self._sounds if each.start + len(each.samples) > start]

    def _run(self, on_block: Callable[[DuplexBlock], None]) -> None:
        due = monotonic()
        while not self._ended.is_set():
            on_block(self.step())
            due = max(due + BLOCK_S, monotonic() - _LATE_S)
            self._ended.wait(max(0.0, due - monotonic()))


class _Sound:
    """Sound that begins at the microphone at sample ``start``."""

    __slots__ = ("samples", "start")

    def __init__(self, start: int, samples: FloatArray) -> None:
        self.start = start
        self.samples = samples


class _Tape:
    """Blocks with their places, the last ``kept`` samples of them (None: all)."""

    def __init__(self, kept: int | None) -> None:
        self._kept = kept
        self._blocks: deque[tuple[int, FloatArray]] = deque()

    def put(self, start: int, block: FloatArray) -> None:
        """Append (480,) that begins at sample ``start``."""
        if self._kept == 0:
            return
        self._blocks.append((start, block))
        if self._kept is not None:
            while self._blocks[0][0] < start - self._kept:
                self._blocks.popleft()

    def read(self, start: int, end: int) -> FloatArray:
        """Samples ``start`` to ``end``, zero where there is nothing."""
        out = np.zeros(max(0, end - start), np.float32)
        for first, block in self._blocks:
            if first + BLOCK_SAMPLES <= start:
                continue
            if first >= end:
                break
            low, high = max(first, start), min(first + BLOCK_SAMPLES, end)
            out[low - start : high - start] = block[low - first : high - first]
        return out
