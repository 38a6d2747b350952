"""Who has the turn: the state machine of a live conversation, pure. Read this first.

    step(state, event, policy) -> (state, commands)

A turn of the user opens with ``onset_s`` of voice. At the first short silence an answer is begun
(``Answer``) but its sound is held back; a score of how finished the turn is, weighed against the
silence so far, lets it out (``Release``). A user who goes on before that, or before ``reopen_s`` of
the answer was heard, gets the turn back: the answer is dropped as if it had never been and both halves
are one turn, answered anew under the next revision.

Voice during an answer climbs a ladder, each rung of which can be taken back: lower the sound (any
sudden sound does that, as long as it is not known for a voice or something else), pause it, then
confirm (words that are no backchannel and no echo, or voice that lasts) or go on where it stopped.
Only a confirmed interruption cuts the answer, to what was heard.

Times are those of the events; nothing here looks at a clock. Stale events (another turn or revision)
change nothing.
"""

from __future__ import annotations

from dataclasses import replace

from app.conversation.interruption import carry_on, hushed, interruption, judge, lower
from app.conversation.policy import WINDOW_S, Policy
from app.conversation.state import Reply, Speech, State, Step
from app.core import commands as do
from app.core import events as ev
from app.core.commands import Command
from app.core.events import Event
from app.core.turn import TurnId


def step(state: State, event: Event, policy: Policy) -> Step:
    """The next state and what is to be done, in order."""
    state, commands = _react(state, event, policy)
    if state.phase is not state.shown:
        state = replace(state, shown=state.phase)
        commands = [*commands, do.Show(state.phase)]
    return state, commands


def _react(state: State, event: Event, policy: Policy) -> Step:
    match event:
        case ev.Window() | ev.Onset():
            return _sound(state, event, policy)
        case ev.Partial():
            return _partial(state, event, policy)
        case ev.Final() | ev.ReplyText() | ev.ReplySound() | ev.ReplyMade() | ev.ReplyFailed():
            return _progress(state, event, policy)
        case ev.Played():
            return _played(state, event, policy)
        case ev.Typed(at_s, text):
            state, commands = _silence(state)
            turn = TurnId(state.turns + 1)
            state = replace(state, turns=turn, reply=Reply(turn, 0, released=True))
            return state, [*commands, do.Answer(turn, 0, at_s, at_s, text), do.Release(turn, 0)]
        case ev.StopAsked():
            return _silence(state)
        case ev.Muted(_, on):
            state = replace(state, muted=on, run_s=0.0, key=False)
            return _deaf(state, policy) if on else (state, [])
        case ev.HandsFree(_, on):
            return replace(state, hands_free=on), []
        case ev.TalkKey(at_s, down):
            return _talk_key(state, at_s, down)
        case ev.SoundLost(gap_s=gap_s):
            return _sound_lost(state, policy) if gap_s >= policy.gap_s else (state, [])


# ------------------------------------------------------------------------------------------ hearing


def _sound(state: State, event: ev.Window | ev.Onset, policy: Policy) -> Step:
    if state.muted or not (state.hands_free or state.key):
        return replace(state, run_s=0.0), []
    playing = state.reply is not None and state.reply.released
    if isinstance(event, ev.Onset):
        free = playing and policy.barge_in and state.speech is None and state.barge is None
        return lower(state, event.at_s, policy) if free else (state, [])
    heard = state.run_s > 0 or (state.barge is not None and state.barge.sudden)
    voiced = event.speech >= (policy.leave if heard else policy.enter)
    if playing and event.echo >= policy.echo and not hushed(state, event.at_s, policy):
        voiced = False
    state = replace(state, run_s=state.run_s + WINDOW_S if voiced else 0.0)
    if state.speech is not None:
        return _open_turn(state, state.speech, event.at_s, policy)
    if playing:
        return interruption(state, event, policy) if policy.barge_in else (state, [])
    if state.run_s >= policy.onset_s - 1e-9:
        turn = TurnId(state.turns + 1)
        start_s = event.at_s - state.run_s
        speech = Speech(turn, start_s, event.at_s, voiced_s=state.run_s, asked_s=event.at_s)
        return replace(state, turns=turn, speech=speech), []
    return state, []


def _open_turn(state: State, speech: Speech, at_s: float, policy: Policy) -> Step:
    """One more window of a turn that is open: voice goes on with it, silence ends it."""
    if state.run_s > 0:
        return _voice(state, replace(speech, voiced_s=speech.voiced_s + WINDOW_S), at_s, policy)
    silence_s = at_s - speech.last_s
    reply = state.reply
    if reply is not None and reply.released:
        return state, []
    if reply is not None:
        # Words from before the last voice say nothing about how the turn ends.
        fresh = speech.text_to_s >= speech.last_s - policy.stale_s
        score = policy.judges.finished(silence_s, speech.text if fresh else "", state.asked)
        if score < policy.wanted(silence_s, policy.floor(state.pause_s)):
            return state, []
        return replace(state, reply=replace(reply, released=True)), [
            do.Release(reply.turn, reply.revision)
        ]
    if state.key or silence_s < policy.candidate_s - 1e-9:
        return state, []
    if speech.voiced_s < policy.least_s:
        # A click. It may still be the beginning of a word, so it is given some time.
        return (replace(state, speech=None) if silence_s > 0.5 else state), []
    return _begin_answer(state, speech, at_s)


def _voice(state: State, speech: Speech, at_s: float, policy: Policy) -> Step:
    commands: list[Command] = []
    reply, needed = state.reply, policy.go_on_s
    if reply is not None and reply.released:
        needed = policy.onset_s
    if reply is not None and state.run_s < needed - 1e-9:
        return replace(state, speech=speech), []  # perhaps a breath: what is in work goes on
    if reply is not None:
        pause_s = max(0.0, at_s - state.run_s - speech.last_s)
        usual_s = state.pause_s + 0.3 * (pause_s - state.pause_s)
        commands.append(do.Drop(reply.turn, reply.revision))
        speech = replace(speech, revision=reply.revision + 1)
        state = replace(state, reply=None, pause_s=usual_s)
    speech = replace(speech, last_s=at_s)
    if at_s - speech.start_s >= policy.longest_s and not state.key:
        state, more = _begin_answer(state, speech, at_s)
        assert state.reply is not None
        state = replace(state, reply=replace(state.reply, released=True))
        return state, [*commands, *more, do.Release(speech.turn, speech.revision)]
    if at_s - speech.asked_s >= policy.partial_every_s:
        speech = replace(speech, asked_s=at_s)
        commands.append(do.Transcribe(speech.turn, speech.start_s, at_s))
    return replace(state, speech=speech), commands


def _begin_answer(state: State, speech: Speech, at_s: float) -> Step:
    reply = Reply(speech.turn, speech.revision)
    answer = do.Answer(speech.turn, speech.revision, speech.start_s, at_s)
    return replace(state, speech=speech, reply=reply), [answer]


def _partial(state: State, event: ev.Partial, policy: Policy) -> Step:
    if state.speech is not None and event.turn == state.speech.turn:
        speech = replace(state.speech, text=event.text, text_to_s=event.until_s)
        return replace(state, speech=speech), []
    if state.barge is not None and event.turn == state.turns + 1:
        barge = replace(
            state.barge,
            text=event.text,
            stable=event.stable,
            text_before=state.barge.text or "",
            text_to_s=event.until_s,
        )
        state = replace(state, barge=barge)
        return judge(state, barge, policy, over=False)
    return state, []


# ------------------------------------------------------------------------------------------ answers


_OfReply = ev.Final | ev.ReplyText | ev.ReplySound | ev.ReplyMade | ev.ReplyFailed


def _progress(state: State, event: _OfReply, policy: Policy) -> Step:
    reply = state.reply
    if reply is None or (event.turn, event.revision) != (reply.turn, reply.revision):
        return state, []
    match event:
        case ev.Final(text=""):
            # No words in it: there never was a turn.
            state = replace(state, reply=None, speech=None)
            return state, [do.Drop(reply.turn, reply.revision)]
        case ev.Final(text=text) if policy.judges.only_order(text):
            # Silence was asked for, and there is silence: an answer would be none.
            state = replace(state, reply=None, speech=None)
            return state, [do.Drop(reply.turn, reply.revision)]
        case ev.Final(text=text):
            speech = state.speech
            if speech is not None:
                speech = replace(speech, text=text, text_to_s=speech.last_s)
            return replace(state, speech=speech), []
        case ev.ReplyText(text=text):
            reply = replace(reply, text=reply.text + text)
        case ev.ReplySound(seconds=seconds):
            reply = replace(reply, made_s=seconds)
        case ev.ReplyMade() | ev.ReplyFailed():
            reply = replace(reply, made=True)
    return replace(state, reply=reply), []


def _played(state: State, event: ev.Played, policy: Policy) -> Step:
    reply = state.reply
    if reply is None or not reply.released:
        return state, []
    reply = replace(reply, heard_s=event.heard_s)
    state = replace(state, reply=reply)
    if reply.heard_s >= policy.reopen_s and state.run_s == 0:
        state = replace(state, speech=None)
    if not (reply.made and event.drained):
        return state, []
    asked = reply.text.rstrip().endswith("?")
    speech, barge = state.speech, state.barge
    state = replace(state, reply=None, barge=None, speech=None, asked=asked)
    commands: list[Command] = [do.Finish(reply.turn, reply.revision)]
    if barge is not None:
        commands.append(do.Gain(0.0, policy.duck_ramp_s))
    if barge is not None and barge.voiced_s > 0:
        # The answer was over before the interruption was: what is being said opens a turn.
        turn = TurnId(state.turns + 1)
        speech = Speech(turn, barge.start_s, barge.last_s, barge.voiced_s, text=barge.text or "")
        return replace(state, turns=turn, speech=speech), commands
    if speech is not None and state.run_s > 0:
        # A short answer ended while the user was going on.
        turn = TurnId(state.turns + 1)
        start_s = event.at_s - state.run_s
        speech = Speech(turn, start_s, event.at_s, state.run_s, asked_s=event.at_s)
        return replace(state, turns=turn, speech=speech), commands
    return state, commands


# ------------------------------------------------------------------------------------ what users do


def _silence(state: State) -> Step:
    """End whatever sounds or is in work; what was heard stays."""
    commands: list[Command] = []
    reply = state.reply
    if reply is not None:
        heard = reply.released and reply.heard_s > 0
        end = do.Cut if heard else do.Drop
        commands.append(end(reply.turn, reply.revision))
    return replace(state, reply=None, speech=None, barge=None, run_s=0.0), commands


def _deaf(state: State, policy: Policy) -> Step:
    """The microphone closes: what was being said is given up, an answer goes on."""
    reply = state.reply
    if reply is not None and not reply.released:
        return replace(state, reply=None, speech=None), [do.Drop(reply.turn, reply.revision)]
    state, commands = carry_on(state, policy)
    return replace(state, speech=None), commands


def _talk_key(state: State, at_s: float, down: bool) -> Step:
    if down == state.key or state.muted:
        return state, []
    if down:
        state, commands = _silence(state)
        turn = TurnId(state.turns + 1)
        speech = Speech(turn, at_s, at_s, asked_s=at_s)
        return replace(state, turns=turn, speech=speech, key=True), commands
    state, speech = replace(state, key=False), state.speech
    if speech is None or state.reply is not None:
        return state, []
    return _answer_now(state, speech, at_s)


def _sound_lost(state: State, policy: Policy) -> Step:
    """Nothing was heard for a while: a turn with something in it is taken as it is."""
    state = replace(state, run_s=0.0)
    speech, reply = state.speech, state.reply
    if speech is None or (reply is not None and reply.released):
        return carry_on(state, policy)
    if reply is not None:
        state = replace(state, reply=replace(reply, released=True))
        return state, [do.Release(reply.turn, reply.revision)]
    if speech.voiced_s < 0.5:
        return replace(state, speech=None), []
    return _answer_now(state, speech, speech.last_s)


def _answer_now(state: State, speech: Speech, at_s: float) -> Step:
    state, commands = _begin_answer(state, speech, at_s)
    assert state.reply is not None
    state = replace(state, reply=replace(state.reply, released=True))
    return state, [*commands, do.Release(speech.turn, speech.revision)]
