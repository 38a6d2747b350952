"""The loop: text and the conversation so far in, 80 ms frames of sound out. Read this first.

``SpeechEngine`` holds the weights; a ``Conversation`` holds what was said, in a ``Memory`` whose KV
cache is the whole of it: a line's sampled codes are already there when the line ends, so only the
EOS frame is added and the next line prefills nothing but its own text. Going back is setting an
index. One thread at a time may use an engine.
"""

from __future__ import annotations

import contextlib
import inspect
import itertools
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from engine.candidates import Replay, best
from engine.csm import prompt
from engine.csm.guard import LateEndGuard
from engine.csm.memory import Marks, Memory
from engine.csm.prompt import Prepared
from engine.errors import ContextError, TextError
from engine.listening import Listener
from engine.making import Making
from engine.normalise import speakable
from engine.parts import EngineParts
from engine.runtime.decoder import Decoder
from engine.runtime.decoders import make_decoder, prepare_branches
from engine.sounding import Sounding
from engine.types import (
    CodeArray,
    Ended,
    FloatArray,
    PcmFrame,
    Said,
    Sampling,
    Segment,
    SpeechReport,
    Voice,
)
from engine.voice_store import state_of_files

ASSISTANT = 0
"""The speaker number of the voice that the engine speaks with, unless its prompt says another."""

_Frames = Generator[tuple[CodeArray, FloatArray], None, None]

_GRAVITY = (Ended.EOS, Ended.GUARD, Ended.LIMIT, Ended.CANCELLED)


def never() -> bool:
    """The cancel test of a line that is never cancelled."""
    return False


class SpeechEngine(EngineParts):
    """A loaded model: network, codec and tokenizer. Construct with ``load``."""

    @classmethod
    def load(
        cls,
        path: Path,
        *,
        device: str = "auto",
        precision: str = "auto",
        threads: int | None = None,
        voices: Path | None = None,
        candidates: int = 1,
    ) -> SpeechEngine:
        """Read a model folder (see ``engine.runtime.load``) and warm up: two frames made, one heard.

        Voices made ready are kept in the folder ``voices``, if one is given. More than one of
        ``candidates`` will be asked for of some lines.
        """
        from engine.runtime.load import load_parts

        engine = cls(*load_parts(path, device=device, precision=precision, threads=threads))
        if voices is not None:
            engine.keep_voices(voices, f"{precision} {state_of_files(path)}")
        prepare_branches(engine.model, candidates)
        with contextlib.closing(engine.conversation(None).speak("1.")) as frames:
            for _ in itertools.islice(frames, 2):
                pass
        engine.codec.encode(np.zeros(engine.frame_samples, np.float32))
        return engine

    def conversation(
        self, voice: Voice | None, *, seed: int = 0, sampling: Sampling | None = None
    ) -> Conversation:
        """A new conversation that begins with the voice's prompt."""
        return Conversation(self, voice, seed=seed, sampling=sampling or self.sampling)


class Conversation:
    """What was said so far, as the model remembers it, and the next line."""

    def __init__(
        self, engine: SpeechEngine, voice: Voice | None, *, seed: int, sampling: Sampling
    ) -> None:
        self.engine, self.voice = engine, voice
        self.report: SpeechReport | None = None
        self._speaker = voice.prompt.speaker if voice is not None else ASSISTANT
        self._decoder = make_decoder(engine.model, sampling, seed)
        decoder = self._decoder
        self._memory = Memory(
            decoder, engine.voices.prefix(voice, lambda: decoder) if voice else None
        )
        self._sound, self._listener = Sounding(engine.codec), Listener(engine.codec)
        self._marks = Marks()
        self._open: _Frames | None = None
        self._ended = Ended.EOS

    @property
    def positions(self) -> int:
        """Places of the model's window in use."""
        return self._memory.positions

    @property
    def history(self) -> Sequence[Prepared]:
        """The segments in the window after the voice prompt, oldest first."""
        return tuple(self._memory.history)

    @property
    def turn_frames(self) -> int:
        """Frames spoken since the last ``add``."""
        return self._memory.turn_frames

    def listen(self, audio: FloatArray) -> None:
        """What somebody else has said so far of a line that ``add`` will bring whole.

        All that can be done of it ahead is done now; the conversation knows nothing of it.
        """
        self._listener.hear(audio)

    def add(self, segment: Segment) -> Prepared:
        """Remember a line that somebody else spoke; the next one starts a new breath.

        One too long for the whole window is left out, not cut. Returns it as the model takes it.
        """
        self._settle()
        if segment.codes is None and segment.audio is not None:
            segment = replace(segment, codes=self._listener.finish(segment.audio))
        prepared = self.engine.prepare(segment)
        self._sound.begin()
        self._memory.add(prepared)
        self._memory.new_turn()
        return prepared

    def respoken(self, line: str, codes: CodeArray) -> None:
        """Remember a line of this turn that was spoken before, in a conversation that was lost.

        ``line`` is the text of a ``PcmFrame``, ``codes`` (T, K) are those of its frames.
        """
        self._settle()
        ids = tuple(self.engine.tokenizer.encode(self._speaker, line))
        self._memory.add(Prepared(ids, codes))
        self._sound.behind = True

    def mark(self) -> int:
        """The present place, for ``back_to``. The last 16 marks are kept."""
        self._settle()
        return self._marks.put(self._memory.place(), self._decoder.noise)

    def back_to(self, mark: int) -> None:
        """Forget everything since ``mark``, as if it had never happened; the mark stays valid.

        What a full window dropped meanwhile stays dropped.

        Raises:
            ValueError: when the mark is too old, or was itself forgotten.
        """
        self._settle()
        place, self._decoder.noise = self._marks.back_to(mark)
        self._memory.back_to(place)
        self._sound.behind = True

    def keep_heard(self, frames: int) -> None:
        """Cut all speech since the last ``add`` to its first ``frames`` frames, exactly."""
        self._settle()
        self._sound.behind = self._memory.keep(frames) or self._sound.behind

    def make_do(self) -> None:
        """Forget the older half of the lines, after memory ran out."""
        self._settle()
        self._memory.forget_older_half()

    def rest(self) -> bool:
        """Use a pause for a little of the work that is to come; whether there is more of it."""
        if self._open is not None and inspect.getgeneratorstate(self._open) != inspect.GEN_CLOSED:
            return False
        return self._memory.rest()

    def change_voice(self, voice: Voice | None) -> None:
        """Speak in another voice from the next line on. What was said so far stays.

        The lines in the voice of before are somebody else's then: the next is to sound like the
        prompt, not like them.
        """
        self._settle()
        engine = self.engine
        prefix = engine.voices.prefix(voice, self._decoder.spare) if voice is not None else None
        lines = [engine.of_somebody(line, self._speaker) for line in self._memory.history]
        self._memory.change_voice(prefix, lines)
        self.voice = voice
        self._speaker = voice.prompt.speaker if voice is not None else ASSISTANT

    def speak(
        self,
        text: str,
        cancelled: Callable[[], bool] = never,
        said: Said | None = None,
        candidates: int = 1,
    ) -> Generator[PcmFrame, None, None]:
        """Say ``text``; yields each 80 ms of sound as soon as it is made.

        Long text is spoken line by line. ``cancelled`` is asked once a frame; closing the
        iterator cancels too. Either way the frames already yielded stay in the conversation.
        ``said`` goes on where the text was spoken before. Of several ``candidates`` for a line
        the best is spoken (see ``engine.candidates``). ``report`` tells how it went.

        Raises:
            TextError: when nothing in ``text`` can be spoken.
            ContextError: when a line cannot fit the model's window.
        """
        self._settle()
        lines = prompt.split_lines(speakable(text))
        if not lines:
            raise TextError("There is nothing to speak in this text: give it some English words.")
        started, first_s, frames, ended = time.perf_counter(), 0.0, 0, list[Ended]()
        said = said or Said(0, prompt.no_codes(self.engine.config.codebooks))
        try:
            for number, line in enumerate(lines[said.line :], said.line):
                before = said.codes if number == said.line else said.codes[:0]
                with contextlib.closing(self._line(line, cancelled, before, candidates)) as sounds:
                    self._open = sounds
                    for codes, samples in sounds:
                        first_s = first_s or time.perf_counter() - started
                        frames += 1
                        yield PcmFrame(samples, frames - 1, codes, number, line)
                ended.append(self._ended)
                if self._ended is Ended.CANCELLED or self._open is not sounds:
                    break
        finally:
            whole = len(ended) == len(lines) - said.line
            outcome = max(ended, key=_GRAVITY.index) if whole else Ended.CANCELLED
            spent_s = time.perf_counter() - started
            audio_s = frames / self.engine.config.mimi.frame_rate_hz
            self.report = SpeechReport(text, frames, outcome, first_s, spent_s, audio_s)

    def _line(
        self, line: str, cancelled: Callable[[], bool], said: CodeArray, candidates: int
    ) -> _Frames:
        """One line of speech: prefill its text, then frame after frame until it ends."""
        memory, decoder = self._memory, self._decoder
        source: Decoder | Replay = decoder
        ids = tuple(self.engine.tokenizer.encode(self._speaker, line))
        budget = prompt.frame_budget(line, self.engine.config.mimi.frame_rate_hz)
        memory.settle_voice()
        if not memory.make_room(len(ids) + budget.most + 1):
            raise ContextError("This line does not fit the model's window: use a shorter voice.")
        guard, codes, start = LateEndGuard(budget), list[CodeArray](said), memory.positions
        making: Making | None = None
        self._ended = Ended.CANCELLED
        try:
            self._sound.catch_up(memory.turn_lines)
            memory.begin(ids, said)
            if candidates > 1 and not len(said) and decoder.sampling.varies:
                reading = best(decoder, budget, candidates, cancelled)
                if reading is None:
                    return
                source = Replay(decoder, reading)
            if len(said):
                sound = self._sound.decode(said).reshape(len(said), -1)
                if [guard.stuck(*frame) for frame in zip(said, sound, strict=True)][-1]:
                    self._ended = Ended.GUARD
                    return
            making = Making(decoder, source, self._sound, budget, len(said))
            while len(codes) < budget.most and not cancelled():
                frame = making.next()
                if frame is None:
                    self._ended = Ended.EOS
                    return
                codes.append(frame[0])
                yield frame
                if guard.stuck(*frame):
                    self._ended = Ended.GUARD
                    return
            if len(codes) >= budget.most:
                self._ended = Ended.LIMIT
        finally:
            pending = making is not None and making.leave()
            if codes:
                memory.end(ids, np.stack(codes), pending=pending)
            else:
                memory.rollback(start)

    def _settle(self) -> None:
        """End a line that whoever asked for it left in the middle."""
        if self._open is not None:
            self._open.close()
            self._open = None
