"""Colours that can be told apart by those who see little of them."""

from __future__ import annotations

import pytest

from app.core.shown import Level, Phase
from app.ui.theme import (
    DARK,
    LIGHT,
    SHAPE_PAIRS,
    TEXT_PAIRS,
    Colours,
    contrast,
    level_colours,
    mix,
    phase_colour,
)


def test_contrast_is_that_of_the_standard() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21.0)
    assert contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.01)
    assert contrast("#123456", "#123456") == 1.0


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize(("front", "ground"), TEXT_PAIRS)
def test_writing_can_be_read(colours: Colours, front: str, ground: str) -> None:
    assert contrast(getattr(colours, front), getattr(colours, ground)) >= 4.5


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize(("front", "ground"), SHAPE_PAIRS)
def test_controls_can_be_found(colours: Colours, front: str, ground: str) -> None:
    assert contrast(getattr(colours, front), getattr(colours, ground)) >= 3.0


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
def test_every_phase_and_notice_has_a_colour_that_can_be_read(colours: Colours) -> None:
    for phase in Phase:
        assert contrast(phase_colour(colours, phase), colours.surface) >= 4.5
        # The icon stands on a disc of its own colour, a fifth of it.
        disc = mix(phase_colour(colours, phase), colours.surface, 0.2)
        assert contrast(phase_colour(colours, phase), disc) >= 3.0
    for level in Level:
        front, ground = level_colours(colours, level)
        assert contrast(front, ground) >= 4.5
        assert contrast(colours.text, ground) >= 4.5


def test_mixing_goes_from_one_colour_to_the_other() -> None:
    assert mix("#ff0000", "#0000ff", 1.0) == "#ff0000"
    assert mix("#ff0000", "#0000ff", 0.0) == "#0000ff"
    assert mix("#ffffff", "#000000", 0.5) == "#808080"
