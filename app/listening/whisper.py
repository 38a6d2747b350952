"""Recognition by a faster-whisper model in a folder, with guards against invented words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from app.core.errors import ModelMissingError
from app.core.types import LISTEN_RATE_HZ, FloatArray

if TYPE_CHECKING:
    from faster_whisper import WhisperModel

_NEEDED = ("model.bin", "config.json", "tokenizer.json")
# Whisper hears 30 s at a time. Longer speech is cut at its quietest moment between these.
_PIECE_S = (20.0, 28.0)
_QUIET_S = 0.1
# A vocabulary this small is the built-in model's: it spells with pieces that the usual list of
# suppressed symbols would ban.
_SMALL_VOCABULARY = 5_000
# Above this ratio of length to compressed length, Whisper is repeating itself.
_REPEATING = 2.4


class WhisperRecogniser:
    """The ``Recogniser`` of the assistant. Not for two threads at a time."""

    def __init__(self, folder: Path, *, threads: int = 1, beam: int = 5) -> None:
        self._folder = folder
        self._threads = threads
        self._beam = beam
        self._model: WhisperModel | None = None
        self._suppress: list[int] = []
        self._language: str | None = None

    def load(self) -> None:
        """Load the model and run it once on quiet, so that the first turn is as fast as others.

        Raises:
            ModelMissingError: when the folder is not a whole CTranslate2 Whisper model.
        """
        _check(self._folder)
        from faster_whisper import WhisperModel

        try:
            model = WhisperModel(
                str(self._folder),
                device="cpu",
                compute_type="int8",
                cpu_threads=self._threads,
                local_files_only=True,
            )
            small = model.hf_tokenizer.get_vocab_size() < _SMALL_VOCABULARY
            self._suppress = [] if small else [-1]
            self._language = "en" if small or not model.model.is_multilingual else None
            self._model = model
            self.transcribe(np.zeros(LISTEN_RATE_HZ, np.float32))
        except Exception as error:
            # Also bare ones: the tokenizers package raises those for a damaged tokenizer.json.
            self._model = None
            raise _unusable(self._folder) from error

    def transcribe(self, at_16k: FloatArray) -> str:
        """The words said; '' when none can be made out. Speech may be longer than 30 s."""
        if self._model is None:
            self.load()
        texts = [self._piece(piece) for piece in split_long(at_16k)]
        return " ".join(text for text in texts if text)

    def _piece(self, samples: FloatArray) -> str:
        model = self._model
        assert model is not None
        segments, _ = model.transcribe(
            samples,
            language=self._language,
            beam_size=self._beam,
            temperature=0.0,
            condition_on_previous_text=False,
            without_timestamps=True,
            suppress_tokens=self._suppress,
            vad_filter=False,
        )
        kept = [
            segment.text.strip() for segment in segments if segment.compression_ratio <= _REPEATING
        ]
        return " ".join(text for text in kept if text)


def split_long(samples: FloatArray) -> list[FloatArray]:
    """Pieces of at most 28 s, each cut at the quietest tenth of a second after its 20th."""
    least, most = (round(edge * LISTEN_RATE_HZ) for edge in _PIECE_S)
    step = round(_QUIET_S * LISTEN_RATE_HZ)
    pieces: list[FloatArray] = []
    while len(samples) > most:
        window = samples[least:most]
        rows = window[: len(window) // step * step].reshape(-1, step)
        cut = least + int((rows**2).mean(axis=1).argmin()) * step + step // 2
        pieces.append(samples[:cut])
        samples = samples[cut:]
    return [*pieces, samples]


def _check(folder: Path) -> None:
    """Raise when ``folder`` cannot be a whole model."""
    if not folder.is_dir():
        raise ModelMissingError(
            f"There is no speech recognition model in {folder}: name a faster-whisper folder "
            "with --asr."
        )
    missing = [name for name in _NEEDED if not (folder / name).is_file()]
    if missing:
        raise ModelMissingError(
            f"The speech recognition model in {folder} lacks {', '.join(missing)}: "
            "copy or download it again."
        )
    try:
        json.loads((folder / "config.json").read_text(encoding="utf-8"))
        json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise _unusable(folder) from error
    if (folder / "model.bin").stat().st_size < 1_000:
        raise _unusable(folder)


def _unusable(folder: Path) -> ModelMissingError:
    return ModelMissingError(
        f"The speech recognition model in {folder} is damaged or of another kind: "
        "copy or download a faster-whisper model again."
    )
