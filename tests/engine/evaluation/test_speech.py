"""Judging speech, with an engine that does what a test tells it to."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any, cast

import numpy as np
import pytest

from engine.evaluation.__main__ import finite
from engine.evaluation.acoustics import Profile, profile
from engine.evaluation.nano import Figure
from engine.evaluation.speech import Line, LineScore, Speaker, score_line, speak_lines, summarise
from engine.evaluation.table import table
from engine.types import Ended, FloatArray, PcmFrame, Segment, SpeechReport, Voice

FRAME = 1920


def tone(frames: int, pitch_hz: float) -> FloatArray:
    time_s = np.arange(frames * FRAME) / 24_000
    waves = sum(np.sin(2 * np.pi * pitch_hz * n * time_s + n) / n for n in range(1, 8))
    return np.asarray(0.2 * waves, np.float32)


class FakeCodec:
    """Loses nothing."""

    def encode(self, audio: FloatArray) -> FloatArray:
        return np.pad(audio, (0, -len(audio) % FRAME))

    def decode(self, codes: FloatArray) -> FloatArray:
        return codes


class FakeConversation:
    def __init__(self, frames: int, ended: Ended) -> None:
        self.added: list[Segment] = []
        self.report: SpeechReport | None = None
        self._frames, self._ended = frames, ended

    def add(self, segment: Segment) -> None:
        self.added.append(segment)

    def speak(self, text: str, candidates: int) -> Iterator[PcmFrame]:
        self.candidates = candidates
        sound = tone(self._frames, 200.0)
        for index in range(self._frames):
            yield PcmFrame(sound[index * FRAME : (index + 1) * FRAME], index)
        self.report = SpeechReport(text, self._frames, self._ended, 0.1, 0.2, 0.08 * self._frames)


class FakeEngine:
    """Says everything in so many frames."""

    def __init__(self, frames: int, ended: Ended = Ended.EOS) -> None:
        self.codec = FakeCodec()
        self.conversations: list[FakeConversation] = []
        self._frames, self._ended = frames, ended

    def conversation(self, voice: Voice, *, seed: int) -> FakeConversation:
        assert seed == len(self.conversations)
        self.conversations.append(FakeConversation(self._frames, self._ended))
        return self.conversations[-1]


VOICE = Voice("nova", Segment(0, "Hello there.", tone(10, 200.0)))
SPEAKER = Speaker(VOICE, lambda text: tone(len(text.split()) * 5, 100.0))
PROMPTS = {"nova": profile(tone(10, 200.0)), "atlas": profile(np.diff(tone(10, 90.0), append=0))}


def lines(engine: FakeEngine, texts: list[str], **options: Any) -> list[Line]:
    return list(speak_lines(cast("Any", engine), SPEAKER, texts, **options))


def scored(line: Line, prompts: dict[str, Profile] = PROMPTS, heard: str = "one two") -> LineScore:
    return score_line(line, lambda samples, rate_hz: heard, 24_000, prompts)


def test_a_good_line() -> None:
    (line,) = lines(FakeEngine(10), ["one two"])
    score = scored(line)
    assert len(line.made) == len(line.reference) == len(line.rebuilt) == 10 * FRAME
    assert (score.missed, score.early, score.late) == (False, False, False)
    assert score.duration_ratio == 1.0
    assert score.pitch_semitones == pytest.approx(12, abs=0.5)
    assert score.nearest_voice == "nova"
    assert score.rebuilt_distance == 0.0 < score.distance


@pytest.mark.parametrize(
    ("frames", "ended", "flags"),
    [
        (5, Ended.EOS, (False, True, False)),
        (17, Ended.EOS, (False, False, True)),
        (17, Ended.LIMIT, (True, False, False)),
        (9, Ended.GUARD, (True, False, False)),
        (0, Ended.EOS, (False, True, False)),
    ],
)
def test_wrong_ends(frames: int, ended: Ended, flags: tuple[bool, bool, bool]) -> None:
    (line,) = lines(FakeEngine(frames, ended), ["one two"])
    score = scored(line)
    assert (score.missed, score.early, score.late) == flags


def test_user_line_comes_first_as_somebody_else() -> None:
    engine = FakeEngine(10)
    lines(engine, ["one two", "three four five"], user=lambda text: tone(len(text), 300.0))
    first, second = (conversation.added for conversation in engine.conversations)
    assert [(s.speaker, s.text) for s in first] == [(1, "three four five")]
    assert [(s.speaker, s.text) for s in second] == [(1, "one two")]
    assert second[0].audio is not None
    assert len(second[0].audio) == len("one two") * FRAME


@pytest.mark.parametrize("count", [1, 3])
def test_as_many_candidates_as_asked_for(count: int) -> None:
    engine = FakeEngine(10)
    lines(engine, ["one two"], candidates=count)
    assert engine.conversations[0].candidates == count


def test_summary_and_its_table() -> None:
    good = lines(FakeEngine(10), ["one two", "one three"])
    bad = lines(FakeEngine(0, Ended.LIMIT), ["one two"])
    report = summarise([*map(scored, good), scored(bad[0], heard="")])
    assert report.lines == 3
    assert report.error.rate == pytest.approx((0 + 1 + 2) / 6)
    assert report.error_espeak.rate == pytest.approx((0 + 1 + 2) / 6)
    assert report.missed_eos == report.early_eos == pytest.approx(1 / 3)
    assert report.voice_kept == pytest.approx(2 / 3)
    assert report.pitch_off_semitones_median == pytest.approx(12, abs=0.5)
    whole = {
        "sentences": 3,
        "csm": {
            "total": asdict(report),
            "voices": {"nova": asdict(report)},
            "after_user": asdict(report),
        },
        "figures": [asdict(figure) | {"met": figure.met} for figure in FIGURES],
    }
    text = "\n".join(table(whole))
    assert "EOS missed                                       0.333" in text
    assert text.count("NOT MET") == 1


FIGURES = [Figure("low is good", 0.1, 0.2), Figure("high is good", 0.1, 0.2, most=False)]


def test_figures_know_which_way_is_good() -> None:
    assert [figure.met for figure in FIGURES] == [True, False]


def test_json_holds_no_numbers_that_are_none() -> None:
    report = finite({"a": [math.inf, 1.5], "b": {"c": math.nan}, "d": Ended.EOS})
    assert json.loads(json.dumps(report)) == {"a": [None, 1.5], "b": {"c": None}, "d": "eos"}
