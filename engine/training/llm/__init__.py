"""llm-nano: a very small chat model, from text that we write to a GGUF that llama.cpp runs.

Read ``pipeline.py`` first; the text is in ``data/``.
"""

from .pipeline import run

__all__ = ["run"]
