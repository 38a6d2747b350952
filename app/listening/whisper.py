"""Recognition by a faster-whisper model in a folder, with guards against invented words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from app.core.errors import ModelMissingError
from app.core.ports import VoiceActivity
from app.core.types import LISTEN_RATE_HZ, FloatArray
from app.listening.guards import Decoded, believed, has_speech, too_fast, voiced_s
from app.listening.pauses import cut_at_pauses, join_phrases
from app.listening.short import ShortDecoder
from app.listening.vad import WINDOW_SAMPLES, SileroVad

if TYPE_CHECKING:
    from faster_whisper import WhisperModel

_NEEDED = ("model.bin", "config.json", "tokenizer.json")
# Whisper hears 30 s at a time; the built-in model has learnt from single sentences. Longer speech
# is cut at its quietest moment between these.
_PIECE_S = (20.0, 28.0)
_SMALL_PIECE_S = (5.0, 10.0)
_QUIET_S = 0.1
_SHORTEST_S = 0.1
# A vocabulary this small is the built-in model's.
_SMALL_VOCABULARY = 5_000


class WhisperRecogniser:
    """The ``Recogniser`` of the assistant. Not for two threads at a time."""

    def __init__(
        self, folder: Path, *, threads: int = 1, beam: int = 5, vad: VoiceActivity | None = None
    ) -> None:
        """``vad`` confirms that there is speech at all; its state is this recogniser's own."""
        self._folder = folder
        self._vad = vad or SileroVad()
        self._threads = threads
        self._beam = beam
        self._model: WhisperModel | None = None
        self._short: ShortDecoder | None = None
        self._language: str | None = None
        self._piece_s = _PIECE_S

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
            self._short = ShortDecoder(model, self._beam) if small else None
            self._piece_s = _SMALL_PIECE_S if small else _PIECE_S
            self._language = None if model.model.is_multilingual else "en"
            self._model = model
            self._decode(np.zeros(LISTEN_RATE_HZ, np.float32))
        except Exception as error:
            # Also bare ones: the tokenizers package raises those for a damaged tokenizer.json.
            self._model = None
            raise _unusable(self._folder) from error
        self._voice(np.zeros(WINDOW_SAMPLES, np.float32))

    def transcribe(self, at_16k: FloatArray) -> str:
        """The words said; '' when none can be made out. Speech may be longer than 30 s."""
        if self._model is None:
            self.load()
        if len(at_16k) < _SHORTEST_S * LISTEN_RATE_HZ:
            return ""
        if self._short is None:
            return self._phrase(at_16k)
        phrases = cut_at_pauses(at_16k, self._voice(at_16k))
        return join_phrases([self._phrase(phrase) for phrase in phrases])

    def _phrase(self, samples: FloatArray) -> str:
        texts = [self._piece(piece) for piece in split_long(samples, self._piece_s)]
        return " ".join(text for text in texts if text)

    def _piece(self, samples: FloatArray) -> str:
        """The words of one piece, unless there is no voice in it or they cannot be believed."""
        voiced = voiced_s(self._voice(samples))
        if not has_speech(voiced):
            return ""
        believable = [believed(decoded, voiced) for decoded in self._decode(samples)]
        text = " ".join(text for text in believable if text)
        # Segment by segment each may pass, and all together still be too much for the time.
        return "" if too_fast(text, voiced) else text

    def _voice(self, samples: FloatArray) -> FloatArray:
        """Probability of speech in each 32 ms of ``samples``."""
        whole = np.pad(samples, (0, -len(samples) % WINDOW_SAMPLES))
        self._vad.reset()
        return self._vad.probabilities(whole.reshape(-1, WINDOW_SAMPLES))

    def _decode(self, samples: FloatArray) -> list[Decoded]:
        """What the model makes of one piece, segment by segment."""
        if self._short is not None:
            return [self._short.decode(samples)]
        model = self._model
        assert model is not None
        segments, _ = model.transcribe(
            samples,
            language=self._language,
            beam_size=self._beam,
            temperature=0.0,
            condition_on_previous_text=False,
            without_timestamps=True,
            vad_filter=False,
        )
        return [
            Decoded(segment.text.strip(), segment.no_speech_prob, segment.avg_logprob)
            for segment in segments
        ]


def split_long(samples: FloatArray, piece_s: tuple[float, float] = _PIECE_S) -> list[FloatArray]:
    """Pieces no longer than ``piece_s[1]``, each cut at its quietest place after ``piece_s[0]``."""
    least, most = (round(edge * LISTEN_RATE_HZ) for edge in piece_s)
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
