"""Sound in and out: devices, files, a virtual room, echo. Knows no model and no conversation.

Read ``portaudio.py`` first for the live side, ``files.py`` for the other.
"""
