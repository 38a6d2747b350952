"""Finding speech: its edges, its limit, and how little is kept while looking."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.errors import NoSpeechError
from app.core.types import SoundBlock
from app.listening.spans import SpeechRules, VadSpeechFinder
from tests.fakes.parts import LevelVad, VirtualClock
from tests.fakes.sounds import tone


def blocks(*parts: tuple[float, bool], block_s: float = 1.0) -> Iterator[SoundBlock]:
    """Stretches of (seconds, loud) in blocks, the 24 kHz side being a ramp that tells its place."""
    low = np.concatenate(
        [tone(s, 16_000) if loud else np.zeros(round(s * 16_000), np.float32) for s, loud in parts]
    )
    high = np.arange(len(low) * 3 // 2, dtype=np.float32)
    for start in np.arange(0, len(low) / 16_000, block_s):
        yield SoundBlock(
            low[round(start * 16_000) : round((start + block_s) * 16_000)],
            high[round(start * 24_000) : round((start + block_s) * 24_000)],
        )


def find(stream, **rules):
    return VadSpeechFinder(LevelVad(), VirtualClock(), SpeechRules(**rules)).find(stream)


def test_speech_is_found_with_its_pad() -> None:
    heard = find(blocks((1.0, False), (2.0, True), (3.0, False)))
    assert heard.start_s == pytest.approx(0.8, abs=0.04)
    assert heard.end_s == pytest.approx(3.2, abs=0.04)
    assert len(heard.at_16k) == pytest.approx(heard.seconds * 16_000, abs=1)
    assert len(heard.at_24k) == pytest.approx(heard.seconds * 24_000, abs=1)
    assert heard.at_24k[0] == pytest.approx(heard.start_s * 24_000, abs=1)
    assert not heard.cut


def test_pauses_inside_belong_to_the_turn() -> None:
    heard = find(blocks((0.5, False), (1.0, True), (2.0, False), (1.0, True), (5.0, False)))
    assert heard.end_s == pytest.approx(4.7, abs=0.04)


def test_a_click_is_no_speech() -> None:
    with pytest.raises(NoSpeechError):
        find(blocks((1.0, False), (0.05, True), (1.0, False)))


def test_silence_and_nothing_are_no_speech() -> None:
    for stream in (blocks((3.0, False)), iter(())):
        with pytest.raises(NoSpeechError):
            find(stream)


def test_the_longest_turn_ends_the_reading() -> None:
    taken: list[int] = []

    def counted() -> Iterator[SoundBlock]:
        for number, block in enumerate(blocks((2.0, False), (100.0, True))):
            taken.append(number)
            yield block

    heard = find(counted(), turn_s=10.0)
    assert heard.cut
    assert heard.end_s == pytest.approx(12.0, abs=0.04)
    assert len(taken) <= 14


def test_speech_after_hours_is_found_in_its_place() -> None:
    heard = find(blocks((600.3, False), (1.0, True), (1.0, False), block_s=7.0))
    assert heard.start_s == pytest.approx(600.1, abs=0.04)
    assert heard.at_24k[0] == pytest.approx(heard.start_s * 24_000, abs=2)


@given(st.floats(0.04, 3.0))
def test_block_length_does_not_matter(block_s: float) -> None:
    parts = ((0.7, False), (1.1, True), (0.4, False), (0.9, True), (0.6, False))
    one = find(blocks(*parts, block_s=10.0))
    other = find(blocks(*parts, block_s=block_s))
    assert (one.start_s, one.end_s) == (other.start_s, other.end_s)


def test_the_detector_starts_afresh_each_time() -> None:
    vad = LevelVad()
    finder = VadSpeechFinder(vad, VirtualClock())
    for _ in range(2):
        finder.find(blocks((0.5, True), (0.5, False)))
    assert vad.resets == 2
