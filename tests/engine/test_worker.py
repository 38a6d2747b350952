"""The engine's process from inside: messages in, messages out, on an engine of random weights."""

from __future__ import annotations

import dataclasses
import pickle
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import soundfile

from engine import generator, protocol
from engine.listening import Listener
from engine.protocol import Answer, Failed, Failure, Request
from engine.runtime.eager import EagerDecoder
from engine.runtime.precision import Precision
from engine.voice import load_voice
from engine.worker import ORPHANED, PAUSE_S, Worker, load_engine
from tests.engine.tiny import tiny_engine, tiny_segment
from tests.engine.worker_wire import LOAD, TEXT, Number, Wire, expected, serve, sounds


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """The decoder that runs the model's own modules, into which these tests reach."""
    monkeypatch.setattr(generator, "make_decoder", EagerDecoder)


@pytest.mark.parametrize("kind", [*get_args(Request), *get_args(Answer)])
def test_messages_are_frozen_plain_data(kind: type[Any]) -> None:
    fields = dataclasses.fields(kind)
    plain = {"str": "a", "int": 3, "float": 0.5, "bytes": b"\x00", "bool": True}
    message = kind(*(plain[str(field.type)] for field in fields))
    assert pickle.loads(pickle.dumps(message)) == message
    for field in fields:
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(message, field.name, None)


def test_sound_and_codes_survive_the_wire() -> None:
    sound = np.array([-1.0, 0.25, 1.0], np.float32)
    codes = np.array([[0, 2050], [1, 7]], np.int64)
    assert np.array_equal(protocol.sound_of(protocol.sound_bytes(sound)), sound)
    assert np.array_equal(protocol.codes_of(protocol.code_bytes(codes), 2), codes)
    assert protocol.codes_of(b"", 4).shape == (0, 4)


def test_the_worker_speaks_what_the_engine_speaks() -> None:
    engine = tiny_engine()
    told = expected(engine)
    answers, code = serve(protocol.Speak(1, 7, TEXT), engine=engine)
    heard = sounds(answers)
    assert [sound.index for sound in heard] == list(range(len(told)))
    assert {sound.line for sound in heard} == {7}
    assert [(sound.part, sound.words) for sound in heard] == [(f.line, f.text) for f in told]
    for sound, frame in zip(heard, told, strict=True):
        assert np.array_equal(protocol.sound_of(sound.pcm), frame.samples)
        assert np.array_equal(protocol.codes_of(sound.codes, 4)[0], frame.codes)
    spoken = answers[-1]
    assert isinstance(spoken, protocol.Spoken)
    assert (spoken.line, spoken.frames) == (7, len(told))
    assert code == ORPHANED  # the wire was cut


def test_the_engine_is_loaded_as_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = dict[str, Any]()

    def load(path: Path, **options: Any) -> None:
        asked.update(options, path=path)

    monkeypatch.setattr(generator.SpeechEngine, "load", load)
    load_engine(protocol.Load("model", "", "cpu", "int8", 0, "kept", 3))
    assert asked == {
        "path": Path("model"),
        "device": "cpu",
        "precision": "int8",
        "threads": None,
        "voices": Path("kept"),
        "candidates": 3,
    }


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_loading_tells_what_matters_outside(precision: str) -> None:
    engine = tiny_engine()
    engine.model.precision = Precision(precision)
    wire: Any = Wire(LOAD, protocol.Quit())
    assert Worker(wire, Number(), lambda _: engine).run() == 0
    (loaded,) = wire.answers
    assert (loaded.device, loaded.precision) == ("cpu", precision)
    assert (loaded.codebooks, loaded.window) == (4, 256)


def test_heard_lines_come_back_as_codes_and_can_be_remembered_from_them() -> None:
    engine = tiny_engine()
    sound = np.random.default_rng(0).normal(0, 0.1, 5 * 1920).astype(np.float32)
    hear = protocol.Hear(1, 1, "Hello.", protocol.sound_bytes(sound))
    answers, _ = serve(hear, protocol.Speak(1, 1, TEXT), engine=engine)
    remembered = answers[0]
    assert isinstance(remembered, protocol.Remembered)
    assert len(protocol.codes_of(remembered.codes, 4)) == 5
    again, _ = serve(
        protocol.Remember(1, 1, "Hello.", remembered.codes, False),
        protocol.Speak(1, 1, TEXT),
        engine=engine,
    )
    assert [s.pcm for s in sounds(again)] == [s.pcm for s in sounds(answers)]


def test_what_was_listened_to_ahead_is_the_same_line(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = tiny_engine()
    sound = np.random.default_rng(0).normal(0, 0.1, 9 * 1920 + 7).astype(np.float32)
    hear = protocol.Hear(1, 1, "Hello.", protocol.sound_bytes(sound))
    plain, _ = serve(hear, protocol.Speak(1, 1, "Yes."), engine=engine)

    def listen(start: int, end: int) -> protocol.Listen:
        return protocol.Listen(1, start, protocol.sound_bytes(sound[start:end]))

    heard: list[int] = []
    monkeypatch.setattr(
        Listener,
        "hear",
        lambda self, sound, real=Listener.hear: (heard.append(len(sound)), real(self, sound))[1],
    )
    ahead, _ = serve(
        listen(0, 1000),
        listen(1000, 8000),
        listen(3000, 17_000),
        listen(18_000, 17_280),  # goes on from what this worker never had
        hear,
        listen(0, 500),
        protocol.Speak(1, 1, "Yes."),
        engine=engine,
    )
    assert heard == [1000, 8000, 17_000, len(sound), 500]
    assert [answer for answer in ahead if answer != protocol.Done()] == [
        plain[0],
        *sounds(plain),
        ahead[-1],
    ]


def test_a_full_window_is_rebuilt_while_nobody_asks_for_anything() -> None:
    engine = tiny_engine()
    codes = protocol.code_bytes(np.asarray(tiny_segment(20).codes))
    lines = [protocol.Remember(1, 1, f"Line {n}.", codes, False) for n in range(7)]
    wire: Any = Wire(LOAD, protocol.Open(1, "", 0), *lines)
    worker = Worker(wire, Number(), lambda _: engine)
    sizes: list[int] = []

    def poll(timeout: float) -> bool:
        talk = worker._conversations.get(1)
        if talk is None or wire.left:
            return True
        assert timeout == (0.0 if sizes else PAUSE_S)
        sizes.append(talk.positions)
        return len(sizes) > 50

    wire.poll = poll
    assert worker.run() == ORPHANED
    assert 3 < len(sizes) < 50  # a bite at a time, a look for requests before each, and an end
    assert worker._conversations[1].positions < sizes[0]


def test_a_voice_is_made_ready_while_the_model_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = tiny_engine()
    soundfile.write(tmp_path / "prompt.wav", np.sin(np.arange(9600) / 9) / 3, 24_000)
    (tmp_path / "prompt.txt").write_text("I am Anna.")
    wire: Any = Wire(dataclasses.replace(LOAD, voice=str(tmp_path)))
    worker = Worker(wire, Number(), lambda _: engine)
    worker.run()
    monkeypatch.setattr(engine.codec, "encode", None)  # not needed any more
    assert worker._answer(protocol.Open(1, str(tmp_path), 0)) == protocol.Done()


def test_a_voice_can_be_exchanged(tmp_path: Path) -> None:
    engine = tiny_engine()
    folder = tmp_path / "anna"
    folder.mkdir()
    soundfile.write(folder / "prompt.wav", np.sin(np.arange(9600) / 9) / 3, 24_000)
    (folder / "prompt.txt").write_text("I am Anna.")
    answers, _ = serve(
        protocol.ChangeVoice(1, str(folder)), protocol.Speak(1, 1, "Yes."), engine=engine
    )
    assert answers[0] == protocol.Done()
    told = engine.conversation(load_voice(folder))
    assert [s.codes for s in sounds(answers)] == [
        protocol.code_bytes(frame.codes) for frame in told.speak("Yes.")
    ]
    refused, _ = serve(protocol.ChangeVoice(1, str(tmp_path / "nobody")), engine=engine)
    assert isinstance(refused[0], Failed) and refused[0].kind == Failure.MODEL


def test_cancelling_takes_effect_before_the_next_frame() -> None:
    answers, _ = serve(protocol.Speak(1, 1, TEXT), number=Number(after=3))
    assert len(sounds(answers)) == 3
    spoken = answers[-1]
    assert isinstance(spoken, protocol.Spoken) and spoken.ended == "cancelled"


def test_a_draft_is_taken_back_and_the_unheard_is_cut() -> None:
    engine = tiny_engine()
    codes = protocol.code_bytes(np.asarray(tiny_segment(6).codes))
    requests = [
        protocol.Mark(1),
        protocol.Remember(1, 1, "Hello.", codes, False),
        protocol.Speak(1, 1, "No."),
        protocol.BackTo(1, 1),
        protocol.Speak(1, 2, TEXT),
        protocol.Unhear(1, 5),
        protocol.Speak(1, 3, "So."),
    ]
    answers, _ = serve(*requests, engine=engine)
    assert answers[0] == protocol.Marked(1)
    told = engine.conversation(None)
    whole = len(list(told.speak(TEXT)))
    assert [s.line for s in sounds(answers)].count(2) == whole
    told.keep_heard(whole - 5)
    ours = [s.codes for s in sounds(answers) if s.line == 3]
    assert ours == [protocol.code_bytes(frame.codes) for frame in told.speak("So.")]


def test_closed_conversations_are_forgotten() -> None:
    answers, code = serve(protocol.Close(1), protocol.Close(1), protocol.Mark(1))
    assert answers[:2] == [protocol.Done(), protocol.Done()]
    assert isinstance(answers[2], Failed) and code == 1
