"""The engine's process from inside: messages in, messages out, on an engine of random weights."""

from __future__ import annotations

import dataclasses
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import soundfile
import torch
from torch import Tensor, nn

from engine import generator, protocol
from engine.errors import ModelError
from engine.generator import SpeechEngine
from engine.listening import Listener
from engine.protocol import Answer, Failed, Failure, Request
from engine.runtime.eager import EagerDecoder
from engine.runtime.precision import Precision
from engine.voice import load_voice
from engine.worker import ORPHANED, PAUSE_S, Worker, out_of_memory
from tests.engine.tiny import tiny_engine, tiny_segment

LOAD = protocol.Load("model", "", "cpu", "fp32", 1)
TEXT = "Yes. So."


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """The decoder that runs the model's own modules, into which these tests reach."""
    monkeypatch.setattr(generator, "make_decoder", EagerDecoder)


class Number:
    """A shared number that nobody else sets; ``after`` looks at it, it says that all is cancelled."""

    def __init__(self, after: int = 10**9) -> None:
        self.after, self.looks = after, 0

    @property
    def value(self) -> int:
        self.looks += 1
        return 10**9 if self.looks > self.after else 0


class Wire:
    """Hands out requests and keeps the answers; then it is cut."""

    def __init__(self, *requests: Request) -> None:
        self.left = list(requests)
        self.answers: list[Any] = []

    def recv(self) -> Request:
        if not self.left:
            raise EOFError
        return pickle.loads(pickle.dumps(self.left.pop(0)))

    def poll(self, timeout: float) -> bool:
        return True  # or its end

    def send(self, answer: Answer) -> None:
        self.answers.append(pickle.loads(pickle.dumps(answer)))


def serve(
    *requests: Request, engine: SpeechEngine | None = None, number: Number | None = None
) -> tuple[list[Answer], int]:
    """What a worker answers to a loaded conversation 1 and then ``requests``, and its exit code."""
    made = engine or tiny_engine()
    wire: Any = Wire(LOAD, protocol.Open(1, "", 0), *requests)
    code = Worker(wire, number or Number(), lambda _: made).run()
    return wire.answers[2:], code


def sounds(answers: list[Answer]) -> list[protocol.Sound]:
    return [answer for answer in answers if isinstance(answer, protocol.Sound)]


def expected(engine: SpeechEngine, text: str = TEXT, user: Any = None) -> list[Any]:
    conversation = engine.conversation(None)
    if user is not None:
        conversation.add(user)
    return list(conversation.speak(text))


def fail_once(engine: SpeechEngine, at: int, error: Exception, times: int = 1) -> None:
    """Raise ``error`` when the backbone runs for the ``at``-th time from now."""
    runs = 0

    def hook(_module: nn.Module, _inputs: object, output: Tensor) -> None:
        nonlocal runs
        runs += 1
        if at <= runs < at + times:
            raise error

    engine.model.backbone.register_forward_hook(hook)


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


def test_what_fails_in_a_pause_fails_no_request(caplog: pytest.LogCaptureFixture) -> None:
    engine = tiny_engine()
    wire: Any = Wire(LOAD, protocol.Open(1, "", 0), protocol.Ping(5))
    worker = Worker(wire, Number(), lambda _: engine)
    wire.poll = lambda timeout: not worker._conversations or len(wire.answers) > 2

    def fail() -> bool:
        raise MemoryError

    begin = worker._handlers[protocol.Open]

    def begun(request: Any) -> Answer:
        answer = begin(request)
        worker._conversations[1].rest = fail  # type: ignore[method-assign]
        return answer

    worker._handlers[protocol.Open] = begun
    worker.run()
    assert wire.answers[-1] == protocol.Pong(5)
    assert "MemoryError in a pause" in caplog.text


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


def test_what_cannot_be_spoken_or_found_is_one_sentence_and_the_worker_goes_on() -> None:
    answers, _ = serve(protocol.Speak(1, 1, "🙂"), protocol.Ping(5))
    failed, pong = answers
    assert isinstance(failed, Failed) and failed.kind == Failure.TEXT
    assert "nothing to speak" in failed.sentence
    assert pong == protocol.Pong(5)


def test_a_model_that_cannot_be_loaded_is_told() -> None:
    def load(_: protocol.Load) -> SpeechEngine:
        raise ModelError("There is no model: get one.")

    wire: Any = Wire(LOAD, protocol.Open(1, "", 0), protocol.Quit())
    assert Worker(wire, Number(), load).run() == 0
    assert wire.answers[0] == Failed(Failure.MODEL, "There is no model: get one.")
    assert wire.answers[1].kind == Failure.MODEL


@pytest.mark.parametrize("at", [1, 5, 20])
def test_out_of_memory_once_goes_on_where_it_was(at: int) -> None:
    engine = tiny_engine()
    told = expected(engine, "Yes.")
    fail_once(engine, at, MemoryError())
    answers, code = serve(protocol.Speak(1, 1, "Yes."), protocol.Ping(1), engine=engine)
    heard = sounds(answers)
    assert [sound.index for sound in heard] == list(range(len(told)))
    assert [s.codes for s in heard] == [protocol.code_bytes(frame.codes) for frame in told]
    assert answers[-1] == protocol.Pong(1)
    assert code == ORPHANED


def test_after_running_out_of_memory_half_of_the_past_is_gone_and_nothing_is_said_twice() -> None:
    engine = tiny_engine()
    told = expected(engine)
    first = sum(frame.line == 0 for frame in told)
    fail_once(engine, first + 6, MemoryError())  # in the second part
    answers, _ = serve(protocol.Speak(1, 1, TEXT), protocol.Speak(1, 2, "Yes."), engine=engine)
    heard = [sound for sound in sounds(answers) if sound.line == 1]
    assert [sound.index for sound in heard] == list(range(len(heard)))
    assert [sound.part for sound in heard] == sorted(sound.part for sound in heard)
    assert sum(sound.part == 0 for sound in heard) == first
    same = [protocol.code_bytes(frame.codes) for frame in told[: first + 3]]
    assert [sound.codes for sound in heard[: first + 3]] == same
    assert [type(a) for a in answers].count(protocol.Spoken) == 2


def test_out_of_memory_again_ends_the_worker_with_one_sentence() -> None:
    engine = tiny_engine()
    fail_once(engine, 6, MemoryError(), times=10**6)
    answers, code = serve(protocol.Speak(1, 1, TEXT), protocol.Ping(1), engine=engine)
    failed = answers[-1]
    assert isinstance(failed, Failed) and failed.kind == Failure.MEMORY
    assert failed.sentence.endswith("smaller model.")
    assert code == 1


def test_a_crash_is_told_and_ends_the_worker(caplog: pytest.LogCaptureFixture) -> None:
    engine = tiny_engine()
    fail_once(engine, 3, RuntimeError("CUDA error: lost\nand more"))
    answers, code = serve(protocol.Speak(1, 1, TEXT), protocol.Ping(1), engine=engine)
    failed = answers[-1]
    assert isinstance(failed, Failed) and failed.kind == Failure.CRASH
    assert "(CUDA error: lost)" in failed.sentence
    assert code == 1
    assert "CUDA error: lost" in caplog.text


def test_closed_conversations_are_forgotten() -> None:
    answers, code = serve(protocol.Close(1), protocol.Close(1), protocol.Mark(1))
    assert answers[:2] == [protocol.Done(), protocol.Done()]
    assert isinstance(answers[2], Failed) and code == 1


@pytest.mark.parametrize(
    ("make", "memory"),
    [
        (MemoryError, True),
        (lambda: torch.OutOfMemoryError("CUDA out of memory."), True),
        (lambda: RuntimeError("DefaultCPUAllocator: can't allocate memory: 3 bytes"), True),
        (lambda: RuntimeError("CUDA error: device-side assert"), False),
        (lambda: ValueError("out of memory"), False),
    ],
)
def test_running_out_of_memory_is_told_from_other_failures(
    make: Callable[[], Exception], memory: bool
) -> None:
    assert out_of_memory(make()) is memory
