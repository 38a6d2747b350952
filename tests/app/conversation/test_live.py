"""The live session with its real threads; models and device are fakes, and the device moves when told."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from app.conversation.live import LiveSession
from app.conversation.parts import LiveParts
from app.core.errors import ModelMissingError
from app.core.live_ports import DuplexBlock, Player
from app.core.shown import (
    Caption,
    DevicesChanged,
    Level,
    Notice,
    NoticeOver,
    Phase,
    PhaseChanged,
    RecordingChanged,
    Shown,
    Side,
    TurnTimes,
)
from tests.fakes.parts import FakeChat, FakeConversation
from tests.fakes.recorder import FakeRecorder
from tests.fakes.rooms import Room

WAIT_S = 30.0


class HandDevice:
    """A sound device whose time goes on when the test says so."""

    def __init__(self, room: Room, microphone: str = "desk mic") -> None:
        self.room = room
        self.microphone = microphone
        self.loudspeaker = "desk speaker"
        self.problem = "" if microphone else "There is no microphone: plug one in."
        self.xruns = 3
        self.on_block: Callable[[DuplexBlock], None] | None = None
        self.stopped = 0

    @property
    def player(self) -> Player:
        return self.room.device.player

    def start(self, on_block: Callable[[DuplexBlock], None]) -> None:
        self.on_block = on_block

    def stop(self) -> None:
        self.on_block = None
        self.stopped += 1

    def names(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        return ("desk mic", "headset"), ("desk speaker",)

    def go_on(self, seconds: float) -> None:
        for _ in range(round(seconds * 100)):
            if self.on_block is not None:
                self.on_block(self.room.device.step())


class Maker:
    """A ``LiveFactory`` of fakes."""

    def __init__(self, room: Room, microphone: str = "desk mic") -> None:
        self.room = room
        self.devices: list[HandDevice] = []
        self.asked: list[tuple[str, str]] = []
        self.recordings: list[FakeRecorder] = []
        self.microphone = microphone
        self.error: ModelMissingError | None = None
        self.closed = False

    def parts(self, tell: Callable[[str], None]) -> LiveParts:
        tell("Loading ...")
        if self.error is not None:
            raise self.error
        return self.room.sim.conductor.parts

    def device(self, microphone: str, loudspeaker: str) -> HandDevice:
        self.asked.append((microphone, loudspeaker))
        self.devices.append(HandDevice(self.room, self.microphone))
        return self.devices[-1]

    def recorder(self, notice: Callable[[str], None]) -> FakeRecorder:
        self.recordings.append(FakeRecorder(Path("somewhere")))
        return self.recordings[-1]

    def close(self, deadline_s: float) -> bool:
        self.closed = True
        return True


class Window:
    """Watches, and waits for what is shown."""

    def __init__(self) -> None:
        self.shown: list[Shown] = []
        self._news = threading.Condition()

    def __call__(self, what: Shown) -> None:
        with self._news:
            self.shown.append(what)
            self._news.notify_all()

    def wait(self, wanted: Callable[[Shown], bool]) -> Shown:
        with self._news:
            found = self._news.wait_for(
                lambda: next((one for one in self.shown if wanted(one)), None), WAIT_S
            )
        assert found is not None, self.shown
        return found

    def phase(self, phase: Phase) -> None:
        self.wait(lambda what: what == PhaseChanged(phase))


@dataclass
class Scene:
    """A started session and who watches it."""

    session: LiveSession
    maker: Maker
    window: Window

    @property
    def device(self) -> HandDevice:
        return self.maker.devices[-1]

    def until(self, wanted: Callable[[Shown], bool], at_most_s: float = 15.0) -> Shown:
        """Let the device's time pass, in step with the session, until something is shown."""
        for _ in range(round(at_most_s / 0.1)):
            found = next((one for one in self.window.shown if wanted(one)), None)
            if found is not None:
                return found
            self.device.go_on(0.1)
            self.settle()
        return self.window.wait(wanted)

    def settle(self) -> None:
        """Wait until the session has taken in everything so far, and its workers are idle."""
        for _ in range(4):
            done = threading.Event()
            self.session._inbox.put(done.set)
            assert done.wait(WAIT_S)
            for worker in self.session._workers:
                idle = threading.Event()

                def report(idle: threading.Event = idle) -> Iterator[Any]:
                    idle.set()
                    yield from ()

                worker.submit(report)
                assert idle.wait(WAIT_S)


@pytest.fixture
def scene() -> Iterator[Scene]:
    yield from play(Maker(Room(chat=FakeChat(("Hello there, ", "my friend.")))))


def play(maker: Maker, **options: Any) -> Iterator[Scene]:
    window = Window()
    session = LiveSession(maker, **options)
    session.watch(window)
    session.start()
    try:
        yield Scene(session, maker, window)
    finally:
        assert session.close(10.0)
        assert maker.closed


def test_a_spoken_question_is_answered_through_the_threads(scene: Scene) -> None:
    scene.window.phase(Phase.LISTENING)
    scene.maker.room.say(1.0, 0.3)
    scene.until(lambda what: isinstance(what, TurnTimes))
    captions = [what for what in scene.window.shown if isinstance(what, Caption)]
    assert [c.text for c in captions if c.side is Side.USER][-1] == "what time is it"
    last = [c for c in captions if c.side is Side.ASSISTANT][-1]
    assert (last.text, last.heard, last.final) == ("Hello there, my friend.", 23, True)
    names = {thread.name for thread in threading.enumerate()}
    assert {"conductor", "transcribe", "think", "speak"} <= names


def test_text_works_without_a_microphone() -> None:
    room = Room(chat=FakeChat(("Hello there, ", "my friend.")))
    for scene in play(Maker(room, microphone="")):
        scene.window.phase(Phase.NO_MICROPHONE)
        warning = Notice(Level.WARNING, scene.device.problem)
        scene.window.wait(lambda what, warning=warning: what == warning)
        scene.session.type("  Hello.  ")
        scene.until(lambda what: isinstance(what, TurnTimes))
        assert any(isinstance(w, Caption) and w.text == "Hello." for w in scene.window.shown)


def test_a_problem_that_is_over_is_taken_back(scene: Scene) -> None:
    scene.window.phase(Phase.LISTENING)
    scene.device.problem = "No sound arrives: unmute it."
    scene.until(lambda what: what == Notice(Level.WARNING, "No sound arrives: unmute it."))
    scene.device.problem = ""
    scene.until(lambda what: what == NoticeOver("No sound arrives: unmute it."))


def test_a_missing_model_is_told_and_the_window_can_close() -> None:
    maker = Maker(Room())
    maker.error = ModelMissingError("The model is missing: get it.")
    for scene in play(maker):
        scene.window.wait(lambda what: what == Notice(Level.ERROR, "The model is missing: get it."))
        scene.window.phase(Phase.FAILED)


def test_a_failed_start_is_mended_by_other_parts() -> None:
    missing, there = Maker(Room()), Maker(Room(chat=FakeChat(("Hello there.",))))
    missing.error = ModelMissingError("The model is missing: get it.")
    window = Window()
    session = LiveSession(missing)
    session.watch(window)
    session.start()
    window.phase(Phase.FAILED)
    session.type("Is anybody there?")  # nobody is, and nothing breaks
    session.choose_devices("headset", "")
    session.record(True)
    session.mute(True)
    session.renew(there)
    window.wait(lambda what: what == NoticeOver("The model is missing: get it."))
    window.phase(Phase.MUTED)
    assert PhaseChanged(Phase.LISTENING) not in window.shown  # not even for a moment
    assert missing.closed
    assert there.asked == [("headset", "")]
    session.type("Hello.")
    Scene(session, there, window).until(lambda what: isinstance(what, TurnTimes))
    assert session.close(10.0)
    assert there.closed


def test_other_parts_go_on_with_what_was_said(scene: Scene) -> None:
    scene.window.phase(Phase.LISTENING)
    scene.session.hands_free(False)
    scene.session.record(True)
    scene.session.type("Hello.")
    first = scene.until(lambda what: isinstance(what, TurnTimes))
    assert isinstance(first, TurnTimes)
    chat = FakeChat(("Of course.",))
    other = Maker(Room(chat=chat))
    scene.session.renew(other)
    scene.window.wait(lambda _: bool(other.devices and other.recordings))
    assert scene.maker.closed
    assert scene.maker.devices[0].stopped == 1
    assert scene.maker.recordings[0].closed
    later = Scene(scene.session, other, scene.window)
    later.settle()
    scene.session.type("Do you remember me?")
    second = later.until(lambda what: isinstance(what, TurnTimes) and what.turn != first.turn)
    assert isinstance(second, TurnTimes)
    assert second.turn == first.turn + 1  # captions are told apart by it
    assert [message.content for message in chat.told[-1]][1:] == [
        "Hello.",
        "Hello there, my friend.",
        "Do you remember me?",
    ]
    assert later.session._conductor is not None
    assert not later.session._conductor.state.hands_free
    # The fixture closes the session, and looks whether the first maker was closed: it was, above.


def test_another_voice_speaks_from_the_next_line_on(scene: Scene) -> None:
    scene.window.phase(Phase.LISTENING)
    speech = scene.maker.room.sim.conductor.parts.speech
    assert isinstance(speech, FakeConversation)
    scene.session.change_voice(lambda: Path("voices/nova"))
    scene.settle()
    assert speech.voice == Path("voices/nova")
    scene.session.change_voice(lambda: Path("voices/gone"))
    scene.settle()
    gone = Notice(Level.WARNING, "There is no such voice: choose another.")
    scene.window.wait(lambda what: what == gone)
    assert speech.voice == Path("voices/nova")

    def missing() -> Path:
        raise ModelMissingError("There is no folder of voices: get one.")

    scene.session.change_voice(missing)
    lost = Notice(Level.ERROR, "There is no folder of voices: get one.")
    scene.window.wait(lambda what: what == lost)


def test_recording_is_shown_and_gets_every_block_and_decision(scene: Scene) -> None:
    scene.window.phase(Phase.LISTENING)
    scene.session.record(True)
    scene.window.wait(lambda what: what == RecordingChanged(True, Path("somewhere")))
    scene.maker.room.say(1.0, 0.3)
    scene.until(lambda what: isinstance(what, TurnTimes))
    scene.session.record(False)
    scene.window.wait(lambda what: what == RecordingChanged(False, Path("somewhere")))
    [recording] = scene.maker.recordings
    assert recording.closed
    assert len(recording.blocks) > 150
    assert {"user_started", "answer", "release", "first_sound", "finish", "turn"} <= set(
        recording.kinds()
    )


def test_a_recorder_that_stops_itself_is_seen(scene: Scene) -> None:
    scene.window.phase(Phase.LISTENING)
    scene.session.record(True)
    scene.window.wait(lambda what: what == RecordingChanged(True, Path("somewhere")))
    scene.maker.recordings[0].recording = False
    scene.until(lambda what: what == RecordingChanged(False, Path("somewhere")))
    # It can be begun again.
    scene.session.record(True)
    scene.settle()
    assert len(scene.maker.recordings) == 2


def test_other_devices_are_taken_and_the_sessions_clock_goes_on(scene: Scene) -> None:
    scene.window.phase(Phase.LISTENING)
    scene.device.go_on(0.5)
    scene.settle()
    scene.session.choose_devices("headset", "")
    scene.settle()
    assert scene.maker.asked == [("", ""), ("headset", "")]
    assert scene.maker.devices[0].stopped == 1
    scene.maker.room = scene.device.room
    scene.device.go_on(0.5)
    scene.settle()
    assert scene.session._conductor is not None
    assert scene.session._conductor.now_s == pytest.approx(1.5, abs=0.02)
    assert [w for w in scene.window.shown if isinstance(w, DevicesChanged)]


def test_esc_silences_and_mute_is_shown(scene: Scene) -> None:
    scene.window.phase(Phase.LISTENING)
    scene.session.type("Hello.")
    scene.until(lambda what: what == PhaseChanged(Phase.SPEAKING))
    scene.session.stop()
    scene.window.wait(lambda what: isinstance(what, TurnTimes))
    scene.session.mute(True)
    scene.window.phase(Phase.MUTED)


def test_levels_can_be_polled_at_any_time(scene: Scene) -> None:
    scene.window.phase(Phase.LISTENING)
    scene.maker.room.say(1.0)
    scene.device.go_on(0.3)
    scene.settle()
    levels = scene.session.levels()
    assert levels.microphone_db > -20
    assert levels.xruns == 3


def test_closing_before_anything_was_started_is_harmless() -> None:
    maker = Maker(Room())
    assert LiveSession(maker).close(1.0)
