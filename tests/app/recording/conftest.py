"""A session to record: blocks that say which they are, and the records of a short conversation."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from app.recording.recorder import Disk, DiskRecorder, Queues
from app.recording.session import About
from app.recording.wav import IntArray
from tests.fakes.parts import VirtualClock

Make = Callable[..., DiskRecorder]
INLINE = Queues(threaded=False)


def feed(recorder: DiskRecorder, *indices: int) -> None:
    """Blocks whose samples are their index: raw as it is, cleaned half of it, played negative."""
    for index in indices:
        level = (index % 1000 + 1) / 2048
        near = np.full(480, level, np.float32)
        recorder.block(near, near * np.float32(0.5), -near, index)


def told_index(sound: IntArray) -> npt.NDArray[np.int64]:
    """Of (N * 480, 3) int16 sound: which index (mod 1000) each block of raw sound says, -1 silence.

    Also checks that every block is one whole and that the channels belong together.
    """
    blocks = sound.reshape(-1, 480, 3).astype(np.int64)
    assert (blocks == blocks[:, :1]).all(), "a block is torn"
    raw, clean, played = blocks[:, 0, 0], blocks[:, 0, 1], blocks[:, 0, 2]
    assert (abs(raw - 2 * clean) <= 2).all()
    assert (played == -raw).all()
    return np.rint(raw * 2048 / 32767).astype(np.int64) - 1


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(step_s=0.0)


@pytest.fixture
def told() -> list[str]:
    """The sentences that the user got."""
    return []


@pytest.fixture
def make(tmp_path: Path, clock: VirtualClock, told: list[str]) -> Iterator[Make]:
    """A recorder in tmp_path/sessions, writing in the caller's time unless told otherwise."""
    made: list[DiskRecorder] = []

    def go(
        about: About | None = None, disk: Disk | None = None, queues: Queues = INLINE, **more: Any
    ) -> DiskRecorder:
        root = more.pop("root", tmp_path / "sessions")
        recorder = DiskRecorder(
            root, about or About(), clock, told.append, disk=disk, queues=queues, **more
        )
        made.append(recorder)
        return recorder

    yield go
    for recorder in made:
        recorder.close()


def talk(event: Callable[[float, str, Mapping[str, Any]], None]) -> None:
    """Three turns: one heard to its end, one typed, one cut short."""
    event(0.5, "user_started", {"turn": 1, "start_s": 0.42})
    event(0.9, "partial", {"turn": 1, "text": "is it", "stable": "is", "until_s": 0.9})
    event(1.5, "score", {"turn": 1, "value": 0.7, "threshold": 0.6, "silence_s": 0.3})
    answer = {"turn": 1, "revision": 0, "start_s": 0.42, "end_s": 1.2, "text": ""}
    event(1.5, "answer", answer)
    event(1.6, "final", {"turn": 1, "revision": 0, "text": "is it raining"})
    event(1.7, "reply_text", {"turn": 1, "revision": 0, "text": "It is dry. "})
    event(1.7, "reply_text", {"turn": 1, "revision": 0, "text": "Take no umbrella."})
    event(1.8, "release", {"turn": 1, "revision": 0})
    event(1.8, "user_stopped", {"turn": 1, "last_s": 1.2})
    event(1.85, "first_sound", {"turn": 1, "revision": 0})
    event(3.85, "finish", {"turn": 1, "revision": 0})
    event(3.85, "turn", TURN_1)
    event(4.0, "typed", {"text": "and tomorrow?"})
    event(
        4.0, "answer", {**answer, "turn": 2, "start_s": 4.0, "end_s": 4.0, "text": "and tomorrow?"}
    )
    event(4.5, "first_sound", {"turn": 2, "revision": 0})
    event(5.5, "cut", {"turn": 2, "revision": 0})
    event(5.5, "turn", TURN_2)
    event(6.0, "user_started", {"turn": 3, "start_s": 5.9})
    event(7.0, "final", {"turn": 3, "revision": 0, "text": "thank you"})


TURN_1 = {
    **{"turn": 1, "user_text": "is it raining", "cut": False, "heard_s": 2.0},
    **{"reply_text": "It is dry. Take no umbrella."},
    **{"heard_text": "It is dry. Take no umbrella."},
    "timings_ms": {"release": 600.0, "asr": 100.0, "reply": 650.0},
}
TURN_2 = {
    **{"turn": 2, "user_text": "and tomorrow?", "cut": True, "heard_s": 1.0},
    **{"reply_text": "Tomorrow it will pour all day.", "heard_text": "Tomorrow it will"},
    "timings_ms": {"release": 0.0, "reply": 500.0},
}
