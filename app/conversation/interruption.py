"""Voice during an answer: lower the sound, pause it, then take the turn or go on where it stopped.

Each rung can be taken back, so that a cough or an "mhm" costs nothing and a real interruption is heard
at once. Pure functions of the turn-taking machine (``machine.py``).
"""

from __future__ import annotations

from dataclasses import replace

from app.conversation.policy import WINDOW_S, Policy
from app.conversation.state import Barge, Speech, State, Step
from app.core import commands as do
from app.core import events as ev
from app.core.commands import Command
from app.core.turn import TurnId


def lower(state: State, at_s: float, policy: Policy) -> Step:
    """Something began, and may be a voice: lower the sound and wait for what it is.

    Also when it may be echo: to lower an answer for a moment costs little.
    """
    barge = Barge(_begun(state, at_s, policy), at_s, 0.0, sudden=True)
    state = replace(state, barge=barge)
    return state, [do.Gain(policy.duck_db, policy.duck_ramp_s)]


def _begun(state: State, at_s: float, policy: Policy) -> float:
    """Where the words begin of which a voice from ``at_s`` on is the last.

    What is said with a pause in it is made out as a whole, or its end is taken for something else.
    """
    before = state.before
    if before is None or not 0 <= at_s - before.last_s < policy.again_s:
        return at_s
    return before.start_s


def hushed(state: State, at_s: float, policy: Policy) -> bool:
    """Whether the answer is paused, and has been for longer than it stays in the room."""
    barge = state.barge
    return barge is not None and barge.paused and at_s - barge.paused_s > policy.lingers_s


def interruption(state: State, event: ev.Window, policy: Policy) -> Step:
    """One more window while an answer plays: climb the ladder, or come down."""
    barge, at_s = state.barge, event.at_s
    if barge is None:
        if state.run_s < policy.duck_s - 1e-9:
            return state, []
        barge = Barge(_begun(state, at_s - state.run_s, policy), at_s, state.run_s)
        return replace(state, barge=barge), [do.Gain(policy.duck_db, policy.duck_ramp_s)]
    if state.run_s > 0:
        doubtful = event.echo >= policy.echo / 2 and not hushed(state, at_s, policy)
        barge = replace(
            barge,
            last_s=at_s,
            voiced_s=barge.voiced_s + WINDOW_S,
            echo_s=barge.echo_s + (WINDOW_S if doubtful else 0.0),
        )
        return _go_on_talking(replace(state, barge=barge), barge, at_s, policy)
    silence_s = at_s - barge.last_s
    whole_to_s = barge.last_s + policy.tail_s - 1e-9
    if barge.paused and at_s >= whole_to_s > barge.asked_to_s:
        return _ask(state, barge, at_s)
    if silence_s < (policy.barge_end_s if barge.voiced_s else policy.onset_wait_s) - 1e-9:
        return state, []
    if not barge.paused or silence_s > policy.give_up_s:
        return carry_on(state, policy)
    if barge.text is not None and barge.text_to_s >= whole_to_s:
        return judge(state, barge, policy, over=True)
    return state, []


def _ask(state: State, barge: Barge, at_s: float) -> Step:
    """Have what was said so far written down."""
    barge = replace(barge, asked_s=at_s, asked_to_s=at_s)
    return replace(state, barge=barge), [
        do.Transcribe(TurnId(state.turns + 1), barge.start_s, at_s)
    ]


def _go_on_talking(state: State, barge: Barge, at_s: float, policy: Policy) -> Step:
    commands: list[Command] = []
    needed_s = policy.pause_sudden_s if barge.sudden else policy.pause_s
    if not barge.paused and barge.voiced_s >= needed_s - 1e-9:
        barge = replace(barge, paused=True, paused_s=at_s)
        commands.append(do.Pause())
    judges = policy.judges
    small = judges.backchannel(barge.text or "") or judges.backchannel(barge.stable)
    confirm_s = policy.confirm_backchannel_s if small else policy.confirm_s
    if barge.paused and barge.voiced_s - barge.echo_s >= confirm_s:
        state, more = _take_turn(replace(state, barge=barge), barge)
        return state, [*commands, *more]
    if barge.paused and at_s - barge.asked_s >= policy.partial_every_s:
        state, more = _ask(state, barge, at_s)
        return state, [*commands, *more]
    return replace(state, barge=barge), commands


def judge(state: State, barge: Barge, policy: Policy, *, over: bool) -> Step:
    """What the words of an interruption mean; ``over``: no more are coming."""
    judges, text = policy.judges, barge.text or ""
    playing = state.reply.text if state.reply is not None else ""
    if not text or judges.echo(text, playing):
        return carry_on(state, policy) if over else (state, [])
    if judges.order(text):
        return _take_turn(state, barge)
    if judges.backchannel(text) or (over and _murmured(barge, text, policy)):
        return carry_on(state, policy) if over else (state, [])
    # The end of what is being said may be half a word: "go on" is heard as "go aunt" on the way.
    sure = len(barge.stable.split()) >= policy.confirm_words and not judges.backchannel(
        barge.stable
    )
    return _take_turn(state, barge) if over or sure else (state, [])


def _murmured(barge: Barge, text: str, policy: Policy) -> bool:
    """Whether a short utterance is listening aloud, although it does not read so.

    So is nearly all that is very short, and all that surely begins with a "yes" and goes on for less
    than a second with words that no two hypotheses agree on ("yes, youth" for "yeah, yeah"). The
    two need not agree on how the "yes" is spelled.
    """
    if barge.voiced_s < policy.short_s:
        return True
    unsure = len(text.split()) - len(barge.stable.split())
    if barge.voiced_s >= policy.confirm_s or unsure > policy.confirm_words:
        return False
    fronts = [barge.stable] if barge.stable else [_first(text), _first(barge.text_before)]
    return all(policy.judges.backchannel(front) for front in fronts)


def _first(text: str) -> str:
    return text.partition(" ")[0]


def _take_turn(state: State, barge: Barge) -> Step:
    """The user has the turn: the answer ends with what was heard of it."""
    reply = state.reply
    assert reply is not None
    turn = TurnId(state.turns + 1)
    speech = Speech(
        turn,
        barge.start_s,
        barge.last_s,
        barge.voiced_s,
        text=barge.text or "",
        text_to_s=barge.text_to_s,
        asked_s=barge.asked_s,
    )
    state = replace(state, turns=turn, speech=speech, reply=None, barge=None, asked=False)
    return state, [do.Cut(reply.turn, reply.revision)]


def carry_on(state: State, policy: Policy) -> Step:
    """It was no interruption: the answer goes on where it stopped."""
    commands: list[Command] = []
    if state.barge is not None:
        if state.barge.paused:
            commands.append(do.Resume(policy.back_s))
        commands.append(do.Gain(0.0, 5 * policy.duck_ramp_s))
    heard = state.barge if state.barge is not None and state.barge.voiced_s > 0 else state.before
    return replace(state, barge=None, before=heard), commands
