"""From a path to the one checkpoint in it, or to a sentence that says what is there instead.

Knows file names and tensor names; reads headers only.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.errors import ModelError
from engine.weights.files import (
    PARTIAL_SUFFIXES,
    PICKLE_SUFFIXES,
    TensorInfo,
    read_header,
    read_json,
)
from engine.weights.layouts import CODEC_PREFIX, Layout

_INDEX_SUFFIX = ".safetensors.index.json"
_SHARD = re.compile(r"-\d{5}-of-\d{5}\.safetensors$")
_CODEC_FILES = ("mimi*.safetensors", "tokenizer-*-checkpoint*.safetensors", "mimi/*.safetensors")
"""Where the codec lies when it is not bundled."""

_KINDS = (
    ("lora_", "a LoRA adapter (merge it into its base model first)"),
    ("model.encoder.", "a speech recogniser like Whisper"),
    ("model.layers.", "a language model"),
    ("model.embed_tokens", "a language model"),
    ("encoder_transformer.", "the Mimi codec alone"),
    ("quantizer.", "the Mimi codec alone"),
)
"""Starts (or, for adapters, parts) of tensor names that give other models away."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What was found.

    Attributes:
        folder: where the other files of the model are.
        source: the weights file or index.
        layout: who named the tensors.
        tensors: all of them, the bundled codec's included.
        codec: the codec's tensors under the names in their file; empty when there are none.
        note: what a user may want to know about the choice, or ''.
    """

    folder: Path
    source: Path
    layout: Layout
    tensors: Mapping[str, TensorInfo]
    codec: Mapping[str, TensorInfo]
    note: str


def find_checkpoint(path: Path) -> Checkpoint:
    """The CSM at ``path``: a folder, a ``.safetensors`` file or an index of shards.

    Raises:
        ModelError: when there is none, saying what is there instead.
    """
    if not path.exists():
        raise ModelError(
            f"There is no model at {path}: check the path or download the model first."
        )
    if path.is_dir():
        return _in_folder(path)
    if path.name.lower().endswith(PICKLE_SUFFIXES):
        raise _pickle(path)
    if path.name.lower().endswith(PARTIAL_SUFFIXES):
        raise _unfinished(path)
    tensors = _read(path)
    layout = layout_of(tensors)
    if layout is None:
        raise ModelError(f"{path} is not a CSM but {kind_of(tensors)}: choose a CSM checkpoint.")
    return Checkpoint(path.parent, path, layout, tensors, _codec(path.parent, tensors), "")


def layout_of(names: Iterable[str]) -> Layout | None:
    """Whose tensor names these are; None when no CSM has such names."""
    seen = set(names)
    if any(name.startswith(("backbone_model.", "depth_decoder.")) for name in seen):
        return Layout.TRANSFORMERS
    ours = {"text_embeddings.weight", "audio_embeddings.weight", "codebook0_head.weight"}
    torchtune = any(name.startswith("backbone.layers.") and ".attn." in name for name in seen)
    return Layout.ORIGINAL if torchtune and seen & ours else None


def kind_of(names: Iterable[str]) -> str:
    """What a checkpoint with these tensor names is, in words."""
    seen = sorted(names)
    for mark, words in _KINDS:
        if any(name.startswith(mark) or (mark == "lora_" and mark in name) for name in seen):
            return words
    return f"another model (with tensors like '{seen[0]}')" if seen else "a file without tensors"


def _in_folder(folder: Path) -> Checkpoint:
    config = read_json(folder / "config.json") or {}
    _check_kind(folder, config)
    found: list[tuple[Path, Layout, Mapping[str, TensorInfo]]] = []
    problems: list[ModelError] = []
    for source in _candidates(folder):
        try:
            tensors = _read(source)
        except ModelError as error:
            problems.append(error)
            continue
        if (layout := layout_of(tensors)) is not None:
            found.append((source, layout, tensors))
        else:
            words = f"{folder} holds no CSM but {kind_of(tensors)}: choose a CSM folder."
            problems.append(ModelError(words))
    if not found:
        raise problems[0] if problems else _nothing_in(folder)
    # Of a folder with both layouts (as published), the transformers one also bundles the codec.
    found.sort(key=lambda item: item[1] is not Layout.TRANSFORMERS)
    source, layout, tensors = found[0]
    notes = [f"passed over: {error}" for error in problems]
    if len({item[1] for item in found}) > 1:
        notes.append(f"both layouts are in {folder}: took the {layout} one, {source.name}")
    return Checkpoint(folder, source, layout, tensors, _codec(folder, tensors), "; ".join(notes))


def _candidates(folder: Path) -> list[Path]:
    """Index files first, then ``model.safetensors``, then any other lone weights file."""
    indexes = sorted(folder.glob(f"*{_INDEX_SUFFIX}"))
    codec = {path for pattern in _CODEC_FILES for path in folder.glob(pattern)}
    lone = [
        path
        for path in folder.glob("*.safetensors")
        if path not in codec and not _SHARD.search(path.name)
    ]
    lone.sort(key=lambda path: (path.name != "model.safetensors", path.name))
    return indexes + lone


def _read(source: Path) -> dict[str, TensorInfo]:
    return _read_index(source) if source.name.endswith(".json") else read_header(source)


def _read_index(index: Path) -> dict[str, TensorInfo]:
    weight_map = (read_json(index) or {}).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise ModelError(f"{index} names no weight files: download the model again.")
    names = sorted({str(name) for name in weight_map.values()})
    for name in names:
        if Path(name).name != name or not name.endswith(".safetensors"):
            raise ModelError(f"{index} names '{name}', which is no safetensors file beside it.")
    missing = [name for name in names if not (index.parent / name).is_file()]
    if missing:
        raise ModelError(
            f"{index.parent} lacks {missing[0]} ({len(missing)} of {len(names)} weight files are "
            "missing): finish the download."
        )
    tensors: dict[str, TensorInfo] = {}
    for name in names:
        tensors.update(read_header(index.parent / name))
    return tensors


def _codec(folder: Path, tensors: Mapping[str, TensorInfo]) -> Mapping[str, TensorInfo]:
    bundled = {name: info for name, info in tensors.items() if name.startswith(CODEC_PREFIX)}
    if bundled:
        return bundled
    for pattern in _CODEC_FILES:
        for path in sorted(folder.glob(pattern)):
            return read_header(path)
    return {}


def _check_kind(folder: Path, config: Mapping[str, Any]) -> None:
    kind = config.get("model_type")
    if kind is None or kind == "csm":
        return
    listed = config.get("architectures")
    made = f" ({listed[0]})" if isinstance(listed, list) and listed else ""
    raise ModelError(f"{folder} holds a '{kind}' model{made}, not a CSM: choose a CSM folder.")


def _nothing_in(folder: Path) -> ModelError:
    files = sorted(path for path in folder.iterdir() if path.is_file())
    names = {path.name for path in files}
    for path in files:
        if path.name.endswith(".gguf"):
            return ModelError(
                f"{folder} holds a GGUF file ({path.name}), which llama.cpp runs: choose a folder "
                "with a CSM in safetensors."
            )
    for path in files:
        if path.name.endswith(PARTIAL_SUFFIXES):
            return _unfinished(path)
    for path in files:
        if _SHARD.search(path.name):
            return ModelError(
                f"{folder} holds weight files like {path.name} without their index.json: finish "
                "the download."
            )
    if "model.bin" in names and any(name.startswith("vocabulary.") for name in names):
        return ModelError(
            f"{folder} holds a CTranslate2 model (a speech recogniser, most likely), not a CSM."
        )
    for path in files:
        if path.name.endswith(PICKLE_SUFFIXES):
            return _pickle(path)
    if any(path for pattern in _CODEC_FILES for path in folder.glob(pattern)):
        return ModelError(
            f"{folder} holds the Mimi codec alone: the CSM's own weights are missing."
        )
    return ModelError(f"{folder} holds no model: it has no .safetensors file.")


def _pickle(path: Path) -> ModelError:
    return ModelError(
        f"{path} is in pickle format, which could run code when opened: use the model's "
        "safetensors weights instead."
    )


def _unfinished(path: Path) -> ModelError:
    return ModelError(f"{path} is an unfinished download: finish or repeat it.")
