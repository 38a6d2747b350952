"""Writes a session in the forms that other programs read."""

from __future__ import annotations

import os
from pathlib import Path

from app.core.errors import InputError, OutputError
from app.core.live_ports import SESSION_RATE_HZ
from app.recording.files import replace_text
from app.recording.reader import Session
from app.recording.session import CHANNELS
from app.recording.transcript import WRITERS

FORMATS = (*WRITERS, "flac")
FLAC_NAME = "session.flac"


def export(session: Session, form: str, output: Path | None = None) -> Path:
    """Write ``session`` as one of ``FORMATS``; into its own folder unless told otherwise.

    ``flac`` is stereo: left the user (cleaned microphone), right the assistant as played.

    Raises:
        InputError: when the session has no sound, or ``output`` would replace the recording itself.
        OutputError: when the file cannot be written.
    """
    if form not in FORMATS:
        raise InputError(f"There is no format '{form}': choose one of {', '.join(FORMATS)}.")
    usual = FLAC_NAME if form == "flac" else WRITERS[form][0]
    path = output or session.folder / usual
    if path.is_dir():
        path = path / usual
    if path.resolve() in {
        (session.folder / name).resolve()
        for name in ("session.wav", "events.jsonl", "session.json")
    }:
        raise InputError(f"{path} is the recording itself: choose another name.")
    try:
        if form == "flac":
            _flac(session, path)
        else:
            replace_text(path, WRITERS[form][1](session.turns()))
    except OSError as error:
        raise OutputError(
            f"{path} cannot be written ({error.strerror or error}): choose another place."
        ) from error
    return path


def _flac(session: Session, path: Path) -> None:
    """Stereo FLAC, a second at a time, under its name only when it is whole."""
    import soundfile

    part = path.with_name(f".{path.name}.part")
    try:
        # Opened by ourselves, so that a full disk or a missing folder is an ordinary OSError.
        with part.open("wb") as raw:
            try:
                with soundfile.SoundFile(
                    raw, "w", SESSION_RATE_HZ, 2, "PCM_16", format="FLAC"
                ) as file:
                    for block in session.blocks((CHANNELS[1], CHANNELS[2])):
                        file.write(block)
            except soundfile.LibsndfileError as error:
                raise OSError(None, str(error)) from error
            raw.flush()
            os.fsync(raw.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
