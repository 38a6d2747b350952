"""First half of the codec's training: encoder and quantiser, judged in the mel domain.

A throw-away head predicts the log-mel spectrum from the decoder's latents, which is an order cheaper than
waves and enough to settle what the codes mean. Codebook 0 must also tell the phonemes (it stands in for the
WavLM distillation of the published Mimi), and so must all the codebooks together, with what came before: what
is heard matters more than what is seen in a spectrum. Source of the quantiser's update: exponential moving averages
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
from engine.training.muon import Muon, matrices
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
    final_batch: tuple[int, int] = (12, 32 * FRAME)
    """The same for the first and for the second half of the quantised training."""
    learning_rate: float = 1e-3
    """Peak for biases, gains and the narrow kernels (AdamW)."""
    matrix_rate: float = 0.01
    """Peak for kernels and matrices (Muon): twice as good for its time as AdamW on everything."""
    hold: float = 0.35
    unquantised_steps: int = 900
    kmeans_batches: int = 30
    commitment: float = 0.25
    phoneme: float = 0.25
    """Weight of telling the phonemes from codebook 0 alone."""
    phoneme_of_all: float = 0.2
    """Weight of telling them from all the codebooks."""
    seed: int = 0

    def cuts(self, quantised: bool, progress: float) -> tuple[int, int]:
        """Number of cuts in a batch and samples of each."""
        if not quantised:
            return self.start_batch
        return self.batch if progress < 0.5 else self.final_batch


@dataclass(frozen=True, slots=True)
class Heard:
    """Log-mel (B, T, M), phoneme logits (B, T', P) from codebook 0 and from all, commitment loss."""

    mel: Tensor
    phonemes: Tensor
    phonemes_of_all: Tensor
    commitment: Tensor


class Tokenizer(nn.Module):
    """The codec with the throw-away heads of the first stage."""

    def __init__(self, config: MimiConfig, phonemes: int) -> None:
        super().__init__()
        self.codec: MimiNetwork = build(config, training=True)
        self.mel_head = MelHead(config.width, MELS)
        self.phoneme_head = PhonemeHead(config.codebook_dim - 1, phonemes, labels=4)
        self.phoneme_head_of_all = PhonemeHead(config.width, phonemes, labels=2)
        self.quantise = False

    def forward(self, waves: Tensor) -> Heard:
        """Waves (B, N) to what the heads tell of them."""
        latents = latents_of(self.codec, waves).float()
        # Distances to the codebooks and their running means need full precision.
        with torch.autocast(waves.device.type, enabled=False):
            mixed, semantic, commitment = self._quantised(latents)
        decoded = decoder_latents(self.codec, mixed)
        return Heard(
            self.mel_head(decoded),
            self.phoneme_head(semantic.transpose(1, 2)),
            self.phoneme_head_of_all(decoded.transpose(1, 2)),
            commitment,
        )

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
    kernels, others = matrices(model)
    optimisers = [
        Muon(kernels, lr=recipe.matrix_rate),
        torch.optim.AdamW(others, lr=recipe.learning_rate, betas=(0.9, 0.98), weight_decay=0.0),
    ]
    state = TrainState({"model": model}, optimisers, np.random.default_rng(recipe.seed))
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
    with torch.autocast(device.type, torch.bfloat16):
        heard = model(waves)
    error = heard.mel.float() - target
    mel_l1 = error.abs().mean()
    phonemes, of_all = (
        nn.functional.cross_entropy(logits.float().flatten(0, 1), labels.flatten())
        for logits in (heard.phonemes, heard.phonemes_of_all)
    )
    loss = mel_l1 + 0.5 * error.square().mean() + recipe.commitment * heard.commitment
    loss = loss + recipe.phoneme * phonemes + recipe.phoneme_of_all * of_all
    warm = min(1.0, (state.step + 1) / 50)
    rate = warm * hold_then_fall(progress, recipe.hold, floor=0.01)
    state.learn(loss, rate, most_gradient=1.0)
    return {
        "mel_l1": mel_l1.item(),
        "phoneme_ce": phonemes.item(),
        "phoneme_of_all_ce": of_all.item(),
        "commitment": heard.commitment.item(),
        "learning_rate": rate * recipe.learning_rate,
    }
