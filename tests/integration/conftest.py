"""The virtual sound card, where one can be had."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.sound_card import SoundCard, missing, sound_card


@pytest.fixture
def card() -> Iterator[SoundCard]:
    """A sound card of this test's own; the test is skipped where PulseAudio is not installed."""
    reason = missing()
    if reason:
        pytest.skip(f"no virtual sound card: {reason}")
    with sound_card() as running:
        yield running
