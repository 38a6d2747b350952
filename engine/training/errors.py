"""Errors of the training commands. Knows nothing of training itself."""

from __future__ import annotations

from engine.errors import EngineError


class TrainingError(EngineError):
    """Training cannot go on; the message is one sentence that says what to do."""
