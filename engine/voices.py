"""Voices made ready once: a prompt's codes, and the keys and values that it leaves in the cache.

Within one engine they are kept in memory; in a folder, if one is given, they outlive it. A voice then
costs a copy where it would cost encoding and a prefill (32 KB a position in csm-1b, so some 5 MB).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from engine.csm.prompt import Prepared
from engine.errors import VoiceError
from engine.runtime.decoder import Decoder, Prefix
from engine.types import Segment, Voice
from engine.voice_store import VoiceStore


@dataclass(slots=True)
class _Known:
    voice: Voice  # held, so that its id stays its own
    line: Prepared
    prefix: Prefix | None = None


class Voices:
    """The voices of one engine. ``prepare`` turns a prompt into ids and codes.

    A voice that does not fit the model's ``window`` is refused with a ``VoiceError``.
    """

    def __init__(
        self,
        prepare: Callable[[Segment], Prepared],
        window: int,
        store: VoiceStore | None = None,
    ) -> None:
        self._prepare, self._window, self._store = prepare, window, store
        self._known: dict[int, _Known] = {}

    def line(self, voice: Voice) -> Prepared:
        """The prompt as the model takes it, encoded once."""
        return self._find(voice).line

    def prefix(self, voice: Voice, make_empty: Callable[[], Decoder]) -> Prefix:
        """What the prompt is in the cache, computed once, in an empty decoder that is left empty."""
        known = self._find(voice)
        if known.prefix is not None:
            return known.prefix
        empty = make_empty()
        if self._store is not None:
            known.prefix = self._store.prefix(voice, known.line, empty)
        if known.prefix is None:
            end = np.zeros((1, known.line.codes.shape[1]), dtype=np.int64)
            empty.read(known.line.ids, np.concatenate((known.line.codes, end)))
            known.prefix = empty.save(0, empty.length)
            empty.rollback(0)
            if self._store is not None:
                self._store.keep(voice, known.line, known.prefix, empty)
        return known.prefix

    def _find(self, voice: Voice) -> _Known:
        known = self._known.get(id(voice))
        if known is None:
            line = self._store.line(voice) if self._store is not None else None
            line = line or self._prepare(voice.prompt)
            if line.positions >= self._window:
                raise VoiceError(
                    f"The prompt of the voice '{voice.name}' takes {line.positions} of the "
                    f"{self._window} places that this model has: use a shorter recording."
                )
            known = self._known[id(voice)] = _Known(voice, line)
        return known
