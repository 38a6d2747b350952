"""The file of a room: kept as it was, and nothing believed that cannot be one."""

from __future__ import annotations

import errno
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest

from app.audio.echo_state import EchoState, EchoStore

PAIR = ("Microphone", "Loudspeaker")


def _state() -> EchoState:
    random = np.random.default_rng(1)
    room = 0.1 * (random.standard_normal((40, 161)) + 1j * random.standard_normal((40, 161)))
    doubt = np.full((40, 161), 1e-3, np.float32)
    return EchoState(room.astype(np.complex64), doubt, np.full(11, -20.0), np.arange(26.0))


def _file(folder: Path) -> Path:
    (only,) = folder.iterdir()
    return only


def test_what_is_saved_is_loaded_for_these_two_devices_alone(tmp_path: Path) -> None:
    store, state = EchoStore(tmp_path / "rooms"), _state()
    assert store.load(PAIR) is None
    store.save(PAIR, state)
    loaded = EchoStore(tmp_path / "rooms").load(PAIR)
    assert loaded is not None
    for name in ("room", "doubt", "leak_db", "fits"):
        assert np.array_equal(getattr(loaded, name), getattr(state, name))
    assert store.load((PAIR[1], PAIR[0])) is None
    assert store.load((PAIR[0], "Headphones")) is None


def test_no_echo_is_remembered_but_does_not_replace_a_room(tmp_path: Path) -> None:
    store = EchoStore(tmp_path)
    store.save(PAIR, EchoState())
    nothing = store.load(PAIR)
    assert nothing is not None and nothing.room is None
    store.save(PAIR, _state())
    store.save(PAIR, EchoState())
    kept = store.load(PAIR)
    assert kept is not None and kept.room is not None


@pytest.mark.parametrize("damage", ["empty", "half", "noise", "text"])
def test_a_damaged_file_is_as_good_as_none(tmp_path: Path, damage: str) -> None:
    store = EchoStore(tmp_path)
    store.save(PAIR, _state())
    path = _file(tmp_path)
    whole = path.read_bytes()
    path.write_bytes(
        {
            "empty": b"",
            "half": whole[: len(whole) // 2],
            "noise": whole[:200] + bytes(len(whole) - 200),
            "text": b"not a room",
        }[damage]
    )
    assert store.load(PAIR) is None


def test_a_wrong_bit_anywhere_is_found(tmp_path: Path) -> None:
    store = EchoStore(tmp_path)
    store.save(PAIR, _state())
    path = _file(tmp_path)
    whole = path.read_bytes()
    places = [*range(0, 600, 7), *range(len(whole) - 300, len(whole), 7)]
    for number, place in enumerate(places):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << number % 8
        path.write_bytes(damaged)
        assert store.load(PAIR) is None, place
    path.write_bytes(whole)
    assert store.load(PAIR) is not None


@pytest.mark.parametrize("name", ["a/../b\\c", "CON", "", "x" * 5000, "no text \udcff", "a\nb"])
def test_a_device_may_have_any_name(tmp_path: Path, name: str) -> None:
    store, pair = EchoStore(tmp_path / "rooms"), (name, name)
    store.save(pair, _state())
    assert store.load(pair) is not None
    assert _file(tmp_path) == tmp_path / "rooms"
    assert _file(tmp_path / "rooms").is_file()


def test_another_version_is_as_good_as_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = EchoStore(tmp_path)
    store.save(PAIR, _state())
    monkeypatch.setattr("app.audio.echo_state.VERSION", 99)
    assert store.load(PAIR) is None


@pytest.mark.parametrize("wrong", ["shape", "nan", "loud", "doubt", "fits"])
def test_numbers_that_cannot_be_a_room_are_not_believed(tmp_path: Path, wrong: str) -> None:
    state = _state()
    assert state.room is not None and state.doubt is not None
    spoilt = {
        "shape": replace(state, room=state.room[:20]),
        "nan": replace(state, leak_db=np.full(11, np.nan)),
        "loud": replace(state, room=state.room * np.complex64(1e4)),
        "doubt": replace(state, doubt=-state.doubt),
        "fits": replace(state, fits=np.full(26, -1.0)),
    }[wrong]
    store = EchoStore(tmp_path)
    store.save(PAIR, spoilt)
    assert store.load(PAIR) is None


def test_a_folder_that_cannot_be_written_is_no_trouble(tmp_path: Path) -> None:
    (tmp_path / "rooms").write_text("a file stands there")
    store = EchoStore(tmp_path / "rooms")
    store.save(PAIR, _state())
    assert store.load(PAIR) is None


@pytest.mark.parametrize("state", [EchoState(), _state()])
def test_a_folder_that_cannot_be_looked_into_is_no_trouble(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: EchoState
) -> None:
    def refused(*_: object, **_more: object) -> NoReturn:
        raise PermissionError(errno.EACCES, "Permission denied")

    for what in ("stat", "mkdir", "open", "unlink"):
        monkeypatch.setattr(Path, what, refused)
    store = EchoStore(tmp_path)
    store.save(PAIR, state)
    assert store.load(PAIR) is None


def test_a_full_disk_leaves_what_was_there_and_nothing_half_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, state = EchoStore(tmp_path), _state()
    store.save(PAIR, state)
    write = Path.write_bytes

    def full(path: Path, data: bytes) -> NoReturn:
        write(path, data[: len(data) // 2])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    assert state.leak_db is not None
    store.save(PAIR, replace(state, leak_db=state.leak_db + 1))
    assert len([*tmp_path.iterdir()]) == 1
    kept = store.load(PAIR)
    assert kept is not None and kept.leak_db is not None
    assert np.array_equal(kept.leak_db, state.leak_db)
