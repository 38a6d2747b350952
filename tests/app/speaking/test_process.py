"""A conversation that outlives its worker, on workers that die when told (in this process)."""

from __future__ import annotations

import itertools
import pickle
from collections import deque
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from app.core.errors import ModelMissingError, SpeechError
from app.core.turn import CancelToken, TurnId
from app.core.types import FloatArray
from app.speaking import process
from app.speaking.ahead import Ahead
from app.speaking.csm import CsmConversation, EngineOptions
from app.speaking.link import WorkerLostError
from app.speaking.process import ProcessConversation, ProcessSpeech
from engine import protocol
from engine.generator import SpeechEngine
from engine.protocol import Answer, Failed, Failure, Request
from engine.worker import Worker
from tests.engine.tiny import tiny_engine

TEXT = "Yes. So."


class Fate:
    """When workers die. ``sounds[i]``: how many frames the ``i``-th worker gives before it dies."""

    def __init__(self, engine: SpeechEngine) -> None:
        self.engine = engine
        self.sounds: dict[int, int] = {}
        self.memory = False
        self.requests: list[list[Request]] = []
        self.refuse: Failed | None = None

    def dies(self, life: int) -> None:
        """Kill the worker of that life before its next answer."""
        self.sounds[life] = 0


class FakeLink:
    """A worker that does each request when it is asked, and dies by its fate."""

    def __init__(self, fate: Fate) -> None:
        self.fate, self.life = fate, len(fate.requests)
        self.pid, self.alive = 1000 + self.life, True
        self.value = 0
        self.inbox: deque[Answer] = deque()
        self.asked: list[Request] = []
        fate.requests.append(self.asked)
        outer = self

        class Wire:
            def send(self, answer: Answer) -> None:
                outer.inbox.append(answer)

        wire: Any = Wire()
        number: Any = self
        self.worker = Worker(wire, number, lambda _: fate.engine)

    def cancel(self, line: int) -> None:
        self.value = line

    def ask(self, request: Request, patience_s: float) -> Answer:
        self.send(request, patience_s)
        return self.receive(patience_s)

    def send(self, request: Request, patience_s: float) -> None:
        if not self.alive:
            raise WorkerLostError("It was dead already: never mind.")
        self.asked.append(request)
        if isinstance(request, protocol.Load) and self.fate.refuse is not None:
            self.inbox.append(self.fate.refuse)
            return
        self.inbox.append(self.worker._answer(pickle.loads(pickle.dumps(request))))

    def receive(self, patience_s: float, look: Any = None) -> Answer:
        if look is not None:
            look()
        left = self.fate.sounds.get(self.life)
        if left is not None and not isinstance(self.inbox[0], protocol.Loaded):
            if left == 0:
                self.alive = False
                raise WorkerLostError("The engine died: try again.", memory=self.fate.memory)
            if isinstance(self.inbox[0], protocol.Sound):
                self.fate.sounds[self.life] = left - 1
        return self.inbox.popleft()

    def end(self, deadline_s: float) -> bool:
        self.alive = False
        return True


@pytest.fixture
def fate(monkeypatch: pytest.MonkeyPatch) -> Fate:
    fate = Fate(tiny_engine())
    monkeypatch.setattr(process, "WorkerLink", lambda: FakeLink(fate))
    return fate


@pytest.fixture
def speech(fate: Fate) -> ProcessSpeech:
    return ProcessSpeech(EngineOptions(Path("nowhere")))


def token() -> CancelToken:
    return CancelToken(TurnId(1))


def noise(frames: int, seed: int = 0) -> FloatArray:
    return np.random.default_rng(seed).normal(0, 0.1, frames * 1920).astype(np.float32)


def say(conversation: Any, text: str = TEXT) -> FloatArray:
    return np.concatenate(list(conversation.speak(text, token())))


def direct(fate: Fate) -> CsmConversation:
    return CsmConversation(fate.engine.conversation(None))


def lines_of(fate: Fate, conversation: ProcessConversation) -> list[tuple[int, ...]]:
    """The lines that the engine in the running worker remembers: lengths and first codes."""
    link: Any = conversation._speech.running
    history = link.worker._conversations[conversation._number].history
    return [(len(line.codes), *line.ids, *line.codes[:2].ravel()) for line in history]


def test_what_was_listened_to_goes_over_once_and_changes_nothing(
    fate: Fate, speech: ProcessSpeech
) -> None:
    ours, theirs = speech.conversation(), direct(fate)
    heard, other = noise(9), noise(5, 1)
    for until in (2000, 9000, 9000):
        ours.listen(heard[:until])
    ours.listen(other)
    ours.listen(heard[:4000])
    ours.listen(heard)
    listened = [one for one in fate.requests[0] if isinstance(one, protocol.Listen)]
    starts = [(one.start, len(one.pcm) // 4) for one in listened]
    assert starts == [(0, 2000), (2000, 7000), (9000, 0), (0, 9600), (0, 4000), (4000, 13_280)]
    for conversation in (ours, theirs):
        conversation.hear("Hello.", heard)
    assert np.array_equal(say(ours), say(theirs))


def test_readings_are_asked_for_where_there_is_time_and_when_they_are_wanted(
    fate: Fate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Ahead, "candidates", lambda self, text: self._most)
    speech = ProcessSpeech(EngineOptions(Path("nowhere"), candidates=2))
    ours, theirs = speech.conversation(), fate.engine.conversation(None)
    told = [frame.samples for frame in theirs.speak("Yes.", candidates=2)]
    assert np.array_equal(say(ours, "Yes."), np.concatenate(told))
    (asked,) = [one for one in fate.requests[0] if isinstance(one, protocol.Speak)]
    assert asked.candidates == 2


def test_a_worker_that_dies_while_listening_is_no_loss(fate: Fate, speech: ProcessSpeech) -> None:
    ours, theirs = speech.conversation(), direct(fate)
    ours.listen(noise(9)[:5000])
    fate.dies(0)
    ours.listen(noise(9)[:9000])
    ours.listen(noise(9)[:12_000])
    for conversation in (ours, theirs):
        conversation.hear("Hello.", noise(9))
    assert np.array_equal(say(ours), say(theirs))
    assert len(fate.requests) == 2


def test_an_exchanged_voice_outlives_the_worker(
    fate: Fate, speech: ProcessSpeech, tmp_path: Path
) -> None:
    soundfile.write(tmp_path / "prompt.wav", noise(4, 3), 24_000)
    (tmp_path / "prompt.txt").write_text("I am another.")
    ours, theirs = speech.conversation(), direct(fate)
    for conversation in (ours, theirs):
        conversation.hear("Hello.", noise(2))
        conversation.change_voice(tmp_path)
        assert say(conversation, "Yes.").size
    fate.dies(0)
    ours.hear("And now?", noise(1))
    opened = [one for one in fate.requests[1] if isinstance(one, protocol.Open)]
    assert [one.voice for one in opened] == [str(tmp_path)]
    for conversation in (ours, theirs):
        with pytest.raises(ModelMissingError, match="no voice folder"):
            conversation.change_voice(tmp_path / "nobody")


def test_it_is_what_the_engine_says(fate: Fate, speech: ProcessSpeech) -> None:
    ours, theirs = speech.conversation(), direct(fate)
    for conversation in (ours, theirs):
        conversation.recall("What was said.", noise(4))
        conversation.hear("What I say.", noise(3, 1))
    assert np.array_equal(say(ours), say(theirs))
    assert ours.line is not None and theirs.line is not None
    assert (ours.line.text, ours.line.frames, ours.line.ended, ours.line.audio_s) == (
        theirs.line.text,
        theirs.line.frames,
        theirs.line.ended,
        theirs.line.audio_s,
    )
    assert list(ours.speak("🙂", token())) == [] and ours.line is None


@pytest.mark.parametrize("frames", [0, 1, 7, -12, -1])
def test_a_line_goes_on_from_the_frame_where_its_worker_died(
    fate: Fate, speech: ProcessSpeech, frames: int
) -> None:
    ours, theirs = speech.conversation(), direct(fate)
    for conversation in (ours, theirs):
        conversation.hear("Hello.", noise(3))
    whole = say(theirs)
    fate.sounds[0] = frames % (len(whole) // 1920)  # the last ones count from the end
    sound = say(ours)
    assert len(fate.requests) == 2
    np.testing.assert_allclose(sound, whole, atol=1e-4)
    assert ours.line is not None and ours.line.frames * 1920 == len(whole)
    # and the conversation is what it was
    for conversation in (ours, theirs):
        conversation.hear("And then?", noise(2, 2))
    np.testing.assert_allclose(say(ours, "So."), say(theirs, "So."), atol=1e-4)


def test_a_worker_that_died_between_the_lines_costs_nothing(
    fate: Fate, speech: ProcessSpeech
) -> None:
    ours, theirs = speech.conversation(), direct(fate)
    for conversation in (ours, theirs):
        conversation.hear("Hello.", noise(3))
        say(conversation)
    link: Any = speech.running
    link.alive = False
    for conversation in (ours, theirs):
        conversation.hear("And then?", noise(3, 1))
    np.testing.assert_allclose(say(ours, "So."), say(theirs, "So."), atol=1e-4)


def test_a_worker_that_dies_of_hearing_is_replaced_and_told_again(
    fate: Fate, speech: ProcessSpeech
) -> None:
    ours = speech.conversation()
    fate.dies(0)
    ours.hear("Hello.", noise(3))
    assert len(fate.requests) == 2
    assert [line[0] for line in lines_of(fate, ours)] == [3]


def test_two_deaths_in_a_line_are_a_failure_and_the_next_line_may_go_well(
    fate: Fate, speech: ProcessSpeech
) -> None:
    ours = speech.conversation()
    fate.sounds.update({0: 2, 1: 3})
    frames = ours.speak(TEXT, token())
    with pytest.raises(SpeechError, match="died: try again"):
        list(itertools.islice(frames, 100))
    assert ours.line is not None and ours.line.frames == 5
    ours.hear("Go on.", noise(2))
    say(ours, "So.")
    assert [line[0] for line in lines_of(fate, ours)][:2] == [5, 2]


def test_after_three_failed_lines_no_worker_is_started_any_more(
    fate: Fate, speech: ProcessSpeech
) -> None:
    ours = speech.conversation()
    for life in range(20):
        fate.dies(life)
    for _ in range(3):
        with pytest.raises(SpeechError, match="died"):
            list(ours.speak(TEXT, token()))
    started = len(fate.requests)
    for _ in range(2):
        with pytest.raises(SpeechError, match="answers come as text"):
            ours.hear("Hello.", noise(1))
        with pytest.raises(SpeechError, match="answers come as text"):
            list(ours.speak(TEXT, token()))
    assert len(fate.requests) == started
    fate.sounds.clear()
    speech.load()  # an explicit wish is a fresh start
    assert say(ours).size


def test_marks_outlive_the_worker(fate: Fate, speech: ProcessSpeech) -> None:
    ours, theirs = speech.conversation(), direct(fate)
    for conversation in (ours, theirs):
        conversation.hear("Hello.", noise(3))
        say(conversation, "Yes.")
    mark = ours.mark()
    for life in (0, 1):
        ours.hear("A draft.", noise(5, 5))
        fate.sounds[life] = 4
        say(ours, "No.")
        ours.back_to(mark)
        assert len(fate.requests) == life + 2
    for conversation in (ours, theirs):
        conversation.hear("The real thing.", noise(2, 2))
    np.testing.assert_allclose(say(ours, "So."), say(theirs, "So."), atol=1e-4)
    with pytest.raises(ValueError, match="no mark 99"):
        ours.back_to(99)


def test_a_draft_is_taken_back_in_the_same_worker(fate: Fate, speech: ProcessSpeech) -> None:
    ours, theirs = speech.conversation(), direct(fate)
    mark = ours.mark()
    ours.hear("A draft.", noise(5, 5))
    say(ours, "No.")
    ours.back_to(mark)
    for conversation in (ours, theirs):
        conversation.hear("The real thing.", noise(2, 2))
    assert np.array_equal(say(ours), say(theirs))
    assert not any(isinstance(request, protocol.Remember) for request in fate.requests[0])


@pytest.mark.parametrize("dead", [False, True])
def test_what_was_not_heard_is_cut_here_and_there(
    fate: Fate, speech: ProcessSpeech, dead: bool
) -> None:
    ours, theirs = speech.conversation(), direct(fate)
    for conversation in (ours, theirs):
        conversation.hear("Hello.", noise(3))
        say(conversation, "Yes.")
        say(conversation, "So.")
    if dead:
        link: Any = speech.running
        link.alive = False
    for conversation in (ours, theirs):
        conversation.keep_heard(40)
        conversation.hear("Stop.", noise(2, 2))
    np.testing.assert_allclose(say(ours, "So."), say(theirs, "So."), atol=1e-4)
    lengths = [line[0] for line in lines_of(fate, ours)]
    assert lengths[0] == 3 and sum(lengths[1:-2]) == 40 and lengths[-2] == 2


def test_cancelled_frames_on_their_way_are_forgotten(fate: Fate, speech: ProcessSpeech) -> None:
    ours = speech.conversation()
    cancel = token()
    frames = ours.speak(TEXT, cancel)  # this worker has made all of them when the first one comes
    taken = [next(frames) for _ in range(4)]
    cancel.cancel()
    assert list(frames) == []
    assert ours.line is not None
    assert (ours.line.frames, ours.line.ended) == (len(taken), "cancelled")
    assert [line[0] for line in lines_of(fate, ours)] == [4]


def test_a_line_that_is_left_in_the_middle_is_ended(fate: Fate, speech: ProcessSpeech) -> None:
    ours, other = speech.conversation(), speech.conversation(1)
    frames = ours.speak(TEXT, token())
    next(frames)
    other.hear("Another conversation.", noise(2))
    assert list(frames) == []
    assert ours.line is not None and ours.line.frames == 1
    assert [line[0] for line in lines_of(fate, ours)] == [1]
    assert [line[0] for line in lines_of(fate, other)] == [2]


def test_a_cancelled_line_starts_no_worker_again(fate: Fate, speech: ProcessSpeech) -> None:
    ours = speech.conversation()
    cancel = token()
    frames = ours.speak(TEXT, cancel)
    next(frames)
    fate.dies(0)
    cancel.cancel()
    assert list(frames) == []
    assert len(fate.requests) == 1


def test_out_of_memory_tells_the_new_worker_only_the_newer_half(
    fate: Fate, speech: ProcessSpeech
) -> None:
    ours = speech.conversation()
    for turn in range(4):
        ours.hear(f"Line {turn}.", noise(turn + 1, turn))
    fate.memory = True
    fate.sounds[0] = 5
    say(ours, "Yes.")
    assert [line[0] for line in lines_of(fate, ours)][:-1] == [3, 4]


def test_the_kept_lines_fit_the_window_however_long_the_talk(
    fate: Fate, speech: ProcessSpeech
) -> None:
    ours = speech.conversation()
    for turn in range(12):
        ours.hear(f"Line {turn}.", noise(30, turn))
    assert sum(line.positions for line in ours._kept.lines) <= 256
    link: Any = speech.running
    link.alive = False
    ours.hear("Now.", noise(3))
    assert [line[0] for line in lines_of(fate, ours)][-1] == 3
    assert len(fate.requests[1]) < 12


def test_closing_ends_everything(fate: Fate, speech: ProcessSpeech) -> None:
    ours = speech.conversation()
    frames = ours.speak(TEXT, token())
    next(frames)
    assert speech.pid
    assert speech.close()
    assert speech.pid == 0
    assert speech.close()
    fate.dies(0)
    assert list(frames) == []
    with pytest.raises(SpeechError, match="closed"):
        ours.hear("Hello.", noise(1))
    assert len(fate.requests) == 1


def test_conversations_that_nobody_holds_are_closed(fate: Fate, speech: ProcessSpeech) -> None:
    first = speech.conversation()
    number = first._number
    del first
    say(speech.conversation())
    assert protocol.Close(number) in fate.requests[0]


@pytest.mark.parametrize(
    ("kind", "error"),
    [(Failure.MODEL, ModelMissingError), (Failure.ENGINE, SpeechError)],
)
def test_a_model_that_cannot_be_loaded_is_told_in_its_own_words(
    fate: Fate, speech: ProcessSpeech, kind: Failure, error: type[Exception]
) -> None:
    fate.refuse = Failed(kind, "This cannot be: do that.")
    with pytest.raises(error, match="This cannot be: do that"):
        speech.load()
    assert speech.pid == 0
    fate.refuse = None
    speech.load()
    assert speech.ping()
    assert speech.facts is not None and speech.facts.window == 256
