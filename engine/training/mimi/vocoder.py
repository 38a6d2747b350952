"""Second half of the codec's training: waves from frozen codes.

Only the decoder's side learns: upsampling, decoder transformer and SEANet decoder, with multi-resolution
STFT losses. The transformer runs over a whole cut, the SEANet decoder (nearly all of the cost) over a short
stretch of it. Runs beside the training of the speech model, which needs the codes alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from engine.training.csm.prepare import encode, speak_shard
from engine.training.mimi.network import MimiNetwork, decoder_latents
from engine.training.muon import Muon, matrices
from engine.training.run import Budget, Log, TrainState, hold_then_fall, training_device
from engine.training.spectra import multi_resolution_loss

FRAME = 1920


@dataclass(frozen=True, slots=True)
class Take:
    """One utterance: 16-bit samples, whole frames of them, and its codes (T, K)."""

    samples: NDArray[np.int16]
    codes: NDArray[np.uint16]


@dataclass(frozen=True, slots=True)
class VocoderRecipe:
    """Sizes of the second stage."""

    budget: Budget
    hours: float = 3.0
    """Of speech. Half as much is learnt by heart: a low voice then sounds worse on other text."""
    users: float = 0.05
    batch: int = 8
    frames: int = 28
    stretch: int = 10
    """Frames that the SEANet decoder renders of each cut, and that are scored."""
    unscored: int = 3
    """Frames of history in front of a stretch that does not begin the utterance."""
    learning_rate: float = 1e-3
    """Peak for biases and the narrow kernels (AdamW)."""
    matrix_rate: float = 0.005
    """Peak for kernels and matrices (Muon)."""
    hold: float = 0.4
    seed: int = 0


def make_takes(model: MimiNetwork, recipe: VocoderRecipe) -> list[Take]:
    """Speak and encode the material: the assistants' voices mostly, for only they are decoded."""
    spoken = speak_shard(770_000 + recipe.seed, recipe.hours * 3600, users=recipe.users)
    lines = encode(model, spoken)
    takes: list[Take] = []
    for (utterance, _), line in zip(spoken, lines, strict=True):
        if line.frames > recipe.stretch + recipe.unscored:
            wave = np.zeros(line.frames * FRAME, np.int16)
            wave[: len(utterance.samples)] = (utterance.samples * 32767).astype(np.int16)
            takes.append(Take(wave, line.codes))
    return takes


def train_vocoder(
    model: MimiNetwork, recipe: VocoderRecipe, work: Path, takes: list[Take] | None = None
) -> MimiNetwork:
    """Train the decoder's side of `model` in place; checkpoints, log and curves go to `work`."""
    torch.manual_seed(recipe.seed)
    model.to(training_device()).requires_grad_(False)
    learning = nn.ModuleDict(
        {"up": model.upsample, "transformer": model.decoder_transformer, "seanet": model.decoder}
    )
    learning.requires_grad_(True)
    kernels, others = matrices(learning)
    optimisers = [
        Muon(kernels, lr=recipe.matrix_rate),
        torch.optim.AdamW(others, lr=recipe.learning_rate, betas=(0.8, 0.99), weight_decay=0.0),
    ]
    state = TrainState({"decoder": learning}, optimisers, np.random.default_rng(recipe.seed))
    state.load(work / "vocoder.pt")
    takes = takes if takes is not None else make_takes(model, recipe)
    log = Log(work / "vocoder.jsonl")
    while (progress := recipe.budget.progress(state.step, state.clock())) < 1.0:
        warm = min(1.0, (state.step + 1) / 50)
        loss = _vocoder_loss(model, takes, recipe, state.rng)
        state.learn(loss, warm * hold_then_fall(progress, recipe.hold), most_gradient=2.0)
        if state.step % 50 == 0:
            log.report(state.step, state.clock() / 60, stft_loss=loss.item())
        if state.step % 400 == 0:
            state.save(work / "vocoder.pt")
            log.plot()
    state.save(work / "vocoder.pt")
    log.plot()
    return model.cpu().eval()


def _vocoder_loss(
    model: MimiNetwork, takes: list[Take], recipe: VocoderRecipe, rng: np.random.Generator
) -> Tensor:
    """Loss of one batch. Half of the cuts begin where the utterance does, as every reply will."""
    codes, waves, starts = _cut(takes, recipe, rng)
    device = next(model.parameters()).device
    codes, waves = codes.to(device), waves.to(device)
    with torch.no_grad():
        quantised = model.quantizer.decode(codes)
    span = recipe.stretch + recipe.unscored
    with torch.autocast(device.type, torch.bfloat16):
        latents = decoder_latents(model, quantised)
        stretches = torch.stack(
            [
                row[:, 2 * start : 2 * (start + span)]
                for row, start in zip(latents, starts, strict=True)
            ]
        )
        made = model.decoder(stretches)[:, 0].float()
    # A stretch in mid-utterance lacks its history: its first frames are not scored. One that begins
    # the utterance is scored from its first sample and loses its last frames instead.
    skip = recipe.unscored * FRAME
    length = recipe.stretch * FRAME
    begins = [0 if start == 0 else skip for start in starts]
    scored = torch.stack([row[b : b + length] for row, b in zip(made, begins, strict=True)])
    real = torch.stack(
        [
            row[start * FRAME + b : start * FRAME + b + length]
            for row, start, b in zip(waves, starts, begins, strict=True)
        ]
    )
    return multi_resolution_loss(scored, real)


def _cut(
    takes: list[Take], recipe: VocoderRecipe, rng: np.random.Generator
) -> tuple[Tensor, Tensor, list[int]]:
    """Codes (B, K, T), waves (B, T·1920) and where in each the stretch begins (frames)."""
    span = recipe.stretch + recipe.unscored
    codes, waves, starts = [], [], []
    for row in range(recipe.batch):
        take = takes[int(rng.integers(len(takes)))]
        count = len(take.codes)
        first = 0
        if row % 2 == 0 and count > recipe.frames:
            first = int(rng.integers(count - recipe.frames + 1))
        piece = np.zeros((recipe.frames, take.codes.shape[1]), np.int64)
        wave = np.zeros(recipe.frames * FRAME, np.float32)
        have = min(count - first, recipe.frames)
        piece[:have] = take.codes[first : first + have]
        wave[: have * FRAME] = take.samples[first * FRAME : (first + have) * FRAME] / 32768.0
        latest = have - span
        start = int(rng.integers(latest + 1))
        if first == 0 and rng.random() < 0.3:
            start = 0
        # Without its true past, the beginning of a cut in mid-utterance is not a beginning.
        if first > 0 and start == 0:
            start = min(1, latest)
        codes.append(piece)
        waves.append(wave)
        starts.append(start)
    return (
        torch.from_numpy(np.stack(codes)).transpose(1, 2),
        torch.from_numpy(np.stack(waves)),
        starts,
    )
