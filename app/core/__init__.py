"""What every other part of the assistant shares: ports, errors, cancelling, time, text chunks.

Knows only the standard library and numpy. Read ``ports.py`` first.
"""
