"""The doctor: every check is told, none stops the others, the essential ones decide."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from app import cli, doctor
from app.audio.devices import SoundDevices
from app.core.errors import ModelMissingError
from app.settings import paths
from tests.fakes.parts import FakeFactory


@pytest.fixture
def pack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A nano pack with a manifest."""
    for name in ("csm/a", "whisper/b", "llm/c.gguf"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(name)
    sums = {
        name: {"sha256": hashlib.sha256(name.encode()).hexdigest()}
        for name in ("csm/a", "whisper/b", "llm/c.gguf")
    }
    (tmp_path / "manifest.json").write_text(json.dumps({"files": sums}))
    monkeypatch.setattr(paths, "nano", lambda: tmp_path)
    monkeypatch.setattr(doctor, "sound_devices", lambda: SoundDevices(problem="no library"))
    return tmp_path


def examine(capsys, factory: FakeFactory | None = None) -> tuple[int, dict[str, dict]]:
    code = cli.main(["doctor", "--json"], factory or FakeFactory())
    checks = json.loads(capsys.readouterr().out)["checks"]
    assert all({"name", "ok", "detail", "fix"} <= set(check) for check in checks)
    assert all(check["ok"] or check["fix"] for check in checks)
    return code, {check["name"]: check for check in checks}


def test_a_sound_machine_is_told(pack: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, checks = examine(capsys)
    assert code == 0
    for name in ("python", "packages", "openmp", "device", "nano pack", "voice activity",
                 "recogniser", "language model", "speech engine", "user folder"):  # fmt: skip
        assert checks[name]["ok"], checks[name]
    assert "3 files" in checks["nano pack"]["detail"]


def test_missing_sound_does_not_fail_the_doctor(
    pack: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, checks = examine(capsys)
    assert code == 0
    assert not checks["libportaudio"]["ok"]
    assert "libportaudio2" in checks["libportaudio"]["fix"]


def test_it_tells_whether_the_compiled_engine_speaks(
    pack: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PARLEY_NATIVE", "0")
    code, checks = examine(capsys)
    assert code == 0
    assert not checks["cpu engine"]["ok"]
    assert "switched off" in checks["cpu engine"]["detail"]
    assert "make setup" in checks["cpu engine"]["fix"]


@pytest.mark.parametrize("change", ["damage", "remove", "manifest"])
def test_a_damaged_pack_is_told(
    pack: Path, capsys: pytest.CaptureFixture[str], change: str
) -> None:
    if change == "damage":
        (pack / "csm/a").write_text("other")
    elif change == "remove":
        (pack / "csm/a").unlink()
    else:
        (pack / "manifest.json").write_text("[]")
    code, checks = examine(capsys)
    assert code == 1
    assert not checks["nano pack"]["ok"]
    assert ("csm/a" in checks["nano pack"]["detail"]) == (change != "manifest")


def test_one_broken_part_does_not_stop_the_others(
    pack: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    factory = FakeFactory()
    factory.broken["recogniser"] = ModelMissingError("There is no recogniser: get one.")
    code, checks = examine(capsys, factory)
    assert code == 1
    assert checks["recogniser"]["detail"] == "There is no recogniser: get one."
    assert checks["speech engine"]["ok"]


def test_for_people(pack: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(["doctor"], FakeFactory())
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("ok   python: 3.11")
    assert any(line.startswith("none libportaudio: no library") for line in lines)
