"""The assistant: it listens, thinks and answers with the speech engine.

It knows no neural network of its own: speech comes from ``engine``, recognition and language
from libraries behind the ports of ``app.core.ports``. Read ``app/conversation/turn.py`` first.
"""

__version__ = "0.1.0"
