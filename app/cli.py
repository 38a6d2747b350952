"""Every command without a window: ``talk``, ``say``, ``doctor``, ``bench``, ``watermark`` ...

Results go to stdout, everything else to stderr. With ``--json`` stdout gets exactly one JSON
object. Exit codes: 0 done, 1 failed, 2 bad usage or input, 130 stopped by the user. What can be
told is one sentence; a traceback only with ``--debug``.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from app import __version__
from app.cli_bench import add_bench, run_bench
from app.cli_sessions import add_sessions, run_sessions
from app.cli_watermark import add_watermark, run_watermark
from app.core.errors import InputError, ParleyError

if TYPE_CHECKING:
    from app.compose import Factory
    from app.headless import Outcome
    from app.settings.model import Settings

MakeFactory = Callable[["Settings"], "Factory"]

LATER = ("models", "voices")
STOPPED = 130


class _Parser(argparse.ArgumentParser):
    """An argument parser whose complaints are one sentence."""

    def error(self, message: str) -> NoReturn:
        """Raise instead of printing the whole usage."""
        raise InputError(f"{message[:1].upper()}{message[1:]}: see `{self.prog} --help`.")


def parser() -> argparse.ArgumentParser:
    """The command line."""
    common = _Parser(add_help=False)
    common.add_argument(
        "--json", action="store_true", default=argparse.SUPPRESS, help="print one JSON object"
    )
    common.add_argument(
        "--debug", action="store_true", default=argparse.SUPPRESS, help="show tracebacks"
    )
    root = _Parser(
        prog="main.py",
        description="Parley: talk with your computer. Nothing leaves it.",
        parents=[common],
        allow_abbrev=False,
    )
    root.add_argument("--version", action="version", version=f"Parley {__version__}")
    commands = root.add_subparsers(dest="command", metavar="COMMAND", parser_class=_Parser)
    _add_talk(commands.add_parser("talk", parents=[common], help="hold a conversation from files"))
    _add_say(commands.add_parser("say", parents=[common], help="speak a text into a file"))
    doctor = commands.add_parser(
        "doctor", parents=[common], help="what works on this machine, and what to do about the rest"
    )
    _add_models(doctor)
    add_bench(commands.add_parser("bench", help="measure speed and turn taking"), common)
    add_sessions(commands.add_parser("sessions", help="what was recorded"), common)
    add_watermark(commands.add_parser("watermark", help="find Parley's mark in a file"), common)
    for name in LATER:
        # Without help text, so that they stay out of --help until they do something.
        commands.add_parser(name, parents=[common]).add_argument("rest", nargs="*")
    return root


def _add_talk(talk: argparse.ArgumentParser) -> None:
    talk.add_argument(
        "--input",
        type=Path,
        action="append",
        required=True,
        metavar="FILE",
        help="what the user says in one turn; repeat it for more turns",
    )
    talk.add_argument("--output", type=Path, required=True, metavar="WAV", help="all replies")
    talk.add_argument("--session", type=Path, metavar="DIR", help="keep the whole session here")
    talk.add_argument("--asr", type=Path, metavar="DIR", help="faster-whisper model folder")
    talk.add_argument("--llm", metavar="GGUF|URL", help="language model: a file or a server")
    talk.add_argument("--llm-model", metavar="NAME", help="the model's name on the server")
    _add_speech(talk)


def _add_say(say: argparse.ArgumentParser) -> None:
    say.add_argument("text", metavar="TEXT")
    say.add_argument("--output", type=Path, required=True, metavar="WAV")
    say.add_argument("--context", type=Path, metavar="DIR", help="a session to go on from")
    _add_speech(say)


def _add_speech(command: argparse.ArgumentParser) -> None:
    command.add_argument("--model", type=Path, metavar="DIR", help="speech model folder")
    command.add_argument("--voice", metavar="NAME", help="a built-in voice or a voice folder")
    command.add_argument(
        "--no-watermark",
        dest="watermark",
        action="store_false",
        default=None,
        help="speak unmarked",
    )
    command.add_argument("--seed", type=int, metavar="N", help="same seed, same speech (0)")
    _add_machine(command)


def _add_machine(command: argparse.ArgumentParser) -> None:
    command.add_argument("--device", metavar="D", help="auto, cpu, cuda or cuda:N")
    command.add_argument("--precision", metavar="P", help="auto, fp32, bf16, int8 or int4")
    command.add_argument("--threads", type=int, metavar="N", help="processor threads")


def _add_models(doctor: argparse.ArgumentParser) -> None:
    doctor.add_argument("--asr", type=Path, metavar="DIR")
    doctor.add_argument("--llm", metavar="GGUF|URL")
    doctor.add_argument("--llm-model", metavar="NAME")
    doctor.add_argument("--model", type=Path, metavar="DIR")
    doctor.add_argument("--voice", metavar="NAME")
    _add_machine(doctor)


def main(arguments: Sequence[str], make_factory: MakeFactory | None = None) -> int:
    """Run a command; returns the exit code. ``make_factory`` lets tests bring their own parts."""
    as_json, debug = "--json" in arguments, "--debug" in arguments
    result: dict[str, Any] = {}
    try:
        # What a library prints must not get between the reader and the one JSON object.
        with contextlib.redirect_stdout(sys.stderr) if as_json else contextlib.nullcontext():
            options = parser().parse_args(arguments)
            code = _run(options, result, make_factory)
    except ParleyError as error:
        code = _failed(" ".join(str(error).split()), error.exit_code, result, debug)
    except KeyboardInterrupt:
        code = _failed("Stopped; what was made so far is kept.", STOPPED, result, False)
    except Exception as error:  # noqa: BLE001  (the last place before the user: one sentence, no traceback)
        reason = " ".join(str(error).split())[:200]
        code = _failed(
            f"Parley failed unexpectedly ({type(error).__name__}: {reason}): "
            "run it again with --debug and report what it prints.",
            1,
            result,
            debug,
        )
    if as_json:
        _print(json.dumps(result, ensure_ascii=False))
    return code


def _failed(sentence: str, code: int, result: dict[str, Any], debug: bool) -> int:
    if debug:
        traceback.print_exc()
    sys.stderr.write(f"error: {sentence}\n")
    result["error"] = sentence
    return code


def _run(
    options: argparse.Namespace, result: dict[str, Any], make_factory: MakeFactory | None
) -> int:
    """Do what was asked, filling in ``result``."""
    command: str | None = options.command
    if command in LATER:
        raise InputError(f"`{command}` is not in this version of Parley yet: use talk or say.")
    if command == "bench":
        return run_bench(options, result)
    if command == "sessions":
        return run_sessions(options, result)
    if command == "watermark":
        return run_watermark(options, result)
    from app.compose import StandardFactory
    from app.headless import Outcome
    from app.settings.model import Settings, settings_from

    known = {name: getattr(options, name, None) for name in Settings.model_fields}
    settings = settings_from(known)
    factory = (make_factory or StandardFactory)(settings)
    if command == "doctor":
        return _doctor(settings, factory, result, "json" in options)
    outcome = Outcome(result)
    if command == "talk":
        _talk(options, settings, factory, outcome)
    elif command == "say":
        _say(options, settings, factory, outcome)
    else:
        _sample(options, settings, factory, outcome)
    return 0


def _talk(
    options: argparse.Namespace, settings: Settings, factory: Factory, outcome: Outcome
) -> None:
    from app.headless import TalkRequest, talk

    request = TalkRequest(options.input, options.output, options.session)
    talk(request, settings, factory, outcome, _tell)
    if "json" not in options:
        _print_conversation(outcome.result)


def _say(
    options: argparse.Namespace, settings: Settings, factory: Factory, outcome: Outcome
) -> None:
    from app.headless import SayRequest, say

    request = SayRequest(options.text, options.output, options.context)
    say(request, settings, factory, outcome, _tell)
    result = outcome.result
    if "json" not in options:
        _print(
            f"{result['output']}: {result['seconds']:.2f} s of speech, real-time factor "
            f"{result['rtf']:.2f}, first audio after {result['first_audio_ms']:.0f} ms"
        )


def _sample(
    options: argparse.Namespace, settings: Settings, factory: Factory, outcome: Outcome
) -> None:
    from app.headless import sample_request, talk

    _tell(
        "There is no screen here to open the window on: this is the sample conversation of "
        "assets/samples, which needs neither screen nor sound card."
    )
    _tell(
        "The built-in models are small ones for trying out: the recogniser knows synthetic voices "
        "only."
    )
    talk(sample_request(Path("out")), settings, factory, outcome, _tell)
    if "json" not in options:
        _print_conversation(outcome.result)


def _print_conversation(result: dict[str, Any]) -> None:
    for turn in result["turns"]:
        _print(f"You:    {turn['user_text']}")
        _print(f"Parley: {turn['reply_text']}")
    kept = f"; the session is in {result['session']}" if "session" in result else ""
    _print(f"The spoken replies are in {result['output']}{kept}.")


def _doctor(settings: Settings, factory: Factory, result: dict[str, Any], as_json: bool) -> int:
    from app.doctor import examine

    checks = examine(settings, factory)
    result["checks"] = [check.told() for check in checks]
    if not as_json:
        for check in checks:
            _print(
                f"{'ok  ' if check.ok else 'FAIL' if check.essential else 'none'} "
                f"{check.name}: {check.detail}"
            )
            if not check.ok and check.fix:
                _print(f"       {check.fix}")
    return 0 if all(check.ok for check in checks if check.essential) else 1


def _tell(line: str) -> None:
    """A line about how it goes, for the person at the terminal."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def _print(line: str) -> None:
    """A line of the result."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
