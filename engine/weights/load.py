"""Loading a CSM: find it, learn its sizes, check every tensor against them, then move the weights.

Nothing is allocated for the weights before all names and shapes are known to be right. Tensors go to
the device one at a time, so the peak is the model plus its largest tensor.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from engine.config import CSM_1B, CsmConfig
from engine.csm.model import CsmModel
from engine.errors import DeviceError, ModelError
from engine.weights.config_read import assembled, named, read_config
from engine.weights.files import TensorInfo, TensorReader, read_json
from engine.weights.find import Checkpoint, find_checkpoint
from engine.weights.flavors import FLAVORS, flavor_of_shapes
from engine.weights.layouts import BUFFERS, CODEC_PREFIX, Layout, Slot, slots

_SAMPLED_ROWS = 64
"""Rows of the audio table that are compared when a file holds it twice."""


Filled = Callable[[CsmModel, torch.device], bool]


@dataclass(frozen=True, slots=True, eq=False)
class LoadedCsm:
    """A model in memory and what came with it.

    Attributes:
        model: the weights on their device, in evaluation mode.
        config: their sizes.
        folder: where tokenizer and voices may be found.
        layout: which layout they were stored in.
        mimi_tensors: reads the codec's weights (names as transformers' or Kyutai's Mimi has them, on
            the CPU, in their stored type); None when the folder has no codec.
        generation: ``generation_config.json``, {} when there is none.
        note: what the user may want to know about the choice of files, or ''.
    """

    model: CsmModel
    config: CsmConfig
    folder: Path
    layout: Layout
    mimi_tensors: Callable[[], dict[str, Tensor]] | None
    generation: Mapping[str, Any]
    note: str


def load_csm(
    path: Path, *, device: torch.device, dtype: torch.dtype, filled: Filled | None = None
) -> LoadedCsm:
    """Load a CSM in either layout.

    Args:
        path: a folder, a ``.safetensors`` file or an ``.index.json`` of several.
        device: where the weights go.
        dtype: their number format there (bf16 or fp32).
        filled: gives the network, made on ``meta``, weights that were converted before; False leaves
            it to be filled from the checkpoint.

    Raises:
        ModelError: when there is no whole CSM; says what is wrong.
        DeviceError: when the device has too little memory.
    """
    checkpoint = find_checkpoint(path)
    config = _config(checkpoint)
    model = _shell(checkpoint, config)
    try:
        if filled is None or not filled(model, device):
            model.load_state_dict(_state(checkpoint, model, device, dtype), assign=True)
    except torch.OutOfMemoryError as error:
        raise DeviceError(
            f"{checkpoint.folder} does not fit into the memory of {device}: free some, or load "
            "it on the CPU."
        ) from error
    generation = read_json(checkpoint.folder / "generation_config.json") or {}
    return LoadedCsm(
        model=model.eval(),
        config=config,
        folder=checkpoint.folder,
        layout=checkpoint.layout,
        mimi_tensors=_codec_reader(checkpoint.codec) if checkpoint.codec else None,
        generation=generation,
        note=checkpoint.note,
    )


def _state(
    checkpoint: Checkpoint, model: CsmModel, device: torch.device, dtype: torch.dtype
) -> dict[str, Tensor]:
    """The checkpoint's tensors under our names, each moved and converted by itself."""
    chosen = _matched(checkpoint, model.config, model)
    with TensorReader(checkpoint.tensors) as reader:
        _check_copies(checkpoint, chosen, reader)
        return {
            slot.ours: reader.load(name, device, dtype, slot.to_ours)
            for name, slot in chosen.items()
        }


def _shell(checkpoint: Checkpoint, config: CsmConfig) -> CsmModel:
    """The network without memory behind its weights."""
    # Absurd numbers must not keep us busy: a layer has several tensors, so this many cannot be there.
    if config.backbone.layers + config.depth.layers <= len(checkpoint.tensors):
        try:
            with torch.device("meta"):
                return CsmModel(config)
        except (RuntimeError, OverflowError, TypeError):
            pass  # sizes beyond what a tensor can have
    raise ModelError(
        f"The config.json in {checkpoint.folder} states sizes that {checkpoint.source.name} cannot "
        "have: they do not belong together."
    )


def _codec_reader(tensors: Mapping[str, TensorInfo]) -> Callable[[], dict[str, Tensor]]:
    def read() -> dict[str, Tensor]:
        with TensorReader(tensors) as reader:
            return {
                name.removeprefix(CODEC_PREFIX): reader.load(name, torch.device("cpu"))
                for name in tensors
            }

    return read


def _config(checkpoint: Checkpoint) -> CsmConfig:
    values = read_json(checkpoint.folder / "config.json")
    name = checkpoint.folder.resolve().name
    stated = read_config(values, name) if values else None
    return stated or _inferred(checkpoint, name)


def _inferred(checkpoint: Checkpoint, name: str) -> CsmConfig:
    """Sizes from the tensors' shapes, for a file that stands without its ``config.json``.

    Shapes do not show how many heads there are, so both transformers must be known ones.
    """
    where = {slot.ours: slot.theirs for slot in slots(checkpoint.layout, CSM_1B)}

    def shape(ours: str) -> tuple[int, ...]:
        for theirs in where[ours]:
            if theirs in checkpoint.tensors:
                return checkpoint.tensors[theirs].shape
        raise ModelError(f"{checkpoint.source} lacks the tensor '{where[ours][0]}'.")

    flavors: list[str] = []
    for stack in ("backbone", "depth"):
        first = where[f"{stack}.layers.0.attn.q.weight"][0]
        prefix = first[: first.index(".layers.0.") + len(".layers.")]
        query, key, gate = (
            shape(f"{stack}.layers.0.{part}.weight") for part in ("attn.q", "attn.k", "mlp.gate")
        )
        flavor = flavor_of_shapes(_layers(checkpoint.tensors, prefix), query, key, gate)
        if flavor is None:
            raise ModelError(
                f"{checkpoint.source} has no config.json beside it and its {stack} is of no size "
                "that is known by name: put the model's config.json into its folder."
            )
        flavors.append(flavor)
    head = shape("audio_head")
    try:
        config = assembled(
            FLAVORS[flavors[0]],
            FLAVORS[flavors[1]],
            codebooks=head[0] + 1,
            audio_vocab=head[-1],
            text_vocab=shape("text_embedding.weight")[0],
            name=name,
        )
    except (ValueError, IndexError) as error:
        raise ModelError(
            f"{checkpoint.source} has sizes that do not hold together ({error}): put the model's "
            "config.json into its folder."
        ) from error
    return named(config, name)


def _layers(names: Mapping[str, TensorInfo], prefix: str) -> int:
    found = (re.match(rf"{re.escape(prefix)}(\d+)\.", name) for name in names)
    return max((int(match[1]) for match in found if match), default=-1) + 1


def _matched(checkpoint: Checkpoint, config: CsmConfig, model: CsmModel) -> dict[str, Slot]:
    """Which stored tensor fills which slot; every one there, of the right shape, and none left."""
    expected = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    chosen: dict[str, Slot] = {}
    missing: list[str] = []
    known: set[str] = set()
    for slot in slots(checkpoint.layout, config):
        known.update(slot.theirs)
        name = next((name for name in slot.theirs if name in checkpoint.tensors), None)
        if name is None:
            missing.append(slot.theirs[0])
            continue
        _check_tensor(name, checkpoint.tensors[name], slot.stored_shape(expected[slot.ours]))
        chosen[name] = slot
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise ModelError(
            f"{checkpoint.source} lacks the tensor '{missing[0]}'{more}: download the model again."
        )
    extra = [
        name
        for name in checkpoint.tensors
        if name not in known and not name.startswith(CODEC_PREFIX) and not name.endswith(BUFFERS)
    ]
    if extra:
        raise ModelError(
            f"{checkpoint.source} has a tensor '{extra[0]}' that a CSM of the sizes in its "
            "config.json has not: config.json and weights do not belong together."
        )
    return chosen


def _check_tensor(name: str, info: TensorInfo, shape: tuple[int, ...]) -> None:
    if info.shape != shape:
        raise ModelError(
            f"The tensor '{name}' in {info.file} has the shape {list(info.shape)}, but the "
            f"model's configuration makes it {list(shape)}: they do not belong together."
        )
    if not info.is_float:
        raise ModelError(
            f"The tensor '{name}' in {info.file} is stored as {info.dtype}: this engine loads "
            "only weights that are not quantised."
        )


def _check_copies(checkpoint: Checkpoint, chosen: Mapping[str, Slot], reader: TensorReader) -> None:
    """Refuse a file whose two copies of one table differ: one of them was never trained.

    transformers 5 can leave the backbone's audio table random when it loads a file that holds only
    the depth decoder's, and saving such a model writes both.
    """
    for name, slot in chosen.items():
        for other in slot.theirs:
            if other == name or other not in checkpoint.tensors:
                continue
            first, second = reader.get(name), reader.get(other)
            step = max(1, len(first) // _SAMPLED_ROWS)
            if first.shape != second.shape or not torch.equal(first[::step], second[::step]):
                raise ModelError(
                    f"The tensors '{name}' and '{other}' in {checkpoint.source} should be one "
                    "table but differ: save the model again with tied embeddings."
                )
