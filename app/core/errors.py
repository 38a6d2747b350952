"""What can go wrong for reasons outside the program, each told in one sentence to a person.

A message says what is wrong and what to do. ``exit_code`` is 2 where the user's input or call
is at fault and 1 where something failed on the way.
"""

from __future__ import annotations


class ParleyError(Exception):
    """Base of every error whose message a user may read."""

    exit_code = 1


class InputError(ParleyError):
    """A file, text or option that the user gave cannot be used."""

    exit_code = 2


class NoSpeechError(InputError):
    """There is no speech in what was heard, or no words could be made out in it."""


class ModelMissingError(InputError):
    """A model or voice is missing, incomplete, damaged or of another kind."""


class ServerError(ParleyError):
    """The language model's server is down, slow, refused the request or broke off."""


class ThinkingError(ParleyError):
    """The local language model failed while answering."""


class SpeechError(ParleyError):
    """The speech engine failed while speaking."""


class SoundError(ParleyError):
    """No sound device can be opened, or the one in use went away."""


class OutputError(ParleyError):
    """A result cannot be written: no permission, no space, or the place is not a folder."""
