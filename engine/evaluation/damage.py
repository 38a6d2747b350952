"""What happens to files on their way: the damage that a watermark is judged under."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import soxr

from engine.types import FloatArray

RATE_HZ: Final = 24_000

Damage = Callable[[FloatArray, np.random.Generator], FloatArray]
"""A sound (N,) at 24 kHz, and chance, to the sound that is left of it."""


@dataclass(frozen=True, slots=True)
class Fate:
    """A kind of damage; ``any_speed`` when it changes how fast the sound runs."""

    name: str
    damage: Damage
    any_speed: bool = False


def fates() -> list[Fate]:
    """Every kind, from what any file meets to what takes the mark away."""
    return [
        Fate("untouched", lambda sound, _: sound),
        Fate("16 bit, 12 dB softer", _softer),
        Fate("cut to 2 s anywhere", _cut),
        Fate("24 → 44.1 → 24 kHz", lambda sound, _: _through_rate(sound, 44_100)),
        Fate("24 → 16 → 24 kHz", lambda sound, _: _through_rate(sound, 16_000)),
        Fate("MP3 128 kbit/s", lambda sound, _: compressed(sound, "libmp3lame", 24_000, 128_000)),
        Fate("MP3 64 kbit/s", lambda sound, _: compressed(sound, "libmp3lame", 24_000, 64_000)),
        Fate("MP3 32 kbit/s", lambda sound, _: compressed(sound, "libmp3lame", 24_000, 32_000)),
        Fate("Opus 32 kbit/s", lambda sound, _: compressed(sound, "libopus", 48_000, 32_000)),
        Fate("Opus 24 kbit/s", lambda sound, _: compressed(sound, "libopus", 48_000, 24_000)),
        Fate("Opus 16 kbit/s", lambda sound, _: compressed(sound, "libopus", 48_000, 16_000)),
        Fate("white noise, 30 dB below", lambda sound, rng: noisy(sound, 30, rng)),
        Fate("white noise, 20 dB below", lambda sound, rng: noisy(sound, 20, rng)),
        Fate("white noise, 10 dB below", lambda sound, rng: noisy(sound, 10, rng)),
        Fate("a room, 0.5 s reverberation", in_room),
        Fate("played and recorded again", rerecorded, any_speed=True),
        Fate("telephone, 8 kHz, G.711", telephone),
        Fate("1 % faster", lambda sound, _: at_speed(sound, 1.01), any_speed=True),
        Fate("1 % slower", lambda sound, _: at_speed(sound, 0.99), any_speed=True),
        Fate("3 % faster", lambda sound, _: at_speed(sound, 1.03), any_speed=True),
        Fate("3 % shorter, same pitch", lambda sound, _: stretched(sound, 0.97), any_speed=True),
    ]


def compressed(sound: FloatArray, codec: str, rate_hz: int, bits_per_s: int) -> FloatArray:
    """Through a lossy codec of FFmpeg, mono, at a constant aim of bits per second."""
    import av

    file = io.BytesIO()
    at_rate = np.asarray(soxr.resample(sound, RATE_HZ, rate_hz), np.float32)
    kind = "mp3" if codec == "libmp3lame" else "ogg"
    with av.open(file, "w", format=kind) as out:
        stream: Any = out.add_stream(codec, rate=rate_hz, layout="mono")
        stream.bit_rate = bits_per_s
        context = stream.codec_context
        frames = av.AudioResampler(
            format=context.format,
            layout="mono",
            rate=rate_hz,
            frame_size=context.frame_size or None,
        )
        whole = av.AudioFrame.from_ndarray(at_rate[None], format="fltp", layout="mono")
        whole.sample_rate = rate_hz
        for frame in [*frames.resample(whole), *frames.resample(None), None]:
            for packet in stream.encode(frame):
                out.mux(packet)
    file.seek(0)
    parts: list[FloatArray] = []
    back = av.AudioResampler(format="flt", layout="mono", rate=RATE_HZ)
    with av.open(file, "r") as source:
        for frame in [*source.decode(audio=0), None]:
            made = [piece.to_ndarray().reshape(-1) for piece in back.resample(frame)]
            parts += [np.asarray(piece, np.float32) for piece in made]
    return np.concatenate(parts)


def noisy(sound: FloatArray, below_db: float, rng: np.random.Generator) -> FloatArray:
    """White noise added, so far below the sound's mean power."""
    level = np.sqrt(np.mean(np.square(sound)) * 10 ** (-below_db / 10))
    return np.asarray(sound + level * rng.standard_normal(len(sound)), np.float32)


def in_room(sound: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Played in a room: as much reverberation as direct sound, 60 dB less after half a second."""
    from scipy.signal import fftconvolve

    length = RATE_HZ // 2
    tail = rng.standard_normal(length) * 10 ** (-3 * np.arange(length) / length)
    tail[:48] = 0.0
    response = tail / np.linalg.norm(tail)
    response[0] = 1.0
    return np.asarray(fftconvolve(sound, response)[: len(sound)], np.float32)


def rerecorded(sound: FloatArray, rng: np.random.Generator) -> FloatArray:
    """From a loudspeaker to a telephone in a room: reverberation, noise 25 dB below, a clock that
    is 100 millionths off, and Opus at 32 kbit/s."""
    heard = at_speed(noisy(in_room(sound, rng), 25, rng), 1.0001)
    return compressed(heard, "libopus", 48_000, 32_000)


def telephone(sound: FloatArray, _: np.random.Generator) -> FloatArray:
    """300 to 3400 Hz, eight bits on the μ-law's scale."""
    from scipy.signal import butter, sosfilt

    band = butter(4, [300, 3400], "bandpass", fs=8000, output="sos")
    at_8k = np.clip(sosfilt(band, soxr.resample(sound, RATE_HZ, 8000)), -1, 1)
    law = np.sign(at_8k) * np.log1p(255 * np.abs(at_8k)) / np.log(256)
    steps = np.round(law * 127) / 127
    back = np.sign(steps) * (256 ** np.abs(steps) - 1) / 255
    return np.asarray(soxr.resample(back, 8000, RATE_HZ), np.float32)


def at_speed(sound: FloatArray, speed: float) -> FloatArray:
    """Played ``speed`` times as fast, the pitch with it."""
    return np.asarray(soxr.resample(sound, RATE_HZ * speed, RATE_HZ), np.float32)


def stretched(sound: FloatArray, length: float) -> FloatArray:
    """So many times as long at the same pitch: pieces of 30 ms, each laid where it fits best."""
    size, hop, reach = 720, 360, 200
    window = np.hanning(size + 1)[:-1]
    made = np.zeros(int(len(sound) * length) + 2 * size)
    source = np.pad(sound.astype(np.float64), (reach, size + hop + 2 * reach))
    follow = source[reach : reach + size]
    for at in range(0, int(len(sound) * length) - size, hop):
        near = source[int(at / length) : int(at / length) + size + 2 * reach]
        likeness = np.correlate(near, follow)
        start = int(at / length) + int(np.argmax(likeness))
        made[at : at + size] += window * source[start : start + size]
        follow = source[start + hop : start + hop + size]
    return np.asarray(made[: int(len(sound) * length)], np.float32)


def _softer(sound: FloatArray, _: np.random.Generator) -> FloatArray:
    return np.asarray(np.round(sound * 10 ** (-12 / 20) * 32_768) / 32_768, np.float32)


def _cut(sound: FloatArray, rng: np.random.Generator) -> FloatArray:
    length = min(2 * RATE_HZ, len(sound))
    start = int(rng.integers(0, len(sound) - length + 1))
    return sound[start : start + length]


def _through_rate(sound: FloatArray, rate_hz: int) -> FloatArray:
    away = soxr.resample(sound, RATE_HZ, rate_hz)
    return np.asarray(soxr.resample(away, rate_hz, RATE_HZ), np.float32)
