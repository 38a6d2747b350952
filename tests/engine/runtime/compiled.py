# pyright: reportMissingImports=false
# ruff: noqa: T201  (a table is printed)
"""Compile a frame's fused kernels for a card that is not there, and look at what came out.

A whole frame runs on tensors without memory, and every launch of a kernel is a compilation to machine
code instead, by Triton's own assembler: so these are the very variants that a card would run, and their
launches are counted. Run it in a process of its own:

    python -m tests.engine.runtime.compiled --model csm-1b --precision bf16 int8 int4 --arch 90
"""

from __future__ import annotations

import argparse
import re
import subprocess
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
import triton
from triton.backends import nvidia
from triton.backends.compiler import GPUTarget
from triton.runtime import driver
from triton.runtime.jit import JITFunction

from engine.config import CsmConfig, preset
from engine.csm.model import CsmModel
from engine.runtime.fused import STORED, fuse, stored_matrices
from engine.runtime.precision import Precision
from engine.runtime.static import StaticFrame
from engine.runtime.triton_kernels import TritonKernels
from engine.runtime.triton_launch import Card
from tests.engine.runtime.recorder import recorded

META = torch.device("meta")
PROCESSORS = {80: 108, 89: 128, 90: 132, 120: 170}
"""Of an A100, a 4090, an H200 and a 5090."""

MOST_KERNELS = 800
"""Of a frame of csm-1b; in plain PyTorch there are 2300."""

_WEIGHTS = r"ld\.global(?:\.cg|\.L1::evict_first)[\w.:]*?(v4\.b32|v2\.b32|b\d+)"
_ASKED = r"LDG\.E\.[\w.]*(?:EF|STRONG)"
"""How loads of weights look in Triton's assembly, and in that of the card."""

_TOOLS = Path(nvidia.__file__).parent / "bin"


class NoCard:
    """As much of a driver as a compilation asks for."""

    def __init__(self, arch: int) -> None:
        self._target = GPUTarget("cuda", arch, 32)

    def get_current_target(self) -> GPUTarget:
        return self._target

    def get_current_device(self) -> int:
        return 0

    def get_current_stream(self, device: int) -> int:
        return device


@dataclass(frozen=True)
class Compiled:
    """One variant of a kernel, and what its machine code takes."""

    name: str
    sizes: str
    warps: int
    registers: int
    spilled: int
    shared: int
    wide: int
    narrow: int
    late: int
    hasty: int
    seconds: float

    @classmethod
    def of(cls, name: str, kernel: Any, sizes: str, seconds: float) -> Compiled:
        code, text = kernel.asm["cubin"], kernel.asm["ptx"]
        with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
            file.write(code)
            file.flush()
            usage = _tool("cuobjdump", "-res-usage", file.name)
            machine = _tool("nvdisasm", "-c", file.name)
        found = re.search(r"REG:(\d+) STACK:(\d+) SHARED:(\d+) LOCAL:(\d+)", usage)
        assert found, usage
        registers, stack, _, local = map(int, found.groups())
        weights = re.findall(_WEIGHTS, text)
        loads = Counter(weights)
        before, _, after = machine.partition("BAR.SYNC")
        assert not weights or re.search(_ASKED, before), "the weights are not asked for first"
        waiting = machine.partition("ACQBULK")
        # Products may read what belongs to the model before that, the others nothing.
        hasty = "STG" if name.endswith("_rows") else "LDG|STG"
        early = re.findall(hasty, waiting[0]) if waiting[1] else []
        return cls(
            name=name,
            sizes=sizes,
            warps=kernel.metadata.num_warps,
            registers=registers,
            spilled=stack + local,
            shared=kernel.metadata.shared,
            wide=loads["v4.b32"],
            narrow=len(weights) - loads["v4.b32"],
            late=len(re.findall(_ASKED, after)),
            hasty=len(early),
            seconds=seconds,
        )


def frame_without_memory(
    config: CsmConfig, precision: Precision, rows: int, card: Card
) -> StaticFrame:
    """A frame of fused kernels on ``META``."""
    with META:
        model = CsmModel(config).eval().to(precision.dtype)
    model.precision = precision
    kernels = TritonKernels(config, META, card)
    model.derived[STORED] = stored_matrices(model, precision)
    return StaticFrame(fuse(model, kernels), kernels, rows)


class Launches:
    """Within it, launches are compilations, kept and counted."""

    def __init__(self, arch: int) -> None:
        self._arch = arch
        self.count: Counter[str] = Counter()
        self.compiled: dict[Any, Compiled] = {}

    def __enter__(self) -> Launches:
        self._run: Any = JITFunction.run
        self._driver: Any = driver._active
        driver.set_active(NoCard(self._arch))  # type: ignore[arg-type]
        run = self._run

        def compile_only(function: Any, *args: Any, grid: Any, warmup: bool, **kwargs: Any) -> Any:
            del warmup
            name = function.fn.__name__
            self.count[name] += 1
            began = time.perf_counter()
            kernel = run(function, *args, grid=grid, warmup=True, **kwargs)
            took = time.perf_counter() - began
            if kernel.hash not in self.compiled:
                wanted = ("N", "M", "T", "ROWS", "MODE", "NORM", "FIRST", "FINAL", "LAST", "KEYS")
                given = dict(zip(function.arg_names, args, strict=False)) | kwargs
                sizes = " ".join(f"{key}={int(given[key])}" for key in wanted if key in given)
                self.compiled[kernel.hash] = Compiled.of(name, kernel, sizes, took)
            return kernel

        JITFunction.run = compile_only  # type: ignore[method-assign]
        return self

    def __exit__(self, *_: object) -> None:
        JITFunction.run = self._run  # type: ignore[method-assign]
        driver._active = self._driver


def small(config: CsmConfig) -> CsmConfig:
    """The same shapes with no layer twice: the same kernels, compiled sooner."""
    return replace(
        config,
        backbone=replace(config.backbone, layers=1),
        depth=replace(config.depth, layers=2),
    )


def main() -> None:
    """Compile, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="csm-1b")
    parser.add_argument("--precision", nargs="+", default=["bf16"])
    parser.add_argument("--rows", nargs="+", type=int, default=[1])
    parser.add_argument("--arch", nargs="+", type=int, default=[90])
    parser.add_argument("--overlaps", action="store_true", help="kernels begin before others end")
    parser.add_argument("--check", action="store_true", help="fail where anything is amiss")
    given = parser.parse_args()
    torch.set_num_threads(1)
    for arch in given.arch:
        for name in given.precision:
            for rows in given.rows:
                card = Card(PROCESSORS.get(arch, 64), given.overlaps)
                frame = frame_without_memory(preset(given.model), Precision(name), rows, card)
                with Launches(arch) as launches, torch.inference_mode():
                    others = Counter(recorded(lambda frame=frame: frame.frame(2048)))
                _print(f"{given.model} {name} sm_{arch} T={rows}", launches, others)
                if given.check:
                    check(launches, others)


def check(launches: Launches, others: Counter[str]) -> None:
    """What is known to cost: too many launches, spills, narrow loads, loads after a wait."""
    assert launches.count.total() + others.total() <= MOST_KERNELS, launches.count
    for one in launches.compiled.values():
        assert one.spilled == 0, one
        assert one.narrow == 0, one
        assert one.late == 0, one
        assert one.hasty == 0, one


def _print(title: str, launches: Launches, others: Counter[str]) -> None:
    every = list(launches.compiled.values())
    seconds = sum(one.seconds for one in every)
    print(f"\n{title}: {launches.count.total()} launches of {dict(launches.count)}")
    print(f"  of PyTorch: {others.total()} {dict(others)}")
    print(f"  {len(every)} variants, {seconds:.0f} s, Triton {triton.__version__}")
    print("  kernel       warps  regs spill shared  16-byte/other weight loads  late  s    sizes")
    for one in every:
        print(
            f"  {one.name:13s} {one.warps:3d} {one.registers:6d} {one.spilled:5d} {one.shared:6d}"
            f"  {one.wide:10d} / {one.narrow:<10d} {one.late:8d}  {one.seconds:4.1f}  {one.sizes}"
        )


def _tool(name: str, *arguments: str) -> str:
    done = subprocess.run(
        [str(_TOOLS / name), *arguments], capture_output=True, text=True, check=True
    )
    return done.stdout


if __name__ == "__main__":
    main()
