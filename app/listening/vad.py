"""Silero's voice activity model, run by onnxruntime on 32 ms windows with its state carried on.

The model file is the one that faster-whisper brings. A call sees 512 new samples at 16 kHz after
the 64 before them; ``h`` and ``c`` are the states of its LSTM.
"""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from app.core.errors import ModelMissingError
from app.core.types import FloatArray

if TYPE_CHECKING:
    import onnxruntime

WINDOW_SAMPLES = 512
_CONTEXT_SAMPLES = 64
_STATE = 128


def bundled_model() -> Path:
    """Where faster-whisper keeps the model; found without importing it.

    Raises:
        ModelMissingError: when it is not there.
    """
    spec = importlib.util.find_spec("faster_whisper")
    for place in (spec.submodule_search_locations or []) if spec else []:
        path = Path(place) / "assets" / "silero_vad_v6.onnx"
        if path.is_file():
            return path
    raise ModelMissingError(
        "The voice activity model is missing from faster-whisper: run `make setup` again."
    )


class SileroVad:
    """The ``VoiceActivity`` of the assistant. Not for two threads at a time."""

    def __init__(self, model: Path | None = None) -> None:
        self._model = model
        self._session: onnxruntime.InferenceSession | None = None
        self.reset()

    def load(self) -> None:
        """Load the model; ``probabilities`` does it by itself when needed."""
        # It reports its use to its maker otherwise, from its import on: its own function for that
        # comes too late. Nothing leaves this machine unasked.
        os.environ["ORT_DISABLE_TELEMETRY"] = "1"
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 4
        path = self._model or bundled_model()
        try:
            self._session = onnxruntime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:
            raise ModelMissingError(
                f"The voice activity model {path} cannot be loaded: run `make setup` again."
            ) from error

    def reset(self) -> None:
        """Forget what was heard."""
        self._h = np.zeros((1, 1, _STATE), np.float32)
        self._c = np.zeros((1, 1, _STATE), np.float32)
        self._context = np.zeros(_CONTEXT_SAMPLES, np.float32)

    def probabilities(self, windows: FloatArray) -> FloatArray:
        """Probability of speech per window; windows (T, 512), result (T,)."""
        if self._session is None:
            self.load()
        session = self._session
        assert session is not None
        if not len(windows):
            return np.zeros(0, np.float32)
        before = np.concatenate([self._context[None], windows[:-1, -_CONTEXT_SAMPLES:]])
        self._context = windows[-1, -_CONTEXT_SAMPLES:].copy()
        result, self._h, self._c = session.run(
            None,
            {"input": np.concatenate([before, windows], axis=1), "h": self._h, "c": self._c},
        )
        return np.asarray(result, np.float32).reshape(-1)
