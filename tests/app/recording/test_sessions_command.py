"""``main.py sessions``: what it prints, what it writes, and its sentences for errors."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from app import cli
from app.cli_sessions import FORMATS, LATER, add_sessions, run_sessions
from app.core.errors import InputError, ParleyError
from app.recording import export as exporting
from app.recording import session
from app.recording.timeline import told
from tests.app.recording.conftest import Make, feed, talk

Run = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run an action as the command line does; exit code and the object for --json."""
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--json", action="store_true", default=argparse.SUPPRESS)
    root = argparse.ArgumentParser(exit_on_error=False)
    commands = root.add_subparsers(dest="command")
    add_sessions(commands.add_parser("sessions", parents=[common]), common)

    def go(*arguments: object) -> tuple[int, dict[str, Any]]:
        given = [str(argument) for argument in arguments]
        known = given[:1] and given[0] not in LATER
        place = ["--folder", str(tmp_path / "sessions")] if known else []
        options = root.parse_args(["sessions", *given, *place])
        result: dict[str, Any] = {}
        code = run_sessions(options, result)
        json.dumps(result)
        return code, result

    return go


@pytest.fixture
def recorded(make: Make) -> Path:
    recorder = make()
    talk(recorder.event)
    feed(recorder, *range(1000))
    recorder.close()
    return recorder.folder


def test_the_list(run: Run, recorded: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, result = run("list")
    assert code == 0
    (one,) = result["sessions"]
    assert (one["name"], one["seconds"], one["turns"]) == (recorded.name, 10.0, 3)
    text = capsys.readouterr().out
    assert recorded.name in text
    assert "00:10" in text
    assert "2.9 MB" in text


def test_an_empty_list_is_told(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("list")[1]["sessions"] == []
    assert "no recorded sessions" in capsys.readouterr().out


def test_the_timeline(run: Run, recorded: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("show", "last")[0] == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "2026-03-14_15-09-26, 14 March 2026 15:09, 00:10, 3 turns"
    assert "   00:01.50  turn 1   end of turn? 0.70 >= 0.60 after 0.30 s of silence" in lines
    (over,) = [number for number, line in enumerate(lines) if "over: heard to its end" in line]
    assert lines[over + 1].strip() == (
        "sound released 600 ms, words 100 ms, first sound heard 650 ms"
    )
    assert "turn 2   over: cut after 1.00 s" in "\n".join(lines)
    assert lines[-1] == "  turn 3: it was not finished"


def test_the_timeline_as_json(run: Run, recorded: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, result = run("show", recorded.name, "--json")
    assert (code, capsys.readouterr().out) == (0, "")
    assert result["turns"][1]["unheard_text"] == "pour all day."
    assert {"position_s", "at_s", "kind"} <= set(result["events"][0])
    assert result["about"]["state"] == "closed"


def test_a_record_with_odd_fields_is_shown_as_it_is() -> None:
    assert told({"kind": "score", "turn": 2, "value": "high"}) == "turn 2   score value=high"
    assert told({"kind": "new_thing", "x": 1.5, "revision": 2}).strip() == "new thing x=1.5"
    assert told({"kind": "cut", "turn": 2, "revision": 1, "heard_s": 1.0}).startswith("turn 2.1")


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_is_written(run: Run, recorded: Path, tmp_path: Path, form: str) -> None:
    code, result = run("export", "last", "--format", form)
    assert code == 0
    inside = Path(result["output"])
    assert inside.parent == recorded
    assert inside.stat().st_size > 50
    _, result = run("export", "last", "--format", form, "--output", tmp_path / "mine")
    assert (tmp_path / "mine").read_bytes() == inside.read_bytes()
    assert not list(recorded.glob(".*"))


def test_the_formats_are_those_of_the_exporter() -> None:
    assert set(FORMATS) == set(exporting.FORMATS)


def test_flac_is_the_user_on_the_left_and_the_assistant_on_the_right(
    run: Run, recorded: Path
) -> None:
    run("export", "last", "--format", "flac")
    sound, rate_hz = soundfile.read(str(recorded / "session.flac"), dtype="int16", always_2d=True)
    kept, _ = soundfile.read(str(recorded / session.SOUND), dtype="int16", always_2d=True)
    assert rate_hz == 48_000
    np.testing.assert_array_equal(sound, kept[:, 1:])


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["show", "nothing"],
        ["export", "nothing", "--format", "srt"],
        ["repair", "nothing"],
        ["replay"],
        ["evaluate", "x"],
        ["export", "last", "--format", "srt", "--output", "/nowhere/at/all.srt"],
        ["export", "last", "--format", "flac", "--output", "/nowhere/at/all.flac"],
    ],
)
def test_what_cannot_be_done_is_one_sentence(
    run: Run, recorded: Path, arguments: list[str]
) -> None:
    with pytest.raises(ParleyError) as refused:
        run(*arguments)
    assert "\n" not in str(refused.value)
    assert str(refused.value).endswith(".")
    later = bool(set(arguments) & set(LATER))
    assert ("not in this version" in str(refused.value)) == later


def test_the_recording_itself_is_never_overwritten(run: Run, recorded: Path) -> None:
    before = (recorded / session.SOUND).read_bytes()
    with pytest.raises(InputError, match="recording itself"):
        run("export", "last", "--format", "flac", "--output", recorded / session.SOUND)
    assert (recorded / session.SOUND).read_bytes() == before


def test_repair(run: Run, recorded: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("repair")[1] == {"recovered": [], "failed": []}
    assert "needs repair" in capsys.readouterr().out
    whole = (recorded / session.SOUND).read_bytes()
    (recorded / session.SOUND).write_bytes(whole[:1_440_500])
    (recorded / session.MARK).touch()
    code, result = run("repair")
    assert (code, result["recovered"][0]["seconds"]) == (0, 5.0)
    assert "00:05, 3 turns." in capsys.readouterr().out
    assert run("repair", "last")[1]["recovered"][0]["turns"] == 3
    assert run("list")[1]["sessions"][0]["state"] == "recovered"


def test_on_the_command_line(recorded: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = ["--folder", str(recorded.parent)]
    assert cli.main(["sessions", "list", *place, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["sessions"][0]["turns"] == 3
    assert cli.main(["sessions", "show", "nothing", *place, "--json"]) == 2
    captured = capsys.readouterr()
    assert json.loads(captured.out)["error"] in captured.err
    assert cli.main(["sessions", "replay", "last"]) == 2
    assert "not in this version" in capsys.readouterr().err
