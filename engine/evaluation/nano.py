"""The nano pack's figures: every part judged on sentences that no part was trained on.

Reads the shipped files the way Parley does: faster-whisper, our engine, llama.cpp.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final

from engine.errors import EngineError
from engine.evaluation.acoustics import profile
from engine.evaluation.data import evaluation_sentences
from engine.evaluation.overlap import MOST_SHARED, RUN_WORDS, Overlap, find_overlap
from engine.evaluation.recognition import Hear, judge_recogniser, load_recogniser
from engine.evaluation.speech import (
    USER_LINES,
    Line,
    LineScore,
    Speaker,
    score_line,
    speak_lines,
    summarise,
)
from engine.training.espeak import Espeak, EspeakVoice
from engine.training.speech import ASSISTANTS, USERS, render
from engine.types import FloatArray, Sampling
from engine.voice import load_voice

PARTS: Final = ("whisper", "csm", "llm")
TRAINING_SAMPLE: Final = 200_000
"""Training sentences, and lines of dialogue, that the test sentences are looked for in."""

RECOGNISER_GOAL: Final = 0.12
ABOVE_GOAL: Final = 0.05
EOS_GOAL: Final = 0.02
CHAT_GOAL: Final = 0.80

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure with its goal; ``most`` says that lower is better."""

    name: str
    value: float
    goal: float
    most: bool = True

    @property
    def met(self) -> bool:
        """Whether the goal is reached."""
        return self.value <= self.goal if self.most else self.value >= self.goal


@dataclass(frozen=True, slots=True)
class Options:
    """What to judge, from where, and where to leave samples.

    csm-nano speaks the best of ``candidates`` readings, drawn at a ``temperature`` of its own or at this
    one, which also holds for the depth decoder.
    """

    assets: Path
    parts: Sequence[str] = PARTS
    limit: int | None = None
    samples: Path | None = None
    precision: str = "auto"
    candidates: int = 1
    temperature: float | None = None


def judge_nano(options: Options, progress: Progress) -> dict[str, Any]:
    """Judge the wanted parts; a JSON-ready report with a list of ``figures``.

    Raises:
        EngineError: when a model or voice of the pack is missing or damaged.
    """
    sentences = evaluation_sentences()[: options.limit]
    report: dict[str, Any] = {"sentences": len(sentences), "figures": []}
    figures: list[Figure] = []
    if "whisper" in options.parts or "csm" in options.parts:
        progress(f"looking for the sentences in {2 * TRAINING_SAMPLE:,} lines of training text")
        overlap = training_overlap(sentences)
        report["overlap"] = asdict(overlap) | {"share": overlap.share, "clean": overlap.clean}
        figures.append(Figure(f"shared {RUN_WORDS}-word runs", overlap.share, MOST_SHARED))
        hear = load_recogniser(_present(options.assets / "nano" / "whisper"))
        espeak = Espeak()
        if "whisper" in options.parts:
            recognition = judge_recogniser(hear, sentences, espeak, progress)
            report["whisper"] = asdict(recognition)
            figures.append(
                Figure("whisper-nano word error", recognition.total.rate, RECOGNISER_GOAL)
            )
        if "csm" in options.parts:
            speech, its_figures = _judge_speech(options, sentences, hear, espeak, progress)
            report["csm"] = speech
            figures += its_figures
    if "llm" in options.parts:
        report["llm"], its_figures = _judge_chat(options, progress)
        figures += its_figures
    report["figures"] = [asdict(figure) | {"met": figure.met} for figure in figures]
    return report


def training_overlap(sentences: Sequence[str], sample: int = TRAINING_SAMPLE) -> Overlap:
    """What the test shares with ``sample`` training sentences and as many lines of dialogue."""
    from engine.training.corpus import dialogues
    from engine.training.corpus import sentences as training_sentences

    lines = (line for dialogue in dialogues(seed=1) for line in dialogue)
    together = [islice(training_sentences(seed=1), sample), islice(lines, sample)]
    return find_overlap(sentences, (line for part in together for line in part))


def speakers(assets: Path, espeak: Espeak) -> list[Speaker]:
    """The shipped voices, each with espeak in the manner that ``voice.json`` names."""
    folder = _present(assets / "voices")
    found: list[Speaker] = []
    for path in sorted(folder.iterdir()):
        if (path / "voice.json").is_file():
            manner = espeak_manner(path)
            if manner is not None:
                found.append(Speaker(load_voice(path), _renderer(espeak, manner)))
    if not found:
        raise EngineError(f"No voice in {folder} says which espeak voice it was made from.")
    return found


def espeak_manner(folder: Path) -> EspeakVoice | None:
    """The espeak voice that a shipped voice was made from (``espeak`` in its ``voice.json``)."""
    about = json.loads((folder / "voice.json").read_text("utf-8"))
    manner = about.get("espeak")
    if isinstance(manner, dict):
        return EspeakVoice(**manner)  # pyright: ignore[reportUnknownArgumentType]  (JSON)
    return ASSISTANTS.get(folder.name)


def _judge_speech(
    options: Options, sentences: Sequence[str], hear: Hear, espeak: Espeak, progress: Progress
) -> tuple[dict[str, Any], list[Figure]]:
    from engine.generator import SpeechEngine

    folder = _present(options.assets / "nano" / "csm")
    engine = SpeechEngine.load(
        folder, precision=options.precision, threads=1, candidates=options.candidates
    )
    if options.temperature is not None:
        engine.sampling = Sampling(options.temperature)
    rate_hz = engine.sample_rate_hz
    cast = speakers(options.assets, espeak)
    prompts = {
        speaker.voice.name: profile(speaker.voice.prompt.audio)
        for speaker in cast
        if speaker.voice.prompt.audio is not None
    }
    alone: list[LineScore] = []
    answers: list[LineScore] = []
    voices: dict[str, Any] = {}
    for speaker in cast:
        name = speaker.voice.name
        scores: list[LineScore] = []
        for line in speak_lines(engine, speaker, sentences, candidates=options.candidates):
            scores.append(score_line(line, hear, rate_hz, prompts))
            _keep_sample(options.samples, line, len(scores), rate_hz)
            if len(scores) % 20 == 0:
                progress(f"{name}: {len(scores)} of {len(sentences)} sentences")
        alone += scores
        voices[name] = asdict(summarise(scores))
        user = _renderer(espeak, EspeakVoice(USERS[0]))
        after_user = speak_lines(engine, speaker, sentences[:USER_LINES], user, options.candidates)
        answers += [score_line(line, hear, rate_hz, prompts) for line in after_user]
        progress(f"{name}: {min(USER_LINES, len(sentences))} more after a user's line")
    if options.samples is not None:
        items = [asdict(score) for score in alone + answers]
        (options.samples / "lines.json").write_text(json.dumps(items, indent=1), "utf-8")
    total, after = summarise(alone), summarise(answers)
    figures = [
        Figure("csm-nano word error above espeak's", total.above_espeak, ABOVE_GOAL),
        Figure("csm-nano missed or late EOS", total.missed_eos + total.late_eos, EOS_GOAL),
    ]
    return {"total": asdict(total), "voices": voices, "after_user": asdict(after)}, figures


def _judge_chat(options: Options, progress: Progress) -> tuple[dict[str, Any], list[Figure]]:
    folder = _present(options.assets / "nano" / "llm")
    from engine.evaluation.chat import evaluate

    progress("llm-nano answers its prompts")
    report = evaluate(folder, options.limit)
    share = report.get("share_right_or_honest")
    if share is None:
        return report, []
    return report, [Figure("llm-nano right or honest", float(share), CHAT_GOAL, most=False)]


def _renderer(espeak: Espeak, manner: EspeakVoice) -> Callable[[str], FloatArray]:
    return lambda text: render(espeak, text, manner).samples


def _keep_sample(folder: Path | None, line: Line, number: int, rate_hz: int) -> None:
    """The sound of a few lines, and a picture of each beside espeak's."""
    if folder is None or number > 6:
        return
    import soundfile

    from engine.training.plots import draw_spectrograms

    folder.mkdir(parents=True, exist_ok=True)
    stem = f"{line.voice}-{number}"
    waves = {"csm-nano": line.made, "espeak": line.reference, "codec": line.rebuilt}
    for name, wave in waves.items():
        soundfile.write(folder / f"{stem}-{name}.wav", wave, rate_hz, subtype="PCM_16")
    if all(len(wave) for wave in waves.values()):
        draw_spectrograms(
            {f"{name}: {line.text}": wave for name, wave in waves.items()}, folder / f"{stem}.png"
        )


def _present(folder: Path) -> Path:
    if not folder.is_dir():
        raise EngineError(
            f"There is no {folder}: train the nano pack with `python -m engine.training nano`."
        )
    return folder
