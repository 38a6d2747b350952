"""``python -m engine say TEXT --output a.wav``: the engine alone, without the assistant."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from engine.errors import EngineError

ASSETS = Path(__file__).resolve().parent.parent / "assets"


def parser() -> argparse.ArgumentParser:
    """The command line."""
    root = argparse.ArgumentParser(prog="python -m engine", description=__doc__)
    commands = root.add_subparsers(dest="command", required=True)
    say = commands.add_parser("say", help="speak a text into a WAV file")
    say.add_argument("text")
    say.add_argument("--output", type=Path, required=True, help="WAV file to write")
    say.add_argument("--model", type=Path, default=ASSETS / "nano" / "csm", help="CSM folder")
    say.add_argument("--voice", type=Path, help="voice folder (default: the first in assets)")
    say.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    say.add_argument("--precision", default="auto", help="auto, fp32, bf16, int8 or int4")
    say.add_argument("--threads", type=int, help="CPU threads")
    say.add_argument("--seed", type=int, default=0)
    say.add_argument("--json", action="store_true", help="print one JSON object")
    return root


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns the exit code (0 done, 1 failed)."""
    options = parser().parse_args(arguments)
    try:
        result = say(options)
    except (EngineError, OSError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    if options.json:
        sys.stdout.write(json.dumps(result) + "\n")
    else:
        sys.stdout.write(
            f"{result['output']}: {result['seconds']:.2f} s of speech, real-time factor "
            f"{result['rtf']:.2f}, first audio after {result['first_audio_ms']:.0f} ms, "
            f"ended by {result['ended']}\n"
        )
    return 0


def say(options: argparse.Namespace) -> dict[str, object]:
    """Speak ``options.text``; returns what ``say --json`` prints."""
    import numpy as np
    import soundfile

    from engine.generator import SpeechEngine
    from engine.voice import load_voice

    engine = SpeechEngine.load(
        options.model, device=options.device, precision=options.precision, threads=options.threads
    )
    folder = options.voice or first_voice(ASSETS / "voices")
    voice = load_voice(folder, engine.sample_rate_hz) if folder is not None else None
    conversation = engine.conversation(voice, seed=options.seed)
    frames = [frame.samples for frame in conversation.speak(options.text)]
    sound = np.concatenate(frames) if frames else np.zeros(0, np.float32)
    soundfile.write(str(options.output), sound, engine.sample_rate_hz)
    report = conversation.report
    assert report is not None
    return {
        "output": str(options.output),
        "text": options.text,
        "seconds": report.audio_s,
        "rtf": report.rtf,
        "first_audio_ms": report.first_audio_s * 1000,
        "frames": report.frames,
        "ended": report.ended.value,
    }


def first_voice(folder: Path) -> Path | None:
    """The first voice folder by name, or None."""
    return next((entry for entry in sorted(folder.glob("*")) if entry.is_dir()), None)


if __name__ == "__main__":
    sys.exit(main())
