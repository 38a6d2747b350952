"""``main.py sessions``: list, show, export and repair what was recorded."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from app.core.errors import InputError

FORMATS = ("srt", "vtt", "txt", "json", "labels", "csv", "flac")
LATER = ("replay", "evaluate")


def add_sessions(command: argparse.ArgumentParser, common: argparse.ArgumentParser) -> None:
    """The arguments of ``sessions``; ``common`` has the options that every command knows."""
    actions = command.add_subparsers(dest="action", metavar="ACTION")
    parents = [common]
    listing = actions.add_parser("list", parents=parents, help="what was recorded")
    show = actions.add_parser("show", parents=parents, help="every decision of a session, in order")
    show.add_argument("--all", action="store_true", help="also what comes many times a second")
    export = actions.add_parser(
        "export", parents=parents, help="write a session for other programs"
    )
    export.add_argument(
        "--format",
        choices=FORMATS,
        required=True,
        help="subtitles, text, Audacity labels, table of timings, or stereo sound "
        "(left you, right Parley)",
    )
    export.add_argument("--output", type=Path, metavar="FILE", help="instead of in the session")
    repair = actions.add_parser(
        "repair", parents=parents, help="put right what a crash left behind"
    )
    for action in (show, export):
        _add_session(action)
    _add_session(repair, nargs="?")
    for action in (listing, show, export, repair):
        action.add_argument("--folder", type=Path, metavar="DIR", help="where the recordings are")
    for name in LATER:
        # Without help text, so that they stay out of --help until they do something.
        actions.add_parser(name, parents=parents).add_argument("rest", nargs="*")


def _add_session(action: argparse.ArgumentParser, **more: Any) -> None:
    action.add_argument(
        "session", metavar="SESSION", help="its name, its folder, or `last` for the newest", **more
    )


def run_sessions(options: argparse.Namespace, result: dict[str, Any]) -> int:
    """Do what was asked, filling in ``result``; returns the exit code.

    Raises:
        ParleyError: in one sentence.
    """
    action: str | None = options.action
    if action is None:
        raise InputError("Say what to do with the sessions: list, show, export or repair.")
    if action in LATER:
        raise InputError(
            f"`sessions {action}` is not in this version of Parley: use list, show, export or repair."
        )
    root: Path = options.folder or _recordings()
    tell: Callable[[str], None] = _nothing if "json" in options else _print
    if action == "list":
        return _list(root, result, tell)
    if action == "repair":
        return _repair(root, options.session, result, tell)

    from app.recording.reader import find

    session = find(root, options.session)
    if action == "export":
        from app.recording.export import export

        path = export(session, options.format, options.output)
        result.update(session=str(session.folder), format=options.format, output=str(path))
        tell(f"{session.folder.name} is in {path}.")
        return 0
    return _show(session, options.all, result, tell)


def _recordings() -> Path:
    """Where the user keeps recordings, by his settings file."""
    from app.settings.store import SettingsStore

    return SettingsStore().load().settings.recordings


def _list(root: Path, result: dict[str, Any], tell: Callable[[str], None]) -> int:
    from app.recording.reader import sessions

    found = [session.summary() for session in sessions(root)]
    result["folder"] = str(root)
    result["sessions"] = [
        {
            "name": one.name,
            "folder": str(one.folder),
            "started": one.started,
            "seconds": one.seconds,
            "turns": one.turns,
            "bytes": one.size_bytes,
            "state": one.state,
        }
        for one in found
    ]
    if not found:
        tell(f"There are no recorded sessions in {root}.")
        return 0
    width = max(len(one.name) for one in found)
    tell(f"{'name':{width}}  {'length':>8}  {'turns':>5}  {'size':>8}")
    for one in found:
        state = "" if one.state == "closed" else f"  {one.state}"
        tell(
            f"{one.name:{width}}  {_length(one.seconds):>8}  {one.turns:>5}  "
            f"{_size(one.size_bytes):>8}{state}"
        )
    tell(f"They are in {root}.")
    return 0


def _show(
    session: Any, everything: bool, result: dict[str, Any], tell: Callable[[str], None]
) -> int:
    from app.recording.timeline import timeline

    about, turns, clock = session.about, session.turns(), session.clock()
    result.update(session=str(session.folder), about=about, seconds=round(session.seconds, 2))
    result["turns"] = [turn.told() for turn in turns]
    if tell is _nothing:
        # Times of the recording beside those of the session, so that nobody has to compute them.
        result["events"] = [
            {"position_s": round(clock.position_s(record["at_s"]), 3), **record}
            for record in session.events()
        ]
        return 0
    started = _when(str(about.get("started") or ""))
    held = f", {_length(session.seconds)}" if session.has_sound else ""
    tell(f"{session.folder.name}{started}{held}, {len(turns)} turn{'' if len(turns) == 1 else 's'}")
    lines = list(timeline(session.events(), clock, everything))
    for line in lines:
        tell(line)
    if not lines:
        from app.recording.transcript import txt

        tell(txt(turns).rstrip())
    _waits(turns, tell)
    return 0


def _waits(turns: Any, tell: Callable[[str], None]) -> None:
    """A table of where the time of each turn went."""
    from app.recording.timeline import stages

    rows = [(turn.number, stages(turn.timings_ms)) for turn in turns]
    if any(waits for _, waits in rows):
        tell("Times of each turn, from the end of the user's speech:")
        for number, waits in rows:
            tell(f"  turn {number}: {waits or 'it was not finished'}")


def _repair(
    root: Path, name: str | None, result: dict[str, Any], tell: Callable[[str], None]
) -> int:
    from app.recording.reader import find
    from app.recording.repair import Recovered, Unrecovered, recover, recover_all

    if name is None:
        every = recover_all(root)
    else:
        every = [recover(find(root, name).folder)]
    found = [one for one in every if isinstance(one, Recovered)]
    failed = [one.sentence for one in every if isinstance(one, Unrecovered)]
    result["recovered"] = [
        {
            "folder": str(one.folder),
            "seconds": one.seconds,
            "turns": one.turns,
            "cut_bytes": one.cut_bytes,
        }
        for one in found
    ]
    result["failed"] = failed
    for one in found:
        kept = f"; {one.cut_bytes} damaged bytes of its events are kept beside it"
        tell(
            f"Repaired {one.folder}: {_length(one.seconds)}, {one.turns} turns"
            f"{kept if one.cut_bytes else ''}."
        )
    for sentence in failed:
        sys.stderr.write(f"{sentence}\n")
    if not found and not failed:
        tell(f"Nothing in {root} needs repair.")
    return 1 if failed else 0


def _when(started: str) -> str:
    try:
        return f", {datetime.fromisoformat(started):%d %B %Y %H:%M}"
    except ValueError:
        return ""


def _length(seconds: float) -> str:
    whole = round(seconds)
    hours = f"{whole // 3600}:" if whole >= 3600 else ""
    return f"{hours}{whole // 60 % 60:02d}:{whole % 60:02d}"


def _size(count: int) -> str:
    return f"{count / 1e9:.2f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"


def _nothing(line: str) -> None:
    """With --json the result says it all."""


def _print(line: str) -> None:
    """A line of the result."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
