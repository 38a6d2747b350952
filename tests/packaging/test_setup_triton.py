"""Triton is got where there are builds of it and it is not there, and its absence is no failure."""

from __future__ import annotations

from pathlib import Path

import pytest
from setup_steps import Checkout, Setup
from setup_triton import LOCK, PIN, ensure_triton, pin

from tests.packaging.test_setup_steps import machine

ROOT = Path(__file__).resolve().parents[2]


class Asked(Setup):
    """A set-up that notes what pip is asked to do."""

    def __init__(self, found: str, works: bool = True) -> None:
        super().__init__(Checkout(ROOT), machine())
        self.found, self.works = found, works
        self.tried: list[list[str]] = []

    def ask(self, code: str) -> str:
        return self.found

    def try_pip(self, arguments: list[str]) -> bool:
        self.tried.append(arguments)
        return self.works


@pytest.mark.parametrize(
    ("found", "changes", "times"),
    [
        ("False", {}, 1),
        ("True", {}, 0),
        ("False", {"system": "darwin"}, 0),
        ("False", {"system": "windows"}, 0),
        ("False", {"arch": "aarch64"}, 0),
    ],
)
def test_it_is_got_once_and_only_where_it_is_built(
    found: str, changes: dict[str, object], times: int
) -> None:
    setup = Asked(found)
    ensure_triton(setup, machine(**changes))
    assert len(setup.tried) == times
    for arguments in setup.tried:
        assert "--require-hashes" in arguments
        assert arguments[-1].endswith(LOCK)


def test_that_it_cannot_be_had_is_told_and_is_no_failure(
    capsys: pytest.CaptureFixture[str],
) -> None:
    ensure_triton(Asked("False", works=False), machine())
    assert "their tests are skipped" in capsys.readouterr().err


def test_the_lock_is_the_pin() -> None:
    assert pin(ROOT / "packaging" / LOCK) == PIN
