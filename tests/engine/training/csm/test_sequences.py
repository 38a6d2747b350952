"""The layout of training sequences: the 33-column rule in small, targets, EOS, weights."""

from __future__ import annotations

import numpy as np
import pytest

from engine.training.csm.sequences import Mix, Piece, Pool, lay_out, spoken_characters
from engine.training.csm.store import Line, read_shard, write_shard
from engine.training.csm.text import BOS_ID, EOS_ID

K = 4


def line(text: str = "Hi, you.", frames: int = 6, group: int = 0, seed: int = 0) -> Line:
    codes = np.random.default_rng(seed).integers(1, 512, (frames, K)).astype(np.uint16)
    words = np.array([[0, 0.5], [4, 3.0]], np.float32)
    return Line(text, codes, words, group)


def test_a_segment_is_text_then_audio_then_one_frame_of_zeros() -> None:
    one = line()
    laid = lay_out([Piece(one, 1)], K)
    text = [BOS_ID, *b"[1]Hi, you.", EOS_ID]
    assert laid.frames[: len(text), K].tolist() == text
    assert not laid.frames[: len(text), :K].any()
    assert not laid.audio[: len(text)].any() and laid.audio[len(text) :].all()
    assert (laid.frames[len(text) : -1, :K] == one.codes).all()
    assert not laid.frames[-1].any() and laid.audio[-1]
    assert len(laid.frames) == Piece(one, 1).positions


def test_each_position_predicts_the_frame_after_it_from_the_last_text_frame_to_eos() -> None:
    laid = lay_out([Piece(line(), 0), Piece(line("Yes.", 3, seed=1), 1, weight=0.25)], K)
    scored = np.flatnonzero(laid.weight)
    assert (scored + 1 == np.flatnonzero(laid.audio)).all()
    assert laid.weight[scored].tolist() == [1.0] * 7 + [0.25] * 4
    # the last audio frame of each segment predicts its EOS
    ends = np.flatnonzero(laid.audio & (laid.frames[:, :K] == 0).all(1))
    assert laid.weight[ends - 1].tolist() == [1.0, 0.25]
    # after an EOS comes text, which is not predicted
    assert laid.weight[ends].tolist() == [0.0, 0.0]


def test_guided_positions_lie_in_the_text_of_their_own_segment() -> None:
    laid = lay_out([Piece(line(), 0), Piece(line("Yes, sir.", 5, seed=1), 0)], K)
    known = laid.spoken >= 0
    assert (laid.spoken[known] >= laid.span[known, 0] + 4).all()
    assert (laid.spoken[known] < laid.span[known, 1]).all()
    assert (laid.weight[known] > 0).all()


def test_spoken_characters_follow_the_word_times() -> None:
    characters = spoken_characters(line("Hi, you.", 6))
    assert characters[3] == pytest.approx(4 + 4 * 0.5 / 3)
    assert (np.diff(characters) >= 0).all() and characters[-1] <= 7


def test_shards_keep_their_lines(tmp_path) -> None:
    lines = [line(), line("One.", 3, 7, 1), line("Two words.", 5, 101, 2)]
    write_shard(tmp_path / "a.npz", lines)
    back = read_shard(tmp_path / "a.npz")
    assert [one.text for one in back] == [one.text for one in lines]
    assert [one.group for one in back] == [0, 7, 101]
    assert all((a.codes == b.codes).all() for a, b in zip(back, lines, strict=True))
    assert all((a.words == b.words).all() for a, b in zip(back, lines, strict=True))


def pool(mix: Mix) -> Pool:
    made = Pool(K, mix)
    made.add([line(f"Assistant {i}.", 30 + i, i % 2, i) for i in range(20)])
    made.add([line(f"User {i}.", 12, 100 + i % 3, i) for i in range(20)])
    return made


def test_a_dialogue_keeps_one_assistant_and_one_user_in_turn() -> None:
    made = pool(Mix(prompt=1.0, dialogue=1.0, swapped=0.0))
    rng = np.random.default_rng(0)
    for _ in range(30):
        pieces = made.draw(rng)
        assert len({p.line.group for p in pieces if p.speaker == 0}) == 1
        assert len({p.line.group for p in pieces if p.speaker == 1}) == 1
        assert all((p.line.group >= 100) == (p.speaker == 1) for p in pieces)
        assert pieces[0].speaker == 0 and pieces[0].corruption < 1
        assert all(p.weight < 1 for p in pieces if p.speaker == 1)


def test_sequences_stay_below_the_longest_and_batches_near_their_size() -> None:
    made = pool(Mix(longest=200))
    batches = made.batches(np.random.default_rng(0), positions=600, draws=20)
    lengths = [len(sequence.frames) for batch in batches for sequence in batch]
    assert len(lengths) == 20 and max(lengths) <= 200
    for batch in batches:
        assert max(len(sequence.frames) for sequence in batch) * len(batch) <= 600


def test_every_line_comes_once_before_any_comes_twice() -> None:
    made = pool(Mix())
    rng = np.random.default_rng(0)
    first = [made._line(rng, 0).text for _ in range(10)]
    second = [made._line(rng, 0).text for _ in range(10)]
    assert len(set(first)) == 10 and sorted(first) == sorted(second)
    assert first != second
