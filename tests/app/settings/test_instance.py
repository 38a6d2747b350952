"""One Parley at a time: held, taken over when its holder is dead, told in one sentence."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from app.core.errors import OutputError
from app.settings.instance import AlreadyRunningError, hold, single_instance

ROOT = Path(__file__).resolve().parents[3]
HOLDER = """
import sys
from pathlib import Path
from app.settings.instance import single_instance
held = single_instance(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


def test_the_second_one_is_told_who_has_it(tmp_path: Path) -> None:
    path = tmp_path / "data" / "parley.lock"
    with single_instance(path):
        with pytest.raises(AlreadyRunningError, match=rf"process {os.getpid()}\)") as told:
            single_instance(path)
        assert "\n" not in str(told.value)
    single_instance(path).release()


def test_a_lock_file_left_behind_is_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "parley.lock"
    path.write_text("1\n")
    with single_instance(path):
        assert path.read_text() == f"{os.getpid()}\n"


def test_the_lock_of_a_killed_process_is_free(tmp_path: Path) -> None:
    path = tmp_path / "parley.lock"
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        with pytest.raises(AlreadyRunningError, match=f"process {process.pid}"):
            single_instance(path)
        process.kill()
        process.wait()
    with single_instance(path):
        assert path.read_text() == f"{os.getpid()}\n"


def test_a_file_removed_by_its_holder_is_held_anew(tmp_path: Path) -> None:
    path = tmp_path / "mark"
    first = hold(path)
    assert first is not None
    first.release(remove=True)
    first.release()
    assert not path.exists()
    second = hold(path)
    assert second is not None
    assert hold(path) is None
    second.release()


def test_a_place_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError) as told:
        single_instance(tmp_path / "file" / "parley.lock")
    assert "\n" not in str(told.value)


def test_a_full_disk_keeps_nobody_from_holding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with single_instance(tmp_path / "parley.lock"):
        assert hold(tmp_path / "parley.lock") is None
