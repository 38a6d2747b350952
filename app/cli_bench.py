"""``main.py bench``: how fast the engine is, and how well turns are taken."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from app.core.errors import InputError


def add_bench(bench: argparse.ArgumentParser, common: argparse.ArgumentParser) -> None:
    """The arguments of ``bench``; ``common`` has the options that every command knows."""
    what = bench.add_subparsers(dest="what", metavar="WHAT", required=True)
    engine = what.add_parser("engine", parents=[common], help="speed of the speech engine")
    engine.add_argument("--model", metavar="DIR|NAME", help="model folder, or a shape's name")
    engine.add_argument(
        "--random-weights",
        action="store_true",
        help="shapes of csm-1b, miso-8b or csm-nano alone, no checkpoint",
    )
    engine.add_argument("--peer", choices=["transformers"], help="measure this beside ours")
    engine.add_argument(
        "--frames", type=int, metavar="N", help="frames in each round (100; big models on a CPU 10)"
    )
    engine.add_argument(
        "--rounds", type=int, default=2, metavar="N", help="rounds in which all take turns (2)"
    )
    engine.add_argument(
        "--profile", action="store_true", help="also tell where a frame's time goes"
    )
    engine.add_argument(
        "--precision", metavar="P,...", help="all, or some of fp32, bf16, int8, int4 (auto)"
    )
    engine.add_argument(
        "--limit", type=int, metavar="S", help="stop after so many seconds, with what is measured"
    )
    turn = what.add_parser(
        "turn", parents=[common], help="turn taking, in virtual rooms with the real models"
    )
    turn.add_argument("--sets", metavar="E1,E4,...", help="which sets (all ten)")
    turn.add_argument("--items", type=int, metavar="N", help="items of each set (60)")
    turn.add_argument("--seed", type=int, default=0, metavar="N", help="same seed, same items (0)")
    turn.add_argument("--minutes", type=float, metavar="M", help="length of the soak E10 (60)")
    turn.add_argument(
        "--profile",
        default="measured",
        metavar="NAME",
        help="measured (this machine's own times) or rtx4090 (those of a PC with that card)",
    )
    turn.add_argument("--patience", type=float, metavar="P", help="0 to 1 (0.5)")
    turn.add_argument("--asr", type=Path, metavar="DIR", help="faster-whisper model folder")
    turn.add_argument("--llm", metavar="GGUF|URL", help="language model: a file or a server")
    turn.add_argument("--model", type=Path, metavar="DIR", help="speech model folder")
    turn.add_argument("--voice", metavar="NAME", help="a built-in voice or a voice folder")
    turn.add_argument("--precision", metavar="P", help="auto, fp32, bf16, int8 or int4")
    for command in (engine, turn):
        command.add_argument("--device", metavar="D", help="auto, cpu, cuda or cuda:N")
        command.add_argument("--threads", type=int, metavar="N", help="processor threads")


def run_bench(options: argparse.Namespace, result: dict[str, Any]) -> int:
    """Measure what was asked, filling in ``result``; returns the exit code.

    Raises:
        ParleyError: in one sentence.
    """
    return _turn(options, result) if options.what == "turn" else _engine(options, result)


def _engine(options: argparse.Namespace, result: dict[str, Any]) -> int:
    from app.settings import paths

    model = options.model or "csm-nano"
    if model == "csm-nano" and not options.random_weights:
        model = paths.nano() / "csm"
    for name in ("frames", "rounds", "threads", "limit"):
        if getattr(options, name) is not None and getattr(options, name) < 1:
            raise InputError(f"The value of --{name} must be at least 1: give a larger number.")
    from app.bench.speed import speed_table
    from app.compose import bench_engine

    measured = bench_engine(
        model=model,
        random_weights=options.random_weights,
        device=options.device or "auto",
        precision=options.precision or "auto",
        threads=options.threads,
        frames=options.frames,
        rounds=options.rounds,
        peer=options.peer,
        profile=options.profile,
        limit_s=options.limit,
        tell=_tell,
    )
    result.update(measured)
    if "json" not in options:
        _print(speed_table(result))
    return 0


def _turn(options: argparse.Namespace, result: dict[str, Any]) -> int:
    from app.bench.live import PROFILES, LiveStage
    from app.bench.report import table
    from app.bench.run import Performer
    from app.bench.sets import DEFAULT_ITEMS, SETS, SOAK_S
    from app.bench.turn import TurnOptions, run, set_names
    from app.bench.voices import Users
    from app.compose import StandardFactory
    from app.compose_live import EspeakVoices, live_policy, load_brains, make_echo
    from app.settings.model import Settings, settings_from

    if options.profile not in PROFILES:
        raise InputError(
            f"There is no profile '{options.profile}': choose {' or '.join(PROFILES)}."
        )
    wanted = TurnOptions(
        sets=set_names(options.sets) if options.sets else tuple(SETS),
        items=DEFAULT_ITEMS if options.items is None else options.items,
        seed=options.seed,
        profile=options.profile,
        minutes=SOAK_S / 60 if options.minutes is None else options.minutes,
    )
    settings = settings_from({name: getattr(options, name, None) for name in Settings.model_fields})
    users = Users(EspeakVoices())
    users.say("Ready.", 0)  # without a synthesiser, say so before anything is loaded
    brains = load_brains(StandardFactory(settings), _tell)
    profile = PROFILES[options.profile]
    stage = LiveStage(brains, live_policy(settings), lambda: make_echo(settings), profile)
    result.update(run(wanted, Performer(stage, users).perform, _tell))
    if "json" not in options:
        _print(table(result))
    return 0


def _tell(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def _print(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
