"""The turn-taking machine told what happens window by window: no clock, no thread, no sound."""

from __future__ import annotations

from dataclasses import dataclass, field

from app.conversation.machine import step
from app.conversation.policy import WINDOW_S, Judges, Policy
from app.conversation.state import State
from app.core import commands as do
from app.core import events as ev
from app.core.commands import Command


def finished(silence_s: float, text: str, asked: bool) -> float:
    return 0.05 if text.endswith(" and") else 0.8


JUDGES = Judges(
    finished,
    backchannel=lambda text: text in ("mhm", "yeah"),
    order=lambda text: text in ("stop", "wait"),
    only_order=lambda text: text == "stop",
    echo=lambda words, playing: words in playing,
)
POLICY = Policy(judges=JUDGES)


@dataclass
class Talk:
    """Feeds the machine and remembers what it asked for and when."""

    policy: Policy = POLICY
    state: State = field(default_factory=State)
    at_s: float = 0.0
    done: list[tuple[float, Command]] = field(default_factory=list)

    def tell(self, event: ev.Event) -> None:
        self.state, commands = step(self.state, event, self.policy)
        self.done += [(self.at_s, command) for command in commands]

    def sound(self, seconds: float, speech: float, echo: float = 0.0) -> None:
        for _ in range(round(seconds / WINDOW_S)):
            self.at_s += WINDOW_S
            self.tell(ev.Window(self.at_s, speech, echo))

    def voice(self, seconds: float, echo: float = 0.0) -> None:
        self.sound(seconds, 0.9, echo)

    def quiet(self, seconds: float) -> None:
        self.sound(seconds, 0.05)

    def of(self, kind: type) -> list[tuple[float, Command]]:
        return [(at, command) for at, command in self.done if isinstance(command, kind)]

    def words(self, text: str) -> None:
        """The recogniser answers for the answer in work."""
        reply = self.state.reply
        assert reply is not None
        self.tell(ev.Final(self.at_s, reply.turn, reply.revision, text))

    def partial(self, text: str, stable: str | None = None) -> None:
        """The recogniser answers what was last asked."""
        asked = self.of(do.Transcribe)[-1][1]
        assert isinstance(asked, do.Transcribe)
        stable = text if stable is None else stable
        self.tell(ev.Partial(self.at_s, asked.turn, text, stable, asked.end_s))

    def answer(self, text: str = "This is a long answer to it.", made_s: float = 4.0) -> None:
        """The answer is made."""
        reply = self.state.reply
        assert reply is not None
        self.tell(ev.ReplyText(self.at_s, reply.turn, reply.revision, text))
        self.tell(ev.ReplySound(self.at_s, reply.turn, reply.revision, made_s))
        self.tell(ev.ReplyMade(self.at_s, reply.turn, reply.revision))

    def played(self, heard_s: float, *, drained: bool = False) -> None:
        self.tell(ev.Played(self.at_s, heard_s, drained))

    def until_speaking(self) -> None:
        """A question was asked and its answer has been heard for a second."""
        self.voice(1.0)
        self.quiet(0.2)
        self.words("what time is it")
        self.answer()
        self.quiet(0.4)
        self.played(1.0)


def kinds(talk: Talk) -> list[type]:
    return [type(command) for _, command in talk.done if not isinstance(command, do.Show)]
