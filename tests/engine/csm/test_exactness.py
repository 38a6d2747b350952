"""Proof that the engine computes exactly what transformers' ``CsmForConditionalGeneration`` does."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor
from transformers import CsmConfig, CsmForConditionalGeneration
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

from engine.config import CSM_1B, RopeScaling, tiny
from engine.csm.model import CsmModel
from engine.nn.kv_cache import KVCache
from engine.nn.rope import frequencies
from engine.weights.layouts import Layout, slots
from tests.engine.transformers_csm import (
    AUDIO_EOS_TOKEN,
    AUDIO_TOKEN,
    K,
    ours_from,
    reference_config,
    reference_model,
)

FP32_TOLERANCE = 1e-4
# Logits here have a standard deviation of about 1.0; measured: 0.035. bf16 keeps 8 bits, and transformers
# also rounds the rotary tables and products to bf16 where the engine, like the original, stays in fp32.
BF16_TOLERANCE = 0.08

FRAMES_1, FRAMES_2 = 7, 5
TEXT_1, TEXT_2, TEXT_3 = (
    [256, 91, 48, 93, 72, 105],
    [256, 91, 49, 93, 79],
    [256, 91, 48, 93, 89, 257],
)


@dataclass(frozen=True)
class Prompt:
    """A two-segment conversation and the text of a third line, in both models' words."""

    ids: Tensor  # (1, T) transformers: text ids with placeholders for audio
    audio: Tensor  # (1, 1, N)
    cutoffs: Tensor  # (1, 2)
    frames: Tensor  # (1, T, K + 1) ours
    mask: Tensor  # (1, T, K + 1)


@pytest.fixture(scope="module", autouse=True)
def _inference():
    torch.set_num_threads(1)
    with torch.inference_mode():
        yield


@pytest.fixture(scope="module")
def reference() -> CsmForConditionalGeneration:
    return reference_model()


@pytest.fixture(scope="module")
def ours(reference: CsmForConditionalGeneration) -> CsmModel:
    return ours_from(reference)


@pytest.fixture(scope="module")
def prompt(reference: CsmForConditionalGeneration) -> Prompt:
    generator = torch.Generator().manual_seed(3)
    lengths = [1920 * FRAMES_1, 1920 * FRAMES_2]
    audio = torch.randn(1, 1, sum(lengths), generator=generator) * 0.3
    ids: list[int] = []
    frames: list[list[int]] = []
    start = 0
    for text, length in ((TEXT_1, lengths[0]), (TEXT_2, lengths[1]), (TEXT_3, 0)):
        ids += text
        frames += [[0] * K + [token] for token in text]
        if not length:
            continue
        codes = reference.codec_model.encode(audio[..., start : start + length]).audio_codes
        start += length
        ids += [AUDIO_TOKEN] * (length // 1920) + [AUDIO_EOS_TOKEN]
        frames += [[*row, 0] for row in codes[0].T.tolist()]
        frames.append([0] * (K + 1))  # the EOS frame: an audio frame of zeros
    mask = torch.tensor(
        [
            [token in (AUDIO_TOKEN, AUDIO_EOS_TOKEN)] * K
            + [token not in (AUDIO_TOKEN, AUDIO_EOS_TOKEN)]
            for token in ids
        ]
    )
    return Prompt(
        ids=torch.tensor([ids]),
        audio=audio,
        cutoffs=torch.tensor([[lengths[0], sum(lengths)]]),
        frames=torch.tensor([frames]),
        mask=mask.unsqueeze(0),
    )


def their_logits(model: CsmForConditionalGeneration, prompt: Prompt) -> Tensor:
    """Logits of codebook 0 at every position, (T, V)."""
    return model(
        input_ids=prompt.ids, input_values=prompt.audio, input_values_cutoffs=prompt.cutoffs
    ).logits[0]


def our_logits(model: CsmModel, prompt: Prompt) -> Tensor:
    """Logits of codebook 0 at every position, (T, V)."""
    return model.codebook0_head(model.backbone(model.embed(prompt.frames, prompt.mask)))[0]


def largest(first: Tensor, second: Tensor) -> float:
    """Largest absolute difference."""
    assert first.shape == second.shape
    return float((first.float() - second.float()).abs().max())


def greedy(model: CsmModel, prompt: Prompt, count: int) -> tuple[Tensor, Tensor]:
    """Frames (count, K) and codebook-0 logits (count, V), one frame at a time with both caches."""
    cache = KVCache(model.config.backbone, 1, model.device, model.dtype)
    depth_cache = KVCache(model.config.depth, 1, model.device, model.dtype)
    hidden = model.backbone(model.embed(prompt.frames, prompt.mask), cache)[:, -1]
    frames: list[Tensor] = []
    logits: list[Tensor] = []
    for _ in range(count):
        logits.append(model.codebook0_head(hidden))
        codes = [logits[-1].argmax(-1)]
        depth_cache.rollback(0)
        row = model.depth_start(hidden, codes[0], depth_cache)
        for codebook in range(1, model.config.codebooks):
            codes.append(row.argmax(-1))
            if codebook + 1 < model.config.codebooks:
                row = model.depth_step(codes[-1], codebook, depth_cache)
        frames.append(torch.stack(codes, dim=-1))
        hidden = model.backbone(model.embed_audio(frames[-1].unsqueeze(1)), cache)[:, -1]
    return torch.cat(frames), torch.cat(logits)


def test_text_frames_give_the_same_logits(reference, ours) -> None:
    ids = torch.tensor([TEXT_1 + TEXT_2])
    frames = torch.cat((torch.zeros(1, ids.shape[1], K, dtype=torch.long), ids.unsqueeze(-1)), -1)
    mask = torch.tensor([False] * K + [True]).expand_as(frames)
    expected = reference(input_ids=ids).logits
    got = ours.codebook0_head(ours.backbone(ours.embed(frames, mask)))
    assert expected.std() > 0.3  # the comparison would mean nothing on logits near zero
    assert largest(got, expected) <= FP32_TOLERANCE
    assert largest(ours.embed_text(ids), ours.embed(frames, mask)) <= FP32_TOLERANCE


def test_audio_frames_give_the_same_logits(reference, ours) -> None:
    codes = torch.randint(0, 32, (1, 23, K), generator=torch.Generator().manual_seed(1))
    expected = reference(input_ids=codes).logits
    got = ours.codebook0_head(ours.backbone(ours.embed_audio(codes)))
    assert largest(got, expected) <= FP32_TOLERANCE
    with_column = torch.nn.functional.pad(codes, (0, 1), value=7)  # a masked column holds anything
    mask = torch.tensor([True] * K + [False]).expand_as(with_column)
    assert largest(ours.embed(with_column, mask), ours.embed_audio(codes)) <= FP32_TOLERANCE


def test_two_segment_context_gives_the_same_logits(reference, ours, prompt) -> None:
    assert largest(our_logits(ours, prompt), their_logits(reference, prompt)) <= FP32_TOLERANCE


def test_depth_decoder_gives_the_same_logits_in_one_pass_and_step_by_step(reference, ours) -> None:
    generator = torch.Generator().manual_seed(5)
    hidden = torch.randn(9, 48, generator=generator)
    codes = torch.randint(0, 35, (9, K), generator=generator)
    expected = reference.depth_decoder(
        input_ids=torch.nn.functional.pad(codes[:, :-1], (1, 0)),
        backbone_last_hidden_state=hidden,
    ).logits  # (9, K - 1, V)
    assert largest(ours.depth_logits(hidden, codes), expected) <= FP32_TOLERANCE
    cache = KVCache(ours.config.depth, 9, ours.device, ours.dtype)
    steps = [ours.depth_start(hidden, codes[:, 0], cache)]
    steps += [ours.depth_step(codes[:, book], book, cache) for book in range(1, K - 1)]
    assert largest(torch.stack(steps, dim=1), expected) <= FP32_TOLERANCE


def test_greedy_generation_is_identical_frame_by_frame(reference, ours, prompt) -> None:
    count = 24
    theirs = reference.generate(
        input_ids=prompt.ids,
        input_values=prompt.audio,
        input_values_cutoffs=prompt.cutoffs,
        max_new_tokens=count,
        do_sample=False,
        depth_decoder_do_sample=False,
        return_dict_in_generate=True,
        output_logits=True,
    )
    frames, logits = greedy(ours, prompt, count)
    assert frames.tolist() == theirs.sequences[0].tolist()
    assert len({tuple(frame) for frame in frames.tolist()}) > 1
    assert largest(logits, torch.cat(theirs.logits)) <= FP32_TOLERANCE


def test_bf16_stays_within_tolerance(reference, ours, prompt) -> None:
    exact = our_logits(ours, prompt)
    half_ours = ours_from(reference).to(torch.bfloat16)
    half_theirs = reference_model().bfloat16()
    half_theirs.codec_model.float()
    codes = prompt.frames[..., :-1]
    embeds = torch.where(
        prompt.mask[..., :1],
        half_theirs.backbone_model.embed_tokens(codes),
        half_theirs.embed_text_tokens(prompt.frames[..., -1]),
    )
    theirs = half_theirs(inputs_embeds=embeds).logits[0]
    got = our_logits(half_ours, prompt)
    assert got.dtype == theirs.dtype == torch.bfloat16
    assert largest(got, theirs) <= BF16_TOLERANCE
    assert largest(got, exact) <= BF16_TOLERANCE
    hidden = torch.randn(64, 48, generator=torch.Generator().manual_seed(2)).bfloat16()
    rows = torch.randint(0, 35, (64, K), generator=torch.Generator().manual_seed(2))
    depth_theirs = half_theirs.depth_decoder(
        input_ids=torch.nn.functional.pad(rows[:, :-1], (1, 0)), backbone_last_hidden_state=hidden
    ).logits
    assert largest(half_ours.depth_logits(hidden, rows), depth_theirs) <= BF16_TOLERANCE


def test_rollback_and_continuation_equal_a_fresh_computation(ours, prompt) -> None:
    generator = torch.Generator().manual_seed(8)
    x = ours.embed(prompt.frames, prompt.mask)
    dropped = torch.randn(1, 9, 48, generator=generator)
    kept = torch.randn(1, 11, 48, generator=generator)
    cache = KVCache(ours.config.backbone, 1, ours.device, ours.dtype)
    ours.backbone(x, cache)
    for step in range(9):
        ours.backbone(dropped[:, step : step + 1], cache)
    cache.rollback(x.shape[1])
    pieces = [ours.backbone(kept[:, :4], cache)]
    pieces += [ours.backbone(kept[:, step : step + 1], cache) for step in range(4, 11)]
    fresh = ours.backbone(torch.cat((x, kept), dim=1))[:, x.shape[1] :]
    assert cache.length == x.shape[1] + 11
    assert largest(torch.cat(pieces, dim=1), fresh) <= 1e-5


def test_rollback_further_than_the_cache_is_refused(ours) -> None:
    cache = KVCache(ours.config.backbone, 1, ours.device, ours.dtype)
    ours.backbone(torch.zeros(1, 3, 48), cache)
    with pytest.raises(ValueError, match="4"):
        cache.rollback(4)


def test_positions_beyond_the_model_are_refused(ours) -> None:
    with pytest.raises(IndexError, match="257"):
        ours.backbone(torch.zeros(1, 257, 48))


@pytest.mark.parametrize("size", [8, 64, 128])
def test_rope_scaling_is_transformers_rule_in_both_numberings(size: int) -> None:
    config = reference_config()
    config.head_dim = size
    config.rope_parameters = {
        "rope_type": "llama3",
        "rope_theta": 500_000.0,
        "factor": 32.0,
        "low_freq_factor": 0.125,
        "high_freq_factor": 0.5,
        "original_max_position_embeddings": 1024,
    }
    expected, _ = ROPE_INIT_FUNCTIONS["llama3"](config, torch.device("cpu"))
    published = frequencies(size, 500_000.0, RopeScaling(32.0, 0.125, 0.5, 1024))
    llama = frequencies(size, 500_000.0, RopeScaling(32.0, 1.0, 4.0, 8192))
    depth = frequencies(size, 500_000.0, RopeScaling(32.0, 1 / 512, 1 / 128, 16))
    torch.testing.assert_close(published, expected, rtol=1e-6, atol=0)
    assert torch.equal(published, llama)
    assert torch.equal(published, depth)
    plain = frequencies(size, 500_000.0, None)
    assert math.isclose(float(plain[0]), 1.0)
    assert not torch.equal(plain, llama)


@pytest.mark.slow
def test_full_csm_1b_shape_in_bf16() -> None:
    """Random weights at csm-1b's shape: 3.1 GB shared by both models, 3.8 GB at the peak.

    Measured on one core: 7 s; largest difference 0.031 (deviation of the logits 1.0) in codebook 0,
    0.016 (0.7) in the others.
    """
    rope = {
        "rope_type": "llama3",
        "rope_theta": 500_000.0,
        "factor": 32.0,
        "low_freq_factor": 0.125,
        "high_freq_factor": 0.5,
        "original_max_position_embeddings": 1024,
    }
    depth_rope = {
        **rope,
        "low_freq_factor": 0.001953125,
        "high_freq_factor": 0.0078125,
        "original_max_position_embeddings": 16,
    }
    config = CsmConfig(
        rope_parameters=rope,
        depth_decoder_config={"rope_parameters": depth_rope},
        codec_config={"model_type": "mimi", "num_hidden_layers": 1},
    )
    with torch.device("meta"):
        reference = CsmForConditionalGeneration(config)
    reference = reference.bfloat16().to_empty(device="cpu").eval()
    generator = torch.Generator().manual_seed(0)
    block = torch.randn(1 << 22, generator=generator).bfloat16()
    for name, tensor in reference.named_parameters():
        if "norm" in name:
            tensor.fill_(1.0)
            continue
        scale = 0.5 if "embed" in name.rsplit(".", 2)[-2] else tensor.shape[-1] ** -0.5
        flat = tensor.view(-1)
        for start in range(0, flat.numel(), block.numel()):
            part = flat[start : start + block.numel()]
            part.copy_(block[: part.numel()].roll(start % 8191)).mul_(scale)
    for stack in (reference.backbone_model, reference.depth_decoder.model):
        rotary = stack.rotary_emb
        inverse, _ = ROPE_INIT_FUNCTIONS["llama3"](stack.config, torch.device("cpu"))
        rotary.register_buffer("inv_freq", inverse, persistent=False)
        rotary.register_buffer("original_inv_freq", inverse.clone(), persistent=False)
    table = reference.depth_decoder.model.embed_tokens.weight
    embedding = reference.backbone_model.embed_tokens
    embedding.embed_audio_tokens.weight = table
    embedding.register_buffer("audio_tokens_offsets", torch.arange(32) * 2051, persistent=False)

    state = reference.state_dict()
    with torch.device("meta"):
        ours = CsmModel(CSM_1B).eval()
    ours.load_state_dict(
        {
            slot.ours: slot.to_ours(state[slot.theirs[0]])
            for slot in slots(Layout.TRANSFORMERS, CSM_1B)
        },
        assign=True,
    )
    codes = torch.randint(0, 2048, (1, 6, 32), generator=generator)
    expected = reference(input_ids=codes, output_hidden_states=True)
    hidden = ours.backbone(ours.embed_audio(codes))
    logits = ours.codebook0_head(hidden)
    depth_expected = reference.depth_decoder(
        input_ids=torch.nn.functional.pad(codes[0, :2, :-1], (1, 0)),
        backbone_last_hidden_state=hidden[0, :2].clone(),
    ).logits
    depth = ours.depth_logits(hidden[0, :2], codes[0, :2])
    spread = float(expected.logits.float().std())
    assert largest(logits, expected.logits) <= 0.08 * spread
    assert largest(depth, depth_expected) <= 0.08 * float(depth_expected.float().std())


def test_tiny_is_what_the_reference_says(reference) -> None:
    config, sizes = reference.config, tiny()
    assert (sizes.backbone.heads, sizes.backbone.kv_heads) == (
        config.num_attention_heads,
        config.num_key_value_heads,
    )
    assert sizes.depth.heads != sizes.depth.kv_heads  # grouped queries in both
    assert sizes.codebooks == config.num_codebooks
