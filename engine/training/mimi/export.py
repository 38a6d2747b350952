"""From the codec under training to a whole Mimi: code 0 and the spare dimension are put in place."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from engine.training.mimi.network import MimiNetwork

FAR = 1000.0
"""Where entry 0 lies in the spare dimension, in which every latent is 0: it is never the nearest."""


@torch.no_grad()
def finished_state(model: MimiNetwork) -> dict[str, Tensor]:
    """The weights of a complete Mimi, under Kyutai's names, from the codec that was trained.

    Entry 0 of every codebook is new: the mean of codebook 0, nothing at all in the residual ones, and FAR
    in the spare dimension. The output projection ignores that dimension, so decoding a stray 0 is harmless.
    """
    state = {name: tensor.detach().clone().float() for name, tensor in model.state_dict().items()}
    for group, semantic in (("rvq_first", True), ("rvq_rest", False)):
        prefix = f"quantizer.{group}."
        into, out = state[prefix + "input_proj.weight"], state[prefix + "output_proj.weight"]
        state[prefix + "input_proj.weight"] = torch.cat([into, torch.zeros_like(into[:1])])
        state[prefix + "output_proj.weight"] = torch.cat([out, torch.zeros_like(out[:, :1])], 1)
        for layer in range(len(getattr(model.quantizer, group).vq.layers)):
            book = f"{prefix}vq.layers.{layer}._codebook."
            usage = state[book + "cluster_usage"].clamp(min=1e-5)
            vectors = state[book + "embedding_sum"] / usage[:, None]
            mean = (vectors * usage[:, None]).sum(0) / usage.sum()
            first = mean if semantic else torch.zeros_like(mean)
            vectors = torch.cat([first[None], vectors])
            spare = torch.zeros(len(vectors), 1)
            spare[0] = FAR
            state[book + "embedding_sum"] = torch.cat([vectors, spare], 1)
            state[book + "cluster_usage"] = torch.ones(len(vectors))
            state[book + "_initialized"] = torch.ones(1)
    return state


def rounded(state: Mapping[str, Tensor], dtype: torch.dtype) -> dict[str, Tensor]:
    """The state as it will be after a file in `dtype`, back in fp32: encode with what is shipped."""
    return {name: tensor.to(dtype).float() for name, tensor in state.items()}
