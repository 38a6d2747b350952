"""Carries out what the turn-taking machine asks for: workers, loudspeaker, memory, captions, log.

One thread owns a ``Conductor`` and gives it everything in order: blocks of sound, events of the
workers, wishes of the user. It never computes anything itself, so it is never late. The same conductor
runs live and in simulation; only the workers and the device differ.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from app.conversation.asking import Asking
from app.conversation.captions import Captions
from app.conversation.ears import HeardBlock
from app.conversation.heard import FRAME_SAMPLES, Piece, heard_chars, heard_frames
from app.conversation.history import History
from app.conversation.job import Job
from app.conversation.machine import step
from app.conversation.parts import LiveParts, Workers
from app.conversation.state import State
from app.core import commands as do
from app.core import events as ev
from app.core import shown
from app.core.commands import Command
from app.core.live_ports import Player
from app.core.shown import Level, Notice, Phase, Shown
from app.core.types import SPEECH_RATE_HZ

STALL_S = 10.0
"""Without a word of the language model for so long, the turn is given up."""

Log = Callable[[float, str, Mapping[str, Any]], None]
"""(time, kind, fields): one decision."""


class Conductor:
    """A live conversation; see the module's docstring."""

    def __init__(
        self,
        parts: LiveParts,
        player: Player,
        workers: Workers,
        show: Callable[[Shown], None],
        log: Log,
    ) -> None:
        self.parts, self.player = parts, player
        self._show, self._log = show, log
        self.state = State()
        self.now_s = 0.0
        self.policy = parts.policy
        self._history = History()
        self._job: Job | None = None
        self._asking = Asking(parts, workers)
        self._captions = Captions(show)

    # ---------------------------------------------------------------------------- what comes in

    def block(self, block: HeardBlock) -> None:
        """10 ms have passed."""
        self.now_s = block.at_s
        if block.lost is not None:
            self.handle(block.lost)
        if block.onset is not None:
            self.handle(block.onset)
        for window in block.windows:
            self.handle(window)
        self._asking.send_partial()
        self._pump()
        self._watch_thinking()

    def handle(self, event: ev.WorkEvent) -> None:
        """Something happened. Events of workers get the present time."""
        if isinstance(event, (ev.Trouble, ev.Written)):
            self._aside(event)
            return
        if not isinstance(event, (ev.Window, ev.Onset, ev.SoundLost)):
            event = replace(event, at_s=self.now_s)
        self._note_down(event)
        self._before(event)
        before = self.state
        self.state, commands = step(before, event, self.policy)
        self._started_or_stopped(before)
        for command in commands:
            self._do(command)
        self._captions.tidy(before, self.state, self._job)

    def change_voice(self, folder: Path | None) -> None:
        """Speak in another voice from the next line on."""

        def trouble(message: str) -> None:
            self._show(Notice(Level.WARNING, message))

        self._asking.change_voice(folder, trouble)

    def carry_on(self, earlier: Conductor) -> None:
        """Go on where another conductor, with other parts, has ended: before anything is heard."""
        was = earlier.state
        self._history = earlier._history
        self.state = State(
            turns=was.turns, pause_s=was.pause_s, muted=was.muted, hands_free=was.hands_free
        )

    @property
    def phase(self) -> Phase:
        """What Parley is doing."""
        return self.state.phase

    # ------------------------------------------------------------------------- events, seen here

    def _current(self, event: Any) -> Job | None:
        job = self._job
        if job is None or (event.turn, event.revision) != (job.turn, job.revision):
            return None
        return job

    def _before(self, event: ev.Event) -> None:
        """What an event means for the answer in work, before the machine decides."""
        match event:
            case ev.Partial(turn=turn) if self.state.speech and turn == self.state.speech.turn:
                self._captions.user(event.turn, event.text, len(event.stable), final=False)
            case ev.Final(text=text) if text and (job := self._current(event)):
                job.user_text = text
                job.times_s["final"] = self.now_s
                self._captions.user(job.turn, text, len(text), final=True)
                self._ask(job)
            case ev.ReplyText(text=text) if job := self._current(event):
                job.times_s.setdefault("first_text", self.now_s)
                job.times_s["last_text"] = self.now_s
                piece = Piece(text)
                job.pieces.append(piece)
                self._asking.speak(job, piece)
                self._captions.reply(job, self._heard(job))
            case ev.ReplySound(seconds=seconds) if job := self._current(event):
                job.times_s.setdefault("first_sound", self.now_s)
                job.ready = round(seconds * SPEECH_RATE_HZ)
                self._pump()
            case ev.ReplyMade() if job := self._current(event):
                job.complete = True
            case ev.ReplyFailed(message=message) if self._current(event):
                self._show(Notice(Level.WARNING, message))
            case _:
                pass

    def _aside(self, event: ev.Trouble | ev.Written) -> None:
        job = self._current(event)
        if job is None:
            return
        if isinstance(event, ev.Trouble):
            self._write_log("trouble", {"turn": event.turn, "message": event.message})
            self._show(Notice(Level.WARNING, event.message))
            return
        job.times_s["last_text"] = float("inf")
        if not job.text.strip():
            self._show(Notice(Level.WARNING, "The language model gave no answer: ask again."))
        self._asking.end(job)

    def _ask(self, job: Job) -> None:
        """Give the user's words to the language model and, with their sound, to the engine."""
        messages = self._history.messages(self.parts.system(), job.user_text)
        job.times_s["last_text"] = self.now_s
        self._asking.hear(job, job.user_text)
        self._asking.think(job, messages)

    def _watch_thinking(self) -> None:
        job = self._job
        if job is None or "last_text" not in job.times_s or job.complete:
            return
        if self.now_s - job.times_s["last_text"] > STALL_S:
            job.cancel.cancel()
            job.times_s["last_text"] = float("inf")
            message = (
                f"The language model said nothing for {STALL_S:.0f} s: ask again, or choose a "
                "smaller one in the settings."
            )
            self.handle(ev.ReplyFailed(self.now_s, job.turn, job.revision, message))

    # ------------------------------------------------------------------------------- commands

    def _do(self, command: Command) -> None:
        player = self.player
        if not isinstance(command, (do.Release, do.Cut)):
            self._note_down(command)
        match command:
            case do.Show(phase):
                self._show(shown.PhaseChanged(phase))
            case do.Transcribe():
                self._asking.partial(command)
                if self._job is None and self._asking.engine_idle:
                    self._asking.listen(command.start_s, command.end_s)
            case do.Answer():
                self._begin(command)
            case do.Release():
                self._release(command)
            case do.Drop():
                self._drop(command)
            case do.Cut():
                self._cut(command)
            case do.Finish() if job := self._current(command):
                self._over(job, len(job.text), cut=False)
            case do.Gain(db, ramp_s):
                player.gain(db, ramp_s)
            case do.Pause():
                player.pause()
            case do.Resume(back_s):
                player.resume(back_s)
            case _:
                pass

    def _begin(self, command: do.Answer) -> None:
        speech, typed = self.state.speech, bool(command.text)
        until_s = command.end_s if typed or speech is None else speech.last_s
        job = Job(
            command.turn,
            command.revision,
            command.start_s,
            command.end_s,
            until_s,
            self.now_s,
            typed,
            command.text,
        )
        self._job = job
        if typed:
            self._captions.user(job.turn, job.user_text, len(job.user_text), final=True, typed=True)
            self._ask(job)
            return
        self._asking.listen(job.start_s, job.end_s)
        if speech and speech.text and speech.text_to_s >= speech.last_s - self.policy.stale_s:
            self._asking.hear(job, speech.text)  # most likely these are the words
        self._asking.final(job)

    def _release(self, command: do.Release) -> None:
        if job := self._current(command):
            job.released = True
            job.times_s["released"] = self.now_s
            fields = {**asdict(command), "silence_s": round(self.now_s - job.spoke_until_s, 3)}
            self._write_log("release", fields)
            self._captions.reply(job, self._heard(job))
            self._pump()

    def _drop(self, command: do.Drop) -> None:
        job = self._current(command)
        if job is None:
            return
        self._job = None
        self._hush(job)
        self._asking.forget(job)
        self._captions.take_back(job)

    def _cut(self, command: do.Cut) -> None:
        job = self._current(command)
        if job is None:
            return
        self._job = None
        self._hush(job)
        heard = self._heard(job)
        self._write_log("cut", {**asdict(command), "heard_s": round(heard / SPEECH_RATE_HZ, 4)})
        self._asking.keep(job, heard_frames(heard))
        self._over(job, heard_chars(job.pieces, heard), cut=True)

    def _hush(self, job: Job) -> None:
        """Stop making and playing this answer."""
        job.cancel.cancel()
        job.frames.clear()
        if job.base is not None:
            self.player.flush()
        self.player.gain(0.0, 0.0)

    def _over(self, job: Job, chars: int, *, cut: bool) -> None:
        """The turn is history."""
        self._job = None
        text = job.text
        heard_text = text[:chars]
        self._history.add(job.user_text, heard_text, cut=cut)
        self._captions.close(job, len(heard_text))
        timings = job.timings_ms()
        self._show(shown.TurnTimes(job.turn, timings))
        self._write_log(
            "turn",
            {
                "turn": job.turn,
                "user_text": job.user_text,
                "reply_text": text.strip(),
                "heard_text": heard_text.strip(),
                "heard_s": round(self._heard(job) / SPEECH_RATE_HZ, 4),
                "cut": cut,
                "timings_ms": timings,
            },
        )

    # --------------------------------------------------------------------------------- sound

    def _heard(self, job: Job) -> int:
        """24 kHz samples of this answer that were heard."""
        if job.base is None:
            return 0
        return max(0, min(self.player.heard - job.base, job.given))

    def _pump(self) -> None:
        """Give the loudspeaker what it takes, and tell the machine how far it is."""
        job = self._job
        if job is None or not job.released:
            return
        player = self.player
        if job.base is None and job.frames:
            job.base = player.written
        while (
            job.frames
            and job.given + FRAME_SAMPLES <= job.ready
            and player.space() >= FRAME_SAMPLES
        ):
            job.given += player.write(job.frames.popleft())
        heard = self._heard(job)
        if heard and "heard" not in job.times_s:
            job.times_s["heard"] = self.now_s
            self._write_log("first_sound", {"turn": job.turn, "revision": job.revision})
        drained = not job.frames and heard >= job.given
        self._captions.reply(job, self._heard(job))
        self._played(ev.Played(self.now_s, heard / SPEECH_RATE_HZ, drained))

    def _played(self, event: ev.Played) -> None:
        before = self.state
        self.state, commands = step(before, event, self.policy)
        self._started_or_stopped(before)
        for command in commands:
            self._do(command)

    # ----------------------------------------------------------------------------------- log

    def _started_or_stopped(self, before: State) -> None:
        was, now = before.speech, self.state.speech
        if now is not None and (was is None or was.turn != now.turn):
            self._write_log("user_started", {"turn": now.turn, "start_s": round(now.start_s, 3)})
        if was is not None and now is None:
            self._write_log("user_stopped", {"turn": was.turn, "last_s": round(was.last_s, 3)})

    def _note_down(self, what: ev.Event | Command) -> None:
        if isinstance(what, (ev.Window, ev.Played)):
            return
        fields = {key: value for key, value in asdict(what).items() if key != "at_s"}
        self._write_log(_snake(type(what).__name__), fields)

    def _write_log(self, kind: str, fields: Mapping[str, Any]) -> None:
        self._log(round(self.now_s, 4), kind, fields)


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
