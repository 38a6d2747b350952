"""What can go wrong in the engine for reasons outside it. Each message is one sentence for a person."""

from __future__ import annotations


class EngineError(Exception):
    """Base of every error whose message a user may read."""


class ModelError(EngineError):
    """A model folder is missing, incomplete, damaged or of another kind."""


class VoiceError(EngineError):
    """A voice folder or prompt cannot be used."""


class TextError(EngineError):
    """There is nothing in the text that can be spoken."""


class ContextError(EngineError):
    """The line does not fit the model's window even with every droppable segment dropped."""


class DeviceError(EngineError):
    """The wanted device is not there or ran out of memory."""
