"""How patient Parley is: the times and thresholds of turn taking, and the judges of words.

The values follow what published systems and benchmarks found (LiveKit, Pipecat, eot-bench, TurnBench);
what they decide is described in ``machine.py``.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

WINDOW_S = 0.032


def _no(_text: str) -> bool:
    return False


def _no_echo(_words: str, _playing: str) -> bool:
    return False


def _by_time_alone(_silence_s: float, _text: str, _asked: bool) -> float:
    return 0.5


@dataclass(frozen=True, slots=True)
class Judges:
    """What is thought of words. Pure functions, so that the machine stays pure."""

    finished: Callable[[float, str, bool], float] = _by_time_alone
    """(silence in s, words so far, whether the assistant had asked) to how finished a turn is, 0 to 1."""
    backchannel: Callable[[str], bool] = _no
    """Whether words only say "I am listening"."""
    order: Callable[[str], bool] = _no
    """Whether words ask for silence or the turn, as "stop" or "wait"."""
    only_order: Callable[[str], bool] = _no
    """Whether words ask for silence and for nothing else, so that no answer is wanted."""
    echo: Callable[[str, str], bool] = _no_echo
    """Whether words are a piece of the answer being played."""


@dataclass(frozen=True, slots=True)
class Policy:
    """Times in seconds."""

    enter: float = 0.5
    leave: float = 0.35
    """Probabilities of speech at which a silent stretch ends and a voiced one goes on.

    After a sudden sound less is enough too: two signs agree.
    """
    echo: float = 0.7
    """A window that the loudspeaker explains this well is not the user ..."""
    lingers_s: float = 0.2
    """... but for so long after a pause at most: what does not sound has no echo."""
    onset_s: float = 0.096
    go_on_s: float = 0.064
    """Voice without a break that opens a turn, and that continues one which seemed over."""
    candidate_s: float = 0.064
    """Silence after which an answer is prepared, unheard."""
    least_s: float = 0.16
    """Voice that a spoken turn needs; less is a click."""
    partial_every_s: float = 0.3
    stale_s: float = 0.1
    """Words that miss more than this of the last voice are not judged."""
    longest_s: float = 30.0
    release: tuple[tuple[float, float], ...] = (
        *((0.15, 0.95), (0.3, 0.85), (0.45, 0.75), (0.6, 0.5)),
        *((1.9, 0.3), (2.0, 0.0)),
    )
    """(silence, score that releases then), straight lines between.

    A question is over after 0.2 s, a statement after 0.4 s, because "..., please" may still come;
    words that lack their end are given two seconds: people who search for a word need 1 to 2 s.
    """
    patience: float = 0.5
    """0 answers at once, 1 waits twice as long as 0.5."""
    reopen_s: float = 0.3
    """While less than this of an answer was heard, a user who goes on takes the turn back."""
    duck_db: float = -12.0
    duck_ramp_s: float = 0.02
    duck_s: float = 0.032
    pause_s: float = 0.128
    """Voice during an answer after which its sound is lowered, and stops for the time being.

    Short, because both can be taken back and the detector is up to 0.1 s behind a soft beginning.
    """
    onset_wait_s: float = 0.25
    """So long a sudden sound lowers the answer's when no voice follows."""
    pause_sudden_s: float = 0.064
    """As ``pause_s`` for voice that was heard to begin."""
    confirm_s: float = 1.1
    confirm_backchannel_s: float = 1.3
    """Voice that takes the turn without words, and when what was made out is a backchannel."""
    confirm_words: int = 2
    short_s: float = 0.6
    """Voice shorter than this takes the turn only by an order: it is mostly an "mhm", misheard."""
    barge_end_s: float = 0.2
    """Silence after which an interruption is over and is judged, by words ..."""
    tail_s: float = 0.1
    """... that were made out with so much of the silence: a word that is cut off is misheard."""
    give_up_s: float = 1.5
    """Time without a verdict after which the answer goes on."""
    again_s: float = 0.4
    """Voice so soon after some that was let pass goes on with it: "oh ... okay" is one murmur."""
    back_s: float = 0.22
    """How far before the pause it goes on."""
    gap_s: float = 0.3
    """Sound lost for less than this is a hiccup, not a lost microphone."""
    barge_in: bool = True
    judges: Judges = Judges()

    def wanted(self, silence_s: float, floor_s: float) -> float:
        """The score that releases an answer after ``silence_s``; above 1 before the floor."""
        if silence_s < floor_s:
            return 1.1
        stretch = 0.5 + self.patience
        points = [(at * stretch, score) for at, score in self.release]
        if silence_s < points[0][0]:
            return 1.1
        for (left, high), (right, low) in itertools.pairwise(points):
            if silence_s < right:
                return high + (low - high) * (silence_s - left) / (right - left)
        return points[-1][1]

    def floor(self, pause_s: float) -> float:
        """The least silence before an answer, for a user whose own pauses are about ``pause_s``."""
        return min(0.8, 0.6 * pause_s)
