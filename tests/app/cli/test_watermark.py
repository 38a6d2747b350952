"""``main.py watermark verify``, and the switch of ``say`` and ``talk``."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from app import cli, compose
from app.settings import paths
from app.settings.model import Settings
from app.settings.watermark_key import own_key
from engine.watermark.embed import mark_whole
from tests.engine.watermark.conftest import speechlike
from tests.fakes.commands import Run
from tests.fakes.parts import FakeSpeech


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(paths, "user_config", lambda: tmp_path / "config")
    return tmp_path / "config"


def file_of(path: Path, key: bytes | None, rate_hz: int = 24_000) -> Path:
    sound = speechlike(3.0)
    soundfile.write(path, sound if key is None else mark_whole(sound, key), rate_hz)
    return path


def test_a_marked_file_is_known(run: Run, config: Path, tmp_path: Path) -> None:
    code, told, _ = run("watermark", "verify", file_of(tmp_path / "a.wav", own_key()))
    assert (code, told["found"], told["seconds"]) == (0, True, 3.0)
    assert told["p_value"] < 1e-12
    assert told["version"] == 1
    assert len(told["key_id"]) == 5
    assert told["spans_s"] == [[0.0, 3.0]]


def test_an_unmarked_file_is_no_failure(run: Run, config: Path, tmp_path: Path) -> None:
    own_key()
    code, told, _ = run("watermark", "verify", file_of(tmp_path / "a.wav", None))
    assert (code, told["found"], told["spans_s"]) == (0, False, [])
    assert told["p_value"] > 1e-3


def test_another_key_can_be_named(run: Run, config: Path, tmp_path: Path) -> None:
    own_key()
    theirs = own_key(tmp_path / "theirs.key")
    file = file_of(tmp_path / "a.wav", theirs)
    assert run("watermark", "verify", file)[1]["found"] is False
    assert run("watermark", "verify", file, "--key", tmp_path / "theirs.key")[1]["found"] is True


def test_without_json_it_is_one_sentence(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = file_of(tmp_path / "a.wav", own_key())
    assert cli.main(["watermark", "verify", str(file)]) == 0
    line = capsys.readouterr().out
    assert line.count("\n") == 1
    assert "marked with this key" in line
    assert "0.0 to 3.0 s" in line


@pytest.mark.parametrize("present", ["file", "key"])
def test_what_is_missing_is_bad_input(run: Run, config: Path, tmp_path: Path, present: str) -> None:
    if present == "file":
        file_of(tmp_path / "a.wav", None)
    else:
        own_key()
    code, told, _ = run("watermark", "verify", tmp_path / "a.wav")
    assert code == 2
    assert told["error"].endswith((".", "?"))
    assert not (config / "watermark.key").exists() or present == "key"


def test_looking_makes_no_key(run: Run, config: Path, tmp_path: Path) -> None:
    run("watermark", "verify", file_of(tmp_path / "a.wav", None))
    assert not config.exists()


class _Quick(compose.StandardFactory):
    def engine(self) -> FakeSpeech:
        return FakeSpeech()


def test_replies_are_marked_unless_unwanted(config: Path) -> None:
    assert Settings().watermark is True
    assert not isinstance(_Quick(Settings()).speech(), FakeSpeech)
    assert (config / "watermark.key").is_file()


def test_switched_off_nothing_stands_in_the_way_and_no_key_is_made(config: Path) -> None:
    assert isinstance(_Quick(Settings(watermark=False)).speech(), FakeSpeech)
    assert not config.exists()


@pytest.mark.parametrize(("more", "wanted"), [((), True), (("--no-watermark",), False)])
def test_say_takes_the_switch(tmp_path: Path, more: tuple[str, ...], wanted: bool) -> None:
    seen: list[Settings] = []

    def factory(settings: Settings) -> compose.Factory:
        seen.append(settings)
        raise KeyboardInterrupt

    cli.main(["say", "Hello.", "--output", str(tmp_path / "a.wav"), *more], factory)
    assert [settings.watermark for settings in seen] == [wanted]


def test_every_way_to_speak_goes_through_the_mark(config: Path) -> None:
    """The live conversation has an engine of its own and must not have a way of its own."""
    from app import compose_live

    live = compose_live._WithSpeech
    assert "speech" not in vars(live)
    assert "engine" in vars(live)


def test_the_mark_does_not_change_how_much_is_said(config: Path) -> None:
    speech = _Quick(Settings()).speech()
    from app.core.turn import CancelToken, TurnId

    frames = list(speech.conversation().speak("Two words.", CancelToken(TurnId(1))))
    plain = list(FakeSpeech().conversation().speak("Two words.", CancelToken(TurnId(1))))
    assert len(frames) == len(plain)
    difference = np.concatenate(frames) - np.concatenate(plain)
    assert 0 < np.abs(difference).max() < 0.05
