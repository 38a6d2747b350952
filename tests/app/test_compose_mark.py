"""The mark must never keep anybody from talking."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from app.compose import StandardFactory
from app.core.turn import CancelToken, TurnId
from app.settings import paths
from app.settings.model import Settings
from tests.fakes.parts import FakeSpeech


def spoken(factory: StandardFactory) -> np.ndarray:
    return np.concatenate(
        list(factory.speech().conversation().speak("One two three.", CancelToken(TurnId(1))))
    )


@pytest.fixture
def factory(monkeypatch: pytest.MonkeyPatch) -> StandardFactory:
    made = StandardFactory(Settings())
    monkeypatch.setattr(made, "engine", FakeSpeech)
    return made


def test_a_key_that_cannot_be_kept_is_told_and_the_talk_goes_on(
    factory: StandardFactory,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr(paths, "user_config", lambda: tmp_path / "file")
    sound = spoken(factory)
    assert len(sound) and not np.array_equal(sound, np.full_like(sound, 0.25))  # marked
    [record] = caplog.records
    assert "watermark key" in record.message
    assert "nobody keeps" in record.message


def test_switched_off_the_sound_is_untouched_and_no_key_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paths, "user_config", lambda: tmp_path)
    factory = StandardFactory(Settings(watermark=False))
    monkeypatch.setattr(factory, "engine", FakeSpeech)
    sound = spoken(factory)
    assert np.array_equal(sound, np.full_like(sound, 0.25))
    assert list(tmp_path.iterdir()) == []
