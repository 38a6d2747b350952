"""Writing a CSM in either layout, so that other software can load what was trained here.

Files appear whole or not at all: each is written under a temporary name and then renamed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from engine.config import CsmConfig
from engine.csm.model import CsmModel
from engine.weights.config_write import original_config, transformers_config
from engine.weights.layouts import CODEC_PREFIX, Layout, slots


def save_transformers(
    model: CsmModel,
    config: CsmConfig,
    folder: Path,
    *,
    dtype: torch.dtype = torch.float32,
    codec_tensors: Mapping[str, Tensor] | None = None,
    generation: Mapping[str, object] | None = None,
) -> Path:
    """Write ``model.safetensors`` and ``config.json`` for ``CsmForConditionalGeneration``.

    Args:
        model: the weights.
        config: their sizes.
        folder: made when missing; files of the same names are replaced.
        dtype: number format of the CSM's tensors. The codec's keep theirs.
        codec_tensors: transformers' ``MimiModel`` state, without prefix, to bundle.
        generation: content of ``generation_config.json``; token ids in it go into ``config.json`` too.

    Returns:
        The path of the weights.
    """
    state = _state(model, config, Layout.TRANSFORMERS, dtype)
    for name, tensor in (codec_tensors or {}).items():
        state[CODEC_PREFIX + name] = tensor.detach().cpu().contiguous()
    written: dict[str, object] = transformers_config(config, generation)
    written["dtype"] = written["torch_dtype"] = str(dtype).removeprefix("torch.")
    return _write(folder, state, written, generation)


def save_original(
    model: CsmModel,
    config: CsmConfig,
    folder: Path,
    *,
    dtype: torch.dtype = torch.float32,
    generation: Mapping[str, object] | None = None,
) -> Path:
    """Write ``model.safetensors`` and ``config.json`` in the original layout (no codec in it).

    The original's configuration has names for two transformers only; other sizes are written as the
    transformers configuration, which this engine reads beside either layout.
    """
    state = _state(model, config, Layout.ORIGINAL, dtype)
    written = original_config(config) or transformers_config(config, generation)
    return _write(folder, state, written, generation)


def write_json(path: Path, content: Mapping[str, object]) -> None:
    """Write ``content`` as indented JSON, whole or not at all."""
    partial = path.with_name(path.name + ".part")
    partial.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    os.replace(partial, path)


def _state(
    model: CsmModel, config: CsmConfig, layout: Layout, dtype: torch.dtype
) -> dict[str, Tensor]:
    ours = model.state_dict()
    return {
        slot.theirs[0]: slot.to_theirs(ours[slot.ours].detach().cpu().to(dtype)).contiguous()
        for slot in slots(layout, config)
    }


def _write(
    folder: Path,
    state: dict[str, Tensor],
    config: Mapping[str, object],
    generation: Mapping[str, object] | None,
) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    weights = folder / "model.safetensors"
    partial = weights.with_name(weights.name + ".part")
    save_file(state, partial, metadata={"format": "pt"})
    os.replace(partial, weights)
    write_json(folder / "config.json", config)
    if generation is not None:
        write_json(folder / "generation_config.json", generation)
    return weights
