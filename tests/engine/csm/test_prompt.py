"""Window planning, frame budgets and line splitting: pure parts, as properties."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from engine.csm.prompt import frame_budget, plan, split_lines

lengths = st.lists(st.integers(2, 400), max_size=30)


@given(lengths, st.integers(0, 300), st.integers(1, 300), st.integers(600, 2048))
def test_plan_keeps_a_whole_tail_that_fits(
    sizes: list[int], pinned: int, room: int, window: int
) -> None:
    result = plan(sizes, pinned, room, window)
    assert result.kept == list(range(len(sizes) - len(result.kept), len(sizes)))
    assert result.positions == pinned + sum(sizes[i] for i in result.kept)
    assert result.positions + room <= window
    if len(result.kept) < len(sizes):  # one more would not have fitted
        assert result.positions + sizes[len(sizes) - len(result.kept) - 1] + room > window


def test_plan_drops_a_segment_longer_than_the_window_whole() -> None:
    assert plan([50, 5000], 100, 100, 2048).kept == []


@given(st.text(alphabet="abc ,.?!", max_size=300))
def test_budget_is_ordered(text: str) -> None:
    budget = frame_budget(text, 12.5)
    assert 0 <= budget.least < budget.expected < budget.most


def test_budget_brackets_everyday_speech() -> None:
    # 45 letters take about 2.9 s at a usual pace: 36 frames.
    budget = frame_budget("I would like to know what the weather is like there today.", 12.5)
    assert budget.least < 30
    assert 40 <= budget.expected < budget.most < 200


words = st.lists(st.text(alphabet="abcdefgh'", min_size=1, max_size=12), min_size=1, max_size=80)


@given(words, st.sampled_from([" ", ", ", ". "]), st.integers(20, 150))
def test_split_lines_loses_no_word_and_bounds_length(
    parts: list[str], joint: str, most: int
) -> None:
    lines = split_lines(joint.join(parts) + ".", most)
    heard = [word.strip(".,?!") for line in lines for word in line.split()]
    assert heard == parts
    assert all(line[-1] in ".,?!" for line in lines)
    assert all(len(line) <= most + 1 for line in lines)


def test_split_lines_prefers_sentences_then_commas() -> None:
    text = "Yes. I think that it is going to rain, so take the big umbrella with you."
    assert split_lines(text, 50) == [
        "Yes.",
        "I think that it is going to rain,",
        "so take the big umbrella with you.",
    ]


def test_split_lines_of_nothing() -> None:
    assert split_lines("") == []
