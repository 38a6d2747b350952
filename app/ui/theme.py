"""The colours by what they mean, for a light and a dark window. Knows no Qt.

Every pair of ``TEXT_PAIRS`` has a contrast of 4.5 or more and every one of ``SHAPE_PAIRS`` of 3 or
more (WCAG 2.2, criteria 1.4.3 and 1.4.11); the tests hold this.
"""

from __future__ import annotations

from dataclasses import dataclass

from app.core.shown import Level, Phase


@dataclass(frozen=True, slots=True)
class Colours:
    """One scheme; every value is '#rrggbb'."""

    window: str
    surface: str
    """Cards, fields, the assistant's captions."""
    sunken: str
    """Grooves, pressed buttons."""
    line: str
    """Hairlines that only decorate."""
    edge: str
    """Borders that show where a control is."""
    text: str
    muted: str
    accent: str
    on_accent: str
    accent_soft: str
    bubble: str
    """The user's captions."""
    on_bubble: str
    bubble_muted: str
    calm: str
    user: str
    thought: str
    warning: str
    warning_soft: str
    danger: str
    danger_soft: str
    on_danger: str


LIGHT = Colours(
    window="#f6f4f0",
    surface="#ffffff",
    sunken="#ebe8e1",
    line="#e2ded6",
    edge="#8b8579",
    text="#22262a",
    muted="#5c6167",
    accent="#256a5c",
    on_accent="#ffffff",
    accent_soft="#dcebe6",
    bubble="#d9e9e4",
    on_bubble="#16302a",
    bubble_muted="#47605a",
    calm="#256a5c",
    user="#2a5ea8",
    thought="#6b4aa8",
    warning="#7c5200",
    warning_soft="#fbf0d9",
    danger="#b3261e",
    danger_soft="#fbe6e3",
    on_danger="#ffffff",
)

DARK = Colours(
    window="#17191b",
    surface="#212427",
    sunken="#2c3034",
    line="#2f3337",
    edge="#767d84",
    text="#e9e6e1",
    muted="#a8adb3",
    accent="#83c9b6",
    on_accent="#0f2620",
    accent_soft="#21403a",
    bubble="#234239",
    on_bubble="#dff1eb",
    bubble_muted="#a6c2b9",
    calm="#83c9b6",
    user="#8fb8f2",
    thought="#c0a8f0",
    warning="#e9bd6a",
    warning_soft="#3a3019",
    danger="#f5938a",
    danger_soft="#452523",
    on_danger="#3a0b07",
)

TEXT_PAIRS = (
    *(("text", ground) for ground in ("window", "surface", "sunken", "accent_soft")),
    *(("text", ground) for ground in ("warning_soft", "danger_soft")),
    *(("muted", ground) for ground in ("window", "surface", "sunken")),
    *(("accent", ground) for ground in ("window", "surface", "accent_soft")),
    *((name, "window") for name in ("calm", "user", "thought", "warning", "danger")),
    *((name, "surface") for name in ("calm", "user", "thought", "warning", "danger")),
    ("on_accent", "accent"),
    ("on_danger", "danger"),
    ("on_bubble", "bubble"),
    ("bubble_muted", "bubble"),
    ("warning", "warning_soft"),
    ("danger", "danger_soft"),
)
"""(writing, ground): names of fields of ``Colours``."""

SHAPE_PAIRS = (("edge", "window"), ("edge", "surface"), ("accent", "sunken"), ("user", "sunken"))

_PHASE_COLOURS = {
    Phase.LOADING: "muted",
    Phase.LISTENING: "calm",
    Phase.HEARING: "user",
    Phase.THINKING: "thought",
    Phase.SPEAKING: "calm",
    Phase.PAUSED: "warning",
    Phase.MUTED: "muted",
    Phase.NO_MICROPHONE: "warning",
    Phase.FAILED: "danger",
}
_LEVEL_COLOURS = {
    Level.INFO: ("accent", "accent_soft"),
    Level.WARNING: ("warning", "warning_soft"),
    Level.ERROR: ("danger", "danger_soft"),
}


def phase_colour(colours: Colours, phase: Phase) -> str:
    """The colour that goes with a phase's icon and word."""
    return str(getattr(colours, _PHASE_COLOURS[phase]))


def level_colours(colours: Colours, level: Level) -> tuple[str, str]:
    """Foreground and ground of a notice."""
    front, ground = _LEVEL_COLOURS[level]
    return str(getattr(colours, front)), str(getattr(colours, ground))


def mix(one: str, other: str, share: float) -> str:
    """``share`` of ``one`` over ``other``, as a colour without transparency."""
    pairs = zip(_channels(one), _channels(other), strict=True)
    mixed = (round(a * share + b * (1 - share)) for a, b in pairs)
    return "#" + "".join(f"{value:02x}" for value in mixed)


def contrast(one: str, other: str) -> float:
    """Contrast ratio of two colours, 1 to 21 (WCAG 2.2, relative luminance)."""
    bright, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


def _channels(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def _luminance(colour: str) -> float:
    parts = [value / 255 for value in _channels(colour)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
