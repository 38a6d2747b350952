"""Where a frame's time goes, by torch's own profiler."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch.autograd import DeviceType

MOST = 14


@dataclass(frozen=True, slots=True)
class Part:
    """One operation (``other``: all that are not listed): its own time and calls in a frame."""

    name: str
    ms: float
    calls: float
    share: float


def profiled(frame: Callable[[], object], frames: int, device: torch.device) -> list[Part]:
    """Profile ``frames`` calls of ``frame``; the largest parts first.

    On a card it is the card's time per kernel, on a CPU the time of each operation without those
    within it. What is not torch's (Python, native code) is only in the time of the whole frame.
    """
    from torch.profiler import ProfilerActivity, profile

    card = device.type == "cuda"
    activities = [ProfilerActivity.CPU] + ([ProfilerActivity.CUDA] if card else [])
    with profile(activities=activities) as found:
        for _ in range(frames):
            frame()
        if card:
            torch.cuda.synchronize(device)
    return largest(own_times(list(found.key_averages()), frames, card=card))


def own_times(events: list[Any], frames: int, *, card: bool) -> list[tuple[str, float, float]]:
    """(name, ms, calls) of one frame for each of torch's averaged events that took time.

    On a card those of kernels alone: the operations that started them have the same time once more.
    """
    if card:
        events = [
            e for e in events if e.device_type == DeviceType.CUDA and not e.is_user_annotation
        ]
    field = "self_device_time_total" if card else "self_cpu_time_total"
    timed = [(str(e.key), getattr(e, field) / 1000 / frames, e.count / frames) for e in events]
    return [entry for entry in timed if entry[1] > 0]


def largest(timed: list[tuple[str, float, float]], most: int = MOST) -> list[Part]:
    """The ``most`` largest of (name, ms, calls), and the others as one."""
    timed = sorted(timed, key=lambda entry: -entry[1])
    total = sum(ms for _, ms, _ in timed) or 1.0
    parts = [Part(name, ms, calls, ms / total) for name, ms, calls in timed[:most]]
    rest = timed[most:]
    if rest:
        ms = sum(entry[1] for entry in rest)
        parts.append(Part("other", ms, sum(entry[2] for entry in rest), ms / total))
    return parts
