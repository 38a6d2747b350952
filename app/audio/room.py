"""The way of sound from a loudspeaker to a microphone: rooms, and an echo made sample by sample.

Knows no device and no conversation. ``room()`` builds one of four rooms at one of three levels;
``EchoPath`` sends a loudspeaker's stream through it, 10 ms at a time.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from app.core.live_ports import BLOCK_SAMPLES, SESSION_RATE_HZ
from app.core.types import FloatArray

LEVELS_DB = (-30.0, -20.0, -10.0)
"""Echo at the microphone relative to what was played, for speech: far, usual, loud."""

_SOUND_M_S = 343.0
# Reflections are traced one by one up to here; later ones are too dense to tell from noise.
_EARLY_S = 0.04
_FADE_S = 0.01
_SINC_HALF = 16
# The two clocks may part by this much; then a block is left out or said twice, as between two rings.
_SLACK_SAMPLES = BLOCK_SAMPLES // 2


@dataclass(frozen=True, slots=True, eq=False)
class Room:
    """What a loudspeaker's sound goes through before the microphone hears it.

    ``response`` is (N,) at 48 kHz from the loudspeaker's membrane on. ``clip`` is the amplitude at
    which the loudspeaker saturates softly (0: never). ``drift_ppm`` is by how much the loudspeaker's
    clock is slower than the microphone's: positive makes the echo come later and later.
    """

    name: str
    rt60_s: float
    """How long sound takes to fall by 60 dB."""
    response: FloatArray
    clip: float = 0.0
    drift_ppm: float = 0.0


@dataclass(frozen=True, slots=True)
class _Plan:
    """Where things stand: the box (x, y, z), loudspeaker and microphone in it, all in metres."""

    size_m: tuple[float, float, float]
    speaker_m: tuple[float, float, float]
    microphone_m: tuple[float, float, float]
    rt60_s: float
    lowest_hz: float
    """Below this the loudspeaker gives little."""
    clip: float = 0.0


_PLANS = {
    # An active loudspeaker 60 cm from the microphone.
    "desk": _Plan((3.6, 4.1, 2.5), (1.4, 1.2, 0.95), (1.9, 1.5, 0.85), 0.30, 110.0),
    # Loudspeakers beside the television, microphone on the table before the sofa.
    "living room": _Plan((5.6, 4.4, 2.6), (0.6, 2.0, 1.0), (2.9, 2.4, 0.6), 0.45, 70.0),
    # Hard walls, a loudspeaker on the worktop.
    "kitchen": _Plan((3.1, 2.7, 2.5), (0.4, 0.5, 1.1), (1.7, 1.2, 1.0), 0.60, 140.0),
    # Microphone a hand's breadth from small membranes that are driven hard.
    "laptop": _Plan((4.0, 3.4, 2.5), (1.9, 1.4, 0.76), (2.05, 1.44, 0.80), 0.35, 320.0, 0.3),
}

ROOMS = tuple(_PLANS)
"""The rooms there are. Their RT60: desk 0.30, living room 0.45, kitchen 0.60, laptop 0.35 s."""


def room(name: str, level_db: float = -20.0, seed: int = 0, drift_ppm: float = 0.0) -> Room:
    """A room of ``ROOMS``; speech comes back at ``level_db`` relative to what was played.

    Reflections of the first 40 ms are those of a box (image sources: J. B. Allen, D. A. Berkley,
    "Image method for efficiently simulating small-room acoustics", JASA 65, 1979), all walls alike,
    absorbing as much as Eyring's formula asks for the room's RT60. What follows is noise that decays
    exponentially and loses its highs first (J. A. Moorer, "About this reverberation business", 1979);
    it ends 45 dB down. ``seed`` chooses that noise and moves the microphone by a centimetre or two.
    """
    plan = _PLANS[name]
    random = np.random.default_rng([seed, ROOMS.index(name)])
    moved = np.asarray(plan.microphone_m) + random.uniform(-0.02, 0.02, 3)
    early = _early_reflections(plan, moved)
    response = _with_tail(early, plan.rt60_s, random)
    response = _speaker(response, plan.lowest_hz)
    response *= 10 ** (level_db / 20) / _speech_gain(response)
    return Room(name, plan.rt60_s, response.astype(np.float32), plan.clip, drift_ppm)


def _early_reflections(
    plan: _Plan, microphone_m: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Direct sound and mirror images of the first ``_EARLY_S`` after it."""
    size = np.asarray(plan.size_m)
    speaker = np.asarray(plan.speaker_m)
    volume = size.prod()
    surface = 2 * (size[0] * size[1] + size[1] * size[2] + size[2] * size[0])
    absorbed = 1 - np.exp(-0.161 * volume / (surface * plan.rt60_s))
    reflected = np.sqrt(1 - absorbed)
    direct_m = float(np.linalg.norm(speaker - microphone_m))
    reach_m = direct_m + _EARLY_S * _SOUND_M_S
    counts = [int(np.ceil(reach_m / (2 * side))) for side in plan.size_m]
    shifts = np.stack(
        np.meshgrid(*(np.arange(-count, count + 1) for count in counts), indexing="ij"), -1
    ).reshape(-1, 1, 3)
    mirrored = np.stack(np.meshgrid([0, 1], [0, 1], [0, 1], indexing="ij"), -1).reshape(1, -1, 3)
    places = (1 - 2 * mirrored) * speaker + 2 * shifts * size
    bounces = (np.abs(shifts - mirrored) + np.abs(shifts)).sum(-1).ravel()
    far_m = np.linalg.norm(places - microphone_m, axis=-1).ravel()
    near = far_m < reach_m
    amplitude = reflected ** bounces[near] / far_m[near]
    # Fractional delays by a windowed sinc: rounding to samples would comb the highs.
    at = far_m[near] / _SOUND_M_S * SESSION_RATE_HZ
    whole = np.floor(at).astype(int)
    taps = np.arange(-_SINC_HALF + 1, _SINC_HALF + 1)
    off = taps[None, :] - (at - whole)[:, None]
    kernel = np.sinc(off) * (0.5 + 0.5 * np.cos(np.pi * off / _SINC_HALF))
    length = round((reach_m / _SOUND_M_S + 0.002) * SESSION_RATE_HZ)
    response = np.zeros(length)
    places_at = whole[:, None] + taps[None, :]
    kept = (places_at >= 0) & (places_at < length)
    np.add.at(response, places_at[kept], (amplitude[:, None] * kernel)[kept])
    return response


def _with_tail(
    early: npt.NDArray[np.float64], rt60_s: float, random: np.random.Generator
) -> npt.NDArray[np.float64]:
    """``early`` faded into decaying noise of the level that it has there."""
    fade = round(_FADE_S * SESSION_RATE_HZ)
    start = len(early) - fade
    length = start + round(0.75 * rt60_s * SESSION_RATE_HZ)
    noise = random.standard_normal(length - start)
    spectrum = np.fft.rfft(noise)
    frequency = np.fft.rfftfreq(len(noise), 1 / SESSION_RATE_HZ)
    noise = np.fft.irfft(spectrum / np.sqrt(1 + (frequency / 4_000.0) ** 2), len(noise))
    time_s = np.arange(len(noise)) / SESSION_RATE_HZ
    noise *= np.exp(-6.91 * time_s / rt60_s)
    noise *= np.sqrt((early[start - fade : start] ** 2).mean() / (noise[:fade] ** 2).mean())
    rising = np.sin(0.5 * np.pi * np.arange(fade) / fade)
    response = np.zeros(length)
    response[: len(early)] = early
    response[start : start + fade] *= rising[::-1]
    noise[:fade] *= rising
    response[start:] += noise
    return response


def _speaker(response: npt.NDArray[np.float64], lowest_hz: float) -> npt.NDArray[np.float64]:
    """``response`` of a box that gives little below ``lowest_hz`` (second order)."""
    size = 1 << (2 * len(response) - 1).bit_length()
    ratio = np.fft.rfftfreq(size, 1 / SESSION_RATE_HZ) / lowest_hz
    high_pass = -(ratio**2) / (1 - ratio**2 + 1j * 1.2 * ratio)
    return np.fft.irfft(np.fft.rfft(response, size) * high_pass, size)[: len(response)]


def _speech_gain(response: npt.NDArray[np.float64]) -> float:
    """By what the level of speech changes: the response's power under speech's long-term spectrum."""
    size = 1 << (len(response) - 1).bit_length()
    frequency = np.fft.rfftfreq(size, 1 / SESSION_RATE_HZ)
    weight = np.where(frequency > 80, (1 + (frequency / 500) ** 2) ** -1.5, 0)
    power = np.abs(np.fft.rfft(response, size)) ** 2
    return float(np.sqrt((power * weight).sum() / weight.sum()))


class EchoPath:
    """A loudspeaker's stream as the microphone hears it, delayed by the two devices' latencies.

    Partitioned convolution in the frequency domain (T. G. Stockham 1966; overlap-save with the
    response in equal parts), in blocks as long as the delay allows: what is asked for now was played
    that long ago.
    """

    def __init__(self, room: Room, delay_samples: int) -> None:
        """``delay_samples``: latency of loudspeaker and microphone together, at least 10 ms."""
        if delay_samples < BLOCK_SAMPLES:
            raise ValueError(f"an echo needs at least {BLOCK_SAMPLES} samples, got {delay_samples}")
        self._room = room
        self._delay = delay_samples
        spare = delay_samples + BLOCK_SAMPLES - _SLACK_SAMPLES - 4
        self._size = spare // BLOCK_SAMPLES * BLOCK_SAMPLES
        parts = -(-len(room.response) // self._size)
        padded = np.zeros(parts * self._size, np.float32)
        padded[: len(room.response)] = room.response
        spectra = np.fft.rfft(padded.reshape(parts, self._size), 2 * self._size, axis=1)
        self._response = spectra.astype(np.complex64)
        self._kept = delay_samples + _SLACK_SAMPLES + 4 + self._size
        self.reset()

    def reset(self) -> None:
        """Let the room fall silent, as after a gap."""
        parts, bins = self._response.shape
        self._spectra = np.zeros((parts, bins), np.complex64)
        self._newest = 0
        self._silent = parts + 1
        self._before = np.zeros(self._size, np.float32)
        # What was played, newest at the end, at least as far back as the delay reaches.
        self._played = np.zeros(self._kept + self._size, np.float32)
        self._out = np.zeros(self._size, np.float32)
        self._given = self._size
        self._drift_samples = 0.0

    def push(self, far: FloatArray) -> FloatArray:
        """Play (480,); the (480,) that the microphone delivers at the same time."""
        place = self._kept + self._given % self._size
        self._played[place : place + BLOCK_SAMPLES] = far
        if self._given == self._size:
            self._next(place + BLOCK_SAMPLES)
            self._given = 0
        out = self._out[self._given : self._given + BLOCK_SAMPLES]
        self._given += BLOCK_SAMPLES
        if self._given == self._size:
            # A copy: the pieces overlap when the delay is longer than a block.
            self._played[: self._kept] = self._played[self._size :].copy()
        return out

    def _next(self, end: int) -> None:
        """Make the next ``_size`` samples; the newest played one is at ``end - 1``."""
        heard = self._delayed(end - BLOCK_SAMPLES)
        if not heard.any():
            self._silent += 1
        else:
            self._silent = 0
        parts = len(self._response)
        if self._silent > parts + 1:
            self._out = np.zeros(self._size, np.float32)
            self._before = heard
            return
        clip = self._room.clip
        if clip:
            heard = clip * np.tanh(heard / np.float32(clip))
        self._newest = (self._newest - 1) % parts
        self._spectra[self._newest] = np.fft.rfft(np.concatenate([self._before, heard]))
        self._before = heard
        # Part p meets the spectrum of p blocks ago.
        split = parts - self._newest
        summed = (self._spectra[self._newest :] * self._response[:split]).sum(0)
        if self._newest:
            summed += (self._spectra[: self._newest] * self._response[split:]).sum(0)
        self._out = np.fft.irfft(summed)[self._size :].astype(np.float32)

    def _delayed(self, start: int) -> FloatArray:
        """``_size`` samples that were played ``_delay`` before ``start``, as the clocks part."""
        ppm = self._room.drift_ppm
        if not ppm:
            return self._played[start - self._delay : start - self._delay + self._size].copy()
        per_sample = ppm * 1e-6
        late = self._drift_samples + per_sample * np.arange(self._size)
        self._drift_samples += per_sample * self._size
        if abs(self._drift_samples) > _SLACK_SAMPLES - 2:
            self._drift_samples -= np.sign(self._drift_samples) * (2 * _SLACK_SAMPLES - 4)
        at = start - self._delay - late + np.arange(self._size)
        whole = np.floor(at).astype(int)
        part = (at - whole).astype(np.float32)
        return _cubic(self._played, whole, part)


def _cubic(samples: FloatArray, whole: npt.NDArray[np.int_], part: FloatArray) -> FloatArray:
    """``samples`` at ``whole + part`` by a cubic through four neighbours (Lagrange)."""
    before, here = samples[whole - 1], samples[whole]
    after, beyond = samples[whole + 1], samples[whole + 2]
    return (
        -part * (part - 1) * (part - 2) / 6 * before
        + (part + 1) * (part - 1) * (part - 2) / 2 * here
        - (part + 1) * part * (part - 2) / 2 * after
        + (part + 1) * part * (part - 1) / 6 * beyond
    ).astype(np.float32)
