"""The fused kernels: their trial, their numbers in Triton's interpreter, their machine code."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from engine.config import tiny
from engine.runtime.kernel_trial import trial
from engine.runtime.kernels import fused_kernels
from engine.runtime.precision import Precision
from tests.engine.runtime.plain_kernels import CPU, WAYS_TO_BE_WRONG, Wrong

ROOT = Path(__file__).resolve().parents[3]
NEEDS_TRITON = pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="needs triton")


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("precision", [None, Precision.INT8, Precision.INT4])
def test_the_trial_accepts_what_is_right(dtype: torch.dtype, precision: Precision | None) -> None:
    assert trial(Wrong(tiny(), "", dtype), tiny(), CPU, dtype, precision, rows=2)


@pytest.mark.parametrize("wrong", WAYS_TO_BE_WRONG)
def test_the_trial_finds_what_is_wrong(wrong: str) -> None:
    assert not trial(Wrong(tiny(), wrong), tiny(), CPU, torch.float32, rows=2)


def test_there_are_none_on_a_cpu() -> None:
    assert fused_kernels(tiny(), CPU, torch.float32) is None


def test_what_fails_in_triton_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        def __getattr__(self, name: str) -> Any:
            raise RuntimeError("Failed to find C compiler")

    monkeypatch.setitem(sys.modules, "engine.runtime.triton_kernels", Broken())
    assert fused_kernels(tiny(), torch.device("cuda"), torch.float32) is None


@NEEDS_TRITON
@pytest.mark.parametrize("cases", ["trial", "sizes", "draws", "frames"])
def test_triton_computes_what_pytorch_does(cases: str) -> None:
    _run("tests.engine.runtime.interpreted", cases, TRITON_INTERPRET="1")


@NEEDS_TRITON
def test_machine_code_for_a_card_that_is_not_there() -> None:
    """Nothing spills, weights are read 16 bytes at a time and all asked for at once."""
    _run("tests.engine.runtime.compiled", "--check")


def _run(module: str, *arguments: str, **environment: str) -> None:
    """In a process of its own: Triton is told before it is imported what to do."""
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
