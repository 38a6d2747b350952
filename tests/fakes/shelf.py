"""A shelf of recorded conversations in memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from app.core.errors import InputError
from app.core.shelf import KeptSession, MarkSearch
from app.ui.bridge import Background
from app.ui.viewmodels.mark import MarkViewModel
from app.ui.viewmodels.shelf import ShelfViewModel

ROOT = Path("recordings")


def kept(
    number: int, *, state: str = "closed", turns: int = 3, seconds: float = 65.0
) -> KeptSession:
    """A session of the day ``number``."""
    return KeptSession(
        f"2026-11-{number:02d}_18-30-00",
        ROOT / f"2026-11-{number:02d}_18-30-00",
        f"2026-11-{number:02d}T18:30:00",
        seconds,
        turns,
        3_500_000 + number,
        state,
    )


class FakeShelf:
    """The ``Shelf`` of a test; ``kept`` and ``search`` are what it finds."""

    def __init__(self, *sessions: KeptSession) -> None:
        self.kept = list(sessions)
        self.search: MarkSearch | Exception = MarkSearch(True, -12.3, ((0.0, 10.0), (15.0, 65.0)))
        self.text = "0:01  You: Hello.\n"
        self.looked_at: list[Path] = []
        self.error: Exception | None = None

    def sessions(self, root: Path) -> tuple[KeptSession, ...]:
        if self.error is not None:
            raise self.error
        self.looked_at.append(root)
        return tuple(self.kept)

    def transcript(self, folder: Path) -> str:
        if all(one.folder != folder for one in self.kept):
            raise InputError(f"{folder} is not a session: name another.")
        return self.text

    def find_mark(self, file: Path) -> MarkSearch:
        self.looked_at.append(file)
        if isinstance(self.search, Exception):
            raise self.search
        return self.search

    def remove(self, folder: Path) -> Path:
        """Into a bin that is not there."""
        self.kept = [one for one in self.kept if one.folder != folder]
        return Path("bin") / folder.name


def shelf_models(shelf: FakeShelf, background: Background | None = None) -> dict[str, Any]:
    """What a window needs for its shelf."""
    threads = background or Background()
    return {
        "shelf": ShelfViewModel(shelf, threads, root=lambda: ROOT, to_bin=shelf.remove),
        "mark": MarkViewModel(shelf, threads),
    }
