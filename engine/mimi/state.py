"""Names and layouts of Mimi's tensors: Kyutai's file, transformers' file, and the way between.

Inside, the modules carry Kyutai's names (``encoder.model.0.conv.conv.weight``) with one fused input
projection per attention layer and rotary pairs lying side by side. Transformers splits the
projection in three and lays the first elements of all rotary pairs before the second ones, so the
rows of q and k change places on the way. A folder of CSM bundles the transformers form under
``codec_model.``; within a running transformers model the names have one level more
(``encoder.encoder_seanet.``), which is read too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import torch
from torch import Tensor, nn

from engine.config import MimiConfig
from engine.errors import ModelError

BUNDLE_PREFIX: Final = "codec_model."
"""What stands before every tensor of Mimi that lies inside a CSM checkpoint."""

_RENAMES: Final[tuple[tuple[str, str], ...]] = (
    (r"^(encoder|decoder)\.model\.", r"\1.layers."),
    (r"\.conv\.conv\.conv\.", ".conv."),
    (r"\.convtr\.convtr\.convtr\.", ".conv."),
    (r"\.conv\.conv\.", ".conv."),
    (r"\.convtr\.convtr\.", ".conv."),
    (r"_transformer\.transformer\.", "_transformer."),
    (r"\.out_projs\.0\.", ".o_proj."),
    (r"\.norm1\.", ".input_layernorm."),
    (r"\.norm2\.", ".post_attention_layernorm."),
    (r"\.linear1\.", ".mlp.fc1."),
    (r"\.linear2\.", ".mlp.fc2."),
    (r"\.layer_scale_1\.", ".self_attn_layer_scale."),
    (r"\.layer_scale_2\.", ".mlp_layer_scale."),
    (r"\.rvq_first\.", ".semantic_residual_vector_quantizer."),
    (r"\.rvq_rest\.", ".acoustic_residual_vector_quantizer."),
    (r"\.vq\.layers\.(\d+)\._codebook\.", r".layers.\1.codebook."),
    (r"\.codebook\._initialized$", ".codebook.initialized"),
    (r"\.codebook\.embedding_sum$", ".codebook.embed_sum"),
)
"""Module name to transformers name, applied in turn (all but the fused projection)."""

_FUSED: Final = ".self_attn.in_projs.0.weight"
_SPARE_CODEBOOK: Final = re.compile(
    r"^quantizer\.(?:rvq_rest\.vq|acoustic_residual_vector_quantizer)\.layers\.(\d+)\."
)
_PARTS: Final = (
    "encoder.",
    "decoder.",
    "encoder_transformer.",
    "decoder_transformer.",
    "quantizer.",
    "downsample.",
    "upsample.",
)


def transformers_name(name: str) -> str:
    """Transformers' name (flat, as in its files) of a module tensor other than a fused projection."""
    for pattern, replacement in _RENAMES:
        name = re.sub(pattern, replacement, name)
    return name


def halves_from_pairs(rows: Tensor, heads: int) -> Tensor:
    """Rows of a q or k projection (H·d, in) from side-by-side rotary pairs to split halves."""
    size = rows.shape[0] // heads
    return rows.view(heads, size // 2, 2, -1).transpose(1, 2).reshape(rows.shape)


def pairs_from_halves(rows: Tensor, heads: int) -> Tensor:
    """The inverse of ``halves_from_pairs``."""
    size = rows.shape[0] // heads
    return rows.view(heads, 2, size // 2, -1).transpose(1, 2).reshape(rows.shape)


def transformers_state_of(model: nn.Module, config: MimiConfig) -> dict[str, Tensor]:
    """The weights of a Mimi module under transformers' names, as fresh contiguous fp32 CPU tensors.

    Add ``BUNDLE_PREFIX`` to every name to bundle them with a CSM.
    """
    key_rows = config.width // config.heads * config.kv_heads
    result: dict[str, Tensor] = {}
    for name, tensor in model.state_dict().items():
        copy = tensor.detach().to("cpu", torch.float32).clone().contiguous()
        if not name.endswith(_FUSED):
            result[transformers_name(name)] = copy
            continue
        stem = transformers_name(name.removesuffix(_FUSED) + ".self_attn.")
        q, k, v = copy.split([config.width, key_rows, key_rows])
        result[stem + "q_proj.weight"] = halves_from_pairs(q, config.heads).contiguous()
        result[stem + "k_proj.weight"] = halves_from_pairs(k, config.kv_heads).contiguous()
        result[stem + "v_proj.weight"] = v.clone()
    return result


def load_mimi_state(model: nn.Module, config: MimiConfig, tensors: Mapping[str, Tensor]) -> None:
    """Copy weights under Kyutai's or transformers' names into a module built from ``config``.

    Codebooks beyond ``config.codebooks`` are left out. Any floating type is read; the module keeps
    its own.

    Raises:
        ModelError: when a tensor is missing, too many, or has another shape than ``config`` says.
    """
    given = _flat_names(tensors)
    kyutai = any(name.startswith(("encoder.model.", "decoder.model.")) for name in given)
    wanted = model.state_dict()
    used: set[str] = set()
    for name, target in wanted.items():
        value = _take(name, target, given, kyutai, config, used)
        target.copy_(value)
    rest = [name for name in given if name not in used and not _is_spare(name)]
    if rest:
        raise ModelError(
            f"The codec weights hold {sorted(rest)[0]!r} ({len(rest)} such), which its "
            "configuration has no place for."
        )
    for module in model.modules():
        if hasattr(module, "embedding_sum"):
            module.register_buffer("_embedding", None, persistent=False)


def _take(
    name: str,
    target: Tensor,
    given: Mapping[str, Tensor],
    kyutai: bool,
    config: MimiConfig,
    used: set[str],
) -> Tensor:
    """The value for module tensor ``name``, noting in ``used`` what was read."""
    if kyutai:
        used.add(name)
        return _checked(given, name, tuple(target.shape))
    if not name.endswith(_FUSED):
        theirs = transformers_name(name)
        used.add(theirs)
        return _checked(given, theirs, tuple(target.shape))
    stem = transformers_name(name.removesuffix(_FUSED) + ".self_attn.")
    key_rows = config.width // config.heads * config.kv_heads
    names = [f"{stem}{part}_proj.weight" for part in "qkv"]
    used.update(names)
    q, k, v = (
        _checked(given, part, (rows, config.width))
        for part, rows in zip(names, (config.width, key_rows, key_rows), strict=True)
    )
    return torch.cat([pairs_from_halves(q, config.heads), pairs_from_halves(k, config.kv_heads), v])


def _checked(given: Mapping[str, Tensor], name: str, shape: tuple[int, ...]) -> Tensor:
    tensor = given.get(name)
    if tensor is None:
        raise ModelError(f"The codec weights lack the tensor {name!r}.")
    if tuple(tensor.shape) != shape:
        raise ModelError(
            f"The codec tensor {name!r} has shape {list(tensor.shape)} where its configuration "
            f"needs {list(shape)}."
        )
    return tensor


def _flat_names(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The codec's tensors among ``tensors`` under flat names, whatever their wrapping."""
    if any(name.startswith(BUNDLE_PREFIX) for name in tensors):
        tensors = {
            name.removeprefix(BUNDLE_PREFIX): tensor
            for name, tensor in tensors.items()
            if name.startswith(BUNDLE_PREFIX)
        }
    flat: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        plain = re.sub(r"^(encoder|decoder)\.\1_seanet\.", r"\1.", name)
        plain = re.sub(r"^encoder\.(encoder_transformer|downsample)\.", r"\1.", plain)
        plain = re.sub(r"^decoder\.(decoder_transformer|upsample)\.", r"\1.", plain)
        plain = plain.replace(".self_attn.in_proj_weight", _FUSED)
        plain = plain.replace(".self_attn.out_proj.", ".self_attn.out_projs.0.")
        flat[plain] = tensor
    if not any(name.startswith(_PARTS) for name in flat):
        raise ModelError("There are no Mimi codec weights among these tensors.")
    return flat


def _is_spare(name: str) -> bool:
    """Whether ``name`` belongs to a codebook beyond those in use (the used ones are taken first)."""
    return _SPARE_CODEBOOK.match(name) is not None
