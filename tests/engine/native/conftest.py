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


@pytest.fixture(scope="session")
def portable_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same sources without intrinsics, for the plainest processor; little optimised, to be quick."""
    _need_compiler()
    target = tmp_path_factory.mktemp("portable") / build.library_path().name
    return build.compile_library(target, flags=("-O1",), defines=(build.PORTABLE,))


def _need_compiler() -> None:
    try:
        build.find_compiler()
    except build.BuildError as error:
        pytest.skip(f"the CPU engine cannot be built here: {error}")
