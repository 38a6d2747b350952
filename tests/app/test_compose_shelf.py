"""The shelf on a real disk: sessions, their words, and the own mark in a real file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from app import compose_shelf
from app.compose_shelf import DiskShelf
from app.core.errors import InputError
from app.core.turn import CancelToken, TurnId
from app.settings import paths
from app.settings.watermark_key import own_key
from app.speaking.marked import marked
from tests.fakes.parts import FakeSpeech


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(paths, "user_config", lambda: tmp_path / "config")
    return tmp_path


def session(root: Path, name: str, words: str) -> Path:
    folder = root / name
    folder.mkdir(parents=True)
    (folder / "transcript.json").write_text(
        f'{{"turns": [{{"number": 1, "user_text": "{words}", "reply_text": "Well."}}]}}'
    )
    return folder


def test_sessions_come_newest_first_and_can_be_read(home: Path) -> None:
    first = session(home, "2026-11-19_10-00-00", "Good morning.")
    session(home, "2026-11-20_10-00-00", "Good evening.")
    (home / "other").mkdir()
    found = DiskShelf().sessions(home)
    assert [one.name for one in found] == ["2026-11-20_10-00-00", "2026-11-19_10-00-00"]
    assert (found[1].folder, found[1].turns, found[1].seconds) == (first, 1, 0.0)
    assert found[1].size_bytes > 0
    assert "Good morning." in DiskShelf().transcript(first)
    assert DiskShelf().sessions(home / "nowhere") == ()
    with pytest.raises(InputError, match="not a session"):
        DiskShelf().transcript(home / "other")


def test_the_own_mark_is_found_and_another_is_not(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(7)
    noise = (0.1 * rng.standard_normal(24_000 * 6)).astype(np.float32)
    frames = list(noise.reshape(-1, 1920))
    speech = FakeSpeech()
    conversation = speech.conversation()
    monkeypatch.setattr(type(conversation), "speak", lambda *_: iter(frames))
    spoken = marked(speech, own_key()).conversation().speak("", CancelToken(TurnId(1)))
    soundfile.write(home / "spoken.wav", np.concatenate(list(spoken)), 24_000)
    soundfile.write(home / "noise.wav", noise, 24_000)
    found = DiskShelf().find_mark(home / "spoken.wav")
    assert found.found
    assert found.log10_p < -6
    assert found.whole
    assert not DiskShelf().find_mark(home / "noise.wav").found
    monkeypatch.setattr(compose_shelf, "LONGEST_S", 4.0)
    assert not DiskShelf().find_mark(home / "spoken.wav").whole


def test_what_cannot_be_looked_at_is_one_sentence(home: Path) -> None:
    with pytest.raises(InputError, match="There is no key to look for yet"):
        DiskShelf().find_mark(home / "none.wav")
    own_key()
    (home / "text.wav").write_text("no sound")
    for name in ("none.wav", "text.wav"):
        with pytest.raises(InputError) as told:
            DiskShelf().find_mark(home / name)
        assert "\n" not in str(told.value)
