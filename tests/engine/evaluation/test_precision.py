"""What a precision costs, on shapes of a few thousand weights."""

from __future__ import annotations

import json
import math
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch

from engine.bench import build
from engine.config import tiny
from engine.csm.model import CsmModel
from engine.csm.prompt import Prepared
from engine.errors import EngineError
from engine.evaluation import precision
from engine.evaluation.__main__ import main
from engine.evaluation.divergence import Taught, compare, divergence, force_through, relative_error
from engine.evaluation.precision import Options, known, reference_engine, remembering
from engine.evaluation.precision_table import precision_table
from engine.runtime.eager import EagerDecoder
from engine.runtime.precision import Precision
from engine.types import FloatArray, Sampling


def model(noise: float = 0.0) -> CsmModel:
    """The same small model, its weights moved by ``noise`` of their own size."""
    with torch.random.fork_rng():
        torch.manual_seed(3)
        made = CsmModel(tiny()).eval()
        with torch.no_grad():
            for weight in made.parameters():
                weight.mul_(1 + noise * torch.randn_like(weight))
    return made


def decoder(noise: float = 0.0) -> EagerDecoder:
    return EagerDecoder(model(noise), Sampling(), 0)


def taught(frames: int = 5) -> Taught:
    rng = np.random.default_rng(1)
    before = Prepared((7, 8, 9), rng.integers(1, 32, (4, 4)))
    codes = np.concatenate((rng.integers(1, 32, (frames - 1, 4)), np.zeros((1, 4), np.int64)))
    return Taught(before, (5, 6), codes)


def test_divergence_by_hand() -> None:
    reference = np.log(np.array([[0.5, 0.5]], np.float32)) + 3  # a constant changes nothing
    other = np.log(np.array([[0.25, 0.75]], np.float32))
    wanted = 0.5 * math.log(0.5 / 0.25) + 0.5 * math.log(0.5 / 0.75)
    assert divergence(reference, other) == pytest.approx([wanted], rel=1e-5)
    assert divergence(other, other) == pytest.approx([0.0], abs=1e-12)


def test_relative_error_by_hand() -> None:
    reference = np.array([[3.0, -3.0, 0.0]], np.float32)
    other = np.array([[14.0, 7.0, 9.0]], np.float32)  # 10 more, then (1, 0, -1) beside it
    assert relative_error(reference, other) == pytest.approx([math.sqrt(2 / 18)])


def test_a_model_is_nothing_off_itself() -> None:
    lines = [taught(), taught(3)]
    expected = [force_through(decoder(), line) for line in lines]
    found = compare(expected, decoder(), lines)
    assert found.frames == 8
    assert len(found.codebooks) == 4
    assert (found.kl_mean, found.kl_p95, found.same, found.error) == (0.0, 0.0, 1.0, 0.0)


def test_more_noise_is_further_off_in_every_codebook() -> None:
    lines = [taught(8)]
    expected = [force_through(decoder(), line) for line in lines]
    little, much = (compare(expected, decoder(noise), lines) for noise in (0.01, 0.2))
    for less, more in zip(little.codebooks, much.codebooks, strict=True):
        assert 0 < less.kl_mean < more.kl_mean
        assert less.kl_mean <= less.kl_p95
        assert 0 < less.error < more.error
    assert little.same > much.same


def test_each_codebook_has_its_own_figures() -> None:
    wanted = np.zeros((1, 4, 32), np.float32)
    wanted[..., 0] = 4.0
    other = wanted.copy()
    other[:, 2] = 0.0
    other[:, 2, 1] = 4.0

    class Says(EagerDecoder):
        def force(self, codes: object) -> FloatArray:
            padded = np.full((4, 35), 99.0, np.float32)  # ids that the codec lacks do not count
            padded[:, :32] = other[0]
            return padded

    line = Taught(None, (5,), np.ones((1, 4), np.int64))
    found = compare([wanted], Says(model(), Sampling(), 0), [line])
    assert [each.same for each in found.codebooks] == [1, 1, 0, 1]
    assert [each.kl_mean > 0 for each in found.codebooks] == [False, False, True, False]


def test_forcing_is_what_speaking_would_see() -> None:
    """The logits of a frame do not depend on the codes that come after it."""
    line = taught()
    changed = line.codes.copy()
    changed[3:] = 1
    first, second = (
        force_through(decoder(), Taught(line.before, line.ids, codes))
        for codes in (line.codes, changed)
    )
    assert first.shape == (5, 4, 32)
    np.testing.assert_array_equal(first[:3], second[:3])
    assert not np.array_equal(first[4], second[4])


def test_no_frames_are_refused() -> None:
    with pytest.raises(ValueError, match="no frames"):
        compare([], decoder(), [])


def test_the_same_sound_is_heard_once() -> None:
    calls: list[int] = []

    def hear(samples: FloatArray, rate_hz: int) -> str:
        calls.append(rate_hz)
        return str(len(samples))

    again = remembering(hear)
    sounds = [np.zeros(3, np.float32), np.zeros(3, np.float32), np.ones(4, np.float32)]
    assert [again(sound, 24_000) for sound in sounds] == ["3", "3", "4"]
    assert len(calls) == 2


def test_random_weights_are_judged_by_their_logits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "RANDOM_FRAMES", 2)
    monkeypatch.setattr(precision, "RANDOM_CONTEXT", 3)
    before = torch.get_num_threads()
    try:
        options = Options("csm-nano", ["fp32", "bf16"], precision.Path(), random_weights=True)
        report = precision.judge_precision(options, lambda line: None)
    finally:
        torch.set_num_threads(before)
    report = json.loads(json.dumps(report))
    assert report["reference"] == "fp32"
    exact, rounded = report["precisions"]["fp32"], report["precisions"]["bf16"]
    assert exact["frames"] == rounded["frames"] == 2
    assert exact["error"] < 1e-4 < rounded["error"] < 0.1
    text = "\n".join(precision_table(report))
    assert "random weights: only the error of the logits says something" in text
    assert sum(line.startswith(("0 ", "1 ", "2 ", "3 ", "all ")) for line in text.splitlines()) == 5


def test_the_reference_is_never_a_rounded_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(name: str) -> Any:
        loaded = CsmModel(tiny())
        loaded.precision = "int8" if name == "auto" else name
        return SimpleNamespace(model=loaded)

    assert reference_engine(load).model.precision == "bf16"
    monkeypatch.setattr(precision, "RANDOM_FRAMES", 1)
    monkeypatch.setattr(precision, "RANDOM_CONTEXT", 2)
    monkeypatch.setattr(build, "precision_for", lambda wanted, config: Precision.INT8)
    before = torch.get_num_threads()
    try:
        options = Options("csm-nano", ["bf16"], precision.Path(), random_weights=True, threads=1)
        report = precision.judge_precision(options, lambda line: None)
    finally:
        torch.set_num_threads(before)
    assert report["reference"] == "bf16"


def test_a_precision_that_is_none_is_told_before_anything_is_loaded(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert known(["int8", " bf16"]) == [Precision.INT8, Precision.BF16]
    for more in ([], ["--random-weights"]):
        assert main(["precision", "--precision", "int8,int3", "--model", "nowhere", *more]) == 1
        (said,) = capsys.readouterr().err.splitlines()
        assert said == "error: The precision 'int3' cannot be judged: use fp32, bf16, int8 or int4."


def test_without_a_model_one_sentence(
    tmp_path: precision.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["precision", "--model", str(tmp_path / "none"), "--no-speech"]) == 1
    said = capsys.readouterr().err.splitlines()
    assert said[-1].startswith("error: ")
    assert len([line for line in said if line.startswith("error")]) == 1


def test_without_voices_one_sentence(tmp_path: precision.Path) -> None:
    with pytest.raises(EngineError, match="There is no voice in"):
        next(precision.teach(cast("Any", object()), tmp_path, ["One."]))
