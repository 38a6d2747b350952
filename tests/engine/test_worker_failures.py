"""The engine's process from inside, when something fails: told in a sentence, and gone on from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from engine import generator, protocol
from engine.errors import ModelError
from engine.generator import SpeechEngine
from engine.protocol import Answer, Failed, Failure
from engine.runtime.eager import EagerDecoder
from engine.worker import ORPHANED, Worker, out_of_memory
from tests.engine.tiny import tiny_engine, tiny_segment
from tests.engine.worker_wire import LOAD, TEXT, Number, Wire, expected, serve, sounds


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """The decoder that runs the model's own modules, into which these tests reach."""
    monkeypatch.setattr(generator, "make_decoder", EagerDecoder)


def fail_once(engine: SpeechEngine, at: int, error: Exception, times: int = 1) -> None:
    """Raise ``error`` when the backbone runs for the ``at``-th time from now."""
    runs = 0

    def hook(_module: nn.Module, _inputs: object, output: Tensor) -> None:
        nonlocal runs
        runs += 1
        if at <= runs < at + times:
            raise error

    engine.model.backbone.register_forward_hook(hook)


def test_what_fails_in_a_pause_fails_no_request(caplog: pytest.LogCaptureFixture) -> None:
    engine = tiny_engine()
    wire: Any = Wire(LOAD, protocol.Open(1, "", 0), protocol.Ping(5), protocol.Ping(6))
    worker = Worker(wire, Number(), lambda _: engine)
    wire.poll = lambda timeout: not worker._conversations or len(wire.answers) > 3
    tried: list[None] = []

    def fail() -> bool:
        tried.append(None)
        raise MemoryError

    begin = worker._handlers[protocol.Open]

    def begun(request: Any) -> Answer:
        answer = begin(request)
        worker._conversations[1].rest = fail  # type: ignore[method-assign]
        return answer

    worker._handlers[protocol.Open] = begun
    worker.run()
    assert wire.answers[-2:] == [protocol.Pong(5), protocol.Pong(6)]
    assert "MemoryError in a pause" in caplog.text
    assert len(tried) == 1  # what failed once is not tried in every pause


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


def test_out_of_memory_costs_the_older_half_and_the_begun_line_is_remembered_once() -> None:
    engine = tiny_engine()
    codes = protocol.code_bytes(np.asarray(tiny_segment(3).codes))
    lines = [protocol.Remember(1, 1, f"Line {n}.", codes, False) for n in range(4)]
    wire: Any = Wire(LOAD, protocol.Open(1, "", 0), *lines, protocol.Speak(1, 1, TEXT))
    worker = Worker(wire, Number(), lambda _: engine)
    wire.send = lambda answer: (
        wire.answers.append(answer),
        len(sounds(wire.answers)) == 4 and fail_once(engine, 1, MemoryError()),
    )
    worker.run()
    talk = worker._conversations[1]
    heard = sounds(wire.answers)
    assert len(heard) > 4 and isinstance(wire.answers[-1], protocol.Spoken)
    assert talk.turn_frames == len(heard)
    spoken = [line for line in talk.history if len(line.codes) != 3]
    assert sum(len(line.codes) for line in spoken) == len(heard)
    assert len(talk.history) - len(spoken) == 1  # of four, with the begun line, the newest two stay


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
