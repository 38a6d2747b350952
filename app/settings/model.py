"""The choices that a conversation is built from, checked once at the edge."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import PydanticCustomError

from app.core.errors import InputError, ModelMissingError
from app.settings import paths


def default_llm() -> Path:
    """The built-in language model: the GGUF of the nano pack."""
    folder = paths.nano() / "llm"
    return next(iter(sorted(folder.glob("*.gguf"))), folder / "llm-nano.gguf")


def default_recordings() -> Path:
    """Where sessions are recorded unless the user chooses another place."""
    return paths.recordings()


def default_threads() -> int:
    """Half of the processors, at most eight: more only get in each other's way."""
    return max(1, min(8, (os.cpu_count() or 2) // 2))


def _device(name: str) -> str:
    if re.fullmatch(r"auto|cpu|cuda(:\d+)?", name) is None:
        raise PydanticCustomError("device", "Input should be 'auto', 'cpu', 'cuda' or 'cuda:N'")
    return name


class Settings(BaseModel):
    """Models, voice, machine and the live conversation. The default models are the nano pack.

    The line under a field is also its comment in the settings file.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    asr: Path = Field(default_factory=lambda: paths.nano() / "whisper")
    """Folder of the speech recogniser (faster-whisper)."""
    llm: str = Field(default_factory=lambda: str(default_llm()))
    """Language model: a GGUF file, or the address of a server that speaks the OpenAI protocol."""
    llm_model: str = ""
    """The model's name on that server."""
    model: Path = Field(default_factory=lambda: paths.nano() / "csm")
    """Folder of the speech model."""
    voice: str | None = None
    """A built-in voice by name, or a voice folder."""
    device: Annotated[str, AfterValidator(_device)] = "auto"
    """Where the speech model runs: auto, cpu, cuda or cuda:N."""
    precision: Literal["auto", "fp32", "bf16", "int8", "int4"] = "auto"
    """Numbers that the speech model computes with: auto, fp32, bf16, int8 or int4."""
    threads: int | None = Field(default=None, ge=1, le=256)
    """Processor threads; without it Parley chooses."""
    seed: int = Field(default=0, ge=0, lt=2**63)
    """Same seed, same speech."""
    temperature: float = Field(default=0.0, ge=0.0, le=2.0)
    """How freely the language model words its answers: 0 always the likeliest word, up to 2."""
    reply_tokens: int = Field(default=256, ge=16, le=4096)
    """Longest answer, in the language model's pieces of words."""
    turn_s: float = Field(default=60.0, ge=1.0, le=600.0)
    """Longest turn of the user, in seconds."""

    candidates: int = Field(default=1, ge=1, le=4)
    """Readings to choose a line from, where there is time: 4 take up to 1.5 times one; csm-nano has one."""

    microphone: str = ""
    """The microphone's name; empty is the system's choice."""
    loudspeaker: str = ""
    """The loudspeaker's name; empty is the system's choice."""
    hands_free: bool = True
    """Whether speaking is enough; otherwise the talk key is held while speaking."""
    patience: float = Field(default=0.5, ge=0.0, le=1.0)
    """How long Parley lets you think before it answers: 0 answers soonest, 1 waits longest."""
    barge_in: bool = True
    """Whether speaking stops the assistant; Esc always does."""
    echo: Literal["auto", "on", "off"] = "auto"
    """Taking the loudspeaker's sound out of the microphone: auto, on or off (headphones)."""
    watermark: bool = True
    """Whether Parley's voice carries an inaudible mark with your own key, to be recognised by."""
    chime: bool = True
    """Whether a short sound is played through a new loudspeaker, to learn its echo by."""
    record: bool = False
    """Whether sessions are recorded from their start."""
    recordings: Path = Field(default_factory=default_recordings)
    """Folder in which each recorded session gets a folder of its own."""
    theme: Literal["system", "light", "dark"] = "system"
    """How the window looks: system, light or dark."""
    caption_pt: int = Field(default=14, ge=8, le=48)
    """Size of the captions, in points."""

    @property
    def library_threads(self) -> int:
        """Threads for recogniser and language model; the engine knows its own best number."""
        return self.threads or default_threads()

    @property
    def llm_is_server(self) -> bool:
        """Whether the language model is an address rather than a file."""
        return "://" in self.llm

    @property
    def llm_path(self) -> Path:
        """The language model's file; meaningless when it is an address."""
        return Path(self.llm)

    def voice_folder(self) -> Path | None:
        """The folder of the chosen voice, a name of ``assets/voices`` or a path; None when the
        voices are missing and none was asked for.

        Raises:
            ModelMissingError: when the voice asked for is not there.
        """
        known = sorted(
            folder.name for folder in paths.voices().glob("*") if (folder / "prompt.txt").is_file()
        )
        if self.voice is None:
            return paths.voices() / known[0] if known else None
        if self.voice in known:
            return paths.voices() / self.voice
        folder = Path(self.voice)
        if folder.is_dir():
            return folder
        names = ", ".join(known) or "none"
        raise ModelMissingError(
            f"There is no voice '{self.voice}': name a voice folder or one of these: {names}."
        )

    def nano_parts(self) -> list[str]:
        """Which of the three models are the built-in ones."""
        own = {"asr": self.asr, "llm": self.llm_path, "model": self.model}
        return [name for name, path in own.items() if paths.nano() in path.parents]

    def described(self) -> dict[str, Any]:
        """The choices as plain data, without ``llm``, whose address may hold a password."""
        return self.model_dump(mode="json", exclude={"llm"})


def settings_from(options: Mapping[str, Any]) -> Settings:
    """Settings from options; those that are None keep their default.

    Raises:
        InputError: for a value out of range, in one sentence.
    """
    given = {name: value for name, value in options.items() if value is not None}
    try:
        return Settings(**given)
    except ValidationError as error:
        first = error.errors()[0]
        option = "--" + str(first["loc"][0]).replace("_", "-")
        raise InputError(
            f"The value {first['input']!r} of {option} cannot be used: {first['msg']}."
        ) from error
