"""Checks of the repository itself that no other tool makes. Standard library only."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

MB = 1_000_000
FILE_LIMIT_BYTES = 25 * MB
NANO_LIMIT_BYTES = 64 * MB
TOP_LEVEL = frozenset(
    {
        *(
            "app",
            "engine",
            "assets",
            "packaging",
            "tests",
            "main.py",
            "pyproject.toml",
            "README.md",
        ),
        *("LICENSE", "Makefile", "CHANGELOG.md", ".ci", ".github", ".gitignore"),
        ".pre-commit-config.yaml",
        ".gitattributes",
    }
)
# A folder of one person's machine, in a file that everybody gets.
_MACHINE_PATH = re.compile(r"(?<![\w./~-])/(?:work|root|home/\w+|Users/\w+)/[\w.-]")
# Where packages come from is set by the user's pip and uv, never by the project.
_REGISTRY = re.compile(
    r"(?:index-url|extra-index|find-links|index_url)[^#\n]{0,20}(?:https?|file)://"
    r"|https?://(?:[\w.-]+\.)?(?:pypi\.org/simple|pythonhosted\.org|download\.pytorch\.org)",
    re.IGNORECASE,
)
_TEXT_SUFFIXES = frozenset(
    {".py", ".toml", ".md", ".txt", ".yml", ".yaml", ".json", ".lock", ".cfg", ".sh", ""}
)
# This file and its test spell out what they look for.
_EXEMPT = frozenset({"packaging/repo_checks.py", "tests/packaging/test_repo_checks.py"})


def problems(root: Path) -> list[str]:
    """Everything that is wrong with the files git knows, one sentence each."""
    files = _tracked(root)
    found = [*_top_level(files), *_sizes(root, files)]
    for name in files:
        path = root / name
        if path.suffix in _TEXT_SUFFIXES and name not in _EXEMPT and path.stat().st_size < MB:
            found.extend(text_problems(name, path.read_text(encoding="utf-8", errors="replace")))
    return found


def text_problems(name: str, text: str) -> list[str]:
    """Machine paths and registry addresses in one text file."""
    found: list[str] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if _MACHINE_PATH.search(line):
            found.append(f"{name}:{number}: a path of one machine; make it relative or a setting.")
        if _REGISTRY.search(line):
            found.append(
                f"{name}:{number}: a package registry's address; leave that to pip and uv."
            )
    return found


def size_problems(sizes: Iterable[tuple[str, int]]) -> list[str]:
    """Files and packs that are too big, from (name, bytes) pairs."""
    sizes = list(sizes)
    found = [
        f"{name}: {size / MB:.1f} MB; no file may be over {FILE_LIMIT_BYTES // MB} MB."
        for name, size in sizes
        if size > FILE_LIMIT_BYTES
    ]
    nano = sum(size for name, size in sizes if name.startswith("assets/nano/"))
    if nano > NANO_LIMIT_BYTES:
        found.append(
            f"assets/nano: {nano / MB:.1f} MB; the pack may be {NANO_LIMIT_BYTES // MB} MB."
        )
    return found


def _sizes(root: Path, files: list[str]) -> list[str]:
    return size_problems((name, (root / name).stat().st_size) for name in files)


def _top_level(files: list[str]) -> list[str]:
    tops = {name.split("/", 1)[0] for name in files}
    return [
        f"{name}: not a place of the top level; see the layout."
        for name in sorted(tops - TOP_LEVEL)
    ]


def _tracked(root: Path) -> list[str]:
    listed = subprocess.run(
        ["git", "ls-files", "-z"],
        cwd=root,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    if listed.returncode != 0:
        return []  # a source archive without git: there is nothing of ours to judge
    return [name for name in listed.stdout.split("\0") if name and (root / name).is_file()]


if __name__ == "__main__":
    found_here = problems(Path(__file__).resolve().parent.parent)
    print("\n".join(found_here))
    sys.exit(1 if found_here else 0)
