"""From measured rounds to the rows of the table. Pure.

Machines are noisy and slow down as they heat up, so contestants take turns, and a ratio compares
two that ran in the same round; the median over the rounds is what counts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

PARTS = ("feed", "draw", "mimi")
"""What a frame of ours consists of: the backbone's step with the last frame, the codes of the
next (codebook 0 and the depth decoder), and their sound."""


@dataclass(frozen=True, slots=True)
class Round:
    """What one contestant did in one round, in seconds; empty where it has no such figure.

    Attributes:
        frame_s: from the sound of one frame to the next, each frame.
        parts_s: of each frame, by the names in ``PARTS``.
        first_audio_s: from the text of a line to its first frame of sound, as a user waits for it.
        prefill_text_s: reading only the line's text, what came before being in the cache.
        prefill_all_s: reading the whole context and the text from nothing.
    """

    frame_s: Sequence[float]
    parts_s: Mapping[str, Sequence[float]] = field(default_factory=dict[str, Sequence[float]])
    first_audio_s: Sequence[float] = ()
    prefill_text_s: Sequence[float] = ()
    prefill_all_s: Sequence[float] = ()


@dataclass(frozen=True, slots=True)
class About:
    """What a contestant says of itself once it is loaded.

    ``frame_bytes`` are the weights that a frame reads, ``feed_bytes`` those of them that its step of
    the backbone does; None where the two halves cannot be told apart.
    """

    name: str
    precision: str
    device: str
    rate_hz: float
    frame_bytes: float
    load_s: float
    feed_bytes: float | None = None
    decoder: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Bandwidth:
    """Bytes a second, best of all that was measured in the run."""

    copied: float
    read: float

    def best(self, other: Bandwidth) -> Bandwidth:
        """The better of two measurements."""
        return Bandwidth(max(self.copied, other.copied), max(self.read, other.read))


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. Times in milliseconds, memory in GB; None is not measured.

    Attributes:
        rtf: mean time of a frame over the sound in it.
        frame_ms_min: the fastest frame, which a busy machine spoils least.
        feed_ms: median, like ``draw_ms`` and ``mimi_ms``, seen from the host.
        feed_gb_s: weights that the backbone's step reads, over its time; with ``draw_gb_s``, what the
            other half reads, it tells which half is further from the limit.
        first_audio_ms: median, after the text of a line, as its users wait for it.
        prefill_text_ms: the line's text alone, after a context in the cache.
        prefill_all_ms: context and text from nothing.
        peak_memory_gb: of the card, or of this contestant's own process on a CPU.
        gb_per_frame: weights, each once per use.
        limit_share: the time of ``gb_per_frame`` at the bandwidth of a plain copy (bytes read and
            written), over the mean time of a frame, which has the sound in it too.
        read_share: the same at the bandwidth of a plain sum, which only reads, as frames do.
        ratio: how many times faster than the first peer, median of the rounds.
        ratios: for each peer, in each round.
        frames: in all rounds.
        decoder: which of our backends made them; '' for a peer.
        note: what must be known to read the row.
    """

    name: str
    precision: str
    device: str
    rtf: float
    frame_ms_min: float
    frame_ms_p50: float
    frame_ms_p99: float
    feed_ms: float | None
    draw_ms: float | None
    mimi_ms: float | None
    feed_gb_s: float | None
    draw_gb_s: float | None
    first_audio_ms: float | None
    prefill_text_ms: float | None
    prefill_all_ms: float | None
    peak_memory_gb: float | None
    gb_per_frame: float
    limit_share: float
    read_share: float
    ratio: float | None
    ratios: Mapping[str, Sequence[float]]
    load_s: float
    frames: int
    decoder: str
    note: str


def make_row(
    about: About,
    rounds: Sequence[Round],
    peers: Mapping[str, Sequence[Round]],
    bandwidth: Bandwidth,
    peak_bytes: float | None,
) -> Row:
    """The row of one contestant.

    Args:
        about: who it is.
        rounds: what it did, at least one round.
        peers: what those did that it is compared with, by name; {} for a peer itself.
        bandwidth: of the device.
        peak_bytes: most memory it used.
    """
    frames = _all([each.frame_s for each in rounds])
    parts = {part: _median([each.parts_s.get(part, ()) for each in rounds], 1000) for part in PARTS}
    compared = {name: ratios(rounds, theirs) for name, theirs in peers.items()}
    first = next(iter(compared.values()), [])
    mean_s = float(np.mean(frames))
    return Row(
        name=about.name,
        precision=about.precision,
        device=about.device,
        rtf=mean_s * about.rate_hz,
        frame_ms_min=min(frames) * 1000,
        frame_ms_p50=float(np.percentile(frames, 50)) * 1000,
        frame_ms_p99=float(np.percentile(frames, 99)) * 1000,
        feed_ms=parts["feed"],
        draw_ms=parts["draw"],
        mimi_ms=parts["mimi"],
        feed_gb_s=_rate(about.feed_bytes, parts["feed"]),
        draw_gb_s=_rate(about.feed_bytes and about.frame_bytes - about.feed_bytes, parts["draw"]),
        first_audio_ms=_median([each.first_audio_s for each in rounds], 1000),
        prefill_text_ms=_median([each.prefill_text_s for each in rounds], 1000),
        prefill_all_ms=_median([each.prefill_all_s for each in rounds], 1000),
        peak_memory_gb=None if peak_bytes is None else peak_bytes / 1e9,
        gb_per_frame=about.frame_bytes / 1e9,
        limit_share=share_of_limit(about.frame_bytes, bandwidth.copied, mean_s),
        read_share=share_of_limit(about.frame_bytes, bandwidth.read, mean_s),
        ratio=float(np.median(first)) if first else None,
        ratios=compared,
        load_s=about.load_s,
        frames=len(frames),
        decoder=about.decoder,
        note=about.note,
    )


def ratios(ours: Sequence[Round], theirs: Sequence[Round]) -> list[float]:
    """How many times faster a median frame of ``ours`` was, round by round."""
    return [
        float(np.median(their.frame_s) / np.median(our.frame_s))
        for our, their in zip(ours, theirs, strict=False)
    ]


def share_of_limit(frame_bytes: float, bytes_per_s: float, frame_s: float) -> float:
    """The time that reading ``frame_bytes`` takes at full bandwidth, over the time taken."""
    return frame_bytes / bytes_per_s / frame_s


def _rate(read: float | None, spent_ms: float | None) -> float | None:
    return read / 1e6 / spent_ms if read and spent_ms else None


def _all(parts: Sequence[Sequence[float]]) -> list[float]:
    return [value for part in parts for value in part]


def _median(parts: Sequence[Sequence[float]], scale: float) -> float | None:
    values = _all(parts)
    return float(np.median(values)) * scale if values else None
