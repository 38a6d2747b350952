"""First half of the codec's training: encoder and quantiser, judged in the mel domain.

A throw-away head predicts the log-mel spectrum from the decoder's latents, which is an order cheaper than
waves and enough to settle what the codes mean. Codebook 0 must also tell the phonemes (it stands in for the
WavLM distillation of the published Mimi). Source of the quantiser's update: exponential moving averages
with restart of unused entries (moshi's own), after k-means over many batches.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from engine.config import MimiConfig
from engine.training.mimi.data import CodecSet
from engine.training.mimi.network import (
    MelHead,
    MimiNetwork,
    PhonemeHead,
    build,
    decoder_latents,
    latents_of,
)
from engine.training.run import Budget, Log, TrainState, hold_then_fall, training_device
from engine.training.spectra import log_mel

MELS = 80
FRAME = 1920


@dataclass(frozen=True, slots=True)
class TokenizerRecipe:
    """Sizes and weights of the first stage."""

    budget: Budget
    start_batch: tuple[int, int] = (8, 16 * FRAME)
    """Cuts and samples of each while nothing is quantised: many small steps, or nothing is learnt."""
    batch: tuple[int, int] = (8, 32 * FRAME)
    final_batch: tuple[int, int] = (16, 32 * FRAME)
    """The same for the first and for the second half of the quantised training."""
    learning_rate: float = 1.5e-3
    hold: float = 0.3
    unquantised_steps: int = 900
    kmeans_batches: int = 30
    commitment: float = 0.25
    phoneme: float = 0.15
    seed: int = 0

    def cuts(self, quantised: bool, progress: float) -> tuple[int, int]:
        """Number of cuts in a batch and samples of each."""
        if not quantised:
            return self.start_batch
        return self.batch if progress < 0.5 else self.final_batch


class Tokenizer(nn.Module):
    """The codec with the throw-away heads of the first stage."""

    def __init__(self, config: MimiConfig, phonemes: int) -> None:
        super().__init__()
        self.codec: MimiNetwork = build(config, training=True)
        self.mel_head = MelHead(config.width, MELS)
        self.phoneme_head = PhonemeHead(config.codebook_dim - 1, phonemes)
        self.quantise = False

    def forward(self, waves: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Waves (B, N) to log-mel (B, T, M), phoneme logits (B, T', P) and the commitment loss."""
        latents = latents_of(self.codec, waves).float()
        # Distances to the codebooks and their running means need full precision.
        with torch.autocast(waves.device.type, enabled=False):
            mixed, semantic, commitment = self._quantised(latents)
        mel = self.mel_head(decoder_latents(self.codec, mixed))
        return mel, self.phoneme_head(semantic.transpose(1, 2)), commitment

    def _quantised(self, latents: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        first, rest = self.codec.quantizer.rvq_first, self.codec.quantizer.rvq_rest
        semantic, acoustic = first.input_proj(latents), rest.input_proj(latents)
        commitment = latents.new_zeros(())
        if self.quantise:
            one, other = first.vq(semantic), rest.vq(acoustic)
            semantic, acoustic = one.quantized, other.quantized
            commitment = one.loss.mean() + other.loss.mean()
        return first.output_proj(semantic) + rest.output_proj(acoustic), semantic, commitment

    @torch.no_grad()
    def start_codebooks(self, batches: list[Tensor], seed: int) -> None:
        """k-means over the latents of `batches`, level by level of the residual."""
        generator = torch.Generator().manual_seed(seed)
        latents = torch.cat([latents_of(self.codec, waves).float() for waves in batches])
        for group in (self.codec.quantizer.rvq_first, self.codec.quantizer.rvq_rest):
            residual = group.input_proj(latents).transpose(1, 2).flatten(0, 1)
            for layer in group.vq.layers:
                book = layer._codebook
                centres, counts = kmeans(residual, book.codebook_size, generator)
                usage = counts.float().clamp(min=1.0) / len(batches)
                book.cluster_usage.copy_(usage)
                book.embedding_sum.copy_(centres * usage[:, None])
                book._initialized.fill_(1)
                book.register_buffer("_embedding", None, persistent=False)
                residual = residual - centres[torch.cdist(residual, centres).argmin(1)]
        self.quantise = True


def kmeans(
    points: Tensor, clusters: int, generator: torch.Generator, rounds: int = 12
) -> tuple[Tensor, Tensor]:
    """Lloyd's algorithm: points (N, D) to centres (clusters, D) and how many points each has."""
    pick = torch.randperm(len(points), generator=generator)[:clusters].to(points.device)
    centres = points[pick].clone()
    counts = torch.ones(clusters, dtype=torch.long, device=points.device)
    for _ in range(rounds):
        nearest = torch.cdist(points, centres).argmin(1)
        counts = torch.bincount(nearest, minlength=clusters)
        sums = torch.zeros_like(centres).index_add_(0, nearest, points)
        drawn = torch.randint(len(points), (clusters,), generator=generator)
        fresh = points[drawn.to(points.device)]
        means = sums / counts.clamp(min=1)[:, None]
        centres = torch.where((counts > 0)[:, None], means, fresh)
    return centres, counts


def train_tokenizer(
    config: MimiConfig, data: CodecSet, recipe: TokenizerRecipe, work: Path
) -> Tokenizer:
    """Run (or go on with) the first stage; checkpoints, log and curves go to `work`."""
    torch.manual_seed(recipe.seed)
    device = training_device()
    model = Tokenizer(config, data.phonemes).to(device).train()
    optimiser = torch.optim.AdamW(
        model.parameters(), lr=recipe.learning_rate, betas=(0.9, 0.98), weight_decay=0.01
    )
    state = TrainState({"model": model}, optimiser, np.random.default_rng(recipe.seed))
    log = Log(work / "tokenizer.jsonl")
    state.load(work / "tokenizer.pt")
    model.quantise = state.step > recipe.unquantised_steps
    while True:
        progress = recipe.budget.progress(state.step, state.clock())
        if progress >= 1.0:
            break
        if state.step == recipe.unquantised_steps:
            batches = [
                torch.from_numpy(data.batch(state.rng, *recipe.final_batch)[0]).to(device)
                for _ in range(recipe.kmeans_batches)
            ]
            model.start_codebooks(batches, recipe.seed)
        values = _step(model, state, data, recipe, progress)
        state.step += 1
        if state.step % 50 == 0:
            log.report(state.step, state.clock() / 60, **values)
        if state.step % 400 == 0:
            state.save(work / "tokenizer.pt")
            log.plot()
    state.save(work / "tokenizer.pt")
    return model.cpu().eval()


def _step(
    model: Tokenizer, state: TrainState, data: CodecSet, recipe: TokenizerRecipe, progress: float
) -> dict[str, float]:
    cuts = recipe.cuts(model.quantise, progress)
    waves_np, labels_np = data.batch(state.rng, *cuts)
    device = model.mel_head.outer.weight.device
    waves, labels = torch.from_numpy(waves_np).to(device), torch.from_numpy(labels_np).to(device)
    target = log_mel(waves, MELS)[:, : cuts[1] // 240]
    warm = min(1.0, (state.step + 1) / 50)
    for group in state.optimiser.param_groups:
        group["lr"] = recipe.learning_rate * warm * hold_then_fall(progress, recipe.hold)
    with torch.autocast(device.type, torch.bfloat16):
        mel, phonemes, commitment = model(waves)
    error = mel.float() - target
    l1 = error.abs().mean()
    spoken = nn.functional.cross_entropy(phonemes.float().flatten(0, 1), labels.flatten())
    loss = (
        l1 + 0.5 * error.square().mean() + recipe.commitment * commitment + recipe.phoneme * spoken
    )
    state.optimiser.zero_grad(set_to_none=True)
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    state.optimiser.step()
    return {
        "mel_l1": l1.item(),
        "phoneme_ce": spoken.item(),
        "commitment": commitment.item(),
        "learning_rate": state.optimiser.param_groups[0]["lr"],
    }
