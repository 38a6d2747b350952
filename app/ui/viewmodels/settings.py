"""The user's choices as the settings dialog changes them: applied at once where that can be, saved."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from pydantic import ValidationError
from PySide6.QtCore import QCoreApplication, QObject, QTimer, Signal, Slot

from app.settings import paths
from app.settings.model import Settings
from app.ui.bridge import Background

SAVE_MS = 400
"""Changes that follow each other faster (a slider) are saved as one."""


class SettingsStore(Protocol):
    """Where the settings are kept between starts."""

    def save(self, settings: Settings) -> object:
        """Keep ``settings``; raises ``ParleyError`` or ``OSError`` when it cannot."""
        ...


Apply = Callable[[Settings], None]

AT_ONCE = frozenset({"microphone", "loudspeaker", "hands_free", "theme", "caption_pt"})
"""What the window can change in a running conversation by itself."""
CONVERSATION = frozenset({"patience", "barge_in", "voice", "record"})
"""What the conversation can change while it runs where it was given a way to be told."""


class SettingsViewModel(QObject):
    """``settings`` as they are chosen; ``in_use`` is what this run was started with."""

    changed = Signal(str)
    """The name of a field that has another value."""
    failed = Signal(str)
    """One sentence: a value or the saving of it was refused."""
    refused = Signal(str)
    """What was picked for a field cannot be: the field is as it was."""
    renewed = Signal()
    """The conversation goes on with what was chosen: ``in_use`` is ``settings`` now."""

    def __init__(
        self,
        settings: Settings,
        store: SettingsStore,
        background: Background,
        *,
        apply: Apply | None = None,
        renew: Apply | None = None,
        voices: tuple[str, ...] = (),
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self.settings = settings
        self.in_use = settings
        self.voices = voices
        self._store = store
        self._background = background
        self._apply = apply
        self._renew = renew
        self._unsaved = False
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(SAVE_MS)
        self._timer.timeout.connect(self.save)

    def set(self, name: str, value: object) -> bool:
        """Choose ``value`` for the field ``name``; False when it cannot be used."""
        if getattr(self.settings, name) == value:
            return True
        try:
            chosen = Settings.model_validate({**self.settings.model_dump(), name: value})
        except ValidationError as error:
            reason = error.errors()[0]["msg"]
            self.failed.emit(self.tr("This cannot be used: {reason}.").format(reason=reason))
            return False
        self.settings = chosen
        if self._apply is not None:
            self._apply(chosen)
        self._unsaved = True
        self._timer.start()
        self.changed.emit(name)
        return True

    def pick(self, name: str, text: str) -> None:
        """Choose the place that ``text`` names for a model or the recordings; '' is the default.

        Whether there is such a place is found out on another thread; ``refused`` tells when not.
        """
        if not text:
            field = Settings.model_fields[name]
            self.set(name, field.get_default(call_default_factory=True))
        elif name == "llm" and "://" in text:
            self._found(name, text, wrong_address(text))
        else:
            place = Path(text).expanduser()
            value = str(place) if name == "llm" else place
            self._background.submit(
                lambda: wrong_place(name, place), lambda wrong: self._found(name, value, str(wrong))
            )

    def _found(self, name: str, value: object, wrong: str) -> None:
        if wrong:
            self.failed.emit(wrong)
        if wrong or not self.set(name, value):
            self.refused.emit(name)

    def at_once(self, name: str) -> bool:
        """Whether the field takes effect in the running conversation."""
        return name in AT_ONCE or (self._apply is not None and name in CONVERSATION)

    @property
    def needs_restart(self) -> bool:
        """Whether something chosen takes effect only from the next start."""
        chosen, used = self.settings, self.in_use
        return any(
            getattr(chosen, name) != getattr(used, name)
            for name in Settings.model_fields
            if not self.at_once(name)
        )

    @property
    def can_renew(self) -> bool:
        """Whether ``use_now`` can be asked for."""
        return self._renew is not None

    def use_now(self) -> None:
        """Go on with what was chosen, without closing the window: the models are loaded anew."""
        if self._renew is not None:
            self.save()
            self.in_use = self.settings
            self._renew(self.settings)
            self.renewed.emit()
            self.changed.emit("")

    @property
    def only_built_in(self) -> bool:
        """Whether all three models are the built-in ones."""
        return len(self.in_use.nano_parts()) == 3

    @property
    def server(self) -> str:
        """The host that the language model in use runs on; '' where it is a file."""
        return model_name(self.in_use.llm)[0] if self.in_use.llm_is_server else ""

    @Slot()
    def save(self) -> None:
        """Save what was chosen, on another thread."""
        if self._unsaved:
            self._unsaved = False
            chosen = self.settings
            self._timer.stop()
            self._background.submit(lambda: self._store.save(chosen), self._saved)

    def _saved(self, result: object) -> None:
        if isinstance(result, Exception):
            text = self.tr("The settings could not be saved: {reason}")
            system = result.strerror if isinstance(result, OSError) else None
            self.failed.emit(text.format(reason=f"{system}." if system else str(result)))


def model_name(value: Path | str) -> tuple[str, bool]:
    """How a model is called in the window, and whether it is built in.

    Of a server's address only the host is told: the rest may hold a password.
    """
    text = str(value)
    if "://" in text:
        parts = urlsplit(text)
        port = f":{parts.port}" if parts.port else ""
        return f"{parts.hostname or text.partition('://')[0]}{port}", False
    path = Path(text)
    if paths.nano() in path.parents:
        name = path.stem if path.suffix else f"{path.name}-nano"
        return name, True
    return path.name or text, False


def wrong_address(text: str) -> str:
    """What is wrong with the address of a server, in a sentence; '' when nothing is."""
    try:
        parts = urlsplit(text)
        fits = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        fits = False
    return "" if fits else _tr("A server's address begins with http:// or https:// and its name.")


def wrong_place(name: str, place: Path) -> str:
    """Why ``place`` cannot be used for the field ``name``, in a sentence; '' when it can."""
    if name == "recordings":
        near = next((one for one in (place, *place.parents) if one.exists()), place)
        if not near.is_dir() or not os.access(near, os.W_OK):
            return _tr("Nothing can be kept in {place}: choose another folder.").format(place=place)
        return ""
    there = place.is_file() if name == "llm" else place.is_dir()
    if there:
        return ""
    missing = (
        _tr("There is no file {place}.") if name == "llm" else _tr("There is no folder {place}.")
    )
    return missing.format(place=place)


def _tr(text: str) -> str:
    return QCoreApplication.translate("Settings", text)


def known_voices(folder: Path) -> tuple[str, ...]:
    """The names of the built-in voices."""
    return tuple(sorted(place.name for place in folder.glob("*") if place.is_dir()))
