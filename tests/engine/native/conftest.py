"""The compiled library, built once per test run where it is not there; without a compiler, no tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.native import build


@pytest.fixture(scope="session")
def native_path() -> Path:
    """The library for this machine."""
    _need_compiler()
    return build.build()


@pytest.fixture(scope="session", params=["portable", "avx2"])
def other_build(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same sources for a plainer processor; little optimised, to be quick."""
    _need_compiler()
    target = tmp_path_factory.mktemp(request.param) / build.library_path().name
    if request.param == "portable":
        return build.compile_library(target, flags=("-O1",), defines=(build.PORTABLE,))
    if "avx2" not in build.processor() or build.find_compiler().msvc:
        pytest.skip("this processor, or this compiler's options, are not of that kind")
    return build.compile_library(target, flags=("-O1", "-mavx2", "-mfma"))


def _need_compiler() -> None:
    try:
        build.find_compiler()
    except build.BuildError as error:
        pytest.skip(f"the CPU engine cannot be built here: {error}")
