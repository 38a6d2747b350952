"""The graver end of two lines is the end of both."""

from __future__ import annotations

import pytest

from app.core.types import worse_end


@pytest.mark.parametrize(
    ("one", "other", "worse"),
    [
        ("", "eos", "eos"),
        ("eos", "guard", "guard"),
        ("limit", "eos", "limit"),
        ("cancelled", "limit", "cancelled"),
        ("eos", "something new", "something new"),
        ("", "", ""),
    ],
)
def test_worse_end(one: str, other: str, worse: str) -> None:
    assert worse_end(one, other) == worse_end(other, one) == worse
