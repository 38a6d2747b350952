"""What the window says of a phase, a length of time or a model, in the user's language."""

from __future__ import annotations

from PySide6.QtCore import QCoreApplication

from app.core.shown import Phase

PHASE_ICONS = {
    Phase.LOADING: "clock",
    Phase.LISTENING: "microphone",
    Phase.HEARING: "voice",
    Phase.THINKING: "dots",
    Phase.SPEAKING: "loudspeaker",
    Phase.PAUSED: "pause",
    Phase.MUTED: "microphone-off",
    Phase.NO_MICROPHONE: "microphone-missing",
    Phase.FAILED: "alert",
}


def _tr(text: str) -> str:
    return QCoreApplication.translate("Phase", text)


def phase_word(phase: Phase) -> str:
    """One or two words for the state."""
    return {
        Phase.LOADING: _tr("Starting"),
        Phase.LISTENING: _tr("Listening"),
        Phase.HEARING: _tr("Hearing you"),
        Phase.THINKING: _tr("Thinking"),
        Phase.SPEAKING: _tr("Speaking"),
        Phase.PAUSED: _tr("Paused"),
        Phase.MUTED: _tr("Muted"),
        Phase.NO_MICROPHONE: _tr("No microphone"),
        Phase.FAILED: _tr("Not working"),
    }[phase]


def phase_hint(phase: Phase, *, hands_free: bool, barge_in: bool = True) -> str:
    """What the user can do in this state."""
    speak = _tr("Just speak") if hands_free else _tr("Hold Space to speak")
    interrupt = _tr("Speak or press Esc to stop") if barge_in else _tr("Esc stops it")
    return {
        Phase.LOADING: _tr("Loading the models"),
        Phase.LISTENING: speak,
        Phase.HEARING: _tr("Go on"),
        Phase.THINKING: _tr("One moment"),
        Phase.SPEAKING: interrupt,
        Phase.PAUSED: _tr("Was that for me?"),
        Phase.MUTED: _tr("Ctrl+M opens the microphone"),
        Phase.NO_MICROPHONE: _tr("You can write below"),
        Phase.FAILED: _tr("See the message below"),
    }[phase]


def minutes(seconds: float) -> str:
    """'1:05' or '1:02:03'."""
    whole = int(seconds)
    hours, rest = divmod(whole, 3600)
    if hours:
        return f"{hours}:{rest // 60:02d}:{rest % 60:02d}"
    return f"{rest // 60}:{rest % 60:02d}"


def reason_of(error: object) -> str:
    """Why something failed, in the system's words or the error's own."""
    words = error.strerror if isinstance(error, OSError) else None
    return words or str(error)
