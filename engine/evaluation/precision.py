"""What a precision costs: how far its predictions move, and how its speech is understood.

The reference (plain PyTorch in fp32 or bf16) speaks held-out sentences with fixed seeds. Then both it
and the precision under test are led through those same frames (teacher forcing): at every frame and
codebook, the Kullback-Leibler divergence from the reference's distribution over codes to the other's
(nats, temperature 1), whether both would say the same likeliest code, and the size of the difference
of the logits. Last, the precision speaks by itself and a recogniser listens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from engine.csm.prompt import Prepared
from engine.errors import EngineError
from engine.runtime.decoder import Decoder
from engine.runtime.decoders import make_decoder
from engine.runtime.eager import EagerDecoder
from engine.types import CodeArray, Ended, FloatArray, Sampling

if TYPE_CHECKING:
    from engine.config import CsmConfig
    from engine.evaluation.recognition import Hear
    from engine.generator import SpeechEngine

RANDOM_FRAMES: Final = 12
RANDOM_CONTEXT: Final = 100

Progress = Callable[[str], None]
Doubles = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Taught:
    """Frames that decoders are led through.

    Attributes:
        before: what is read first: the voice's prompt, as a whole segment.
        ids: the line's text.
        codes: (T, K) the line's frames; the last is all zeros where the line ended by itself.
    """

    before: Prepared | None
    ids: tuple[int, ...]
    codes: CodeArray


@dataclass(slots=True)
class Tally:
    """One array (K,) per frame and figure."""

    kl: list[Doubles] = field(default_factory=list[Doubles])
    same: list[NDArray[np.bool_]] = field(default_factory=list[NDArray[np.bool_]])
    error: list[Doubles] = field(default_factory=list[Doubles])

    def add(self, reference: FloatArray, other: FloatArray) -> None:
        """Compare the logits (K, V) of one frame; V only has ids that the codec has."""
        self.kl.append(divergence(reference, other))
        self.same.append(reference.argmax(-1) == other.argmax(-1))
        self.error.append(relative_error(reference, other))

    def summary(self) -> Divergence:
        """The figures over all frames (at least one)."""
        kl, same, error = np.stack(self.kl), np.stack(self.same), np.stack(self.error)
        return Divergence(
            frames=len(kl),
            codebooks=[
                Codebook(
                    kl_mean=float(kl[:, k].mean()),
                    kl_p95=float(np.percentile(kl[:, k], 95)),
                    same=float(same[:, k].mean()),
                    error=float(error[:, k].mean()),
                )
                for k in range(kl.shape[1])
            ],
            kl_mean=float(kl.mean()),
            kl_p95=float(np.percentile(kl, 95)),
            same=float(same.mean()),
            error=float(error.mean()),
        )


@dataclass(frozen=True, slots=True)
class Codebook:
    """Figures of one codebook: divergence in nats, share of equal likeliest codes, and the length of
    the difference of the logits over that of the reference's own (each less its mean).
    """

    kl_mean: float
    kl_p95: float
    same: float
    error: float


@dataclass(frozen=True, slots=True)
class Divergence:
    """One precision against the reference; the figures beside ``codebooks`` are over all of them."""

    frames: int
    codebooks: list[Codebook]
    kl_mean: float
    kl_p95: float
    same: float
    error: float


@dataclass(frozen=True, slots=True)
class Options:
    """What to judge.

    Attributes:
        model: folder of a model, or a preset's name with ``random_weights``.
        precisions: those under test.
        random_weights: no checkpoint; then only the error of the logits means something.
        limit: only the first sentences; None is all.
        speech: also listen to what each precision says (needs the nano pack's recogniser).
        assets: folder of the pack: voices and recogniser.
        threads: as for ``SpeechEngine.load``.
    """

    model: str
    precisions: Sequence[str]
    assets: Path
    random_weights: bool = False
    limit: int | None = None
    speech: bool = True
    threads: int | None = None


def judge_precision(options: Options, progress: Progress) -> dict[str, Any]:
    """A JSON-ready report: ``reference``, ``frames``, and for each precision its figures.

    Raises:
        EngineError: when the model, a voice or a precision is not there.
    """
    if options.random_weights:
        return _judge_random(options, progress)
    from engine.evaluation.data import evaluation_sentences
    from engine.generator import SpeechEngine
    from engine.runtime.precision import precision_of

    def load(precision: str) -> SpeechEngine:
        return SpeechEngine.load(
            Path(options.model), precision=precision, threads=options.threads or 1
        )

    sentences = evaluation_sentences()[: options.limit]
    engine = load("auto")
    reference = precision_of(engine.model).value
    progress(f"{reference} speaks {len(sentences)} sentences with each voice")
    taught = list(teach(engine, options.assets, sentences))
    decoder = EagerDecoder(engine.model, engine.sampling, 0)
    expected = [force_through(decoder, line) for line in taught]
    listen = _Listener(options.assets, sentences, progress) if options.speech else None
    report: dict[str, Any] = {
        "model": options.model,
        "reference": reference,
        "sentences": len(sentences),
        "precisions": {},
    }
    if listen is not None:
        report["speech_reference"] = listen(engine, reference)
    for precision in options.precisions:
        progress(f"{precision} is led through {sum(len(each.codes) for each in taught)} frames")
        engine = load(precision)
        other = make_decoder(engine.model, engine.sampling, 0)
        found: dict[str, Any] = asdict(compare(expected, other, taught))
        found["decoder"] = type(other).__name__
        if listen is not None:
            found["speech"] = listen(engine, precision)
        report["precisions"][precision] = found
    return report


def compare(expected: Iterable[FloatArray], other: Decoder, taught: Iterable[Taught]) -> Divergence:
    """Lead ``other`` through ``taught``; ``expected`` has the reference's logits of each line.

    Raises:
        ValueError: when there are no frames.
    """
    tally = Tally()
    for wanted, line in zip(expected, taught, strict=True):
        for reference, logits in zip(wanted, force_through(other, line), strict=True):
            tally.add(reference, logits)
    if not tally.kl:
        raise ValueError("there are no frames to compare")
    return tally.summary()


def force_through(decoder: Decoder, line: Taught) -> FloatArray:
    """Logits (T, K, V) of a line's frames, ids that the codec lacks left out; from an empty cache."""
    known = decoder.config.mimi.codebook_size
    _begin(decoder, line)
    found: list[FloatArray] = []
    for number, codes in enumerate(line.codes):
        found.append(decoder.force(codes)[:, :known].copy())
        if number + 1 < len(line.codes):
            decoder.feed()
    return np.stack(found)


def _begin(decoder: Decoder, line: Taught) -> None:
    """Read what comes before the frames of ``line``, from an empty cache."""
    decoder.rollback(0)
    if line.before is not None:
        end = np.zeros((1, decoder.config.codebooks), np.int64)
        decoder.read(line.before.ids, np.concatenate((line.before.codes, end)))
    decoder.read(line.ids, line.codes[:0])


def divergence(reference: FloatArray, other: FloatArray) -> Doubles:
    """KL(reference || other) in nats over the last axis of logits."""
    p, q = _log_softmax(reference), _log_softmax(other)
    return np.maximum((np.exp(p) * (p - q)).sum(-1), 0.0)


def relative_error(reference: FloatArray, other: FloatArray) -> Doubles:
    """Length of the difference over the length of the reference, each less its mean."""
    wanted = reference.astype(np.float64)
    wanted -= wanted.mean(-1, keepdims=True)
    found = other.astype(np.float64)
    found -= found.mean(-1, keepdims=True)
    size = np.maximum(np.linalg.norm(wanted, axis=-1), 1e-30)
    return np.asarray(np.linalg.norm(found - wanted, axis=-1) / size)


def _log_softmax(logits: FloatArray) -> Doubles:
    shifted = logits.astype(np.float64) - logits.max(-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))


def teach(engine: SpeechEngine, assets: Path, sentences: Sequence[str]) -> Iterator[Taught]:
    """Each sentence as the engine says it, with each voice of the pack."""
    from engine.voice import load_voice

    folders = [path.parent for path in sorted((assets / "voices").glob("*/voice.json"))]
    if not folders:
        raise EngineError(f"There is no voice in {assets / 'voices'}: give the pack's --assets.")
    end = np.zeros((1, engine.config.codebooks), np.int64)
    for folder in folders:
        voice = load_voice(folder)
        before = engine.prepare_voice(voice)
        for seed, text in enumerate(sentences):
            conversation = engine.conversation(voice, seed=seed)
            for _ in conversation.speak(text):
                pass
            report, history = conversation.report, conversation.history
            if not history or report is None:
                continue
            ended = report.ended is Ended.EOS and len(history) == 1
            codes = np.concatenate((history[0].codes, end)) if ended else history[0].codes
            yield Taught(before, history[0].ids, codes)


class _Listener:
    """Speaks the sentences with an engine and counts what a recogniser makes of them."""

    def __init__(self, assets: Path, sentences: Sequence[str], progress: Progress) -> None:
        from engine.evaluation.nano import speakers
        from engine.evaluation.recognition import load_recogniser
        from engine.training.espeak import Espeak

        folder = assets / "nano" / "whisper"
        if not folder.is_dir():
            raise EngineError(
                f"There is no {folder} to listen with: leave speech out (--no-speech)."
            )
        self._hear = remembering(load_recogniser(folder))
        self._cast = speakers(assets, Espeak())
        self._sentences, self._progress = sentences, progress

    def __call__(self, engine: SpeechEngine, name: str) -> dict[str, Any]:
        from engine.evaluation.acoustics import profile
        from engine.evaluation.speech import score_line, speak_lines, summarise

        prompts = {
            speaker.voice.name: profile(speaker.voice.prompt.audio)
            for speaker in self._cast
            if speaker.voice.prompt.audio is not None
        }
        self._progress(f"{name} speaks, a recogniser listens")
        scores = [
            score_line(line, self._hear, engine.sample_rate_hz, prompts)
            for speaker in self._cast
            for line in speak_lines(engine, speaker, self._sentences)
        ]
        return asdict(summarise(scores))


def remembering(hear: Hear) -> Hear:
    """``hear`` that listens to the same sound once only."""
    heard: dict[bytes, str] = {}

    def again(samples: FloatArray, rate_hz: int) -> str:
        key = samples.tobytes()
        if key not in heard:
            heard[key] = hear(samples, rate_hz)
        return heard[key]

    return again


def _judge_random(options: Options, progress: Progress) -> dict[str, Any]:
    """Random weights in the shapes of ``options.model``: codes are noise, arithmetic is not."""
    from engine.bench.build import Wanted, precision_for, random_model, shape, use_threads
    from engine.runtime.device import pick_device
    from engine.runtime.precision import Precision

    wanted = Wanted(options.model, True, "cpu", "auto", options.threads)
    config, where = shape(wanted), pick_device("cpu")
    use_threads(wanted, config)
    chosen = precision_for(wanted, config)
    progress(f"{chosen.value} makes {RANDOM_FRAMES} frames from random weights")
    decoder: Decoder = EagerDecoder(random_model(config, where, chosen), Sampling(), 0)
    line = _random_line(config, decoder)
    expected = [force_through(decoder, line)]
    del decoder
    report: dict[str, Any] = {
        "model": options.model,
        "reference": chosen.value,
        "sentences": 0,
        "random_weights": True,
        "precisions": {},
    }
    for name in options.precisions:
        progress(f"{name} is led through them")
        precision = Precision(name)
        other = make_decoder(random_model(config, where, precision), Sampling(), 0)
        found: dict[str, Any] = asdict(compare(expected, other, [line]))
        report["precisions"][name] = found | {"decoder": type(other).__name__}
        del other
    return report


def _random_line(config: CsmConfig, decoder: Decoder) -> Taught:
    noise = np.random.default_rng(0)
    size = (RANDOM_CONTEXT, config.codebooks)
    before = Prepared((1,), noise.integers(1, config.mimi.codebook_size, size, np.int64))
    ids = tuple(noise.integers(1, config.text_vocab, 20).tolist())
    _begin(decoder, Taught(before, ids, before.codes[:0]))
    codes: list[CodeArray] = []
    for _ in range(RANDOM_FRAMES):
        codes.append(decoder.draw(at_least=1)[0])
        decoder.feed()
    return Taught(before, ids, np.stack(codes))


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
