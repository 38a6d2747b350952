"""`python main.py` on a machine with a screen: settings, one instance, the live session, its window."""

from __future__ import annotations

import sys

from app import compose_live
from app.conversation.live import LiveSession
from app.core.errors import ParleyError
from app.settings.instance import single_instance
from app.settings.model import Settings
from app.settings.store import SettingsStore
from app.ui.application import run


def open_window() -> int:
    """Open the window and hold the conversation until it is closed; returns the exit code."""
    try:
        with single_instance():
            return _talk()
    except ParleyError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.exit_code


def _talk() -> int:
    store = SettingsStore()
    loaded = store.load()
    settings = loaded.settings
    session = LiveSession(
        compose_live.LiveMaker(settings),
        microphone=settings.microphone,
        loudspeaker=settings.loudspeaker,
        hands_free=settings.hands_free,
        record=settings.record,
    )

    voice, record = settings.voice, settings.record

    def apply(chosen: Settings) -> None:
        nonlocal voice
        session.change_policy(compose_live.live_policy(chosen))
        if chosen.voice != voice:
            voice = chosen.voice
            session.change_voice(chosen.voice_folder)

    def renew(chosen: Settings) -> None:
        nonlocal record
        before, record = record, chosen.record
        if before and not record:
            session.record(False)
        session.renew(compose_live.LiveMaker(chosen))
        if record and not before:
            session.record(True)

    notices = [*loaded.notices, *compose_live.recovered_sessions(settings)]
    return run(session, settings, store, apply=apply, renew=renew, notices=notices)
