"""The device, number format and threads that suit this machine."""

from __future__ import annotations

import torch

from engine.errors import DeviceError

SMALL_MODEL = 200_000_000
"""Parameters up to which fp32 costs nothing worth saving on a CPU."""


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


def pick_dtype(wanted: str, device: torch.device, parameters: int) -> torch.dtype:
    """``auto`` is bf16 on a card and for big models, fp32 for small ones on a CPU.

    Raises:
        DeviceError: for a precision that the engine does not have.
    """
    known = {"bf16": torch.bfloat16, "fp32": torch.float32}
    if wanted in known:
        return known[wanted]
    if wanted != "auto":
        raise DeviceError(f"The precision '{wanted}' is not supported: use auto, bf16 or fp32.")
    big = parameters > SMALL_MODEL
    return torch.bfloat16 if device.type == "cuda" or big else torch.float32
