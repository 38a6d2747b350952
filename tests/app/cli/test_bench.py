"""``main.py bench``: its help says what is so, and nonsense is one sentence."""

from __future__ import annotations

import pytest

from app import cli
from app.bench.live import PROFILES
from app.bench.sets import DEFAULT_ITEMS, SETS, SOAK_S
from app.settings.model import Settings
from engine.bench.suite import FRAMES, FRAMES_BIG_ON_CPU, ROUNDS
from engine.config import PRESETS
from tests.fakes.commands import Run, one_sentence


def help_of(what: str, capsys: pytest.CaptureFixture[str]) -> str:
    """The help of ``bench`` without its line breaks."""
    with pytest.raises(SystemExit):
        cli.main(["bench", what, "--help"])
    return " ".join(capsys.readouterr().out.split())


def test_help_of_turn_states_its_defaults(capsys: pytest.CaptureFixture[str]) -> None:
    told = help_of("turn", capsys)
    assert f"items of each set ({DEFAULT_ITEMS})" in told
    assert f"length of the soak E10 ({SOAK_S / 60:.0f})" in told
    assert f"0 to 1 ({Settings().patience})" in told
    assert len(SETS) == 10 and "which sets (all ten)" in told
    assert all(f"{name} (" in told for name in PROFILES)


def test_help_of_engine_states_its_defaults(capsys: pytest.CaptureFixture[str]) -> None:
    told = help_of("engine", capsys)
    assert f"frames in each round ({FRAMES}; big models on a CPU {FRAMES_BIG_ON_CPU})" in told
    assert f"rounds in which all take turns ({ROUNDS})" in told
    assert all(config.name in told for config in PRESETS)


@pytest.mark.parametrize("name", ["frames", "rounds", "threads", "limit"])
@pytest.mark.parametrize("value", ["0", "-1"])
def test_less_than_one_is_refused(run: Run, name: str, value: str) -> None:
    code, result, err = run("bench", "engine", f"--{name}", value)
    assert code == 2
    one_sentence(err, result, f"--{name} must be at least 1")


def test_a_shape_that_is_none_names_those_that_are(run: Run) -> None:
    code, result, err = run("bench", "engine", "--random-weights", "--model", "csm-9b")
    assert code == 2
    one_sentence(err, result, *(config.name for config in PRESETS))
