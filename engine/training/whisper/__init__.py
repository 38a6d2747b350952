"""whisper-nano: a small Whisper that knows espeak-ng's voices, from nothing to the CTranslate2
folder.

`run` makes the speech, trains, exports. Read train.py first.
"""

from engine.training.whisper.recipe import run

__all__ = ["run"]
