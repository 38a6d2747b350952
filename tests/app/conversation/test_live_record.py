"""A recording that was asked for begins as soon as there is something to record."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from app.conversation.live import LiveSession
from app.core.errors import ModelMissingError, SoundError
from app.core.shown import Level, Notice, Phase, RecordingChanged
from tests.app.conversation.test_live import HandDevice, Maker, Window
from tests.fakes.rooms import Room


def missing() -> Maker:
    made = Maker(Room())
    made.error = ModelMissingError("The model is missing: get it.")
    return made


class Deaf(Maker):
    """Everything is loaded, and then there is no sound system."""

    def device(self, microphone: str, loudspeaker: str) -> HandDevice:
        device = super().device(microphone, loudspeaker)

        def refuse(_: object) -> None:
            raise SoundError("Sound cannot be used here: install PortAudio.")

        device.start = refuse  # type: ignore[method-assign]
        return device


def recording(what: object) -> bool:
    return isinstance(what, RecordingChanged) and what.on


def begun(*makers: Maker, record: bool, between: Callable[[LiveSession], Any]) -> Window:
    """Start with the first maker, renew with the others, each when the one before has failed."""
    window = Window()
    session = LiveSession(makers[0], record=record)
    session.watch(window)
    session.start()
    for maker in makers[1:]:
        window.phase(Phase.FAILED)
        window.shown.clear()
        session.renew(maker)
        if maker is makers[1]:
            between(session)
    window.phase(Phase.LISTENING)
    try:
        window.wait(recording)
        assert len(makers[-1].recordings) == 1
    finally:
        assert session.close(10.0)
    return window


@pytest.mark.parametrize("first", [missing, lambda: Deaf(Room())])
def test_every_conversation_is_recorded_also_one_that_began_at_the_second_attempt(
    first: Callable[[], Maker],
) -> None:
    begun(first(), missing(), Maker(Room()), record=True, between=lambda _: None)


def test_recording_that_was_chosen_while_nothing_worked_begins_when_it_works() -> None:
    begun(missing(), missing(), Maker(Room()), record=False, between=lambda s: s.record(True))


def test_and_does_not_when_it_was_let_be_again() -> None:
    window, maker = Window(), Maker(Room())
    session = LiveSession(missing(), record=True)
    session.watch(window)
    session.start()
    window.phase(Phase.FAILED)
    session.record(False)
    session.renew(maker)
    window.phase(Phase.LISTENING)
    assert session.close(10.0)
    assert maker.recordings == []


def test_what_nobody_thought_of_is_told_too_and_can_be_tried_again() -> None:
    class Odd(Maker):
        def parts(self, tell: Callable[[str], None]) -> Any:
            raise ValueError("7 is\nnot 8")

    window = Window()
    session = LiveSession(Odd(Room()))
    session.watch(window)
    session.start()
    window.phase(Phase.FAILED)
    [told] = [what.message for what in window.shown if isinstance(what, Notice)]
    assert told.startswith("Parley could not begin (ValueError: 7 is not 8): ")
    session.renew(Maker(Room()))
    window.phase(Phase.LISTENING)
    assert session.close(10.0)


def test_others_can_have_a_sentence_shown() -> None:
    window = Window()
    session = LiveSession(missing())
    session.watch(window)
    session.notice("The key cannot be kept: make room.")
    assert window.shown == [Notice(Level.WARNING, "The key cannot be kept: make room.")]
