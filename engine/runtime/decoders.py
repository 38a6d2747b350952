"""Which decoder a model gets on this machine."""

from __future__ import annotations

import torch

from engine.csm.model import CsmModel
from engine.native import library
from engine.native.decoder import native_decoder
from engine.runtime.ahead import StaticDecoder
from engine.runtime.decoder import Decoder
from engine.runtime.eager import EagerDecoder
from engine.runtime.fused import fuse
from engine.runtime.graphs import Direct, Graphs, Stage, room_on
from engine.runtime.kernels import fused_kernels
from engine.runtime.precision import Precision, precision_of
from engine.runtime.static import StaticFrame
from engine.runtime.static_branches import BranchFrame, BranchStage
from engine.types import Sampling

_STAGE = "stage"


def make_decoder(model: CsmModel, sampling: Sampling, seed: int) -> Decoder:
    """The fastest decoder that can run ``model`` where its weights are.

    On a card: graphs. On a CPU: compiled code where it could be built; else PyTorch's own products,
    packed or quantised, in the same arrangement as on a card; fp32 stays as it is.

    Raises:
        DeviceError: when the card has no memory for it.
    """
    if model.device.type == "cpu":
        native = native_decoder(model, sampling, seed)
        if native is not None:
            return native
        if precision_of(model) is Precision.FP32:
            return EagerDecoder(model, sampling, seed)
    return StaticDecoder(stage_of(model), sampling, seed)


def prepare_branches(model: CsmModel, count: int) -> None:
    """Have at hand what ``Decoder.branch`` needs to draw ``count`` in step; before any conversation.

    Compiled code and plain PyTorch need nothing. On a card it is graphs for as many rows, and a cache for
    each; where its fused kernels fail at that, branches are drawn one after the other.

    Raises:
        DeviceError: when the card has no memory for it.
    """
    if count <= 1 or not isinstance(make_decoder(model, Sampling(), 0), StaticDecoder):
        return
    stage, device = stage_of(model), model.device
    if stage.branches is not None and stage.branches.frame.rows >= count:
        return
    with room_on(device):
        kernels = None
        if stage.frame.fused:
            precision = precision_of(model)
            kernels = fused_kernels(model.config, device, model.dtype, precision, count)
            if kernels is None:
                return
        frame = BranchFrame(stage.frame.weights, kernels, count)
        runner = Graphs(frame) if device.type == "cuda" else Direct(frame)
        stage.branches = BranchStage(frame, runner)


def rounds_itself(device: torch.device) -> bool:
    """Whether a quantised decoder there takes weights that are rounded already.

    Compiled code takes them as they are and lays them out in its own way.
    """
    return device.type != "cpu" or bool(library.reason())


def stage_of(model: CsmModel) -> Stage:
    """The model's buffers, and its graphs on a card; made once, at load.

    Raises:
        DeviceError: when the card has no memory for it.
    """
    stage = model.derived.get(_STAGE)
    if not isinstance(stage, Stage):
        with room_on(model.device):
            kernels = fused_kernels(model.config, model.device, model.dtype, precision_of(model))
            frame = StaticFrame(fuse(model, kernels), kernels)
            runner = Graphs(frame) if model.device.type == "cuda" else Direct(frame)
        stage = model.derived[_STAGE] = Stage(frame, runner)
    return stage
