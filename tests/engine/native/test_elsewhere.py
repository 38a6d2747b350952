"""The engine compiled for other machines, run in their emulators: the same logits, the same codes.

Each needs its cross compiler and its emulator, and is left out without them. On Debian those are
g++-aarch64-linux-gnu with qemu-user, and g++-mingw-w64-x86-64 with wine64.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from engine.native import build, compilers, library
from engine.types import CodeArray, FloatArray
from tests.engine.native.elsewhere.image import write_case
from tests.engine.native.models import CONFIGS, divergence, history, make_model, native

DRIVER = Path(__file__).parent / "elsewhere" / "driver.cpp"
DRAWN = 3


@dataclass(frozen=True, slots=True)
class Target:
    """Another kind of machine: what compiles for it, with which flags, and what runs that here."""

    kernels: str
    compiler: str
    flags: tuple[str, ...]
    runner: tuple[str, ...]
    suffix: str = ""


_ARM = ("aarch64-linux-gnu-g++", "qemu-aarch64", "-L", "/usr/aarch64-linux-gnu", "-cpu")
_ARMS = {
    "neon": ("armv8-a", "cortex-a53"),
    "neon-dotprod": ("armv8.2-a+dotprod", "cortex-a76"),
    "neon-i8mm": ("armv8.2-a+dotprod+i8mm+bf16", "max"),
}
TARGETS = {
    **{
        name: Target(name, _ARM[0], (f"-march={march}",), (*_ARM[1:], cpu))
        for name, (march, cpu) in _ARMS.items()
    },
    "windows": Target(
        "avx2",
        "x86_64-w64-mingw32-g++-posix",
        ("-mavx2", "-mfma", "-Wa,-muse-unaligned-vector-move"),
        ("wine",),
        ".exe",
    ),
}


_QUICK = "neon-dotprod"  # the others take half a minute together
_PARAMS = [pytest.param(n, marks=() if n == _QUICK else pytest.mark.slow) for n in TARGETS]


@pytest.fixture(scope="session", params=_PARAMS)
def target(request: pytest.FixtureRequest) -> Target:
    """A machine of another kind, where its tools are."""
    one = TARGETS[request.param]
    for tool in (one.compiler, one.runner[0]):
        if shutil.which(tool) is None:
            pytest.skip(f"there is no {tool} here")
    return one


@pytest.fixture(scope="session")
def driver(
    target: Target, native_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path]:
    """The program for that machine, and the same for this one."""
    folder = tmp_path_factory.mktemp(target.kernels)
    windows = target.suffix == ".exe"
    compiler = compilers.Compiler(target.compiler, windows=windows)
    library_there = folder / ("parley.dll" if windows else "libparley.so")
    build.compile_library(library_there, flags=("-O1", *target.flags), compiler=compiler)
    there = _link(compiler, library_there, folder / f"driver{target.suffix}")
    return there, _link(compilers.find_compiler(), native_path, folder / "here")


def _link(compiler: compilers.Compiler, lib: Path, program: Path) -> Path:
    system = ("-static",) if compiler.windows else (f"-Wl,-rpath,{lib.parent}",)
    line = [compiler.program, "-std=c++17", f"-I{build.SOURCES}", str(DRIVER), str(lib)]
    subprocess.run([*line, *system, "-o", str(program)], check=True)
    return program


def _said(runner: tuple[str, ...], program: Path, case: Path) -> tuple[FloatArray, CodeArray, str]:
    """Logits, drawn codes and the kernels' name."""
    out = case.with_suffix(".out")
    quiet = {**os.environ, "WINEPREFIX": str(program.parent / "wine"), "WINEDEBUG": "-all"}
    subprocess.run(
        [*runner, str(program), case.name, out.name], cwd=case.parent, env=quiet, check=True
    )
    raw = out.read_bytes()
    config = CONFIGS["wide"]
    split = 4 * config.codebooks * config.audio_vocab
    end = split + 8 * DRAWN * config.codebooks
    codes = np.frombuffer(raw[split:end], np.int64)
    return np.frombuffer(raw[:split], np.float32).copy(), codes, raw[end:].decode()


@pytest.mark.parametrize("precision", ["fp32", "bf16", "int8", "int4"])
def test_other_machines_say_the_same(
    precision: str, target: Target, driver: tuple[Path, Path], tmp_path: Path
) -> None:
    model = make_model(CONFIGS["wide"])
    ids, codes = history(model.config, texts=5, frames=3)
    decoder = native(model, precision)
    count = 30
    noise = np.random.default_rng(5).standard_exponential(
        (model.config.codebooks, count), np.float32
    )
    plan = library.SamplingPlan(0.9, 0.9, 20, count, None, False)
    case = tmp_path / "case"
    write_case(case, decoder, ids, codes, plan, noise, DRAWN)
    there, drawn_there, kernels = _said(target.runner, driver[0], case)
    here, drawn_here, _ = _said((), driver[1], case)
    decoder.read(ids, codes[:-1])
    shape = (1, model.config.codebooks, model.config.audio_vocab)
    assert np.array_equal(here.reshape(shape[1:]), decoder.force(codes[-1]))
    assert kernels == target.kernels
    assert drawn_there.tolist() == drawn_here.tolist()
    if precision == "fp32":
        assert np.abs(there - here).max() < 1e-5
    else:  # sums in another order turn the last bit of an activation, and of those after it
        assert divergence(there.reshape(shape), here.reshape(shape)) < 1e-4
