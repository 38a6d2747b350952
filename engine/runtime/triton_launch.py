# pyright: reportMissingImports=false, reportUntypedFunctionDecorator=false
# pyright: reportMissingParameterType=false, reportIndexIssue=false
# ruff: noqa: ANN201  (Triton reads annotations and knows only its own)
"""How one kernel follows another on a card: after it, or into its end.

A frame's kernels last a few microseconds, and of each the first is lost while nothing is read: the last
one's programs end, the next one's begin. From compute capability 9.0 on, a kernel may be started while
the one before still runs; it must then wait by itself before it touches what that one writes. Weights
are written by nobody, so they are asked for before the wait, and memory is never idle.

A kernel that was started so lets the next one start once all of its programs run, and ends only after its
own wait. So whoever waits for the kernel before him waits for all kernels before that.
"""

from __future__ import annotations

from dataclasses import dataclass

import triton
import triton.language as tl
from triton.language.extra.cuda import gdc_launch_dependents, gdc_wait

_OVERLAPPING = (9, 0)


@dataclass(frozen=True, slots=True)
class Card:
    """What the kernels want to know of where they run.

    Attributes:
        processors: its multiprocessors.
        overlaps: whether a kernel is started before the one before it has ended.
    """

    processors: int
    overlaps: bool = False

    def options(self) -> dict[str, bool]:
        """For every launch."""
        return {"AHEAD": True, "launch_pdl": True} if self.overlaps else {"AHEAD": False}


def may_overlap(capability: tuple[int, int]) -> bool:
    """Whether a card of this compute capability can."""
    return capability >= _OVERLAPPING


@triton.jit
def follow(AHEAD: tl.constexpr):
    """Wait for what the kernels before write; called before anything of theirs is touched."""
    if AHEAD:
        gdc_launch_dependents()
        gdc_wait()
