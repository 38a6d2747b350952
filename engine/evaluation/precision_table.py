"""What ``precision.judge_precision`` found, for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

_SPEECH_ROWS: Final = (
    ("word error", "error"),
    ("EOS missed", "missed_eos"),
    ("EOS late (> 1.6 x)", "late_eos"),
    ("EOS early (< 0.6 x)", "early_eos"),
    ("duration ratio, median", "duration_ratio_median"),
    ("nearest voice is its own", "voice_kept"),
)


def precision_table(report: Mapping[str, Any]) -> Iterator[str]:
    """The lines of a report for a terminal."""
    found: Mapping[str, Any] = report["precisions"]
    yield f"{report['model']}: against plain PyTorch in {report['reference']}, teacher-forced"
    if report.get("random_weights"):
        yield "random weights: only the error of the logits says something"
    yield " " * 10 + "".join(
        f"{name + ' (' + each['decoder'] + ')':>38}" for name, each in found.items()
    )
    yield "codebook  " + "    KL mean    KL p95   same   error" * len(found)
    whole = {name: [*each["codebooks"], each] for name, each in found.items()}
    count = max((len(rows) for rows in whole.values()), default=0)
    for number in range(count):
        label = "all" if number + 1 == count else str(number)
        yield f"{label:10}" + "".join(
            f"{row['kl_mean']:11.5f}{row['kl_p95']:10.5f}{row['same']:7.1%}{row['error']:8.4f}  "
            for row in (rows[number] for rows in whole.values())
        )
    for name, each in found.items():
        yield f"{name}: {each['frames']} frames"
    speech = {
        report["reference"] + " (ref.)": report.get("speech_reference"),
        **{name: each.get("speech") for name, each in found.items()},
    }
    heard = {name: each for name, each in speech.items() if each}
    if heard:
        yield ""
        yield f"{'speech':28}" + "".join(f"{name:>18}" for name in heard)
        yield f"{'lines':28}" + "".join(f"{each['lines']:>18}" for each in heard.values())
        for label, key in _SPEECH_ROWS:
            cells = (each[key] for each in heard.values())
            yield f"{label:28}" + "".join(f"{_cell(cell):>18}" for cell in cells)


def _cell(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"{value['rate']:.3f} ± {value['standard_error']:.3f}"
    return f"{value:.3f}"
