"""The fused kernels, in Triton's interpreter where it is installed; what happens where it is not."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from engine.config import CSM_1B, CSM_NANO, tiny
from engine.runtime.kernels import fused_kernels, trial
from tests.engine.runtime.plain_kernels import Plain

CPU = torch.device("cpu")
ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("config", [CSM_1B.depth, CSM_NANO.depth], ids=["csm-1b", "csm-nano"])
def test_the_trial_accepts_what_is_right(config) -> None:
    torch.set_num_threads(1)
    assert trial(Plain(), config, CPU, torch.bfloat16)


@pytest.mark.parametrize("wrong", ["cache", "attention", "silu", "int8"])
def test_the_trial_finds_what_is_wrong(wrong: str) -> None:
    torch.set_num_threads(1)
    assert not trial(Plain(wrong), CSM_NANO.depth, CPU, torch.float32)


def test_there_are_none_on_a_cpu() -> None:
    assert fused_kernels(tiny().depth, CPU, torch.float32) is None


def test_what_fails_in_triton_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        def __getattr__(self, name: str) -> Any:
            raise RuntimeError("Failed to find C compiler")

    monkeypatch.setitem(sys.modules, "engine.runtime.triton_kernels", Broken())
    monkeypatch.setattr("engine.runtime.triton_kernels", Broken(), raising=False)
    assert fused_kernels(tiny().depth, torch.device("cuda"), torch.float32) is None


@pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="needs triton")
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_triton_computes_what_pytorch_does(dtype: str) -> None:
    """In a process of its own: the interpreter must be chosen before Triton is imported."""
    code = (
        "import torch; torch.set_num_threads(1)\n"
        "from engine.config import CSM_NANO, tiny\n"
        "from engine.runtime import kernels, triton_kernels\n"
        "for config in (CSM_NANO.depth, tiny().depth):\n"
        f"    assert kernels.trial(triton_kernels, config, torch.device('cpu'), torch.{dtype})\n"
    )
    environment = {**os.environ, "TRITON_INTERPRET": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
