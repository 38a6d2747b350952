"""A turn: the pieces in order, thinking and speaking at once, and what is kept when one fails."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from app.audio.files import FileReader
from app.conversation.turn import Draft, TurnPorts, TurnRunner
from app.core.errors import NoSpeechError, ServerError, SpeechError, ThinkingError
from app.core.turn import CancelToken, TurnId
from app.core.types import FloatArray, Message
from app.listening.spans import SpeechRules, VadSpeechFinder
from tests.fakes.parts import (
    FRAME,
    FakeChat,
    FakeRecogniser,
    FakeSpeech,
    LevelVad,
    VirtualClock,
)
from tests.fakes.sounds import tone, write_question


class Bench:
    """A runner with fakes around it."""

    def __init__(self, chat=None, speech=None, recogniser=None, turn_s: float = 60.0) -> None:
        self.clock = VirtualClock()
        self.chat = chat or FakeChat()
        self.recogniser = recogniser or FakeRecogniser()
        self.speech = (speech or FakeSpeech()).conversation()
        finder = VadSpeechFinder(LevelVad(), self.clock, SpeechRules(turn_s=turn_s))
        ports = TurnPorts(FileReader(), finder, self.recogniser, self.chat, self.clock)
        self.runner = TurnRunner(ports, self.speech, lambda: "system")
        self.frames: list[FloatArray] = []
        self.cancel = CancelToken(TurnId(1))

    def run(self, path: Path, sink=None) -> Draft:
        self.draft = Draft(TurnId(1), path)
        self.runner.run(self.draft, sink or self.frames.append, self.cancel)
        return self.draft


def test_a_turn_from_sound_to_sound(tmp_path: Path) -> None:
    bench = Bench()
    draft = bench.run(write_question(tmp_path / "q.wav", 44_100, 2))
    assert draft.user_text == "hello there"
    assert draft.reply_text == "I am a fake, and I say so myself."
    assert len(bench.frames) == 2 * 9
    assert draft.audio_s == pytest.approx(len(bench.frames) * 0.08)
    assert draft.ended == "eos"
    who, words, samples = bench.speech.context[0]
    assert (who, words) == ("user", "hello there")
    # The tone with its pads, at the engine's rate.
    assert samples == pytest.approx(1.4 * 24_000, abs=1500)
    assert bench.recogniser.heard[0] == pytest.approx(1.4 * 16_000, abs=1000)


def test_every_stage_is_timed(tmp_path: Path) -> None:
    timings = Bench().run(write_question(tmp_path / "q.wav")).timings_ms()
    assert set(timings) == {
        "decode_ms", "vad_ms", "asr_ms", "context_ms", "llm_first_token_ms", "llm_ms",
        "first_audio_ms", "speech_ms", "turn_ms", "speech_rtf",
    }  # fmt: skip
    assert all(value > 0 for value in timings.values())
    assert timings["turn_ms"] > timings["asr_ms"] + timings["speech_ms"]


def test_the_model_is_told_what_was_said_before(tmp_path: Path) -> None:
    bench = Bench(recogniser=FakeRecogniser(["one", "two"]))
    path = write_question(tmp_path / "q.wav")
    bench.run(path)
    bench.run(path)
    assert [(str(m.role), m.content) for m in bench.chat.told[1]] == [
        ("system", "system"),
        ("user", "one"),
        ("assistant", "I am a fake, and I say so myself."),
        ("user", "two"),
    ]
    assert [entry[0] for entry in bench.speech.context][:2] == ["user", "assistant"]


def test_speech_begins_while_the_model_still_writes(tmp_path: Path) -> None:
    spoken = threading.Event()

    class Waiting(FakeChat):
        def stream(self, messages: Sequence[Message], cancel: CancelToken) -> Iterator[str]:
            yield "This is the first piece, "
            yield "and "
            # Only a pipeline that speaks at once gets past this.
            assert spoken.wait(20)
            yield "this is the rest."

    bench = Bench(chat=Waiting())

    def sink(frame: FloatArray) -> None:
        bench.frames.append(frame)
        spoken.set()

    draft = bench.run(write_question(tmp_path / "q.wav"), sink)
    assert draft.reply_text == "This is the first piece, and this is the rest."


def test_a_server_that_breaks_off_is_spoken_as_far_as_it_came(tmp_path: Path) -> None:
    bench = Bench(chat=FakeChat(["This much ", "came thr"], ServerError("It broke off: retry.")))
    with pytest.raises(ServerError):
        bench.run(write_question(tmp_path / "q.wav"))
    assert bench.draft.reply_text == "This much came thr"
    assert len(bench.frames) == 2 * 4


def test_an_engine_that_fails_leaves_text_and_sound_so_far(tmp_path: Path) -> None:
    bench = Bench(speech=FakeSpeech(error_after=5))
    with pytest.raises(SpeechError):
        bench.run(write_question(tmp_path / "q.wav"))
    assert len(bench.frames) == 5
    assert bench.draft.audio_s == pytest.approx(0.4)
    assert bench.draft.reply_text.startswith("I am a fake")
    assert bench.cancel.cancelled


def test_a_bug_in_the_model_is_not_swallowed(tmp_path: Path) -> None:
    bench = Bench(chat=FakeChat(["Well, "], ZeroDivisionError("bug")))
    with pytest.raises(ZeroDivisionError):
        bench.run(write_question(tmp_path / "q.wav"))


def test_an_endless_answer_stops_when_cancelled(tmp_path: Path) -> None:
    class Endless(FakeChat):
        def stream(self, messages: Sequence[Message], cancel: CancelToken) -> Iterator[str]:
            while not cancel.cancelled:
                yield "and so on "

    bench = Bench(chat=Endless())

    def sink(frame: FloatArray) -> None:
        bench.frames.append(frame)
        if len(bench.frames) == 20:
            bench.cancel.cancel()

    draft = bench.run(write_question(tmp_path / "q.wav"), sink)
    assert len(bench.frames) == 20
    assert draft.reply_text.startswith("and so on")
    assert not [thread for thread in threading.enumerate() if thread.name == "think"]


def test_no_words_are_no_speech(tmp_path: Path) -> None:
    bench = Bench(recogniser=FakeRecogniser([" . "]))
    with pytest.raises(NoSpeechError, match=r"No words could be made out in .*q\.wav"):
        bench.run(write_question(tmp_path / "q.wav"))
    assert bench.draft.heard is not None


def test_no_sound_is_no_speech_and_names_the_file(tmp_path: Path) -> None:
    import soundfile

    soundfile.write(tmp_path / "quiet.wav", np.zeros(24_000), 24_000)
    with pytest.raises(NoSpeechError, match=r"quiet\.wav"):
        Bench().run(tmp_path / "quiet.wav")


def test_an_empty_answer_is_told(tmp_path: Path) -> None:
    with pytest.raises(ThinkingError, match="gave no answer"):
        Bench(chat=FakeChat([" ", "\n"])).run(write_question(tmp_path / "q.wav"))


def test_an_answer_of_emoji_is_kept_as_text_and_told(tmp_path: Path) -> None:
    draft = Bench(chat=FakeChat(["😀 ", "🎉"])).run(write_question(tmp_path / "q.wav"))
    assert draft.reply_text == "😀 🎉"
    assert draft.audio_s == 0
    assert draft.notices == ["Nothing in the answer could be spoken."]


def test_a_turn_that_is_too_long_is_cut_and_told(tmp_path: Path) -> None:
    import soundfile

    soundfile.write(tmp_path / "q.wav", tone(9.0), 24_000)
    bench = Bench(turn_s=4.0)
    draft = bench.run(tmp_path / "q.wav")
    assert bench.recogniser.heard[0] <= 4.1 * 16_000
    assert "its first 4 s were used" in draft.notices[0]


def test_frames_keep_their_size(tmp_path: Path) -> None:
    bench = Bench()
    bench.run(write_question(tmp_path / "q.wav"))
    assert {len(frame) for frame in bench.frames} == {FRAME}
