"""Bandwidth of memory, and how much of it is used."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch

from engine.bench.rows import Bandwidth

CPU_BYTES = 1 << 28  # larger than any processor's cache
CARD_BYTES = 1 << 30


def measure_bandwidth(device: torch.device, size: int | None = None) -> Bandwidth:
    """What a plain copy reads and writes a second, and what a plain sum reads; best of five."""
    card = device.type == "cuda"
    size = size or (CARD_BYTES if card else CPU_BYTES)
    repeats = 10 if card else 1  # so that the start of a kernel counts for nothing
    source = torch.ones(size // 4, dtype=torch.float32, device=device)
    target = torch.empty_like(source)

    def rate(work: Callable[[], object], moved: int) -> float:
        best = float("inf")
        for _ in range(5):
            finish(device)
            started = time.perf_counter()
            for _ in range(repeats):
                work()
            finish(device)
            best = min(best, time.perf_counter() - started)
        return moved * repeats / best

    found = Bandwidth(rate(lambda: target.copy_(source), 2 * size), rate(source.sum, size))
    if card:
        del source, target
        torch.cuda.empty_cache()  # other processes need it now
    return found


def finish(device: torch.device) -> None:
    """Wait until the card has done everything."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def peak_memory(device: torch.device) -> float | None:
    """Most bytes so far: of the card, or of this process; None where it is not told.

    The card's figure has what the allocator keeps, graphs included, and not the driver's own.
    """
    if device.type == "cuda":
        return float(torch.cuda.max_memory_reserved(device))
    status = Path("/proc/self/status")
    if status.is_file():  # ru_maxrss would have the parent's memory in it
        fields = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return float(fields["VmHWM"].split()[0]) * 1024
    if sys.platform == "win32":
        return None
    import resource

    return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


def free_memory(device: torch.device) -> float | None:
    """Bytes that are free for new work; None where it is not told."""
    if device.type == "cuda":
        return float(torch.cuda.mem_get_info(device)[0])
    if os.path.isfile("/proc/meminfo"):
        fields = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
        return float(fields["MemAvailable"].split()[0]) * 1024
    return None
