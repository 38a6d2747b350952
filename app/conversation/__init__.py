"""A conversation turn by turn: what was heard, what was answered, and the folder that keeps it.

Knows the ports of ``app.core`` and nothing behind them. Read ``turn.py`` first.
"""
