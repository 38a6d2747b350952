"""The optimiser of llm-nano's matrices: see `engine.training.muon`."""

from engine.training.muon import Muon, orthogonalise

__all__ = ["Muon", "orthogonalise"]
