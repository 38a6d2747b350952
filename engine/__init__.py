"""Parley's speech engine: text and the conversation's own audio in, 80 ms PCM frames out.

Knows PyTorch, CSM and Mimi. Knows no window, no sound device and nothing of ``app``.
Read ``generator.py`` first: it holds the one loop that everything else serves.
"""
