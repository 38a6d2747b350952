"""Whether something can be kept is found out by trying, and the attempt leaves nothing behind."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path
from typing import Any

import pytest

from app.settings.keeping import why_not


def test_where_there_is_room_nothing_is_wrong_and_nothing_stays(tmp_path: Path) -> None:
    assert why_not(tmp_path / "new" / "rooms", 1000) == ""
    assert list((tmp_path / "new" / "rooms").iterdir()) == []


def test_what_is_no_folder_is_told_in_the_systems_words(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert why_not(tmp_path / "file" / "rooms", 1000) == os.strerror(errno.ENOTDIR)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a full disk cannot be had here")
def test_a_full_disk_is_found_by_writing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(**_: Any) -> Any:
        return open("/dev/full", "wb")

    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    assert why_not(tmp_path, 1000) == os.strerror(errno.ENOSPC)


def test_a_refusal_without_words_is_one_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**_: Any) -> None:
        raise OSError("odd")

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    assert why_not(tmp_path, 1) == "odd"
