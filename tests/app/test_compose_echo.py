"""The composition's part in echo: new devices are greeted, and rooms are kept in the user's folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from app.audio.chime import chime
from app.audio.echo import NoEcho
from app.audio.echo_memory import RememberingEcho
from app.audio.virtual import VirtualDevice
from app.bench.live import virtual_device
from app.bench.sets import Scene
from app.compose_live import LiveMaker, make_echo
from app.settings import paths
from app.settings.model import Settings
from tests.fakes.voices48 import Feeder, assistant_24k


def _maker(
    monkeypatch: pytest.MonkeyPatch, folder: Path, settings: Settings, device: VirtualDevice
) -> tuple[LiveMaker, RememberingEcho]:
    monkeypatch.setattr(paths, "user_data", lambda: folder)
    monkeypatch.setattr("app.compose_live.PortAudioDevice", lambda *_names: device)
    maker = LiveMaker(settings)
    echo = maker._remembering(make_echo(settings))
    maker._echo = echo
    assert maker.device("", "") is device
    assert isinstance(echo, RememberingEcho)
    return maker, echo


def test_a_new_loudspeaker_is_greeted_once_and_its_room_is_kept(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    written: list[int] = []
    for _ in range(2):
        device = virtual_device(Scene(1, "desk"))
        maker, echo = _maker(monkeypatch, tmp_path, Settings(), device)
        for number, block in enumerate(Feeder(device, np.zeros(0, np.float32)).steps(0.05)):
            echo.process(block.near, block.far)
            if number == 0:
                written.append(device.player.written)
        for block in Feeder(device, assistant_24k(4.0)).steps(4.0):
            echo.process(block.near, block.far)
        assert maker.close(0.1)
    assert written == [len(chime()), 0]
    assert len([*(tmp_path / "rooms").iterdir()]) == 1


def test_nothing_is_put_into_an_answer_that_plays(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    device = virtual_device(Scene(1, "desk"))
    _, echo = _maker(monkeypatch, tmp_path, Settings(), device)
    answer = assistant_24k(2.0)
    given = device.player.write(answer)
    block = device.step()
    echo.process(block.near, block.far)
    assert device.player.written == given


def test_the_setting_turns_the_greeting_off(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    device = virtual_device(Scene(1, "desk"))
    _, echo = _maker(monkeypatch, tmp_path, Settings(chime=False), device)
    echo.process(*[np.zeros(480, np.float32)] * 2)
    assert device.player.written == 0


def test_without_a_canceller_there_is_nothing_to_learn(tmp_path: Path) -> None:
    settings = Settings(echo="off")
    assert isinstance(LiveMaker(settings)._remembering(make_echo(settings)), NoEcho)
