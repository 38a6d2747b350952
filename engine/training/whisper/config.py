"""Sizes, sound format and special tokens of whisper-nano: the numbers that every part must agree
on.

Knows no torch. Shapes in this package: B batch, T mel frames (50 per second), P encoder positions
(25 per second), L decoder tokens, V vocabulary.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

SAMPLE_RATE_HZ: Final = 16_000
MEL_BANDS: Final = 80
HOP_SAMPLES: Final = 320
"""Twice Whisper's own hop: half the frames, half the work. faster-whisper obeys
preprocessor_config.json.
"""
FFT_SAMPLES: Final = 512
FRAMES_PER_S: Final = SAMPLE_RATE_HZ // HOP_SAMPLES
POSITIONS_PER_S: Final = FRAMES_PER_S // 2
STOCK_FRAMES: Final = 3000
"""faster-whisper pads every segment to this many frames, whatever the hop: 60 s here, 1500
positions.
"""

TRAP_POSITIONS: Final = MEL_BANDS
"""CTranslate2 takes an encoder output of exactly this many positions for raw features and answers
garbage.

Code that trims padding before `Whisper.encode` must go through `safe_frames`.
"""

TIMESTAMP_STEP_S: Final = 0.02
TIMESTAMPS: Final = 1501  # 0.00 to 30.00 s

SPECIAL_TOKENS: Final = (
    "<|endoftext|>",
    "<|startoftranscript|>",
    "<|translate|>",
    "<|transcribe|>",
    "<|startoflm|>",
    "<|startofprev|>",
    "<|nospeech|>",
    "<|notimestamps|>",
)


def safe_frames(frames: int) -> int:
    """The smallest even number of mel frames ≥ `frames` that CTranslate2 encodes correctly.

    Two frames make one position; TRAP_POSITIONS is stepped over.
    """
    even = frames + frames % 2
    return even + 2 if even // 2 == TRAP_POSITIONS else even


@dataclass(frozen=True, slots=True)
class Shape:
    """Sizes of the network. The defaults are what ships: about 4 million parameters."""

    width: int = 192
    heads: int = 3
    encoder_layers: int = 4
    decoder_layers: int = 2
    feed_forward: int = 768
    max_positions: int = STOCK_FRAMES // 2
    max_tokens: int = 448
    merges: int = 500
    phoneme_layer: int = 2
    """The framewise phoneme loss reads the output of this many encoder layers."""
    guided_heads: int = 2
    """So many heads of the last decoder layer are pushed to the word being written."""
