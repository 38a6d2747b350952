"""Speech from espeak-ng, the teacher of the nano pack.

libespeak-ng is called through ctypes in its synchronous mode: no process is started, no sound device is
opened, and the synthesiser reports when each word and each phoneme begins. A core renders several hundred
seconds of speech per second. Knows nothing of models or data sets.
"""

from __future__ import annotations

import ctypes
import ctypes.util
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from engine.training.errors import TrainingError

TAIL_S = 0.08
"""Silence kept after the last audible sample: the model has to learn when a sentence is over."""

_SILENCE = (
    0.004  # absolute amplitude; espeak's own trailing silence is exactly zero or dither below this
)

# Values of espeak-ng's speak_lib.h.
_OUTPUT_SYNCHRONOUS = 2
_INIT_PHONEME_EVENTS = 0x0001
_INIT_DONT_EXIT = 0x8000
_POS_CHARACTER = 1
_CHARS_UTF8 = 1
_PARAM_RATE, _PARAM_PITCH, _PARAM_RANGE = 1, 3, 4
_EVENT_END_OF_LIST, _EVENT_WORD, _EVENT_PHONEME = 0, 1, 7


@dataclass(frozen=True, slots=True)
class EspeakVoice:
    """A voice of espeak-ng with its manner of speaking.

    `name` is `language+variant` (`en-us+f2`). The plain name `en-gb` is not found: British English is
    `gmw/en-GB-x-rp`. `pitch` and `pitch_range` run from 0 to 99.
    """

    name: str
    rate_wpm: int = 165
    pitch: int = 50
    pitch_range: int = 50


@dataclass(frozen=True, slots=True)
class Spoken:
    """One rendered text: float32 mono samples (n,) and when its words and phonemes begin.

    `words` holds (first character, number of characters, start in seconds), `phonemes` (symbol, start in
    seconds) in espeak's own alphabet; an empty symbol or one starting with `_` is a pause.
    """

    samples: NDArray[np.float32]
    sample_rate_hz: int
    words: tuple[tuple[int, int, float], ...]
    phonemes: tuple[tuple[str, float], ...]


class _EventId(ctypes.Union):
    _fields_: ClassVar[Any] = [
        ("number", ctypes.c_int),
        ("name", ctypes.c_char_p),
        ("string", ctypes.c_char * 8),
    ]


class _Event(ctypes.Structure):
    _fields_: ClassVar[Any] = [
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position_ms", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _EventId),
    ]


_CALLBACK = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)


class Espeak:
    """The synthesiser of this process. The library keeps global state: one thread at a time may use it."""

    def __init__(self) -> None:
        """Load libespeak-ng. Raises TrainingError, which says what to install, where it is missing."""
        self._library = _load_library()
        self.sample_rate_hz = int(
            self._library.espeak_Initialize(
                _OUTPUT_SYNCHRONOUS, 0, None, _INIT_PHONEME_EVENTS | _INIT_DONT_EXIT
            )
        )
        if self.sample_rate_hz <= 0:
            raise TrainingError(
                "espeak-ng was found but not its data: install the package espeak-ng-data."
            )
        self._blocks: list[NDArray[np.int16]] = []
        self._words: list[tuple[int, int, float]] = []
        self._phonemes: list[tuple[str, float]] = []
        self._callback = _CALLBACK(
            self._receive
        )  # kept: the library holds only a bare pointer to it
        self._library.espeak_SetSynthCallback(self._callback)

    def say(self, text: str, voice: EspeakVoice) -> Spoken:
        """Render `text`. Trailing silence is cut to TAIL_S; raises TrainingError for an unknown voice."""
        self._blocks, self._words, self._phonemes = [], [], []
        # There is one library for all objects of this class: the sound must come to this one.
        self._library.espeak_SetSynthCallback(self._callback)
        # Set anew for every call: loading a voice resets the parameters. (The library's flutter still
        # runs on from call to call, so the same call twice is alike, not equal.)
        if self._library.espeak_SetVoiceByName(voice.name.encode()) != 0:
            raise TrainingError(
                f"espeak-ng has no voice named {voice.name}: choose one of `espeak-ng --voices`."
            )
        for parameter, value in (
            (_PARAM_RATE, voice.rate_wpm),
            (_PARAM_PITCH, voice.pitch),
            (_PARAM_RANGE, voice.pitch_range),
        ):
            self._library.espeak_SetParameter(parameter, value, 0)
        raw = text.encode()
        status = self._library.espeak_Synth(
            raw, len(raw) + 1, 0, _POS_CHARACTER, 0, _CHARS_UTF8, None, None
        )
        if status != 0:
            raise TrainingError(
                f"espeak-ng could not speak the text {text[:40]!r} (status {status})."
            )
        pcm = np.concatenate(self._blocks) if self._blocks else np.zeros(0, np.int16)
        samples = pcm.astype(np.float32) / 32768.0
        return Spoken(
            samples=trim_tail(samples, self.sample_rate_hz),
            sample_rate_hz=self.sample_rate_hz,
            words=tuple(self._words),
            phonemes=tuple(self._phonemes),
        )

    def _receive(self, pcm: Any, count: int, events: Any) -> int:
        """The library's callback: one block of sound and the events in it."""
        if count > 0 and pcm:
            self._blocks.append(np.ctypeslib.as_array(pcm, shape=(count,)).copy())
        index = 0
        while events[index].type != _EVENT_END_OF_LIST:
            event = events[index]
            start_s = event.audio_position_ms / 1000.0
            # Now and then the library ends a clause with a word of no length.
            if event.type == _EVENT_WORD and event.length > 0:
                # espeak counts characters from 1
                self._words.append((event.text_position - 1, event.length, start_s))
            elif event.type == _EVENT_PHONEME:
                symbol = bytes(event.id.string).decode("utf-8", "replace")
                self._phonemes.append((symbol, start_s))
            index += 1
        return 0


def trim_tail(
    samples: NDArray[np.float32], sample_rate_hz: int, tail_s: float = TAIL_S
) -> NDArray[np.float32]:
    """Cut the silence after the last audible sample to `tail_s` seconds (never lengthens)."""
    audible = np.flatnonzero(np.abs(samples) > _SILENCE)
    if audible.size == 0:
        return samples[:0]
    end = int(audible[-1]) + 1 + round(tail_s * sample_rate_hz)
    return samples[:end]


def _load_library() -> ctypes.CDLL:
    names = [ctypes.util.find_library("espeak-ng"), "libespeak-ng.so.1", "libespeak-ng.dylib"]
    for name in names:
        if name is None:
            continue
        try:
            return ctypes.CDLL(name)
        except OSError:
            continue
    raise TrainingError(
        "Training needs espeak-ng: install it (Debian and Ubuntu: apt install espeak-ng libespeak-ng1)."
    )
