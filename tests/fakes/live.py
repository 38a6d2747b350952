"""A live conversation that is told what to show: drives the window in tests, and in a demonstration.

``python -m tests.fakes.live`` opens the window on a scripted conversation, with no model and no sound.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from app.core.shown import (
    Caption,
    DevicesChanged,
    Level,
    Levels,
    Notice,
    Phase,
    PhaseChanged,
    RecordingChanged,
    Shown,
    Side,
    TurnTimes,
    Watcher,
)
from app.core.turn import TurnId
from app.settings.model import Settings

DEVICES = DevicesChanged(
    "Built-in microphone",
    "Built-in loudspeaker",
    ("Built-in microphone", "USB headset"),
    ("Built-in loudspeaker", "USB headset", "HDMI monitor"),
)
TIMES = {"release": 310.0, "asr": 50.0, "llm_first": 40.0, "speech_first": 80.0, "reply": 480.0}


class FakeLive:
    """``LiveControl`` that remembers its calls, in ``calls``, and shows what it is given.

    ``closes`` is what ``close`` waits for before it returns: set it or leave it hanging.
    """

    def __init__(self, answering: bool = False) -> None:
        self.calls: list[tuple[object, ...]] = []
        self.watchers: list[Watcher] = []
        self.level = Levels()
        self.polled = 0
        self.answering = answering
        self.closes = threading.Event()
        self.closes.set()
        self.closed_on = ""
        self.turn = 0

    # What a test or a script does.

    def show(self, *shown: Shown) -> None:
        """Tell every watcher, on this thread."""
        for item in shown:
            for watcher in self.watchers:
                watcher(item)

    def phase(self, phase: Phase) -> None:
        """Tell a phase."""
        self.show(PhaseChanged(phase))

    # LiveControl.

    def watch(self, watcher: Watcher) -> None:
        self.watchers.append(watcher)

    def start(self) -> None:
        self.calls.append(("start",))

    def close(self, deadline_s: float = 2.0) -> bool:
        self.calls.append(("close", deadline_s))
        self.closed_on = threading.current_thread().name
        return self.closes.wait(30)

    def type(self, text: str) -> None:
        self.calls.append(("type", text))
        if self.answering:
            self.turn += 1
            self.show(*typed_turn(self.turn, text))

    def stop(self) -> None:
        self.calls.append(("stop",))

    def mute(self, on: bool) -> None:
        self.calls.append(("mute", on))
        if self.answering:
            self.phase(Phase.MUTED if on else Phase.LISTENING)

    def talk_key(self, down: bool) -> None:
        self.calls.append(("talk_key", down))

    def hands_free(self, on: bool) -> None:
        self.calls.append(("hands_free", on))

    def record(self, on: bool) -> None:
        self.calls.append(("record", on))
        if self.answering:
            self.show(RecordingChanged(on, Path.home() if on else None))

    def choose_devices(self, microphone: str, loudspeaker: str) -> None:
        self.calls.append(("choose_devices", microphone, loudspeaker))

    def levels(self) -> Levels:
        self.polled += 1
        return self.level


class FakeStore:
    """The window's ``SettingsStore`` in memory; ``error`` is raised by ``save``."""

    def __init__(self) -> None:
        self.saved: list[Settings] = []
        self.error: Exception | None = None

    def save(self, settings: Settings) -> None:
        if self.error is not None:
            raise self.error
        self.saved.append(settings)


def user(turn: int, text: str, *, sure: int | None = None, final: bool = True) -> Caption:
    """What the user said; ``sure`` letters of it will not change."""
    known = len(text) if sure is None else sure
    return Caption(TurnId(turn), Side.USER, text, known, len(text), final)


def typed(turn: int, text: str) -> Caption:
    """What the user wrote."""
    return Caption(TurnId(turn), Side.USER, text, len(text), len(text), True, typed=True)


def answer(turn: int, text: str, *, heard: int | None = None, final: bool = True) -> Caption:
    """What the assistant said; ``heard`` letters of it were heard."""
    known = len(text) if heard is None else heard
    return Caption(TurnId(turn), Side.ASSISTANT, text, len(text), known, final)


def times(turn: int, **other: float) -> TurnTimes:
    """A finished turn's times."""
    return TurnTimes(TurnId(turn), {**TIMES, **other})


def typed_turn(turn: int, text: str) -> list[Shown]:
    """A written question and its answer, all at once."""
    return [
        typed(turn, text),
        PhaseChanged(Phase.THINKING),
        answer(turn, "You wrote to a scripted conversation; it has no thoughts of its own."),
        times(turn),
        PhaseChanged(Phase.LISTENING),
    ]


def conversation(turns: int) -> list[Shown]:
    """A long conversation of ``turns`` turns, two captions each, every seventh interrupted."""
    questions = (
        "What can you do?",
        "How do I keep bread fresh for longer than a day or two?",
        "And tomorrow?",
        "Tell me about the sea, and about the people who live beside it and from it.",
    )
    answers = (
        "I listen, I think, and I answer aloud, all on this computer.",
        "Keep it in a cloth or a paper bag, cut side down. In a box it stays soft for longer, but "
        "the crust goes, and in warm weather it goes mouldy sooner.",
        "Tomorrow is a day like this one.",
    )
    shown: list[Shown] = []
    for turn in range(1, turns + 1):
        said = answers[turn % len(answers)]
        heard = len(said) * 2 // 3 if turn % 7 == 0 else len(said)
        shown += [
            user(turn, questions[turn % len(questions)]),
            answer(turn, said, heard=heard),
            times(turn),
        ]
    return shown


Step = tuple[float, Sequence[Shown]]


def script() -> list[Step]:
    """A short conversation in steps: seconds to wait, then what is shown."""
    question = "What do you do when I interrupt you?"
    reply = (
        "I stop at once, and I remember only what you heard of me, not what I still wanted to say."
    )
    heard = reply.index(", not")
    steps: list[Step] = [(0.8, [DEVICES]), (0.4, [PhaseChanged(Phase.LISTENING)])]
    steps.append((1.0, [PhaseChanged(Phase.HEARING)]))
    words = question.split()
    for count in range(2, len(words) + 1, 2):
        text = " ".join(words[:count])
        sure = len(" ".join(words[: count - 2]))
        steps.append((0.35, [user(1, text, sure=sure, final=False)]))
    steps.append((0.3, [user(1, question), PhaseChanged(Phase.THINKING)]))
    steps.append((0.4, [PhaseChanged(Phase.SPEAKING)]))
    spoken = range(8, heard, 8)
    steps += [(0.25, [answer(1, reply, heard=at, final=False)]) for at in spoken]
    steps.append((0.2, [PhaseChanged(Phase.PAUSED)]))
    steps.append((0.4, [answer(1, reply, heard=heard), times(1), PhaseChanged(Phase.HEARING)]))
    steps.append((0.8, [user(2, "Thank you.")]))
    steps.append((0.3, [PhaseChanged(Phase.SPEAKING), answer(2, "You are welcome.", final=False)]))
    steps.append((1.0, [answer(2, "You are welcome."), times(2, reply=620.0)]))
    steps.append((0.2, [PhaseChanged(Phase.LISTENING)]))
    steps.append(
        (1.0, [Notice(Level.INFO, "This is a script: write something, or try the buttons.")])
    )
    return steps


def play(live: FakeLive, steps: Sequence[Step], wait: Callable[[float], bool]) -> None:
    """Show the steps one after the other; ends early when ``wait`` (seconds) says True."""
    moment = 0.0
    for pause_s, shown in steps:
        if wait(pause_s):
            return
        moment += pause_s
        live.show(*shown)
        loud = -18.0 + 10 * math.sin(moment * 7)
        live.level = Levels(microphone_db=loud, loudspeaker_db=loud - 12, speech=0.5)
    live.turn = 2
    live.level = Levels(microphone_db=-52.0)


def demonstrate() -> int:
    """Open the window on the script."""
    from app.ui.application import run

    class Demonstration(FakeLive):
        def start(self) -> None:
            super().start()
            over = threading.Event()
            threading.Thread(target=play, args=(self, script(), over.wait), daemon=True).start()

    from tests.fakes.shelf import FakeShelf

    return run(Demonstration(answering=True), Settings(), FakeStore(), FakeShelf())


if __name__ == "__main__":
    raise SystemExit(demonstrate())
