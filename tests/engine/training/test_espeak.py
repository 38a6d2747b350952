"""The synthesiser: events, trimming, errors."""

from __future__ import annotations

import numpy as np
import pytest

from engine.training import espeak as module
from engine.training.errors import TrainingError
from engine.training.espeak import TAIL_S, Espeak, EspeakVoice, trim_tail


def test_word_events_point_at_the_words(espeak: Espeak) -> None:
    text = "Hello there, it is seven."
    spoken = espeak.say(text, EspeakVoice("en-us+f2"))
    assert [text[at : at + length] for at, length, _ in spoken.words] == [
        "Hello",
        "there",
        "it",
        "is",
        "seven",
    ]
    starts = [start for _, _, start in spoken.words]
    assert starts == sorted(starts) and starts[0] < 0.1
    assert starts[-1] < len(spoken.samples) / spoken.sample_rate_hz


def test_an_older_synthesiser_still_hears_itself_after_a_newer_one(espeak: Espeak) -> None:
    newer = Espeak()
    newer.say("Something else entirely.", EspeakVoice("en-us+f2"))
    spoken = espeak.say("It is seven.", EspeakVoice("en-us+f2"))
    assert len(spoken.words) == 3
    assert len(spoken.samples) > 0.4 * spoken.sample_rate_hz


def test_phoneme_events_name_the_sounds_in_order(espeak: Espeak) -> None:
    spoken = espeak.say("seven", EspeakVoice("en-us+f2"))
    assert [symbol for symbol, _ in spoken.phonemes][:5] == ["s", "E", "v", "@", "n"]
    starts = [start for _, start in spoken.phonemes]
    assert starts == sorted(starts)


def test_voice_rate_and_pitch_are_obeyed(espeak: Espeak) -> None:
    slow = espeak.say("One two three four.", EspeakVoice("en-us+f2", rate_wpm=120))
    fast = espeak.say("One two three four.", EspeakVoice("en-us+f2", rate_wpm=190))
    assert len(slow.samples) > 1.2 * len(fast.samples)


def test_trailing_silence_is_cut_to_the_tail(espeak: Espeak) -> None:
    spoken = espeak.say("Hello.", EspeakVoice("en-us+adam"))
    silent = np.abs(spoken.samples[::-1]).argmax()
    quiet = np.abs(spoken.samples) > 0.004
    after = len(spoken.samples) - 1 - int(np.flatnonzero(quiet)[-1])
    assert silent > 0
    assert after <= round(TAIL_S * spoken.sample_rate_hz)


def test_unknown_voice_is_one_sentence(espeak: Espeak) -> None:
    with pytest.raises(TrainingError, match="no voice named en-gb-nobody"):
        espeak.say("Hello.", EspeakVoice("en-gb-nobody"))


def test_missing_library_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(_name: str) -> None:
        raise OSError

    monkeypatch.setattr(module.ctypes, "CDLL", nothing)
    with pytest.raises(TrainingError, match="apt install espeak-ng"):
        Espeak()


def test_trim_keeps_the_tail_and_never_lengthens() -> None:
    wave = np.zeros(1000, np.float32)
    wave[100] = 0.5
    assert len(trim_tail(wave, 1000, tail_s=0.08)) == 181
    assert len(trim_tail(wave[:150], 1000, tail_s=0.08)) == 150
    assert len(trim_tail(np.zeros(50, np.float32), 1000)) == 0
