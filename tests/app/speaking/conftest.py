"""A speech model on workers that die when told."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.speaking import process
from app.speaking.csm import EngineOptions
from app.speaking.process import ProcessSpeech
from tests.app.speaking.dying import FakeLink, Fate
from tests.engine.tiny import tiny_engine


@pytest.fixture
def fate(monkeypatch: pytest.MonkeyPatch) -> Fate:
    fate = Fate(tiny_engine())
    monkeypatch.setattr(process, "WorkerLink", lambda: FakeLink(fate))
    return fate


@pytest.fixture
def speech(fate: Fate) -> ProcessSpeech:
    return ProcessSpeech(EngineOptions(Path("nowhere")))
