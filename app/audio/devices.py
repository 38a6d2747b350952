"""Which sound devices there are, for whoever asks what works on this machine.

A running conversation has its own list: see ``portaudio.py``.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SoundDevices:
    """What PortAudio sees. ``problem`` says why it sees nothing, '' when it works."""

    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    problem: str = ""


def sound_devices() -> SoundDevices:
    """Ask PortAudio. Never raises: a machine without sound is a machine too."""
    try:
        import sounddevice
    except (ImportError, OSError) as error:
        return SoundDevices(problem=" ".join(str(error).split()))
    try:
        devices = list(sounddevice.query_devices())
    except sounddevice.PortAudioError as error:
        return SoundDevices(problem=" ".join(str(error).split()))
    return SoundDevices(
        tuple(str(device["name"]) for device in devices if device["max_input_channels"] > 0),
        tuple(str(device["name"]) for device in devices if device["max_output_channels"] > 0),
    )
