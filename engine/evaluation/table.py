"""A report as lines for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def table(report: Mapping[str, Any]) -> Iterator[str]:
    """The lines of a nano report (see ``engine.evaluation.nano.judge_nano``)."""
    overlap = report.get("overlap")
    if overlap:
        yield from _overlap(report["sentences"], overlap)
    if "whisper" in report:
        yield from _recognition(report["whisper"])
    if "csm" in report:
        yield from _speech(report["csm"])
    if "llm" in report:
        yield ""
        yield "llm-nano"
        for answer in report["llm"].get("answers", ()):
            yield f"  {answer}"
    yield ""
    yield f"{'figure':42}{'value':>9}{'goal':>10}"
    for figure in report["figures"]:
        sign = "<=" if figure["most"] else ">="
        verdict = "met" if figure["met"] else "NOT MET"
        goal = f"{sign} {figure['goal']:.2f}"
        yield f"{figure['name']:42}{figure['value']:9.4f}{goal:>10}  {verdict}"


def _overlap(sentences: int, overlap: Mapping[str, Any]) -> Iterator[str]:
    yield (
        f"{sentences} sentences against {overlap['sampled']:,} lines of training text: "
        f"{len(overlap['whole'])} whole, {len(overlap['shared'])} of {overlap['runs']} runs of "
        f"words ({overlap['share']:.1%}) shared"
    )
    for sentence in overlap["whole"]:
        yield f"  whole: {sentence}"
    for sentence, shared in overlap["offenders"]:
        yield f"  {sentence}  ({'; '.join(shared)})"


def _recognition(whisper: Mapping[str, Any]) -> Iterator[str]:
    yield ""
    yield f"whisper-nano on unseen espeak voices: {_rate(whisper['total'])}"
    for variant, rate in whisper["by_variant"].items():
        yield f"  {variant:10}{_rate(rate)}"
    yield from _worst(whisper["worst"])


_ROWS = (
    ("word error, csm-nano", "error"),
    ("word error, espeak itself", "error_espeak"),
    ("word error, espeak through the codec", "error_codec"),
    ("above espeak", "above_espeak"),
    ("EOS missed", "missed_eos"),
    ("EOS late (> 1.6 x)", "late_eos"),
    ("EOS early (< 0.6 x)", "early_eos"),
    ("duration ratio, median", "duration_ratio_median"),
    ("duration within 15 %", "duration_within_15_percent"),
    ("DTW log-mel L1, median", "distance_median"),
    ("DTW log-mel L1 of the codec", "distance_codec_median"),
    ("pitch off, semitones, median", "pitch_off_semitones_median"),
    ("nearest voice is its own", "voice_kept"),
    ("real-time factor, median", "rtf_median"),
    ("first audio, ms, median", "first_audio_ms_median"),
)


def _speech(csm: Mapping[str, Any]) -> Iterator[str]:
    columns = {"all": csm["total"], **csm["voices"], "after user": csm["after_user"]}
    yield ""
    yield f"{'csm-nano':38}" + "".join(f"{name:>16}" for name in columns)
    yield f"{'lines':38}" + "".join(f"{column['lines']:>16}" for column in columns.values())
    for label, key in _ROWS:
        cells = (
            f"{value['rate']:.3f} ± {value['standard_error']:.3f}"
            if isinstance(value, Mapping)
            else f"{value:.3f}"
            for value in (column[key] for column in columns.values())
        )
        yield f"{label:38}" + "".join(f"{cell:>16}" for cell in cells)
    yield from _worst(csm["total"]["worst"])


def _worst(items: list[Mapping[str, Any]]) -> Iterator[str]:
    for item in items:
        yield f"  {item['voice']}: {item['text']!r} heard as {item['heard']!r}"


def _rate(rate: Mapping[str, Any]) -> str:
    return (
        f"word error {rate['rate']:.3f} ± {rate['standard_error']:.3f} "
        f"({rate['errors']} of {rate['words']} words, {rate['utterances']} utterances)"
    )
