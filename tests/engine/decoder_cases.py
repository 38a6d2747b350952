"""What decoders are tried on: a text, frames, ways to draw, and small networks."""

from __future__ import annotations

import numpy as np
import torch

from engine.config import tiny
from engine.csm.model import CsmModel
from engine.nn.kv_cache import KVCache
from engine.types import CodeArray, FloatArray, Sampling

TEXT = [256, 91, 48, 93, 72, 105]
SAMPLINGS = (
    Sampling(),
    Sampling(temperature=0.0),
    Sampling(temperature=0.7, top_k=5, depth_temperature=0.4),
    Sampling(temperature=0.8, top_k=9, depth_temperature=0.0),
    Sampling(temperature=0.0, depth_temperature=1.1),
    Sampling(temperature=1.2, top_k=0),
)


def frames(count: int, seed: int = 0, codebooks: int = 4) -> CodeArray:
    """Random frames (count, K), none of which is an end."""
    return np.random.default_rng(seed).integers(1, 32, (count, codebooks)).astype(np.int64)


def random_model(seed: int = 0) -> CsmModel:
    """The tiny shapes with random weights, in fp32."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return CsmModel(tiny()).eval()


def ending_model() -> CsmModel:
    """A network that ends the line in every frame where it may.

    Its layers add nothing, everything that goes in is positive, and so only code 0 is likely.
    """
    model = random_model()
    with torch.no_grad():
        for stack in (model.backbone, model.depth):
            for name, weight in stack.named_parameters():
                if name.endswith(("attn.o.weight", "mlp.down.weight")):
                    weight.zero_()
        for weight in (model.text_embedding.weight, model.audio_embedding.weight):
            weight.abs_()
        model.projection.weight.abs_()
        for head in (model.codebook0_head.weight, *model.audio_head):
            head.fill_(-1.0)
            head[0] = 1.0
    return model


def forced_logits(model: CsmModel, context: CodeArray, codes: CodeArray) -> FloatArray:
    """(K, V): what the network says of the frame ``codes`` after ``TEXT`` and ``context``."""
    with torch.inference_mode():
        text = model.embed_text(torch.tensor([TEXT], device=model.device))
        audio = model.embed_audio(torch.from_numpy(context)[None].to(model.device))
        cache = KVCache(model.config.backbone, 1, model.device, model.dtype)
        hidden = model.backbone(torch.cat((text, audio), 1), cache)[:, -1]
        first = model.codebook0_head(hidden)[:, None]
        rest = model.depth_logits(hidden, torch.from_numpy(codes)[None].to(model.device))
        return torch.cat((first, rest), 1)[0].float().cpu().numpy()
