"""Checkpoints on disk: two layouts in, one model out; and the way back for what was trained here."""

from engine.weights.export import save_original, save_transformers
from engine.weights.layouts import Layout
from engine.weights.load import LoadedCsm, load_csm

__all__ = ["load_csm", "LoadedCsm", "Layout", "save_transformers", "save_original"]
