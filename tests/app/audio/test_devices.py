"""Sound devices are listed, or it is said why not; asking never fails."""

from __future__ import annotations

import sys

import pytest

from app.audio.devices import sound_devices


def test_asking_never_fails() -> None:
    found = sound_devices()
    assert not (found.problem and found.inputs)


def test_a_missing_library_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    found = sound_devices()
    assert "sounddevice" in found.problem
    assert found.inputs == found.outputs == ()
