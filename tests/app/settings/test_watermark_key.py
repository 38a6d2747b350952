"""The user's own key: made once, private, never guessed at."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

import pytest

from app.core.errors import InputError, OutputError
from app.settings import paths
from app.settings.model import Settings
from app.settings.watermark_key import own_key, read_key


def test_a_key_is_made_once_and_is_nobody_elses(tmp_path: Path) -> None:
    first = own_key(tmp_path / "new" / "watermark.key")
    assert len(first) == 32
    assert own_key(tmp_path / "new" / "watermark.key") == first
    assert read_key(tmp_path / "new" / "watermark.key") == first
    assert own_key(tmp_path / "other.key") != first


@pytest.mark.skipif(sys.platform == "win32", reason="rights are kept otherwise there")
def test_only_its_user_may_read_it(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        own_key(tmp_path / "watermark.key")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "watermark.key").stat().st_mode) == 0o600


def test_it_is_beside_the_settings_and_not_in_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paths, "user_config", lambda: tmp_path)
    key = own_key()
    assert (tmp_path / "watermark.key").is_file()
    assert key.hex() not in str(Settings().described())


@pytest.mark.parametrize("text", ["", "zz", "00" * 31, "00" * 33, "ä" * 64])
def test_a_damaged_key_is_told_and_not_replaced(tmp_path: Path, text: str) -> None:
    path = tmp_path / "watermark.key"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match="is no watermark key"):
        own_key(path)
    assert path.read_text(encoding="utf-8") == text


def test_reading_makes_none(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="There is no watermark key in"):
        read_key(tmp_path / "watermark.key")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("place", ["file", "file/below", "x" * 300])
def test_a_folder_that_cannot_be_made_is_told_with_what_to_do(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"cannot be kept in .*: make the folder writable"):
        own_key(tmp_path / place / "watermark.key")
