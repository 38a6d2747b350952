"""The window. It knows Qt and how a conversation is shown, and nothing of how one is held.

It drives a ``LiveControl`` (``app.core.live_ports``) and shows what that tells. ``application.run``
opens it; ``bridge`` brings what other threads tell onto Qt's; ``viewmodels`` (QtCore only) hold what
is shown; ``widgets`` and ``dialogs`` show it; ``theme`` has the colours. Read ``window.py`` first.
"""
