"""`python main.py` on a machine with a screen: settings, one instance, the live session, its window."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Sequence

from app import compose_live
from app.compose_shelf import DiskShelf
from app.conversation.live import LiveSession
from app.core.errors import OutputError, ParleyError
from app.settings.instance import single_instance
from app.settings.model import Settings
from app.settings.store import SettingsStore
from app.ui.application import run


def open_window() -> int:
    """Open the window and hold the conversation until it is closed; returns the exit code."""
    notices: list[str] = []
    try:
        with contextlib.ExitStack() as held:
            try:
                held.enter_context(single_instance())
            except OutputError as error:
                # A full or read-only disk is no reason not to talk; two windows are better than none.
                notices.append(str(error))
            return _talk(notices)
    except ParleyError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.exit_code


def _talk(notices: Sequence[str] = ()) -> int:
    store = SettingsStore()
    loaded = store.load()
    settings = loaded.settings
    told = set[str]()

    def notice(sentence: str) -> None:
        """On a thread of the session's; what is so at every loading is said once."""
        if sentence not in told:
            told.add(sentence)
            session.notice(sentence)

    session = LiveSession(
        compose_live.LiveMaker(settings, notice),
        microphone=settings.microphone,
        loudspeaker=settings.loudspeaker,
        hands_free=settings.hands_free,
        record=settings.record,
    )

    voice, record = settings.voice, settings.record

    def apply(chosen: Settings) -> None:
        nonlocal voice, record
        if chosen.record != record:
            record = chosen.record
            session.record(record)
        session.change_policy(compose_live.live_policy(chosen))
        if chosen.voice != voice:
            voice = chosen.voice
            session.change_voice(chosen.voice_folder)

    def renew(chosen: Settings) -> None:
        nonlocal record
        before, record = record, chosen.record
        if before and not record:
            session.record(False)
        session.renew(compose_live.LiveMaker(chosen, notice))
        if record and not before:
            session.record(True)

    known = [*notices, *loaded.notices, *compose_live.recovered_sessions(settings)]
    return run(session, settings, store, DiskShelf(), apply=apply, renew=renew, notices=known)
