"""What a precision costs: how far its predictions move, and how its speech is understood.

The reference (plain PyTorch in fp32 or bf16) speaks held-out sentences with fixed seeds. Then both it
and the precision under test are led through those same frames, which ``divergence`` compares. Last, the
precision speaks by itself and a recogniser listens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from engine.csm.prompt import Prepared
from engine.errors import EngineError
from engine.evaluation.divergence import Taught, begin, compare, force_through
from engine.runtime.decoder import Decoder
from engine.runtime.decoders import make_decoder
from engine.runtime.eager import EagerDecoder
from engine.runtime.precision import Precision, precision_of
from engine.types import CodeArray, Ended, FloatArray, Sampling

if TYPE_CHECKING:
    from engine.config import CsmConfig
    from engine.evaluation.recognition import Hear
    from engine.generator import SpeechEngine

RANDOM_FRAMES: Final = 12
RANDOM_CONTEXT: Final = 100

Progress = Callable[[str], None]


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

    tested = known(options.precisions)

    def load(precision: str) -> SpeechEngine:
        return SpeechEngine.load(
            Path(options.model), precision=precision, threads=options.threads or 1
        )

    sentences = evaluation_sentences()[: options.limit]
    engine = reference_engine(load)
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
    for precision in tested:
        progress(
            f"{precision.value} is led through {sum(len(each.codes) for each in taught)} frames"
        )
        engine = load(precision.value)
        other = make_decoder(engine.model, engine.sampling, 0)
        found: dict[str, Any] = asdict(compare(expected, other, taught))
        found["decoder"] = type(other).__name__
        if listen is not None:
            found["speech"] = listen(engine, precision.value)
        report["precisions"][precision.value] = found
    return report


def known(names: Sequence[str]) -> list[Precision]:
    """The precisions of these names, before anything is loaded.

    Raises:
        EngineError: when one is none.
    """
    every = [each.value for each in Precision]
    for name in names:
        if name.strip() not in every:
            raise EngineError(
                f"The precision '{name}' cannot be judged: use {', '.join(every[:-1])} or {every[-1]}."
            )
    return [Precision(name.strip()) for name in names]


def reference_engine(load: Callable[[str], SpeechEngine]) -> SpeechEngine:
    """What the engine takes by itself, unless its matrices are rounded: then bf16."""
    engine = load("auto")
    return load(Precision.BF16.value) if precision_of(engine.model).quantised else engine


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

    tested = known(options.precisions)
    wanted = Wanted(options.model, True, "cpu", "auto", options.threads)
    config, where = shape(wanted), pick_device("cpu")
    use_threads(wanted, config)
    chosen = precision_for(wanted, config)
    if chosen.quantised:
        chosen = Precision.BF16
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
    for precision in tested:
        progress(f"{precision.value} is led through them")
        other = make_decoder(random_model(config, where, precision), Sampling(), 0)
        found: dict[str, Any] = asdict(compare(expected, other, [line]))
        report["precisions"][precision.value] = found | {"decoder": type(other).__name__}
        del other
    return report


def _random_line(config: CsmConfig, decoder: Decoder) -> Taught:
    noise = np.random.default_rng(0)
    size = (RANDOM_CONTEXT, config.codebooks)
    before = Prepared((1,), noise.integers(1, config.mimi.codebook_size, size, np.int64))
    ids = tuple(noise.integers(1, config.text_vocab, 20).tolist())
    begin(decoder, Taught(before, ids, before.codes[:0]))
    codes: list[CodeArray] = []
    for _ in range(RANDOM_FRAMES):
        codes.append(decoder.draw(at_least=1)[0])
        decoder.feed()
    return Taught(before, ids, np.stack(codes))
