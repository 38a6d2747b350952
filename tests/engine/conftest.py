"""What the tests of the loop share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="module", autouse=True)
def steady() -> Iterator[None]:
    """Frames are made one at a time unless a test says otherwise, so that no test depends on time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("engine.pace.CHUNKS", ())
        yield
