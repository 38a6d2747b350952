"""What cannot be kept on the disk is told when the conversation is put together."""

from __future__ import annotations

from pathlib import Path

import pytest

from app import compose_live
from app.compose_live import LiveMaker, unkept
from app.core.errors import ModelMissingError
from app.settings import paths
from app.settings.model import Settings


@pytest.fixture
def no_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file stands where the user's folders would be."""
    place = tmp_path / "file"
    place.touch()
    monkeypatch.setattr(paths, "user_config", lambda: place / "config")
    monkeypatch.setattr(paths, "user_data", lambda: place / "data")
    return place


def test_key_and_rooms_that_cannot_be_kept_are_a_sentence_each(no_place: Path) -> None:
    key, rooms = unkept(Settings())
    assert "watermark key" in key
    assert str(no_place / "config") in key
    assert str(no_place / "data" / "rooms") in rooms
    for sentence in (key, rooms):
        assert "make the folder writable" in sentence
        assert "Until then" in sentence


def test_what_is_switched_off_need_not_be_kept(no_place: Path) -> None:
    assert unkept(Settings(watermark=False, echo="off")) == []


def test_where_everything_can_be_kept_nothing_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paths, "user_config", lambda: tmp_path)
    monkeypatch.setattr(paths, "user_data", lambda: tmp_path)
    assert unkept(Settings()) == []


def test_it_is_told_while_the_models_load(no_place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object) -> None:
        raise ModelMissingError("The model is missing: get it.")

    monkeypatch.setattr(compose_live, "load_brains", missing)
    monkeypatch.setattr(compose_live, "_WithSpeech", lambda *_: object())
    told: list[str] = []
    maker = LiveMaker(Settings(), told.append)
    with pytest.raises(ModelMissingError):
        maker.parts(lambda _: None)
    assert told == unkept(Settings())
    assert maker.close(1.0)
