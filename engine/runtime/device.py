"""The device that suits this machine."""

from __future__ import annotations

import torch

from engine.errors import DeviceError


def pick_device(wanted: str = "auto") -> torch.device:
    """``auto`` is the first CUDA card, else the CPU.

    Raises:
        DeviceError: for a name torch does not know or a card that is not there.
    """
    if wanted == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(wanted)
    except RuntimeError as error:
        raise DeviceError(f"'{wanted}' is not a device: use auto, cpu or cuda.") from error
    if device.type == "cuda" and not torch.cuda.is_available():
        raise DeviceError(
            "No CUDA card can be used here: choose --device cpu, or install the NVIDIA driver."
        )
    if device.type not in ("cpu", "cuda"):
        raise DeviceError(f"The device '{wanted}' is not supported: use auto, cpu or cuda.")
    return device
