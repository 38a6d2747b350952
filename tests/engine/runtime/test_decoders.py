"""The rules of a decoder, for the plain one and for the static one with and without running ahead."""

from __future__ import annotations

import pytest

from engine.csm.model import CsmModel
from engine.native.decoder import native_decoder
from engine.native.library import reason
from engine.runtime.ahead import StaticDecoder
from engine.runtime.decoder import MOST_BRANCHES, Decoder
from engine.runtime.eager import EagerDecoder
from engine.runtime.fused import fuse
from engine.runtime.graphs import Direct, Stage
from engine.runtime.static import StaticFrame
from engine.runtime.static_branches import BranchFrame, BranchStage
from engine.types import Sampling
from tests.engine.decoder_rules import DecoderRules


def stage(model: CsmModel, *, runs_ahead: bool) -> Stage:
    """The model's one stage, as ``engine.runtime.decoders`` keeps it."""
    known = model.derived.get("tested")
    if known is None:
        frame = StaticFrame(fuse(model))
        known = model.derived["tested"] = Stage(frame, Direct(frame, runs_ahead=runs_ahead))
    return known


def static_decoder(
    model: CsmModel, sampling: Sampling | None = None, seed: int = 0
) -> StaticDecoder:
    """One that runs nothing ahead."""
    return StaticDecoder(stage(model, runs_ahead=False), sampling or Sampling(), seed)


class TestEager(DecoderRules):
    def make(self, model: CsmModel, sampling: Sampling, seed: int) -> EagerDecoder:
        return EagerDecoder(model, sampling, seed)


class TestStatic(DecoderRules):
    def make(self, model: CsmModel, sampling: Sampling, seed: int) -> StaticDecoder:
        return static_decoder(model, sampling, seed)


class TestStaticRows(DecoderRules):
    """Branches are rows of one batch."""

    def make(self, model: CsmModel, sampling: Sampling, seed: int) -> StaticDecoder:
        decoder = static_decoder(model, sampling, seed)
        known = stage(model, runs_ahead=False)
        if known.branches is None:
            frame = BranchFrame(known.frame.weights, None, MOST_BRANCHES)
            known.branches = BranchStage(frame, Direct(frame))
        return decoder


class TestStaticAhead(DecoderRules):
    def make(self, model: CsmModel, sampling: Sampling, seed: int) -> StaticDecoder:
        return StaticDecoder(stage(model, runs_ahead=True), sampling, seed)


@pytest.mark.skipif(bool(reason()), reason="the compiled engine is not built")
class TestNative(DecoderRules):
    def make(self, model: CsmModel, sampling: Sampling, seed: int) -> Decoder:
        decoder = native_decoder(model, sampling, seed)
        assert decoder is not None
        return decoder
