"""csm-nano judged by ear: is it understood, does it stop in time, is it the right voice?

Every sentence is spoken by the model, and by espeak in the manner that the model's voice was made
from; espeak's sound also goes through the codec and back. One recogniser hears all three, so its own
errors cancel out of the comparison. espeak is deterministic, which makes its sound a reference for
length and spectrum too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from engine.evaluation.acoustics import (
    Profile,
    colour_distance,
    duration_ratio,
    median_pitch_hz,
    profile,
    semitones,
)
from engine.evaluation.dtw import log_mel_frames, warped_distance
from engine.evaluation.recognition import Hear
from engine.evaluation.scores import ErrorRate, Heard, error_rate_of, share, worst
from engine.types import Ended, FloatArray, Segment, Voice

if TYPE_CHECKING:
    from engine.generator import SpeechEngine

EARLY: Final = 0.6
"""A line shorter than this share of the reference ended too early."""
LATE: Final = 1.6
"""A line longer than this share of the reference ended too late, even by its own EOS."""
USER_LINES: Final = 30
"""So many sentences are spoken once more, each after a line of somebody else."""

Render = Callable[[str], FloatArray]
"""espeak's rendering (N,) of a text at the engine's rate."""


@dataclass(frozen=True, slots=True, eq=False)
class Speaker:
    """A voice of the model, and espeak in the same manner."""

    voice: Voice
    render: Render


@dataclass(frozen=True, slots=True, eq=False)
class Line:
    """One sentence as the model said it, as espeak did, and espeak's after the codec."""

    text: str
    voice: str
    made: FloatArray
    reference: FloatArray
    rebuilt: FloatArray
    ended: Ended
    rtf: float
    first_audio_s: float


@dataclass(frozen=True, slots=True)
class LineScore:
    """What was measured on one line; distances are DTW log-mel L1 (``engine.evaluation.dtw``)."""

    text: str
    voice: str
    heard: str
    heard_reference: str
    heard_rebuilt: str
    ended: Ended
    duration_ratio: float
    distance: float
    rebuilt_distance: float
    pitch_semitones: float
    nearest_voice: str
    rtf: float
    first_audio_s: float

    @property
    def missed(self) -> bool:
        """The model never said that it had ended."""
        return self.ended is not Ended.EOS

    @property
    def early(self) -> bool:
        """It ended before it can have said everything."""
        return self.duration_ratio < EARLY

    @property
    def late(self) -> bool:
        """It ended by itself, but long after the sentence."""
        return not self.missed and self.duration_ratio > LATE


@dataclass(frozen=True, slots=True)
class SpeechReport:
    """Figures over some lines: of one voice, of all, or of those after a user's line."""

    lines: int
    error: ErrorRate
    error_espeak: ErrorRate
    error_codec: ErrorRate
    above_espeak: float
    missed_eos: float
    late_eos: float
    early_eos: float
    duration_ratio_median: float
    duration_within_15_percent: float
    distance_median: float
    distance_codec_median: float
    pitch_off_semitones_median: float
    voice_kept: float
    rtf_median: float
    first_audio_ms_median: float
    worst: list[Heard] = field(default_factory=list)


def speak_lines(
    engine: SpeechEngine,
    speaker: Speaker,
    sentences: Sequence[str],
    user: Render | None = None,
    candidates: int = 1,
) -> Iterator[Line]:
    """Say each sentence in a conversation of its own.

    Args:
        engine: the loaded model.
        speaker: who says it.
        sentences: what is said.
        user: says the sentence before, as somebody else's line in the same conversation; the
            model then speaks with that sound in its context.
        candidates: readings of each line, the best of which is spoken.
    """
    for index, text in enumerate(sentences):
        conversation = engine.conversation(speaker.voice, seed=index)
        if user is not None:
            other = 1 - min(speaker.voice.prompt.speaker, 1)
            said = sentences[index - 1]
            conversation.add(Segment(speaker=other, text=said, audio=user(said)))
        frames = [frame.samples for frame in conversation.speak(text, candidates=candidates)]
        report = conversation.report
        assert report is not None, "a line that was spoken has a report"
        reference = speaker.render(text)
        rebuilt = engine.codec.decode(engine.codec.encode(reference))[: len(reference)]
        yield Line(
            text=text,
            voice=speaker.voice.name,
            made=np.concatenate(frames) if frames else np.zeros(0, np.float32),
            reference=reference,
            rebuilt=rebuilt,
            ended=report.ended,
            rtf=report.rtf,
            first_audio_s=report.first_audio_s,
        )


def score_line(line: Line, hear: Hear, rate_hz: int, prompts: dict[str, Profile]) -> LineScore:
    """Measure one line; ``prompts`` holds the profile of every voice's prompt by name."""
    wanted = log_mel_frames(line.reference)
    nearest, distance, off = "", float("inf"), float("nan")
    if len(line.made):
        own = profile(line.made)
        nearest = min(prompts, key=lambda name: colour_distance(own, prompts[name]))
        distance = warped_distance(log_mel_frames(line.made), wanted)
        off = semitones(own.pitch_hz, median_pitch_hz(line.reference))
    return LineScore(
        text=line.text,
        voice=line.voice,
        heard=hear(line.made, rate_hz) if len(line.made) else "",
        heard_reference=hear(line.reference, rate_hz),
        heard_rebuilt=hear(line.rebuilt, rate_hz),
        ended=line.ended,
        duration_ratio=duration_ratio(line.made, line.reference),
        distance=distance,
        rebuilt_distance=warped_distance(log_mel_frames(line.rebuilt), wanted),
        pitch_semitones=off,
        nearest_voice=nearest,
        rtf=line.rtf,
        first_audio_s=line.first_audio_s,
    )


def summarise(scores: Sequence[LineScore]) -> SpeechReport:
    """The figures over ``scores`` (at least one)."""
    error = error_rate_of([Heard(s.text, s.heard, s.voice) for s in scores])
    plain = error_rate_of([Heard(s.text, s.heard_reference, s.voice) for s in scores])
    codec = error_rate_of([Heard(s.text, s.heard_rebuilt, s.voice) for s in scores])
    ratios = [score.duration_ratio for score in scores]
    return SpeechReport(
        lines=len(scores),
        error=error,
        error_espeak=plain,
        error_codec=codec,
        above_espeak=error.rate - plain.rate,
        missed_eos=share([score.missed for score in scores]),
        late_eos=share([score.late for score in scores]),
        early_eos=share([score.early for score in scores]),
        duration_ratio_median=float(np.median(ratios)),
        duration_within_15_percent=share([abs(ratio - 1) <= 0.15 for ratio in ratios]),
        distance_median=float(np.median([score.distance for score in scores])),
        distance_codec_median=float(np.median([score.rebuilt_distance for score in scores])),
        pitch_off_semitones_median=_median_known([abs(s.pitch_semitones) for s in scores]),
        voice_kept=share([score.nearest_voice == score.voice for score in scores]),
        rtf_median=float(np.median([score.rtf for score in scores])),
        first_audio_ms_median=1000 * float(np.median([score.first_audio_s for score in scores])),
        worst=worst([Heard(s.text, s.heard, s.voice) for s in scores]),
    )


def _median_known(values: Sequence[float]) -> float:
    known = [value for value in values if np.isfinite(value)]
    return float(np.median(known)) if known else float("nan")
