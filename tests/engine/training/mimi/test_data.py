"""The codec's data set: who speaks, how much, and how loud the cuts are."""

from __future__ import annotations

from itertools import cycle

import numpy as np
import pytest

from engine.training.espeak import Espeak
from engine.training.mimi.data import USER, CodecSet, build_codec_set, load_codec_set


@pytest.fixture(scope="module")
def data(espeak: Espeak, tmp_path_factory: pytest.TempPathFactory) -> CodecSet:
    folder = tmp_path_factory.mktemp("set")
    build_codec_set(cycle(["Good morning.", "How are you today?"]), folder, 0.03, 0, users=0.4)
    return load_codec_set(folder)


def test_both_assistants_and_users_speak(data: CodecSet) -> None:
    assert set(np.unique(data.speakers)) == {0, 1, USER}
    assert 0.2 < (data.speakers == USER).mean() < 0.6
    assert len(data.audio) == 480 * len(data.speakers) == 480 * len(data.labels)
    assert 0 < data.labels.max() < data.phonemes


def test_users_vary_in_level_more_than_assistants() -> None:
    audio = np.full(480 * 400, 8000, np.int16)
    speakers = np.repeat(np.array([0, USER], np.uint8), 200)
    data = CodecSet(audio, np.zeros(400, np.uint8), speakers, 2)
    waves, _ = data.batch(np.random.default_rng(0), 200, 480 * 10)
    decibels = 20 * np.log10(waves[:, 0] / (8000 / 32768))
    assert 1 < np.abs(decibels).max() <= 5
    assert 0.3 < (np.abs(decibels) <= 1).mean() < 0.8
