"""JSONL with checksums: any data goes in, damage never comes out."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from app.recording.lines import believed, decoded, encoded, plain

TEXT = st.text(st.characters(codec="utf-8"), max_size=20)
DATA = st.dictionaries(
    TEXT.filter(lambda key: key.rstrip("_") not in ("at_s", "kind", "crc")),
    st.recursive(
        st.none() | st.booleans() | st.integers() | TEXT.filter(lambda text: "://" not in text),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
        max_leaves=8,
    ),
    max_size=5,
)


@given(data=DATA, kind=TEXT)
def test_a_record_comes_back(data: dict[str, Any], kind: str) -> None:
    line = encoded(1.25, kind, data)
    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")
    assert decoded(line) == {"at_s": 1.25, "kind": plain(kind), **data}
    assert json.loads(line)["kind"] == plain(kind), "every line is plain JSON"


@given(data=DATA, at=st.integers(0), bit=st.integers(0, 7))
def test_one_wrong_bit_is_seen(data: dict[str, Any], at: int, bit: int) -> None:
    line = bytearray(encoded(0.0, "cut", data))
    line[at % len(line)] ^= 1 << bit
    assert decoded(bytes(line)) is None


@given(records=st.lists(DATA, max_size=5), cut=st.integers(0))
def test_a_cut_file_is_believed_up_to_its_last_whole_line(
    records: list[dict[str, Any]], cut: int, tmp_path_factory: Any
) -> None:
    path = tmp_path_factory.mktemp("lines") / "events.jsonl"
    lines = [encoded(number, "x", data) for number, data in enumerate(records)]
    whole = b"".join(lines)
    length = cut % (len(whole) + 1)
    path.write_bytes(whole[:length])
    found = believed(path)
    whole_lines = whole[:length].count(b"\n")
    assert len(found.records) == whole_lines
    assert found.good_bytes == sum(len(line) for line in lines[:whole_lines])
    assert found.damaged == (found.good_bytes < length)


def test_nothing_after_the_first_damaged_line_is_believed(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    good = encoded(0.0, "a", {})
    path.write_bytes(good + good.replace(b'"a"', b'"b"') + good)
    assert len(believed(path).records) == 1


class Colour(StrEnum):
    RED = "red"


@dataclass(frozen=True, slots=True)
class Thing:
    where: Path
    colour: Colour


def test_what_json_cannot_say_is_said_plainly() -> None:
    values = {
        "number": np.float32(0.5),
        "array": np.arange(3),
        "thing": Thing(Path("a/b"), Colour.RED),
        "none": float("nan"),
        "long": 1 / 3,
        "set": {1},
        "bytes": b"x",
        "half": "\ud800",
    }
    assert plain(values) == {
        "number": 0.5,
        "array": [0, 1, 2],
        "thing": {"where": "a/b", "colour": "red"},
        "none": None,
        "long": 0.333333,
        "set": [1],
        "bytes": "b'x'",
        "half": "?",
    }


def test_our_own_names_cannot_be_taken() -> None:
    record = decoded(encoded(2.0, "show", {"kind": "x", "crc": 1, "at_s": 9}))
    assert record == {"at_s": 2.0, "kind": "show", "kind_": "x", "crc_": 1, "at_s_": 9}


def test_addresses_lose_their_passwords() -> None:
    line = encoded(0.0, "x", {"message": "http://me:geheim@host/v1 is down", "a": ["x://y@z"]})
    assert b"geheim" not in line
    assert b"http://host/v1 is down" in line
    assert decoded(line) is not None
