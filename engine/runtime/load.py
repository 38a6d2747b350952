"""From a model folder to the four parts of a ``SpeechEngine``, warmed up."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from engine.csm.model import CsmModel
from engine.csm.tokenizer import TextTokenizer
from engine.errors import ModelError
from engine.mimi.codec import MimiCodec
from engine.runtime.decoders import rounds_itself
from engine.runtime.device import pick_device
from engine.runtime.fused import STORED
from engine.runtime.packed import Packed, leave_text_at_home, quantise
from engine.runtime.precision import SMALL_MODEL, Precision, pick_precision
from engine.types import Sampling
from engine.weights import LoadedCsm, load_csm
from engine.weights.find import find_checkpoint

Parts = tuple[CsmModel, MimiCodec, TextTokenizer, Sampling]


def load_parts(path: Path, *, device: str, precision: str, threads: int | None) -> Parts:
    """Load network, codec, tokenizer and sampling defaults.

    Args:
        path: model folder (or ``.safetensors`` file with its companions beside it).
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        precision: ``auto``, ``fp32``, ``bf16``, ``int8`` or ``int4`` for CSM.
        threads: CPU threads of torch; by default one for a small model, all cores for a big one.

    Raises:
        ModelError: when the folder does not hold a complete CSM.
        DeviceError: when the device cannot be used.
    """
    where = pick_device(device)
    parameters = count_parameters(path)
    if where.type == "cpu":
        torch.set_num_threads(threads or (1 if parameters <= SMALL_MODEL else os.cpu_count() or 1))
    chosen = pick_precision(precision, where, parameters)
    loaded = _load(path, where, chosen, parameters)
    if loaded.mimi_tensors is None:
        raise ModelError(
            f"{loaded.folder} has no Mimi weights: put Mimi's safetensors file beside the model."
        )
    codec = MimiCodec(loaded.config.mimi, where)
    codec.load_state(loaded.mimi_tensors())
    tokenizer = TextTokenizer.load(loaded.folder, template_space=loaded.config.template_space)
    if tokenizer.vocab > loaded.config.text_vocab:
        raise ModelError(
            f"The tokenizer in {loaded.folder} has {tokenizer.vocab} tokens but the model knows "
            f"{loaded.config.text_vocab}: use the tokenizer.json that belongs to the model."
        )
    return loaded.model.eval(), codec, tokenizer, sampling_from(loaded.generation)


def _load(path: Path, device: torch.device, precision: Precision, parameters: int) -> LoadedCsm:
    """The network, through its packed file where a big one has it, leaving one where it has not."""
    rounds = precision.quantised and rounds_itself(device)
    kept = precision if rounds or not precision.quantised else Precision.BF16
    packed = Packed(find_checkpoint(path), kept) if parameters > SMALL_MODEL else None
    filled = packed.fill if packed is not None else None
    loaded = load_csm(path, device=device, dtype=precision.dtype, filled=filled)
    loaded.model.precision = precision
    if rounds and STORED not in loaded.model.derived:
        quantise(loaded.model, precision)
    if packed is not None:
        packed.keep(loaded.model)
    leave_text_at_home(loaded.model)
    return loaded


def count_parameters(path: Path) -> int:
    """Weights of the checkpoint at ``path``, from its headers alone.

    Raises:
        ModelError: when there is no CSM.
    """
    return sum(math.prod(info.shape) for info in find_checkpoint(path).tensors.values())


def sampling_from(generation: Mapping[str, Any]) -> Sampling:
    """Sampling defaults from a transformers ``generation_config.json`` ({} gives CSM's own)."""
    default = Sampling()
    temperature = float(generation.get("temperature", default.temperature))
    if not generation.get("do_sample", True):
        temperature = 0.0
    depth: float | None = None
    if "depth_decoder_temperature" in generation:
        depth = float(generation["depth_decoder_temperature"])
    if not generation.get("depth_decoder_do_sample", True):
        depth = 0.0
    return Sampling(temperature, int(generation.get("top_k", default.top_k)), depth)
