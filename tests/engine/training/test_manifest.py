"""The manifest names every shipped file with its true sum."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from engine.training.manifest import write_manifest

NANO = Path(__file__).resolve().parents[3] / "assets" / "nano"


def test_sums_are_of_the_contents_and_the_manifest_leaves_itself_out(tmp_path: Path) -> None:
    (tmp_path / "csm").mkdir()
    (tmp_path / "csm" / "a.bin").write_bytes(b"abc")
    write_manifest(tmp_path)
    again = json.loads(write_manifest(tmp_path).read_text())
    sums = {"sha256": hashlib.sha256(b"abc").hexdigest(), "bytes": 3}
    assert again == {"files": {"csm/a.bin": sums}}


def test_the_shipped_pack_is_the_one_its_manifest_names(tmp_path: Path) -> None:
    shipped = json.loads((NANO / "manifest.json").read_text())["files"]
    for name, about in shipped.items():
        assert hashlib.sha256((NANO / name).read_bytes()).hexdigest() == about["sha256"], name
    files = {p.relative_to(NANO).as_posix() for p in NANO.rglob("*") if p.is_file()}
    assert files - {"manifest.json"} == shipped.keys()
    assert sum(about["bytes"] for about in shipped.values()) <= 64e6
    assert max(about["bytes"] for about in shipped.values()) <= 25e6
