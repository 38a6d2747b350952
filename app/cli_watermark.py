"""``main.py watermark``: was a file spoken by this Parley?"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from app.speaking.marked import Verdict

_EXPLAINED = """\
Every reply carries an inaudible mark made with your own key, so that a file can be recognised as
Parley's voice on this computer. The key is in your settings folder (watermark.key) and nowhere else.
`talk --no-watermark` and `say --no-watermark` speak without it; the window has a switch."""


def add_watermark(watermark: argparse.ArgumentParser, common: argparse.ArgumentParser) -> None:
    """The arguments of ``watermark``; ``common`` has the options that every command knows."""
    watermark.description = _EXPLAINED
    what = watermark.add_subparsers(dest="what", metavar="WHAT", required=True)
    verify = what.add_parser(
        "verify",
        parents=[common],
        help="look for your mark in a sound file",
        description="Look for your mark in a sound file. Exit code 0 whether or not it is there.",
    )
    verify.add_argument("file", type=Path, metavar="FILE", help="WAV, FLAC, OGG, Opus or MP3")
    verify.add_argument(
        "--key", type=Path, metavar="KEYFILE", help="whose mark (your own: watermark.key)"
    )


def run_watermark(options: argparse.Namespace, result: dict[str, Any]) -> int:
    """Do what was asked, filling in ``result``; returns the exit code.

    Raises:
        ParleyError: in one sentence.
    """
    import numpy as np

    from app.audio.files import FileReader
    from app.core.types import SPEECH_RATE_HZ
    from app.settings.watermark_key import read_key
    from app.speaking.marked import find_mark

    key = read_key(options.key)
    blocks = FileReader().blocks(options.file, lambda line: _tell(f"note: {line}"))
    sound = np.concatenate([block.at_24k for block in blocks])
    verdict = find_mark(sound, key)
    result["file"] = str(options.file)
    result["seconds"] = round(len(sound) / SPEECH_RATE_HZ, 2)
    result.update(told(verdict))
    if "json" not in options:
        sys.stdout.write(_sentence(options.file, verdict) + "\n")
    return 0


def told(verdict: Verdict) -> dict[str, Any]:
    """A verdict as plain data."""
    payload = verdict.payload
    return {
        "found": verdict.found,
        "p_value": verdict.p_value,
        "log10_p": round(verdict.log10_p, 2),
        "score": round(verdict.score, 2),
        "speed": verdict.speed,
        "spans_s": [[round(start, 2), round(stop, 2)] for start, stop in verdict.spans_s],
        "version": payload.version if payload is not None else None,
        "key_id": f"{payload.key_id:05x}" if payload is not None else None,
    }


def _sentence(file: Path, verdict: Verdict) -> str:
    chance = f"the chance that it looks so without one is at most 10^{verdict.log10_p:.0f}"
    if not verdict.found and verdict.log10_p > -1:
        return f"{file}: no mark of this key was found; it looks like any sound without one."
    if not verdict.found:
        return f"{file}: no mark of this key was found for sure; {chance}, and 10^-6 is asked."
    where = ", ".join(f"{start:.1f} to {stop:.1f} s" for start, stop in verdict.spans_s)
    payload = verdict.payload
    named = f", key {payload.key_id:05x}" if payload is not None else ""
    return f"{file}: marked with this key{named}, in {where}; {chance}."


def _tell(line: str) -> None:
    sys.stderr.write(line + "\n")
