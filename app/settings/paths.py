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


def user_config() -> Path:
    """Where this user's settings belong on this system."""
    import platformdirs

    return Path(platformdirs.user_config_dir("parley", appauthor=False))


def user_cache() -> Path:
    """Where belongs what can be made again."""
    import platformdirs

    return Path(platformdirs.user_cache_dir("parley", appauthor=False))


def recordings() -> Path:
    """Where recorded sessions are kept unless the user chooses another place."""
    return user_data() / "sessions"


def settings_file() -> Path:
    """The file of the user's settings."""
    return user_config() / "settings.toml"


def watermark_key_file() -> Path:
    """The file of the user's own key for the mark in Parley's voice."""
    return user_config() / "watermark.key"


def lock_file() -> Path:
    """The file that a running Parley holds."""
    return user_data() / "parley.lock"
