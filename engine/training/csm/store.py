"""The tokenised data set on disk: utterances as text bytes, codes and word times, in shards.

A shard is one `.npz` of flat arrays; 60 hours with four codebooks are about 25 MB. Sequences are composed
from it at training time (`sequences.py`), anew in every epoch.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Line:
    """One spoken line.

    `codes` (T, K) without the EOS frame; `words` (W, 2) float: first character and start in frames; `group`
    names who speaks and in which manner: lines of one group sound alike. Groups below 100 are assistants.
    """

    text: str
    codes: NDArray[np.uint16]
    words: NDArray[np.float32]
    group: int

    @property
    def frames(self) -> int:
        """Audio frames."""
        return len(self.codes)


FIRST_USER_GROUP = 100


def write_shard(path: Path, lines: Iterable[Line]) -> None:
    """Write one shard; a half-written file never has the final name."""
    lines = list(lines)
    texts = [line.text.encode() for line in lines]
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".new.npz")
    np.savez(
        fresh,
        codes=np.concatenate([line.codes for line in lines]),
        code_ends=np.cumsum([line.frames for line in lines]),
        text=np.frombuffer(b"".join(texts), np.uint8),
        text_ends=np.cumsum([len(text) for text in texts]),
        words=np.concatenate([line.words for line in lines]),
        word_ends=np.cumsum([len(line.words) for line in lines]),
        groups=np.array([line.group for line in lines], np.int32),
    )
    fresh.replace(path)


def read_shard(path: Path) -> list[Line]:
    """Read one shard."""
    with np.load(path) as data:
        arrays = {name: data[name] for name in data.files}
    count = len(arrays["groups"])

    def cut(values: NDArray[Any], ends: NDArray[np.int64], place: int) -> NDArray[Any]:
        return values[(ends[place - 1] if place else 0) : ends[place]]

    return [
        Line(
            text=cut(arrays["text"], arrays["text_ends"], i).tobytes().decode(),
            codes=cut(arrays["codes"], arrays["code_ends"], i),
            words=cut(arrays["words"], arrays["word_ends"], i),
            group=int(arrays["groups"][i]),
        )
        for i in range(count)
    ]
