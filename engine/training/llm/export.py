"""llm-nano to GGUF: f16 written with ``gguf``, then Q8_0 by llama.cpp's own quantiser."""

from __future__ import annotations

import ctypes
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from .chat_format import (
    BOS,
    CHAT_TEMPLATE,
    END,
    SPECIAL_TOKENS,
    SURETY_INSTEAD,
    SURETY_LEAST,
    SURETY_TOKENS,
    UNKNOWN,
)
from .model import Llama, LlamaShape


def write_f16(
    model: Llama, tokenizer_json: Path, path: Path, lots: Sequence[tuple[int, str]] = ()
) -> None:
    """Write the network, its tokenizer and its chat template as an f16 GGUF.

    ``lots`` are n and the beginning of answers that are one of n equally good ones, so that none of
    them can be sure.
    """
    import gguf

    shape = model.shape
    writer: Any = gguf.GGUFWriter(str(path), "llama")
    writer.add_name("llm-nano")
    writer.add_description("Small talk and questions about Parley; for trying and testing only.")
    writer.add_license("mit")
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.width)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.hidden)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.heads)
    writer.add_layer_norm_rms_eps(shape.norm_eps)
    writer.add_rope_dimension_count(shape.head_dim)
    writer.add_rope_freq_base(shape.rope_base)
    writer.add_vocab_size(shape.vocabulary)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    _add_tokenizer(writer, gguf, shape, tokenizer_json)
    writer.add_float32("parley.surety.least", SURETY_LEAST)
    writer.add_uint32("parley.surety.tokens", SURETY_TOKENS)
    writer.add_string("parley.surety.instead", SURETY_INSTEAD)
    lines = [f"{number} {beginning}" for number, beginning in lots]
    writer.add_string("parley.surety.lots", "\n".join(lines))
    for name, tensor in model.state_dict().items():
        values = tensor.detach().float().cpu().numpy()
        half = values.ndim == 2
        writer.add_tensor(name, values.astype(np.float16) if half else values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _add_tokenizer(writer: Any, gguf: Any, shape: LlamaShape, tokenizer_json: Path) -> None:
    bpe = json.loads(tokenizer_json.read_text(encoding="utf-8"))["model"]
    by_id = {index: token for token, index in bpe["vocab"].items()}
    # A corpus too small for the vocabulary leaves ids unused; the matrix has rows for them.
    tokens = [by_id.get(i, f"<|unused{i}|>") for i in range(shape.vocabulary)]
    types = [
        gguf.TokenType.CONTROL if t in SPECIAL_TOKENS
        else gguf.TokenType.NORMAL if i in by_id
        else gguf.TokenType.UNUSED
        for i, t in enumerate(tokens)
    ]  # fmt: skip
    merges = [m if isinstance(m, str) else " ".join(m) for m in bpe["merges"]]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    writer.add_token_merges(merges)
    writer.add_bos_token_id(tokens.index(BOS))
    writer.add_eos_token_id(tokens.index(END))
    writer.add_unk_token_id(tokens.index(UNKNOWN))
    writer.add_add_bos_token(False)
    writer.add_chat_template(CHAT_TEMPLATE)


def quantise_q8(source: Path, target: Path) -> None:
    """Quantise an f16 GGUF to Q8_0. Raises RuntimeError when llama.cpp refuses."""
    import llama_cpp

    library: Any = llama_cpp
    parameters = library.llama_model_quantize_default_params()
    parameters.ftype = library.LLAMA_FTYPE_MOSTLY_Q8_0
    parameters.nthread = 1
    status = library.llama_model_quantize(
        str(source).encode(), str(target).encode(), ctypes.byref(parameters)
    )
    if status != 0:
        raise RuntimeError(f"llama.cpp could not quantise {source} (status {status})")


def open_gguf(path: Path) -> Any:
    """A ``llama_cpp.Llama`` on one thread, quiet."""
    from llama_cpp import Llama as LlamaCpp

    return LlamaCpp(model_path=str(path), n_ctx=1024, n_threads=1, verbose=False, logits_all=True)


def tokenizer_mismatches(gguf_path: Path, tokenizer: Any, texts: list[str]) -> list[str]:
    """Texts that llama.cpp and the training tokenizer cut differently."""
    opened = open_gguf(gguf_path)
    return [
        text
        for text in texts
        if opened.tokenize(text.encode(), add_bos=False, special=True) != tokenizer.encode(text).ids
    ]


def argmax_agreement(gguf_path: Path, model: Llama, tokenizer: Any, texts: list[str]) -> float:
    """Share of positions at which llama.cpp and torch predict the same token."""
    opened = open_gguf(gguf_path)
    same = total = 0
    for text in texts:
        ids = tokenizer.encode(text).ids
        opened.reset()
        opened.eval(ids)
        theirs = np.asarray(opened.scores[: len(ids)]).argmax(-1)
        with torch.no_grad():
            ours = model(torch.tensor([ids]))[0].argmax(-1).numpy()
        same += int((theirs == ours).sum())
        total += len(ids)
    return same / max(1, total)
