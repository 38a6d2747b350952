"""The loop: text and the conversation so far in, 80 ms frames of sound out. Read this first.

``SpeechEngine`` holds the weights; a ``Conversation`` holds what was said. Its KV cache is the
whole memory: a line's sampled codes are already in it when the line ends, so only the EOS frame is
added and the next line prefills nothing but its own text. Going back is setting an index.
One thread at a time may use an engine.
"""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from engine.csm import prompt
from engine.csm.frame import FrameSampler
from engine.csm.guard import LateEndGuard
from engine.csm.prompt import Prepared
from engine.csm.tokenizer import TextTokenizer
from engine.errors import ContextError, TextError
from engine.nn.kv_cache import KVCache
from engine.normalise import speakable
from engine.types import (
    CodeArray,
    Ended,
    FloatArray,
    PcmFrame,
    Sampling,
    Segment,
    SpeechReport,
    Voice,
)

if TYPE_CHECKING:
    from engine.config import CsmConfig
    from engine.csm.model import CsmModel
    from engine.mimi.codec import MimiCodec

ASSISTANT = 0
"""The speaker number of the voice that the engine speaks with, unless its prompt says another."""

_GRAVITY = (Ended.EOS, Ended.GUARD, Ended.LIMIT, Ended.CANCELLED)


def never() -> bool:
    """The cancel test of a line that is never cancelled."""
    return False


class SpeechEngine:
    """A loaded model: network, codec and tokenizer. Construct with ``load``."""

    def __init__(
        self, model: CsmModel, codec: MimiCodec, tokenizer: TextTokenizer, sampling: Sampling
    ) -> None:
        self.model, self.codec, self.tokenizer, self.sampling = model, codec, tokenizer, sampling
        self._voices: dict[int, tuple[Voice, Prepared]] = {}

    @classmethod
    def load(
        cls,
        path: Path,
        *,
        device: str = "auto",
        precision: str = "auto",
        threads: int | None = None,
    ) -> SpeechEngine:
        """Read a model folder (see ``engine.runtime.load``) and make two frames to warm up."""
        from engine.runtime.load import load_parts

        engine = cls(*load_parts(path, device=device, precision=precision, threads=threads))
        with contextlib.closing(engine.conversation(None).speak("1.")) as frames:
            for _ in itertools.islice(frames, 2):
                pass
        return engine

    @property
    def config(self) -> CsmConfig:
        """The model's sizes."""
        return self.model.config

    @property
    def sample_rate_hz(self) -> int:
        """Rate of all sound that goes in and comes out (24 000)."""
        return self.config.mimi.sample_rate_hz

    @property
    def frame_samples(self) -> int:
        """Samples of one frame (1920, 80 ms)."""
        return self.config.mimi.frame_samples

    def conversation(
        self, voice: Voice | None, *, seed: int = 0, sampling: Sampling | None = None
    ) -> Conversation:
        """A new conversation that begins with the voice's prompt."""
        return Conversation(self, voice, seed=seed, sampling=sampling or self.sampling)

    def prepare(self, segment: Segment) -> Prepared:
        """Tokenise a segment's text and encode its sound (codes are taken as they are)."""
        text = speakable(segment.text)
        if segment.codes is not None:
            codes = segment.codes
        elif segment.audio is not None:
            codes = self.codec.encode(segment.audio)
        else:
            codes = prompt.no_codes(self.config.codebooks)
        return Prepared(tuple(self.tokenizer.encode(segment.speaker, text)), codes)

    def prepare_voice(self, voice: Voice) -> Prepared:
        """``prepare`` for a voice prompt, encoded once per voice object."""
        known = self._voices.get(id(voice))
        if known is None:
            known = self._voices[id(voice)] = (voice, self.prepare(voice.prompt))
        return known[1]


class Conversation:
    """What was said so far, as the model remembers it, and the next line."""

    def __init__(
        self, engine: SpeechEngine, voice: Voice | None, *, seed: int, sampling: Sampling
    ) -> None:
        self.engine, self.voice = engine, voice
        self.report: SpeechReport | None = None
        self._speaker = voice.prompt.speaker if voice is not None else ASSISTANT
        self._sampler = FrameSampler(engine.model, sampling, seed)
        self._stream = engine.codec.stream()
        model = engine.model
        self._cache = KVCache(model.config.backbone, 1, model.device, model.dtype)
        self._history: list[Prepared] = []
        self._turn = 0  # index in the history of the first line spoken this turn
        self._ended = Ended.EOS
        self._pinned = engine.prepare_voice(voice) if voice is not None else None
        if self._pinned is not None:
            self._prefill(self._pinned)

    @property
    def positions(self) -> int:
        """Places of the model's window in use."""
        return self._cache.length

    @property
    def history(self) -> Sequence[Prepared]:
        """The segments in the window after the voice prompt, oldest first."""
        return tuple(self._history)

    def add(self, segment: Segment) -> None:
        """Remember a line that somebody else spoke; the next line starts a new breath.

        A segment too long for the whole window is left out rather than cut through.
        """
        prepared = self.engine.prepare(segment)
        self._stream.reset()
        if self._make_room(prepared.positions):
            self._prefill(prepared)
            self._history.append(prepared)
        self._turn = len(self._history)

    def speak(
        self, text: str, cancelled: Callable[[], bool] = never
    ) -> Generator[PcmFrame, None, None]:
        """Say ``text``; yields each 80 ms of sound as soon as it is made.

        Long text is spoken line by line. ``cancelled`` is asked once a frame; closing the
        iterator cancels too. Either way the frames already yielded stay in the conversation
        (``keep_heard`` cuts further). ``report`` tells afterwards how it went.

        Raises:
            TextError: when nothing in ``text`` can be spoken.
            ContextError: when a line cannot fit the model's window.
        """
        lines = prompt.split_lines(speakable(text))
        if not lines:
            raise TextError("There is nothing to speak in this text: give it some English words.")
        started, first_s, frames, ended = time.perf_counter(), 0.0, 0, list[Ended]()
        try:
            for line in lines:
                with contextlib.closing(self._line(line, cancelled)) as sounds:
                    for samples in sounds:
                        first_s = first_s or time.perf_counter() - started
                        frames += 1
                        yield PcmFrame(samples, frames - 1)
                ended.append(self._ended)
                if self._ended is Ended.CANCELLED:
                    break
        finally:
            outcome = max(ended, key=_GRAVITY.index) if len(ended) == len(lines) else self._ended
            audio_s = frames * self.engine.frame_samples / self.engine.sample_rate_hz
            elapsed_s = time.perf_counter() - started
            self.report = SpeechReport(text, frames, outcome, first_s, elapsed_s, audio_s)

    def keep_heard(self, frames: int) -> None:
        """Cut this turn's speech to its first ``frames`` frames: what was not heard never was.

        Counts over all lines spoken since the last ``add``. Exact: the cache is set back to that
        frame and an EOS frame is appended.
        """
        for index in range(self._turn, len(self._history)):
            segment = self._history[index]
            if frames < len(segment.codes):
                self._cache.rollback(self._cache.length - self._positions(index))
                del self._history[index:]
                if frames > 0:
                    heard = Prepared(segment.ids, segment.codes[:frames])
                    self._prefill(heard)
                    self._history.append(heard)
                return
            frames -= len(segment.codes)

    def _line(self, line: str, cancelled: Callable[[], bool]) -> Generator[FloatArray, None, None]:
        """One line of speech: prefill its text, then frame after frame until it ends."""
        ids = tuple(self.engine.tokenizer.encode(self._speaker, line))
        budget = prompt.frame_budget(line, self.engine.config.mimi.frame_rate_hz)
        if not self._make_room(len(ids) + budget.most + 1):
            raise ContextError("This line does not fit the model's window: use a shorter voice.")
        guard, codes = LateEndGuard(budget), list[CodeArray]()
        start, pending = self._cache.length, None
        self._ended = Ended.CANCELLED
        hidden = self._run(self._text(ids))
        try:
            while len(codes) < budget.most and not cancelled():
                if pending is not None:
                    hidden, pending = self._run(self._audio(pending)), None
                frame, over = self._sampler.draw(hidden, may_end=len(codes) >= budget.least)
                if over:
                    self._ended = Ended.EOS
                    return
                pending = frame.cpu().numpy()
                codes.append(pending[0])
                samples = self._stream.decode(pending)
                yield samples
                if guard.stuck(codes[-1], samples):
                    self._ended = Ended.GUARD
                    return
            if len(codes) >= budget.most:
                self._ended = Ended.LIMIT
        finally:
            if codes:
                tail = np.zeros_like(codes[0])[None]
                self._run(self._audio(tail if pending is None else np.concatenate((pending, tail))))
                self._history.append(Prepared(ids, np.stack(codes)))
            else:
                self._cache.rollback(start)

    def _make_room(self, room: int) -> bool:
        """Free ``room`` positions by dropping whole oldest segments; False when it cannot be.

        When it must drop, it drops down to three quarters of the window, because what stays has
        to be prefilled again (rotary positions are absolute).
        """
        window, pinned = self._cache.capacity, self._pinned.positions if self._pinned else 0
        if self._cache.length + room <= window:
            return True
        if pinned + room > window:
            return False
        lengths = [segment.positions for segment in self._history]
        kept = prompt.plan(lengths, pinned, room, max(pinned + room, window * 3 // 4)).kept
        dropped = len(self._history) - len(kept)
        self._history = self._history[dropped:]
        self._turn = max(0, self._turn - dropped)
        self._cache.rollback(pinned)
        for segment in self._history:
            self._prefill(segment)
        return True

    def _positions(self, first: int) -> int:
        return sum(segment.positions for segment in self._history[first:])

    def _prefill(self, segment: Prepared) -> None:
        end = np.zeros((1, self.engine.config.codebooks), dtype=np.int64)
        sound = self._audio(np.concatenate((segment.codes, end)))
        self._run(torch.cat((self._text(segment.ids), sound), dim=1))

    @torch.inference_mode()
    def _run(self, embedded: Tensor) -> Tensor:
        """Put (1, T, D) into the cache; the last hidden state (1, D)."""
        return self.engine.model.backbone(embedded, self._cache)[:, -1]

    @torch.inference_mode()
    def _text(self, ids: Sequence[int]) -> Tensor:
        return self.engine.model.embed_text(torch.tensor([ids], device=self.engine.model.device))

    @torch.inference_mode()
    def _audio(self, codes: CodeArray) -> Tensor:
        frames = torch.from_numpy(codes).to(self.engine.model.device)
        return self.engine.model.embed_audio(frames.unsqueeze(0))
