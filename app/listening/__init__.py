"""From sound to words: voice activity (Silero) and recognition (faster-whisper).

Finding speech (``spans.py``), writing it down (``whisper.py``, guarded by ``guards.py``), what of a growing
transcript is certain (``partials.py``) and whether a turn is over (``end_of_turn.py``). Knows no files, no
conversation and no language model. Read ``spans.py`` first.
"""
