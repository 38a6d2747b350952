"""From words to an answer: tools, a local GGUF model or a server, and what they are told.

Knows no sound and no conversation state. Read ``toolsfirst.py`` first.
"""
