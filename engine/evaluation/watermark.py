"""``python -m engine.evaluation.watermark``: is the mark inaudible, what does it survive?

Speech of the nano pack's voices, and of espeak voices that neither the pack nor the mark was made
with; every file gets a key of its own.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from engine.evaluation.__main__ import ASSETS, finite
from engine.evaluation.audibility import noise_to_mask_db, segmental_ratio_db
from engine.evaluation.damage import RATE_HZ, Fate, fates
from engine.evaluation.data import evaluation_sentences
from engine.evaluation.scores import Heard, error_rate_of
from engine.types import FloatArray
from engine.watermark.code import payload_of
from engine.watermark.correlate import TESTS, compare, folded, spectrum_of, weighted
from engine.watermark.detect import SURE, verify
from engine.watermark.embed import Marker, mark_whole

LENGTHS_S: Final = (2, 5, 10)
SLOW: Final = 3
"""Of the files whose speed is searched for, which takes long, every third is taken."""
FRAME: Final = 1920
Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Options:
    """How much to measure: files of each kind, keys that are tried on each unmarked file."""

    assets: Path
    replies: int
    others: int
    keys: int


@dataclass(frozen=True, slots=True, eq=False)
class Clip:
    """Ten seconds of speech, made of whole lines, and the lines for the recogniser."""

    sound: FloatArray
    lines: tuple[tuple[str, FloatArray], ...]


@dataclass(frozen=True, slots=True)
class Row:
    """One kind of damage at one length."""

    fate: str
    seconds: int
    files: int
    found: float
    """Share of the files in which the mark is found, at a p-value below 1e-6."""
    named: float
    """Share in which what it says is read too."""
    log10_p: float
    """Median of the p-value's logarithm."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    root = argparse.ArgumentParser(
        prog="python -m engine.evaluation.watermark", description=__doc__
    )
    root.add_argument("--replies", type=int, default=28, metavar="N", help="of the nano pack (28)")
    root.add_argument("--others", type=int, default=12, metavar="N", help="espeak voices (12)")
    root.add_argument("--keys", type=int, default=200, metavar="N", help="wrong keys a file (200)")
    root.add_argument("--assets", type=Path, default=ASSETS, help="folder of the nano pack")
    root.add_argument("--json", action="store_true", help="one JSON object; the table to stderr")
    wanted = root.parse_args(arguments)
    options = Options(wanted.assets, wanted.replies, wanted.others, wanted.keys)
    report = judge(options, lambda line: print(line, file=sys.stderr, flush=True))
    for line in table(report):
        print(line, file=sys.stderr if wanted.json else sys.stdout)
    if wanted.json:
        print(json.dumps(finite(report)))
    return 0


def judge(options: Options, progress: Progress) -> dict[str, Any]:
    """Measure everything; a JSON-ready report."""
    replies = list(_replies(options, progress))
    clips = [*replies, *_others(options, progress)]
    report: dict[str, Any] = {"replies": len(replies), "others": len(clips) - len(replies)}
    report["frame_us"] = frame_us(clips[0].sound)
    report["audibility"] = audibility([clip.sound for clip in clips])
    progress("what the recogniser makes of it")
    report["recognition"] = recognition(options.assets, replies)
    rows: list[Row] = []
    for fate in fates():
        progress(fate.name)
        rows += [survival(fate, [clip.sound for clip in clips], length) for length in LENGTHS_S]
    report["rows"] = [asdict(row) for row in rows]
    progress("false alarms")
    report["false_alarms"] = false_alarms([clip.sound for clip in clips], options.keys)
    return report


def key_of(number: int) -> bytes:
    """The key of a file of the test."""
    return bytes([0x5A]) * 24 + number.to_bytes(8, "big")


def survival(fate: Fate, sounds: Sequence[FloatArray], seconds: int) -> Row:
    """How often the mark is found in so many seconds of each sound after the damage."""
    found, named, chances = 0, 0, list[float]()
    for number in range(0, len(sounds), SLOW if fate.any_speed else 1):
        sound, key, rng = sounds[number], key_of(number), np.random.default_rng(number)
        damaged = fate.damage(mark_whole(sound[: seconds * RATE_HZ], key), rng)
        verdict = verify(damaged, key, any_speed=fate.any_speed)
        found += verdict.found
        named += verdict.payload == payload_of(key)
        chances.append(verdict.log10_p)
    count = len(chances)
    return Row(fate.name, seconds, count, found / count, named / count, float(np.median(chances)))


def false_alarms(sounds: Sequence[FloatArray], keys: int) -> dict[str, Any]:
    """Keys tried on sounds without a mark and with another key's.

    Every sound is also looked at by ``verify`` as users do, at every speed. The other keys are
    tried at the sound's own speed on all of it at once, which costs far less.
    """
    alarms, scores, bounds = 0, list[float](), list[float]()
    for number, sound in enumerate(sounds):
        marked = mark_whole(sound, key_of(number))
        for other, looked_at in enumerate((sound, marked)):
            alarms += verify(looked_at, key_of(10_000 + 2 * number + other)).found
            period = folded(weighted(looked_at))
            for wrong in range(keys // 2):
                key = key_of(1_000_000 + 1000 * (2 * number + other) + wrong)
                scores.append(compare(period, spectrum_of(key)).score)
                bounds.append(math.log(TESTS) - scores[-1] ** 2 / 2)
    below = {str(p): float(np.mean(np.array(bounds) < math.log(p))) for p in (0.1, 0.01, 0.001)}
    return {
        "looked_at": 2 * len(sounds),
        "alarms": alarms,
        "keys_tried": len(scores),
        "highest_score": max(scores, default=0.0),
        "score_needed": math.sqrt(2 * math.log(TESTS / SURE)),
        "share_below_p": below,
    }


def audibility(sounds: Sequence[FloatArray]) -> dict[str, float]:
    """Ratios over all sounds together, in dB."""
    added = [mark_whole(sound, key_of(n)) - sound for n, sound in enumerate(sounds)]
    pairs = list(zip(sounds, added, strict=True))
    ratio = np.concatenate([segmental_ratio_db(*pair) for pair in pairs])
    over = np.concatenate([noise_to_mask_db(*pair) for pair in pairs])
    return {
        "segmental_db": float(ratio.mean()),
        "segmental_db_p5": float(np.quantile(ratio, 0.05)),
        "noise_to_mask_db": float(over.mean()),
        "noise_to_mask_db_p95": float(np.quantile(over, 0.95)),
        "share_over_mask": float((over > 0).mean()),
        "share_over_mask_by_6_db": float((over > 6).mean()),
    }


def recognition(assets: Path, clips: Sequence[Clip]) -> dict[str, Any]:
    """Word errors of whisper-nano on the nano voices' lines, without the mark and with it."""
    from engine.evaluation.recognition import load_recogniser

    hear = load_recogniser(assets / "nano" / "whisper")
    plain, marked = list[Heard](), list[Heard]()
    for number, (text, sound) in enumerate(line for clip in clips for line in clip.lines):
        plain.append(Heard(text, hear(sound, RATE_HZ), ""))
        marked.append(Heard(text, hear(mark_whole(sound, key_of(number)), RATE_HZ), ""))
    same = np.mean([a.heard == b.heard for a, b in zip(plain, marked, strict=True)])
    rates = {"unmarked": asdict(error_rate_of(plain)), "marked": asdict(error_rate_of(marked))}
    return {"lines": len(plain), "same": float(same), **rates}


def frame_us(sound: FloatArray, frames: int = 300) -> float:
    """Median time to mark 80 ms, in microseconds, on this machine."""
    marker, took = Marker(key_of(0)), list[float]()
    for number in range(frames):
        at = number * FRAME % (len(sound) - FRAME)
        began = time.perf_counter()
        marker.frame(sound[at : at + FRAME])
        took.append(time.perf_counter() - began)
    return float(np.median(took)) * 1e6


def table(report: dict[str, Any]) -> Iterator[str]:
    """The report in Markdown."""
    audible, words, alarms = (report[k] for k in ("audibility", "recognition", "false_alarms"))
    yield f"{report['replies']} replies of the nano pack, {report['others']} of other voices."
    yield f"Marking 80 ms takes {report['frame_us']:.0f} µs."
    yield (
        f"Segmental ratio {audible['segmental_db']:.1f} dB (5 % below "
        f"{audible['segmental_db_p5']:.1f} dB); noise to mask {audible['noise_to_mask_db']:.1f} dB, "
        f"{audible['share_over_mask']:.1%} of bands over 0 dB, "
        f"{audible['share_over_mask_by_6_db']:.1%} over 6 dB."
    )
    yield (
        f"Word errors {words['unmarked']['rate']:.2%} unmarked, {words['marked']['rate']:.2%} "
        f"marked (standard error {words['marked']['standard_error']:.2%}, {words['lines']} lines)."
    )
    yield (
        f"False alarms: {alarms['alarms']} in {alarms['looked_at']} files; of "
        f"{alarms['keys_tried']} wrong keys the highest score is {alarms['highest_score']:.2f}, "
        f"{alarms['score_needed']:.2f} is needed."
    )
    yield ""
    yield "| after | 2 s | 5 s | 10 s |"
    yield "|---|---|---|---|"
    rows = [Row(**row) for row in report["rows"]]
    for fate, group in itertools.groupby(rows, lambda row: row.fate):
        yield f"| {fate} | " + " | ".join(_cell(row) for row in group) + " |"


def _cell(row: Row) -> str:
    chance = "1" if row.log10_p > -0.5 else f"10^{row.log10_p:.0f}"
    return f"{row.found:.0%} ({chance}; read {row.named:.0%})"


def _replies(options: Options, progress: Progress) -> Iterator[Clip]:
    from engine.generator import SpeechEngine
    from engine.voice import load_voice

    engine = SpeechEngine.load(options.assets / "nano" / "csm", device="cpu", threads=1)
    folders = sorted(path for path in (options.assets / "voices").iterdir() if path.is_dir())
    voices = [load_voice(folder, engine.sample_rate_hz) for folder in folders]
    sentences = itertools.cycle(evaluation_sentences()[::-1])
    for number in range(options.replies):
        lines: list[tuple[str, FloatArray]] = []
        while sum(len(sound) for _, sound in lines) < LENGTHS_S[-1] * RATE_HZ:
            conversation = engine.conversation(voices[number % len(voices)], seed=1000 + number)
            text = next(sentences)
            frames = [frame.samples for frame in conversation.speak(text)]
            lines.append((text, np.concatenate(frames)))
        progress(f"reply {number + 1} of {options.replies}")
        yield Clip(np.concatenate([sound for _, sound in lines]), tuple(lines))


def _others(options: Options, progress: Progress) -> Iterator[Clip]:
    from engine.evaluation.recognition import unseen_voices
    from engine.training.espeak import Espeak
    from engine.training.speech import render

    espeak, voices = Espeak(), unseen_voices(seed=77)
    sentences = itertools.cycle(evaluation_sentences())
    for number in range(options.others):
        voice, lines = next(voices), list[tuple[str, FloatArray]]()
        while sum(len(sound) for _, sound in lines) < LENGTHS_S[-1] * RATE_HZ:
            text = next(sentences)
            lines.append((text, render(espeak, text, voice).samples))
        progress(f"other voice {number + 1} of {options.others}")
        yield Clip(np.concatenate([sound for _, sound in lines]), tuple(lines))


if __name__ == "__main__":
    sys.exit(main())
