"""Hashes of models: right, remembered, and taken again when a file changed."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from app.recording import hashes
from app.recording.hashes import ModelHashes


def ran(work: ModelHashes) -> int:
    steps = 1
    while not work.step():
        steps += 1
    return steps


def test_every_file_of_a_model_is_hashed_in_small_steps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hashes, "STEP_BYTES", 1000)
    (tmp_path / "m" / "sub").mkdir(parents=True)
    (tmp_path / "m" / "big").write_bytes(bytes(10_000))
    (tmp_path / "m" / "sub" / "small").write_bytes(b"x")
    work = ModelHashes({"llm": tmp_path / "m"})
    assert ran(work) >= 10
    assert work.result["llm"]["sha256"] == {
        "big": hashlib.sha256(bytes(10_000)).hexdigest(),
        "sub/small": hashlib.sha256(b"x").hexdigest(),
    }


def test_hashes_are_remembered_until_the_file_changes(tmp_path: Path) -> None:
    cache, model, other = tmp_path / "c" / "hashes.json", tmp_path / "a.gguf", tmp_path / "b.gguf"
    model.write_bytes(b"one")
    other.write_bytes(b"other")
    for path in (model, other):
        ran(ModelHashes({"llm": path}, cache))
    again = ModelHashes({"llm": model, "asr": other}, cache)
    ran(again)
    assert again.hashed_bytes == 0
    assert again.result["llm"]["sha256"]["a.gguf"] == hashlib.sha256(b"one").hexdigest()
    model.write_bytes(b"two")
    os.utime(model, ns=(1, 1))
    changed = ModelHashes({"llm": model, "asr": other}, cache)
    ran(changed)
    assert changed.hashed_bytes == 3
    assert changed.result["llm"]["sha256"]["a.gguf"] == hashlib.sha256(b"two").hexdigest()


@pytest.mark.parametrize("content", [b"", b"[]", b'{"a": 3}', b"\xff"])
def test_a_damaged_memory_is_no_memory(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "hashes.json").write_bytes(content)
    (tmp_path / "m").write_bytes(b"abc")
    work = ModelHashes({"llm": tmp_path / "m"}, tmp_path / "hashes.json")
    ran(work)
    assert work.result["llm"]["sha256"]["m"] == hashlib.sha256(b"abc").hexdigest()


def test_what_cannot_be_read_is_not_known(tmp_path: Path) -> None:
    work = ModelHashes({"gone": tmp_path / "nothing"}, tmp_path / "file" / "cache")
    (tmp_path / "file").touch()
    ran(work)
    assert work.result["gone"]["sha256"] == {"nothing": None}
