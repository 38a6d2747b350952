"""The user's settings in a TOML file that he may also edit: his comments and order stay.

Only what differs from the defaults is written, so that a default that changes with a new version
changes for the user too. Nothing in the file can keep Parley from starting: what cannot be used
is replaced by its default and told. No key or password is ever written.
"""

from __future__ import annotations

import contextlib
import difflib
import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import tomlkit
from pydantic import ValidationError
from tomlkit import TOMLDocument
from tomlkit.exceptions import TOMLKitError

from app.core.errors import OutputError
from app.settings import paths
from app.settings.model import Settings

SCHEMA = 1
"""Version of the file's meaning. A change of meaning raises it and adds an entry to ``UPGRADES``."""

Upgrade = Callable[[TOMLDocument], None]
"""Changes a document of one schema, in place, into one of the next."""

UPGRADES: Mapping[int, Upgrade] = {}
"""By the schema that they start from."""

_HEAD = (
    "Settings of Parley. What is not set here keeps its default.",
    "Keys and passwords do not belong here: they come from the environment.",
)


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a settings file holds; ``notices`` are sentences for the user about the rest of it."""

    settings: Settings
    notices: tuple[str, ...] = ()


class SettingsStore:
    """One settings file; any thread may use it. ``schema`` and ``upgrades`` are there for tests."""

    def __init__(
        self,
        path: Path | None = None,
        *,
        schema: int = SCHEMA,
        upgrades: Mapping[int, Upgrade] = UPGRADES,
    ) -> None:
        self._path = path or paths.settings_file()
        self._schema = schema
        self._upgrades = upgrades
        self._lock = threading.Lock()

    @property
    def path(self) -> Path:
        """Where the file is, whether or not it exists."""
        return self._path

    def load(self) -> Loaded:
        """The settings. Never raises; a file that is no TOML is moved aside."""
        with self._lock:
            return self._load()

    def _load(self) -> Loaded:
        notices: list[str] = []
        document, unreadable = self._read()
        if unreadable:
            aside = self._set_aside()
            kept = f"it was kept as {aside.name}" if aside else "it was left as it is"
            notices.append(
                f"The settings in {self._path} cannot be read ({unreadable}): "
                f"the defaults are used, and {kept}."
            )
        self._upgrade(document, notices)
        return Loaded(_usable(document.unwrap(), self._path, notices), tuple(notices))

    def save(self, settings: Settings) -> tuple[str, ...]:
        """Write ``settings`` whole or not at all; returns sentences about what was left out.

        Raises:
            OutputError: when the file cannot be written. The old one is as it was.
        """
        with self._lock:
            return self._save(settings)

    def _save(self, settings: Settings) -> tuple[str, ...]:
        document, unreadable = self._read()
        if unreadable and self._set_aside() is None:
            raise OutputError(
                f"The settings cannot be saved because {self._path} can be neither read nor moved: "
                "rename or remove it."
            )
        self._upgrade(document, [])
        if not document:
            for line in _HEAD:
                document.add(tomlkit.comment(line))
        # A file of a newer Parley keeps its number: what we do not know in it is still there.
        document.setdefault("schema", self._schema)
        notices: list[str] = []
        _put(document, settings, notices)
        self._write(tomlkit.dumps(document))
        return tuple(notices)

    def _read(self) -> tuple[TOMLDocument, str]:
        """The file as it stands, and why it cannot be read; a missing file is an empty one."""
        try:
            return tomlkit.parse(self._path.read_bytes().decode("utf-8-sig")), ""
        except FileNotFoundError:
            return tomlkit.document(), ""
        except OSError as error:
            return tomlkit.document(), error.strerror or "it cannot be opened"
        except UnicodeDecodeError:
            return tomlkit.document(), "it is not UTF-8 text"
        except (TOMLKitError, ValueError) as error:
            return tomlkit.document(), " ".join(str(error).split()).rstrip(".")

    def _set_aside(self) -> Path | None:
        """Rename the file to the first free name; None when that cannot be done."""
        for number in range(1, 1000):
            aside = self._path.with_name(f"{self._path.stem}.damaged-{number}.toml")
            if not aside.exists():
                with contextlib.suppress(OSError):
                    self._path.rename(aside)
                    return aside
                return None
        return None

    def _upgrade(self, document: TOMLDocument, notices: list[str]) -> None:
        """Bring ``document`` to the present schema, as far as there are functions for it."""
        found = document.get("schema", self._schema)
        if isinstance(found, bool) or not isinstance(found, int):
            notices.append(
                f"The schema {found!r} in {self._path} is not a number: "
                f"the file is read as schema {self._schema}."
            )
            document["schema"] = self._schema
            return
        if found > self._schema:
            notices.append(
                f"The settings in {self._path} were written by a newer Parley: "
                "what this version knows of them is used and the rest is kept."
            )
            return
        for number in range(found, self._schema):
            upgrade = self._upgrades.get(number)
            if upgrade is not None:
                upgrade(document)
        if "schema" in document:
            document["schema"] = self._schema

    def _write(self, text: str) -> None:
        """Replace the file at once: a crash leaves the old or the new one, whole."""
        # A settings file that is a link (kept with others somewhere else) stays one.
        target = self._path.resolve()
        part = target.with_name(f".{target.name}.part")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with part.open("wb") as file:
                file.write(text.encode())
                file.flush()
                os.fsync(file.fileno())
            part.replace(target)
        except OSError as error:
            with contextlib.suppress(OSError):
                part.unlink()
            reason = error.strerror or str(error)
            raise OutputError(
                f"The settings cannot be saved in {target} ({reason}): "
                "make the folder writable or free some space; the old settings are kept."
            ) from error


def _usable(values: Mapping[str, Any], path: Path, notices: list[str]) -> Settings:
    """Settings from what can be used of ``values``; the rest is told."""
    known = {name: value for name, value in values.items() if name in Settings.model_fields}
    for name in values:
        if name not in known and name != "schema":
            near = difflib.get_close_matches(name, Settings.model_fields, 1)
            meant = f" (did you mean '{near[0]}'?)" if near else ""
            notices.append(
                f"The setting '{name}' in {path} is not known to this version of Parley{meant}: "
                "it is kept and not used."
            )
    while True:
        try:
            return Settings(**known)
        except ValidationError as error:
            wrong = {str(item["loc"][0]): item for item in error.errors()}
            for name, item in wrong.items():
                # Every round takes away at least one value, so this ends.
                value = known.pop(name)
                notices.append(
                    f"The setting {name} = {value!r} in {path} cannot be used "
                    f"({item['msg'][:1].lower()}{item['msg'][1:]}): its default is used."
                )


def _put(document: TOMLDocument, settings: Settings, notices: list[str]) -> None:
    """Bring the values of ``document`` in line with ``settings``, touching as little as may be."""
    values = settings.model_dump(mode="json")
    defaults = Settings().model_dump(mode="json")
    values["llm"] = _without_password(values["llm"], notices)
    present = document.unwrap()
    for name, field in Settings.model_fields.items():
        value = values[name]
        if name in present:
            if present[name] == value and type(present[name]) is type(value):
                continue
            # A default that depends on the machine is not pinned, and TOML knows no None.
            if value == defaults[name] and (value is None or field.default_factory is not None):
                document.remove(name)
            else:
                document[name] = value
        elif value != defaults[name]:
            item = tomlkit.item(value)
            if field.description:
                item.comment(field.description)
            document.add(name, item)


def _without_password(address: str, notices: list[str]) -> str:
    """The address of a server without the name and password that may stand in it."""
    if "://" not in address:
        return address
    parts = urlsplit(address)
    if "@" not in parts.netloc:
        return address
    notices.append(
        "The password in the language model's address was not saved: "
        "set PARLEY_LLM_KEY in the environment instead."
    )
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
