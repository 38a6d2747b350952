"""The compiled library, built once per test run where it is not there; without a compiler, no tests."""

from __future__ import annotations

import platform
from pathlib import Path

import pytest

from engine.native import build, compilers

_ARM = platform.machine().lower() in ("arm64", "aarch64")
_X86 = platform.machine().lower() in ("x86_64", "amd64")
_AVX512 = ("-mavx512f", "-mavx512bw", "-mavx512vl", "-mavx512dq", "-mavx512vnni", "-mfma")
_VARIANTS: dict[str, tuple[bool, str, tuple[str, ...]]] = {
    "portable": (True, "", ()),
    "avx2": (_X86, "avx2", ("-mavx2", "-mfma")),
    "avx2-vnni": (_X86, "avx_vnni", ("-mavx2", "-mfma", "-mavxvnni")),
    "avx512": (_X86, "avx512_vnni", _AVX512),  # (without bf16)
    "neon": (_ARM, "", ("-march=armv8-a",)),
    "neon-dotprod": (_ARM, "asimddp", ("-march=armv8.2-a+dotprod",)),
}
"""Kernels: on which processors, what those must have beyond, and the options that make them."""


@pytest.fixture(scope="session")
def native_path() -> Path:
    """The library for this machine."""
    _need_compiler()
    return build.build()


_HERE = [name for name, (here, *_) in _VARIANTS.items() if here]


@pytest.fixture(scope="session", params=_HERE)
def other_build(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same sources for a plainer processor; little optimised, to be quick."""
    _need_compiler()
    name: str = request.param
    _, needed, flags = _VARIANTS[name]
    compiler = compilers.find_compiler()
    if flags and compiler.msvc:
        pytest.skip("the options are those of other compilers")
    has = compilers.vector_names(compiler) if _X86 else build.processor().split()
    if needed and needed not in has:
        pytest.skip(f"this processor has no {needed}")
    target = tmp_path_factory.mktemp(name) / build.library_path().name
    defines = (build.PORTABLE,) if name == "portable" else ()
    return build.compile_library(target, flags=("-O1", *flags), defines=defines)


def _need_compiler() -> None:
    try:
        compilers.find_compiler()
    except compilers.BuildError as error:
        pytest.skip(f"the CPU engine cannot be built here: {error}")
