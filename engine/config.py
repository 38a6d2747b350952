"""Every size of the engine's networks, as frozen data: nothing below is hard-wired elsewhere.

The presets are the models that Parley knows by name; checkpoints bring their own sizes in
their ``config.json`` (see ``engine.weights``), so larger relatives need no code.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace


@dataclass(frozen=True, slots=True)
class RopeScaling:
    """The llama3 rule for stretching rotary wavelengths beyond the original context.

    Source: Llama 3.1 release. Wavelengths below ``original_positions / high_frequency`` are kept,
    those above ``original_positions / low_frequency`` are stretched by ``factor``, those between
    are blended linearly. Only ratios matter, so (8192, 1, 4) equals (1024, 0.125, 0.5).
    """

    factor: float = 32.0
    low_frequency: float = 1.0
    high_frequency: float = 4.0
    original_positions: int = 8192


@dataclass(frozen=True, slots=True)
class TransformerConfig:
    """One Llama-style decoder without token embedding or output matrix."""

    layers: int
    width: int
    heads: int
    kv_heads: int
    head_dim: int
    ffn: int
    max_positions: int
    norm_eps: float = 1e-5
    rope_base: float = 500_000.0
    rope_scaling: RopeScaling | None = field(default_factory=RopeScaling)

    def __post_init__(self) -> None:
        if self.heads % self.kv_heads:
            raise ValueError(f"{self.heads} heads do not divide over {self.kv_heads} kv heads")
        if self.head_dim % 2:
            raise ValueError(f"rotary embedding needs an even head size, not {self.head_dim}")


@dataclass(frozen=True, slots=True)
class MimiConfig:
    """The codec: causal SEANet + transformer on each side of a split residual quantiser."""

    sample_rate_hz: int = 24_000
    frame_rate_hz: float = 12.5
    filters: int = 64
    ratios: tuple[int, ...] = (8, 6, 5, 4)
    kernel: int = 7
    last_kernel: int = 3
    residual_kernel: int = 3
    residual_layers: int = 1
    compress: int = 2
    dilation_base: int = 2
    width: int = 512
    layers: int = 8
    heads: int = 8
    kv_heads: int = 8
    ffn: int = 2048
    rope_base: float = 10_000.0
    context: int = 250
    layer_scale: float = 0.01
    codebooks: int = 32
    semantic_codebooks: int = 1
    codebook_size: int = 2048
    codebook_dim: int = 256

    @property
    def frame_samples(self) -> int:
        """Samples of one codec frame (1920 at 24 kHz and 12.5 Hz)."""
        return round(self.sample_rate_hz / self.frame_rate_hz)

    @property
    def encoder_rate_hz(self) -> float:
        """Frame rate between SEANet and the quantiser, before the downsampling convolution."""
        rate = float(self.sample_rate_hz)
        for ratio in self.ratios:
            rate /= ratio
        return rate


@dataclass(frozen=True, slots=True)
class CsmConfig:
    """A Conversational Speech Model: backbone, depth decoder, vocabularies and codec."""

    name: str
    backbone: TransformerConfig
    depth: TransformerConfig
    text_vocab: int
    audio_vocab: int
    codebooks: int
    mimi: MimiConfig
    template_space: bool = False
    """Whether the text template has a space after the bracket (MisoTTS does, CSM does not)."""

    def __post_init__(self) -> None:
        if self.depth.max_positions < self.codebooks:
            raise ValueError("the depth decoder needs one position per codebook")
        if self.audio_vocab < self.mimi.codebook_size:
            raise ValueError("the audio vocabulary must hold every code of the codec")

    @property
    def columns(self) -> int:
        """Columns of a frame: one per codebook and one for text."""
        return self.codebooks + 1


MIMI = MimiConfig()
MIMI_NANO = MimiConfig(
    filters=16,
    width=256,
    layers=2,
    heads=4,
    kv_heads=4,
    ffn=512,
    context=64,
    codebooks=4,
    codebook_size=512,
    codebook_dim=64,
)

CSM_1B = CsmConfig(
    name="csm-1b",
    backbone=TransformerConfig(
        layers=16, width=2048, heads=32, kv_heads=8, head_dim=64, ffn=8192, max_positions=2048
    ),
    depth=TransformerConfig(
        layers=4, width=1024, heads=8, kv_heads=2, head_dim=128, ffn=8192, max_positions=33
    ),
    text_vocab=128_256,
    audio_vocab=2051,
    codebooks=32,
    mimi=MIMI,
)

CSM_NANO = CsmConfig(
    name="csm-nano",
    backbone=TransformerConfig(
        layers=6,
        width=256,
        heads=4,
        kv_heads=4,
        head_dim=64,
        ffn=704,
        max_positions=768,  # its training sequences end at 680
    ),
    depth=TransformerConfig(
        layers=2, width=128, heads=2, kv_heads=2, head_dim=64, ffn=352, max_positions=5
    ),
    text_vocab=258,
    audio_vocab=515,
    codebooks=4,
    mimi=MIMI_NANO,
)

MISO_8B = CsmConfig(
    name="miso-8b",
    backbone=TransformerConfig(
        layers=32, width=4096, heads=32, kv_heads=8, head_dim=128, ffn=14_336, max_positions=2048
    ),
    depth=TransformerConfig(
        layers=8, width=1536, heads=24, kv_heads=6, head_dim=64, ffn=6912, max_positions=33
    ),
    text_vocab=128_256,
    audio_vocab=2051,
    codebooks=32,
    mimi=MIMI,
    template_space=True,
)
"""MisoTTS, CSM's larger relative: the same architecture and codec, another text template."""

PRESETS = (CSM_1B, CSM_NANO, MISO_8B)
"""The models that are known by name."""


def preset(name: str) -> CsmConfig:
    """The sizes known under ``name`` (``csm-1b``, ``csm-nano`` or ``miso-8b``).

    Raises:
        KeyError: for any other name.
    """
    return {config.name: config for config in PRESETS}[name]


def tiny(codebooks: int = 4, **changes: object) -> CsmConfig:
    """A CSM of a few thousand parameters with grouped queries and odd sizes, for proofs."""
    config = CsmConfig(
        name="csm-tiny",
        backbone=TransformerConfig(
            layers=2, width=48, heads=6, kv_heads=2, head_dim=8, ffn=80, max_positions=256
        ),
        depth=TransformerConfig(
            layers=2,
            width=32,
            heads=4,
            kv_heads=2,
            head_dim=16,
            ffn=64,
            max_positions=codebooks + 1,
        ),
        text_vocab=300,
        audio_vocab=35,
        codebooks=codebooks,
        mimi=MimiConfig(
            filters=4,
            width=32,
            layers=2,
            heads=2,
            kv_heads=2,
            ffn=64,
            context=16,
            codebooks=codebooks,
            codebook_size=32,
            codebook_dim=16,
        ),
    )
    return replace(config, **changes)  # type: ignore[arg-type]
