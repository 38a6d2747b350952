"""Errors of the training commands. Knows nothing of training itself."""

from __future__ import annotations

try:  # pragma: no cover
    from engine.errors import EngineError
except ImportError:  # pragma: no cover
    EngineError = Exception


class TrainingError(EngineError):
    """Training cannot go on; the message is one sentence that says what to do."""
