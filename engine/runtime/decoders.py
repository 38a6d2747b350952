"""Which decoder a model gets on this machine."""

from __future__ import annotations

from engine.csm.model import CsmModel
from engine.runtime.decoder import Decoder
from engine.runtime.eager import EagerDecoder
from engine.types import Sampling


def make_decoder(model: CsmModel, sampling: Sampling, seed: int) -> Decoder:
    """The fastest decoder that can run ``model`` where its weights are."""
    return EagerDecoder(model, sampling, seed)
