"""What the contestants are made of: our model in one precision, and random weights."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from engine.config import PRESETS, CsmConfig, preset
from engine.csm.model import CsmModel
from engine.errors import ModelError
from engine.mimi.codec import MimiCodec
from engine.runtime.decoders import rounds_itself
from engine.runtime.device import pick_device
from engine.runtime.packed import leave_text_at_home, quantise
from engine.runtime.precision import SMALL_MODEL, Precision, pick_precision

NOISE = 4_194_301  # a prime, so that the rows of a matrix differ


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be loaded, as for ``engine.bench.suite.run``; one precision."""

    model: str
    random_weights: bool
    device: str
    precision: str
    threads: int | None


def shape(wanted: Wanted) -> CsmConfig:
    """The sizes of what is wanted, without its weights.

    Raises:
        ModelError: when there is no such model.
    """
    names = sorted(config.name for config in PRESETS)
    known = f"{', '.join(names[:-1])} or {names[-1]}"
    if wanted.random_weights:
        try:
            return preset(wanted.model)
        except KeyError as error:
            raise ModelError(
                f"'{wanted.model}' is not a known shape: use {known} with --random-weights."
            ) from error
    if not Path(wanted.model).exists():
        raise ModelError(
            f"There is no model at {wanted.model}: check the path, or use {known} with "
            "--random-weights."
        )
    from engine.weights.config_read import read_config
    from engine.weights.files import read_json
    from engine.weights.find import find_checkpoint

    folder = find_checkpoint(Path(wanted.model)).folder
    values = read_json(folder / "config.json")
    config = read_config(values, folder.resolve().name) if values else None
    if config is None:
        raise ModelError(f"{folder} has no config.json that states the sizes: add it.")
    return config


def parameters(config: CsmConfig) -> int:
    """Weights of a model of these sizes, the codec's left out."""
    with torch.device("meta"):
        return sum(weight.numel() for weight in CsmModel(config).parameters())


def precision_for(wanted: Wanted, config: CsmConfig) -> Precision:
    """What ``wanted.precision`` means on its device.

    Raises:
        DeviceError: when there is no such device or precision.
    """
    return pick_precision(wanted.precision, pick_device(wanted.device), parameters(config))


def use_threads(wanted: Wanted, config: CsmConfig) -> None:
    """As many threads as the engine takes by itself, or as asked for."""
    small = parameters(config) <= SMALL_MODEL
    torch.set_num_threads(wanted.threads or (1 if small else os.cpu_count() or 1))


def load(wanted: Wanted) -> tuple[CsmModel, MimiCodec]:
    """The network and its codec.

    Raises:
        EngineError: when it cannot be loaded, or this machine lacks the precision.
    """
    if not wanted.random_weights:
        from engine.runtime.load import load_parts

        network, codec, _, _ = load_parts(
            Path(wanted.model),
            device=wanted.device,
            precision=wanted.precision,
            threads=wanted.threads,
        )
        return network, codec
    config, where = shape(wanted), pick_device(wanted.device)
    precision = precision_for(wanted, config)
    network = random_model(config, where, precision)
    return network, random_codec(config, where)


def random_model(config: CsmConfig, where: torch.device, precision: Precision) -> CsmModel:
    """A network of random weights, the same ones in every precision but for rounding."""
    with torch.device("meta"):
        network = CsmModel(config)
    network = network.to(precision.dtype).to_empty(device=where).eval()
    randomise(network)
    network.precision = precision.value
    if precision.quantised and rounds_itself(where):
        quantise(network, precision)
    leave_text_at_home(network)
    if where.type == "cuda":
        # What was needed to make them up is no part of the peak: a model's file holds them rounded.
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(where)
    return network


def random_codec(config: CsmConfig, where: torch.device) -> MimiCodec:
    """A codec of random weights whose codes are not all silence."""
    codec, source = MimiCodec(config.mimi, where), torch.Generator().manual_seed(0)
    for name, tensor in codec.model.state_dict().items():
        if name.endswith("embedding_sum"):
            tensor.normal_(generator=source)
        elif name.endswith("cluster_usage"):
            tensor.fill_(1.0)
    return codec


@torch.no_grad()
def randomise(module: nn.Module) -> None:
    """Fill matrices with noise of the size that keeps a signal as loud as it was, vectors with 1."""
    first = next(module.parameters())
    source = torch.Generator(first.device).manual_seed(0)
    noise = torch.randn(NOISE, device=first.device, generator=source).to(first.dtype)
    for weight in module.parameters():
        if weight.dim() < 2:
            weight.fill_(1.0)
            continue
        scale = weight.shape[-1] ** -0.5
        for piece in weight.view(-1).split(NOISE):
            torch.mul(noise[: len(piece)], scale, out=piece)


@contextmanager
def default_dtype(dtype: torch.dtype) -> Generator[None]:
    """Modules that are made within have their weights in ``dtype``."""
    previous = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(previous)
