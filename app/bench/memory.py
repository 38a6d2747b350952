"""How much memory this process holds."""

from __future__ import annotations

from pathlib import Path


def resident_mb() -> float | None:
    """Resident memory in MB (1e6 bytes); None where the system does not tell."""
    try:
        for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024 / 1e6
    except (OSError, ValueError):
        return None
    return None
