"""The repository checks find what they are there to find, and nothing in honest text."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from repo_checks import MB, problems, size_problems, text_problems


@pytest.mark.parametrize(
    "line",
    [
        "MODELS = '/home/ada/models/csm'",
        "see /root/.cache/huggingface",
        "open('/Users/ada/voice.wav')",
        "--models /work/models",
        "pip install --index-url https://example.org/simple torch",
        "extra-index-url = https://download.pytorch.org/whl/cpu",
        "find-links: file:///srv/wheels",
    ],
)
def test_found(line: str) -> None:
    assert len(text_problems("a.py", f"fine\n{line}\n")) >= 1
    assert text_problems("a.py", f"fine\n{line}\n")[0].startswith("a.py:2: ")


@pytest.mark.parametrize(
    "line",
    [
        "models live in ~/.cache/parley",
        "engine/home/ada/notes and app/root/x",
        "https://pytorch.org/get-started/locally/",
        "--server http://127.0.0.1:8080/v1",
        "the folder /home",
    ],
)
def test_not_found(line: str) -> None:
    assert text_problems("a.py", line) == []


def test_sizes() -> None:
    assert size_problems([("a.bin", 25 * MB)]) == []
    assert len(size_problems([("a.bin", 25 * MB + 1)])) == 1
    pack = [(f"assets/nano/{part}", 20 * MB) for part in ("csm", "whisper", "llm")]
    assert size_problems(pack) == []
    assert "64 MB" in size_problems([*pack, ("assets/nano/mimi", 5 * MB)])[0]


def test_a_repository_with_something_at_the_top_that_does_not_belong(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    (tmp_path / "README.md").write_text("fine\n")
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.txt").write_text("under /home/ada/models\n")
    assert problems(tmp_path) == []  # git does not know these files yet
    subprocess.run(["git", "-C", str(tmp_path), "add", "."], check=True)
    found = problems(tmp_path)
    assert [line.split(":")[0] for line in found] == ["notes", "notes/a.txt"]
