"""From sound to words: voice activity (Silero) and recognition (faster-whisper).

Knows no files, no conversation and no language model. Read ``spans.py`` first.
"""
