"""The table of ``main.py bench engine``. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

_MS = "ms"
"""Three digits, and none after a hundred: a card's frame is told to a hundredth of a millisecond."""

_COLUMNS = (
    ("RTF", "rtf", ".3f"),
    ("frame min", "frame_ms_min", _MS),
    ("p50", "frame_ms_p50", _MS),
    ("p99", "frame_ms_p99", _MS),
    ("feed", "feed_ms", _MS),
    ("draw", "draw_ms", _MS),
    ("Mimi", "mimi_ms", _MS),
    ("feed GB/s", "feed_gb_s", ".1f"),
    ("draw", "draw_gb_s", ".1f"),
    ("first audio", "first_audio_ms", _MS),
    ("prefill text", "prefill_text_ms", _MS),
    ("all", "prefill_all_ms", _MS),
    ("load s", "load_s", ".1f"),
    ("peak GB", "peak_memory_gb", ".2f"),
    ("GB/frame", "gb_per_frame", ".2f"),
    ("of copy", "limit_share", ".0%"),
    ("of read", "read_share", ".0%"),
)


def speed_table(result: Mapping[str, Any]) -> str:
    """What ``engine.bench.run`` found, for a person; times in ms."""
    rows: Sequence[Mapping[str, Any]] = result["rows"]
    peers = list(dict.fromkeys(peer for row in rows for peer in row["ratios"]))
    heads = ["", "by", *(head for head, _, _ in _COLUMNS), *(f"x {peer}" for peer in peers)]
    table = [heads]
    for row in rows:
        cells = [_cell(row[key], form) for _, key, form in _COLUMNS]
        by = row["decoder"].removesuffix("Decoder").lower() or "-"
        table.append([_title(row), by, *cells, *(_ratio(row["ratios"].get(p, ())) for p in peers)])
    widths = [max(len(line[i]) for line in table) for i in range(len(heads))]
    lines = [*_profiles(result.get("profile", ()))]
    lines += [
        line[0].ljust(widths[0])
        + "".join(f"  {cell:>{wide}}" for cell, wide in zip(line[1:], widths[1:], strict=True))
        for line in table
    ]
    lines += [
        f"{absent['name']} {absent['precision']} is left out: {absent['why']}"
        for absent in result["left_out"]
    ]
    lines.append(
        f"{result['rounds']} rounds of {result['frames']} frames, after "
        f"{result['context_positions']} positions of context and {result['text_positions']} of "
        f"text; ms, medians; {result['threads']} threads on {rows[0]['device']} "
        f"({result['device_name']}), torch {result['torch']}, OMP_WAIT_POLICY "
        f"{result['omp_wait_policy'] or 'not set'}."
    )
    lines.append(
        f"Bandwidth here: copy {result['bandwidth_gb_s']:.1f} GB/s (read and written), read "
        f"{result['read_bandwidth_gb_s']:.1f} GB/s; 'of copy' and 'of read' are the time of "
        "GB/frame at it over the time of a frame."
    )
    notes = dict.fromkeys((row["name"].split()[0], row["note"]) for row in rows if row["note"])
    lines += [f"{name}: {note}" for name, note in notes]
    return "\n".join(lines)


def _title(row: Mapping[str, Any]) -> str:
    return f"{row['name']} {row['precision']}"


def _cell(value: float | None, form: str) -> str:
    if value is None:
        return "-"
    if form == _MS:
        form = ".2f" if value < 10 else ".1f" if value < 100 else ".0f"
    return format(value, form)


def _ratio(rounds: Sequence[float]) -> str:
    """The median of the rounds, and from which to which they went."""
    if not rounds:
        return "-"
    ordered = sorted(rounds)
    middle = (ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2
    return f"{middle:.2f} ({ordered[0]:.2f}-{ordered[-1]:.2f})"


def _profiles(profiles: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for profile in profiles:
        parts: Sequence[Mapping[str, Any]] = profile["parts"]
        known = sum(part["ms"] for part in parts)
        yield f"{profile['name']} {profile['precision']}: {profile['frame_ms']:.2f} ms a frame"
        for part in parts:
            yield (
                f"  {part['ms']:9.3f} ms  {part['share']:5.1%}  {part['calls']:7.1f} x  "
                f"{part['name'][:80]}"
            )
        yield f"  {known:9.3f} ms in this profile, of which the shares are"
        yield ""
