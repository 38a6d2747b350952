"""Where Parley's own files are, and where a user's belong."""

from __future__ import annotations

from pathlib import Path


def assets() -> Path:
    """The folder of what ships with the program."""
    return Path(__file__).resolve().parents[2] / "assets"


def nano() -> Path:
    """The built-in models."""
    return assets() / "nano"


def voices() -> Path:
    """The built-in voices."""
    return assets() / "voices"


def samples() -> Path:
    """The sample conversation."""
    return assets() / "samples"


def user_data() -> Path:
    """Where this user's models, voices and sessions belong on this system."""
    import platformdirs

    return Path(platformdirs.user_data_dir("parley", appauthor=False))
