"""The worker as a real process with the shipped model: killed, stopped, abandoned, closed.

One worker is shared by the tests that need the model; whichever kills it, it comes back.
"""

from __future__ import annotations

import contextlib
import itertools
import multiprocessing
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from app.core.errors import SpeechError
from app.core.turn import CancelToken, TurnId
from app.speaking.csm import CsmSpeech, EngineOptions
from app.speaking.link import WorkerLink, WorkerLostError
from app.speaking.process import ProcessSpeech
from engine import protocol

ROOT = Path(__file__).resolve().parents[3]
OPTIONS = EngineOptions(ROOT / "assets/nano/csm", ROOT / "assets/voices/nova", device="cpu")
TEXT = "I was going to say something. And this is the rest of it."
LONG_S = 300.0

posix = pytest.mark.skipif(os.name != "posix", reason="signals are those of POSIX")
linux = pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="needs pidfd")


@pytest.fixture(scope="module")
def speech() -> Iterator[ProcessSpeech]:
    speech = ProcessSpeech(OPTIONS)
    speech.load()
    yield speech
    speech.close(LONG_S)


@pytest.fixture
def link() -> Iterator[WorkerLink]:
    """A worker without a model: it starts at once."""
    link = WorkerLink()
    assert link.ask(protocol.Ping(1), LONG_S) == protocol.Pong(1)
    yield link
    link.end(LONG_S)


def token() -> CancelToken:
    return CancelToken(TurnId(1))


def sound() -> np.ndarray:
    return np.random.default_rng(0).normal(0, 0.05, 12_000).astype(np.float32)


def stop(link: WorkerLink) -> None:
    """Halt the worker where it is, and see that it is halted."""
    os.kill(link.pid, signal.SIGSTOP)
    os.waitpid(link.pid, os.WUNTRACED)


def gone(pid: int) -> bool:
    """Wait until a process that is not ours has ended; False when it does not."""
    with contextlib.suppress(ProcessLookupError):
        handle = os.pidfd_open(pid)
        try:
            return bool(select.select([handle], [], [], LONG_S)[0])
        finally:
            os.close(handle)
    return True


def test_the_process_speaks_frame_for_frame_what_the_engine_speaks_here(
    speech: ProcessSpeech,
) -> None:
    ours, theirs = speech.conversation(seed=5), CsmSpeech(OPTIONS).conversation(seed=5)
    spoken: list[np.ndarray] = []
    for conversation in (ours, theirs):
        conversation.hear("How are you?", sound())
        spoken.append(np.concatenate(list(conversation.speak("Very well.", token()))))
    assert np.array_equal(spoken[0], spoken[1])
    facts = speech.facts
    assert facts is not None
    assert (facts.device, facts.precision, facts.codebooks) == ("cpu", "fp32", 4)


@posix
def test_killed_in_mid_sentence_the_line_is_finished_and_the_conversation_intact(
    speech: ProcessSpeech,
) -> None:
    conversation = speech.conversation(seed=1)
    conversation.hear("Hello.", sound())
    mark = conversation.mark()
    heard: list[np.ndarray] = []
    first = 0
    for frame in conversation.speak(TEXT, token()):
        heard.append(frame)
        if len(heard) == 5:
            first = speech.pid
            os.kill(first, signal.SIGKILL)
    line = conversation.line
    assert line is not None
    assert line.frames == len(heard) > 20
    assert line.ended in ("eos", "guard")  # what is drawn after the break depends on its moment
    assert speech.pid not in (0, first)
    assert [part.text for part in conversation._kept.lines] == [
        "Hello.",
        "I was going to say something.",
        "And this is the rest of it.",
    ]
    # Where the two lives join, the sound goes on: no click, and it does not start again.
    joined = np.concatenate(heard)
    assert np.abs(np.diff(joined[4 * 1920 :])).max() < 0.5
    conversation.back_to(mark)
    conversation.hear("Again.", sound())
    assert list(conversation.speak("Yes.", token()))
    assert len(conversation._kept.lines) == 3


@posix
def test_killed_twice_in_a_line_it_is_one_sentence_and_the_next_line_is_spoken(
    speech: ProcessSpeech,
) -> None:
    conversation = speech.conversation(seed=2)
    heard = 0

    def listen() -> None:
        nonlocal heard
        for _ in conversation.speak(TEXT, token()):
            heard += 1
            if heard in (3, 6):
                os.kill(speech.pid, signal.SIGKILL)

    with pytest.raises(SpeechError, match="was killed by signal 9: close other programs"):
        listen()
    assert conversation.line is not None and conversation.line.frames == heard
    assert list(conversation.speak("Yes.", token()))


@posix
def test_cancelling_takes_effect_within_one_frame(speech: ProcessSpeech) -> None:
    conversation = speech.conversation(seed=3)
    link = speech.running
    assert link is not None
    number = speech.next_number()
    link.send(protocol.Speak(conversation._number, number, TEXT), LONG_S)
    assert isinstance(link.receive(LONG_S), protocol.Sound)
    stop(link)
    made = 0
    while link._connection.poll():
        assert isinstance(link.receive(LONG_S), protocol.Sound)
        made += 1
    link.cancel(number)
    os.kill(link.pid, signal.SIGCONT)
    later: list[protocol.Answer] = []
    while not later or isinstance(later[-1], protocol.Sound):
        later.append(link.receive(LONG_S))
    assert len(later) - 1 <= 1
    spoken = later[-1]
    assert isinstance(spoken, protocol.Spoken) and spoken.ended == "cancelled"
    assert spoken.frames == 1 + made + len(later) - 1


def test_a_cancelled_line_is_remembered_as_far_as_it_was_taken(speech: ProcessSpeech) -> None:
    conversation = speech.conversation(seed=4)
    cancel = token()
    frames = conversation.speak(TEXT, cancel)
    for _ in range(3):
        next(frames)
    cancel.cancel()
    assert list(frames) == []
    assert conversation.line is not None
    assert (conversation.line.frames, conversation.line.ended) == (3, "cancelled")
    link = speech.running
    assert link is not None
    # Asking to cut nothing more: the worker has exactly what is kept here.
    assert conversation._kept.turn_frames == 3


def test_closing_leaves_no_process(link: WorkerLink) -> None:
    pid = link.pid
    assert link.end(LONG_S)
    assert not link.alive
    assert link._process.exitcode == 0  # it went when it was asked to
    assert pid not in {child.pid for child in multiprocessing.active_children()}
    with pytest.raises(WorkerLostError):
        link.ask(protocol.Ping(2), LONG_S)


@posix
@pytest.mark.parametrize("deadline_s", [0.0, 0.2])
def test_a_worker_that_hangs_is_killed(link: WorkerLink, deadline_s: float) -> None:
    stop(link)
    assert link.end(deadline_s)
    assert link._process.exitcode == -signal.SIGKILL


@posix
def test_a_worker_that_does_not_answer_is_told_from_a_dead_one(link: WorkerLink) -> None:
    stop(link)
    with pytest.raises(WorkerLostError, match="did not answer"):
        link.ask(protocol.Ping(2), 0.1)
    assert not link.alive


@posix
def test_a_clock_that_jumps_is_no_silence(
    link: WorkerLink, monkeypatch: pytest.MonkeyPatch
) -> None:
    hours = itertools.count(0.0, 3600.0)
    stop(link)
    link.send(protocol.Ping(2), LONG_S)
    monkeypatch.setattr("app.speaking.link.time.monotonic", lambda: next(hours))
    answer = link.receive(LONG_S, lambda: os.kill(link.pid, signal.SIGCONT))
    monkeypatch.undo()
    assert answer == protocol.Pong(2)


@posix
def test_a_worker_that_takes_nothing_is_told_too(link: WorkerLink) -> None:
    stop(link)
    with pytest.raises(WorkerLostError, match="was killed"):
        link.send(protocol.Hear(1, 1, "Long.", bytes(4_000_000)), 0.1)
    assert not link.alive


@posix
def test_interrupting_the_program_leaves_the_worker_to_its_parent(link: WorkerLink) -> None:
    os.kill(link.pid, signal.SIGINT)
    assert link.ask(protocol.Ping(2), LONG_S) == protocol.Pong(2)


def test_a_link_that_nobody_holds_ends_its_worker() -> None:
    link = WorkerLink()
    process = link._process
    finalizer = link._finalizer
    del link
    assert not finalizer.alive
    assert not process.is_alive()


SCRIPT = """
import sys
from app.speaking.link import WorkerLink
from engine import protocol
if __name__ == "__main__":
    link = WorkerLink()
    link.ask(protocol.Ping(1), 300)
    print(link.pid, flush=True)
    {then}
"""


@linux
@pytest.mark.parametrize(
    ("then", "end"),
    [("sys.stdin.read()", subprocess.Popen.kill), ("", None), ("raise SystemExit(3)", None)],
    ids=["killed", "ended", "failed"],
)
def test_no_worker_outlives_its_parent(
    tmp_path: Path, then: str, end: Callable[[subprocess.Popen[str]], None] | None
) -> None:
    script = tmp_path / "parent.py"
    script.write_text(SCRIPT.format(then=then), "utf-8")
    with subprocess.Popen(
        [sys.executable, str(script)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        if end is not None:
            os.kill(pid, 0)
            end(parent)
        assert gone(pid)
