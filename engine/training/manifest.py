"""The pack's manifest: every shipped file with its SHA-256 sum, so that damage is seen."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

MANIFEST = "manifest.json"


def write_manifest(folder: Path) -> Path:
    """Write ``folder/manifest.json`` over all files below ``folder``; returns its path."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != MANIFEST)
    sums = {
        path.relative_to(folder).as_posix(): {
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            "bytes": path.stat().st_size,
        }
        for path in files
    }
    manifest = folder / MANIFEST
    manifest.write_text(json.dumps({"files": sums}, indent=2) + "\n", encoding="utf-8")
    return manifest
