"""What works on this machine, what does not, and what to do about it."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from app.audio.devices import sound_devices
from app.compose import Factory
from app.core.errors import ParleyError
from app.core.screen import has_screen
from app.core.turn import CancelToken, TurnId
from app.core.types import LISTEN_RATE_HZ, Message, Role
from app.settings import paths
from app.settings.model import Settings

_ROOM_GB = 1.0


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was tried. Without an ``essential`` one there is no conversation from files."""

    name: str
    ok: bool
    detail: str
    fix: str = ""
    essential: bool = True

    def told(self) -> dict[str, Any]:
        """The check as the command line tells it."""
        return {
            "name": self.name,
            "ok": self.ok,
            "detail": self.detail,
            "fix": "" if self.ok else self.fix,
            "essential": self.essential,
        }


def examine(settings: Settings, factory: Factory) -> list[Check]:
    """Try everything; one check never stops the others."""
    return list(_checks(settings, factory))


def _checks(settings: Settings, factory: Factory) -> Iterator[Check]:
    yield _python()
    yield _packages()
    yield _openmp()
    yield _torch(settings)
    yield _cpu_engine()
    yield _nano_pack()
    yield _works("voice activity", lambda: _hears_quiet(factory), "run `make setup` again")
    yield _works("recogniser", lambda: _recogniser(settings, factory), "name another with --asr")
    yield _works("language model", lambda: _thinks(settings, factory), "name another with --llm")
    yield _works("speech engine", lambda: _speaks(factory), "name another with --model")
    yield from _sound()
    yield _screen()
    yield _disk()
    yield _writable("user folder", paths.user_data())
    yield _writable("working folder", Path.cwd())


def _python() -> Check:
    version = platform.python_version()
    return Check(
        "python",
        sys.version_info[:2] == (3, 11),
        f"{version} on {platform.system()} {platform.machine()}",
        "Parley is made for Python 3.11: run `make setup` with it.",
    )


def _packages() -> Check:
    names = ("torch", "moshi", "faster-whisper", "ctranslate2", "onnxruntime", "llama-cpp-python")
    found: list[str] = []
    missing: list[str] = []
    for name in names:
        try:
            found.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            missing.append(name)
    detail = ", ".join(found) + (f"; missing: {', '.join(missing)}" if missing else "")
    return Check("packages", not missing, detail, "Run `make setup` again.")


def _openmp() -> Check:
    policy = os.environ.get("OMP_WAIT_POLICY", "")
    return Check(
        "openmp",
        policy.upper() == "PASSIVE",
        f"OMP_WAIT_POLICY is {policy or 'not set'}",
        "Start Parley through main.py, or set OMP_WAIT_POLICY=PASSIVE.",
        essential=False,
    )


def _torch(settings: Settings) -> Check:
    from app.speaking.csm import describe_device

    try:
        return Check("device", True, describe_device(settings.device))
    except ParleyError as error:
        return Check("device", False, str(error), "Choose another with --device.")


def _cpu_engine() -> Check:
    from app.speaking.csm import describe_cpu_engine

    built, detail = describe_cpu_engine()
    return Check(
        "cpu engine",
        built,
        detail,
        "Speech is several times slower on a CPU without it: run `make setup` with a C++ compiler.",
        essential=False,
    )


def _nano_pack() -> Check:
    """The built-in models, against their manifest where there is one."""
    folder = paths.nano()
    fix = "Get the program again: files of assets/nano are missing or damaged."
    manifest = folder / "manifest.json"
    if not manifest.is_file():
        missing = [part for part in ("csm", "whisper", "llm") if not any(folder.glob(f"{part}/*"))]
        detail = f"missing: {', '.join(missing)}" if missing else f"three models in {folder}"
        return Check("nano pack", not missing, detail, fix)
    try:
        files = _hashes(json.loads(manifest.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return Check("nano pack", False, f"{manifest} is damaged", fix)
    wrong = [name for name, wanted in files.items() if _sha256(folder / name) != wanted]
    detail = (
        f"missing or damaged: {', '.join(wrong)}" if wrong else f"{len(files)} files, all sound"
    )
    return Check("nano pack", not wrong, detail, fix)


def _hashes(manifest: dict[str, Any]) -> dict[str, str]:
    """File names and SHA-256 sums of a manifest ``{"files": {name: sum or {"sha256": sum}}}``."""
    sums: dict[str, str] = {}
    for name, about in manifest["files"].items():
        sums[name] = about if isinstance(about, str) else about["sha256"]
    return sums


def _sha256(path: Path) -> str:
    """The file's sum; '' when it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""


def _works(name: str, attempt: Callable[[], str], fix: str) -> Check:
    """Whether ``attempt`` goes through; it tells a detail."""
    try:
        return Check(name, True, attempt())
    except ParleyError as error:
        return Check(name, False, str(error), f"{fix[:1].upper()}{fix[1:]}.")
    except Exception as error:  # noqa: BLE001  (a check must survive whatever a library throws)
        reason = " ".join(str(error).split())[:200]
        return Check(
            name, False, f"{type(error).__name__}: {reason}", f"{fix[:1].upper()}{fix[1:]}."
        )


def _hears_quiet(factory: Factory) -> str:
    factory.finder()
    return "Silero is loaded"


def _recogniser(settings: Settings, factory: Factory) -> str:
    began = factory.clock.monotonic_s()
    factory.recogniser().transcribe(np.zeros(LISTEN_RATE_HZ, np.float32))
    return f"{settings.asr} works ({factory.clock.monotonic_s() - began:.1f} s)"


def _thinks(settings: Settings, factory: Factory) -> str:
    began = factory.clock.monotonic_s()
    cancel = CancelToken(TurnId(0))
    answer = factory.chat().stream([Message(Role.USER, "Hello.")], cancel)
    text = "".join(answer).strip()
    if not text:
        raise ParleyError("The language model gave no answer: choose another with --llm.")
    place = "the server" if settings.llm_is_server else settings.llm
    return f"{place} answered “{text[:60]}” ({factory.clock.monotonic_s() - began:.1f} s)"


def _speaks(factory: Factory) -> str:
    began = factory.clock.monotonic_s()
    conversation = factory.speech().conversation()
    samples = sum(len(frame) for frame in conversation.speak("Hello.", CancelToken(TurnId(0))))
    line = conversation.line
    if not samples or line is None:
        raise ParleyError("The speech engine made no sound: choose another model with --model.")
    return (
        f"said “Hello.” in {line.audio_s:.2f} s of sound, ended by {line.ended} "
        f"({factory.clock.monotonic_s() - began:.1f} s)"
    )


def _sound() -> Iterator[Check]:
    """PortAudio and what it sees. Files need neither."""
    found = sound_devices()
    debian = "On Debian or Ubuntu: apt-get install libportaudio2."
    yield Check(
        "libportaudio",
        not found.problem,
        found.problem or "loaded",
        f"Needed for microphone and loudspeaker only. {debian}",
        essential=False,
    )
    yield Check(
        "sound devices",
        bool(found.inputs and found.outputs),
        f"{len(found.inputs)} microphones, {len(found.outputs)} loudspeakers",
        "Needed for microphone and loudspeaker only: connect them, or talk from files.",
        essential=False,
    )


def _screen() -> Check:
    there = has_screen()
    return Check(
        "screen",
        there,
        "found" if there else "none",
        "Needed for the window only: start a desktop, or talk from files.",
        essential=False,
    )


def _disk() -> Check:
    free_gb = shutil.disk_usage(Path.cwd()).free / 1e9
    return Check(
        "disk space",
        free_gb >= _ROOM_GB,
        f"{free_gb:.1f} GB free",
        "Free some space: sessions and models need it.",
        essential=False,
    )


def _writable(name: str, folder: Path) -> Check:
    place = folder
    while not place.exists() and place != place.parent:
        place = place.parent
    try:
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as error:
        return Check(
            name,
            False,
            f"{folder}: {error.strerror}",
            "Choose a folder that is yours for --output and --session.",
            essential=False,
        )
    return Check(name, True, f"{folder} can be written", essential=False)
