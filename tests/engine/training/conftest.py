"""The synthesiser that teaches the built-in models."""

from __future__ import annotations

import os

import pytest

from engine.training.errors import TrainingError
from engine.training.espeak import Espeak


@pytest.fixture(scope="session")
def espeak() -> Espeak:
    """Without the system's library these tests are skipped; not in CI, whose set-up installs it."""
    try:
        return Espeak()
    except TrainingError:
        if os.environ.get("CI"):
            raise
        pytest.skip("espeak-ng is not installed")
