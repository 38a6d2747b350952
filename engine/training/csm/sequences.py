"""Training sequences: segments of text and audio frames, laid out exactly as at inference.

A sequence is a conversation: most begin with a voice prompt, as the engine pins one in front; then come
lines of the same speaker, or of two speakers in turn. A speaker number says who talks, not how they sound:
the voice has to be taken from the audio before it. Layout of one segment (columns 0..K-1 codes, column K
text): the text frames, the audio frames, one frame of zeros (EOS).
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from engine.training.csm.store import FIRST_USER_GROUP, Line
from engine.training.csm.text import segment_ids, text_offset


@dataclass(frozen=True, slots=True)
class Piece:
    """One segment of a sequence: a line, who says it, how much it counts, how much it may be corrupted."""

    line: Line
    speaker: int
    weight: float = 1.0
    corruption: float = 1.0

    @property
    def positions(self) -> int:
        """Frames of the segment: text, audio and EOS."""
        return text_offset(self.speaker) + len(self.line.text.encode()) + 1 + self.line.frames + 1


@dataclass(frozen=True, slots=True)
class Sequence:
    """One sequence as arrays over its T positions.

    frames (T, K+1) ids and audio (T,) bool: the inputs. `weight` (T,) is the weight of predicting the
    frame at t+1 from t, zero where t+1 is no audio frame. `span` (T, 2) is the range of text positions that
    the frame at t+1 belongs to and `spoken` (T,) the text position sounding in it (guided attention), -1
    where unknown. `corruption` (T,) scales how likely an input frame is replaced.
    """

    frames: NDArray[np.int64]
    audio: NDArray[np.bool_]
    weight: NDArray[np.float32]
    span: NDArray[np.int64]
    spoken: NDArray[np.float32]
    corruption: NDArray[np.float32]
    segment: NDArray[np.int64]


def lay_out(pieces: list[Piece], codebooks: int) -> Sequence:
    """Arrange `pieces` one after another."""
    total = sum(piece.positions for piece in pieces)
    frames = np.zeros((total, codebooks + 1), np.int64)
    audio = np.zeros(total, bool)
    weight = np.zeros(total, np.float32)
    span = np.zeros((total, 2), np.int64)
    spoken = np.full(total, -1.0, np.float32)
    corruption = np.zeros(total, np.float32)
    segment = np.zeros(total, np.int64)
    at = 0
    for number, piece in enumerate(pieces):
        line, count = piece.line, piece.line.frames
        ids = segment_ids(line.text, piece.speaker)
        first = at + len(ids)  # the first audio frame
        frames[at:first, codebooks] = ids
        frames[first : first + count, :codebooks] = line.codes
        audio[first : first + count + 1] = True
        corruption[first : first + count] = piece.corruption
        segment[at : first + count + 1] = number
        # position t predicts the frame at t + 1: the last text frame the first audio frame, the last
        # audio frame the EOS
        weight[first - 1 : first + count] = piece.weight
        span[first - 1 : first + count] = (at, first)
        start = at + text_offset(piece.speaker)
        spoken[first - 1 : first - 1 + count] = start + spoken_characters(line)
        at = first + count + 1
    return Sequence(frames, audio, weight, span, spoken, corruption, segment)


def spoken_characters(line: Line) -> NDArray[np.float32]:
    """The character (fractional, from 0) that each frame of a line speaks, between its word starts."""
    middles = np.arange(line.frames) + 0.5
    length = len(line.text.encode())
    if len(line.words) == 0:
        return (middles / max(line.frames, 1) * length).astype(np.float32)
    times = np.concatenate([line.words[:, 1], [float(line.frames)]])
    characters = np.concatenate([line.words[:, 0], [float(length)]])
    times = np.maximum.accumulate(times)
    return np.interp(middles, times, characters).clip(0, length - 1).astype(np.float32)


@dataclass(frozen=True, slots=True)
class Mix:
    """Which sequences to make and how often."""

    prompt: float = 0.85
    dialogue: float = 0.28
    swapped: float = 0.2
    user_weight: float = 0.25
    prompt_frames: tuple[int, int] = (25, 63)  # 2 to 5 s
    longest: int = 680
    line_counts: tuple[float, ...] = (0.45, 0.27, 0.16, 0.08, 0.04)
    turn_counts: tuple[float, ...] = (0.5, 0.3, 0.2)


@dataclass
class Pool:
    """All lines by who speaks them; hands out sequences."""

    codebooks: int
    mix: Mix = field(default_factory=Mix)

    def __post_init__(self) -> None:
        self._groups: dict[int, list[Line]] = defaultdict(list)
        self._order: dict[int, NDArray[np.int64]] = {}
        self.cursors: dict[int, list[int]] = {}
        self.seconds = 0.0

    def add(self, lines: list[Line]) -> None:
        """Take in more lines (training may start before the last shard is written)."""
        for line in lines:
            self._groups[line.group].append(line)
            self.seconds += line.frames * 0.08

    def _line(self, rng: np.random.Generator, group: int) -> Line:
        """The next line of a group: every line once in random order, then again."""
        lines = self._groups[group]
        seed, at, count = self.cursors.get(group, (0, 0, 0))
        if at >= count:
            seed, at, count = int(rng.integers(2**31)), 0, len(lines)
            self._order.pop(group, None)
        if group not in self._order:
            self._order[group] = np.random.default_rng(seed).permutation(count)
        self.cursors[group] = [seed, at + 1, count]
        return lines[int(self._order[group][at])]

    def restore(self, cursors: dict[int, list[int]]) -> None:
        """Go on from the `cursors` of an earlier pool (they are all the state that a pool has)."""
        self.cursors = {group: [*values] for group, values in cursors.items()}
        self._order.clear()

    def _prompt(self, rng: np.random.Generator, group: int) -> Line:
        low, high = self.mix.prompt_frames
        lines = self._groups[group]
        line = lines[int(rng.integers(len(lines)))]
        for _ in range(20):
            if low <= line.frames <= high:
                break
            line = lines[int(rng.integers(len(lines)))]
        return line

    def draw(self, rng: np.random.Generator) -> list[Piece]:
        """The segments of one random sequence, at most `mix.longest` positions."""
        mix = self.mix
        assistants = [group for group in self._groups if group < FIRST_USER_GROUP]
        users = [group for group in self._groups if group >= FIRST_USER_GROUP]
        assistant = int(rng.choice(assistants))
        dialogue = bool(users) and rng.random() < mix.dialogue
        voice, other = (1, 0) if rng.random() < mix.swapped else (0, 1)
        pieces: list[Piece] = []
        if rng.random() < mix.prompt:
            # At inference the prompt is real codes: corrupt it little.
            pieces.append(Piece(self._prompt(rng, assistant), voice, corruption=0.25))
        if dialogue:
            user = int(rng.choice(users))
            for _ in range(1 + int(rng.choice(len(mix.turn_counts), p=mix.turn_counts))):
                pieces.append(
                    Piece(self._line(rng, user), other, weight=mix.user_weight, corruption=0.5)
                )
                count = 1 if rng.random() < 0.6 else 2
                pieces += [Piece(self._line(rng, assistant), voice) for _ in range(count)]
        else:
            count = 1 + int(rng.choice(len(mix.line_counts), p=mix.line_counts))
            pieces += [Piece(self._line(rng, assistant), voice) for _ in range(count)]
        while sum(piece.positions for piece in pieces) > mix.longest and len(pieces) > 1:
            pieces.pop()
        return pieces

    def batches(
        self, rng: np.random.Generator, positions: int, draws: int = 48
    ) -> list[list[Sequence]]:
        """Sequences of like length in batches of about `positions` padded positions, shuffled."""
        sequences = [lay_out(self.draw(rng), self.codebooks) for _ in range(draws)]
        sequences.sort(key=lambda sequence: len(sequence.frames))
        batches: list[list[Sequence]] = []
        current: list[Sequence] = []
        for sequence in sequences:
            if current and len(sequence.frames) * (len(current) + 1) > positions:
                batches.append(current)
                current = []
            current.append(sequence)
        batches.append(current)
        return [batches[i] for i in rng.permutation(len(batches))]
