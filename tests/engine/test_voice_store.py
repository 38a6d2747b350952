"""Voices made ready: once in an engine, once on a disk, and never a wrong one."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from engine import generator
from engine.errors import VoiceError
from engine.generator import SpeechEngine
from engine.runtime.eager import EagerDecoder
from engine.types import Segment, Voice
from engine.voice_store import VoiceStore, fingerprint, state_of_files
from tests.engine.tiny import tiny_engine, tiny_segment, tiny_voice


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Positions of every prefill."""
    lengths: list[int] = []

    class Counting(EagerDecoder):
        def read(self, ids: object, codes: np.ndarray) -> None:
            lengths.append(len(ids) + len(codes))  # type: ignore[arg-type]
            super().read(ids, codes)  # type: ignore[arg-type]

    monkeypatch.setattr(generator, "make_decoder", Counting)
    return lengths


def kept(folder: Path, engine: SpeechEngine | None = None) -> SpeechEngine:
    engine = engine or tiny_engine()
    engine.keep_voices(folder, "fp32")
    return engine


def cache(engine: SpeechEngine, voice: Voice) -> torch.Tensor:
    conversation = engine.conversation(voice)
    saved = conversation._decoder.save(0, conversation.positions)
    return torch.stack((saved.keys, saved.values))


def files(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


def sung() -> Voice:
    sound = np.random.default_rng(1).normal(0, 0.1, 5 * 1920).astype(np.float32)
    return Voice("sung", Segment(0, "I am sung.", audio=sound))


def test_a_voice_is_prefilled_once_in_an_engine(read: list[int]) -> None:
    engine, voice = tiny_engine(), tiny_voice()
    first = cache(engine, voice)
    assert len(read) == 1
    assert torch.equal(cache(engine, voice), first)
    assert len(read) == 1


def test_another_engine_finds_codes_and_keys_on_the_disk(
    tmp_path: Path, read: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = cache(kept(tmp_path), sung())
    assert len(files(tmp_path)) == 1
    read.clear()
    again = kept(tmp_path)
    monkeypatch.setattr(again.codec, "encode", None)  # not needed
    assert torch.equal(cache(again, sung()), first)
    assert not read
    plain = tiny_engine().conversation(sung())
    ours = [frame.codes for frame in again.conversation(sung()).speak("Yes.")]
    assert np.array_equal(ours, [frame.codes for frame in plain.speak("Yes.")])


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"something else, and long enough to be looked at"),
        lambda path: path.write_bytes(path.read_bytes()[:-100]),
        lambda path: path.write_bytes(
            path.read_bytes().replace(b"parley-voice-1", b"foreign-file-1")
        ),
        lambda path: path.write_bytes(path.read_bytes().replace(b"Counting", b"OtherOne")),
        lambda path: path.write_bytes(path.read_bytes()[:-4096] + bytes(4096)),
        lambda path: path.write_bytes(path.read_bytes().replace(b"check of", b"no check")),
    ],
)
def test_a_spoilt_file_is_passed_over_and_written_anew(
    tmp_path: Path, read: list[int], spoil: Callable[[Path], object]
) -> None:
    first = cache(kept(tmp_path), sung())
    (path,) = files(tmp_path)
    spoil(path)
    assert torch.equal(cache(kept(tmp_path), sung()), first)
    assert len(read) == 2
    assert torch.equal(cache(kept(tmp_path), sung()), first)
    assert len(read) == 2


@pytest.mark.parametrize("other", ["model", "precision", "sound", "words", "speaker"])
def test_nothing_else_is_taken_for_it(tmp_path: Path, read: list[int], other: str) -> None:
    voice = sung()
    cache(kept(tmp_path), voice)
    engine, prompt = tiny_engine(seed=3 if other == "model" else 0), voice.prompt
    engine.keep_voices(tmp_path, "bf16" if other == "precision" else "fp32")
    assert prompt.audio is not None
    changed = {
        "sound": replace(prompt, audio=prompt.audio[::-1].copy()),
        "words": replace(prompt, text="I am sung?"),
        "speaker": replace(prompt, speaker=2),
    }
    cache(engine, replace(voice, prompt=changed.get(other, prompt)))
    assert len(read) == 2 and len(files(tmp_path)) == 2


def test_the_folder_keeps_its_limit_and_loses_what_was_used_longest_ago(
    tmp_path: Path, read: list[int]
) -> None:
    engine = kept(tmp_path)
    voices = [Voice(str(n), replace(tiny_voice().prompt, text=f"Voice {n}.")) for n in range(4)]
    cache(engine, voices[0])
    (path,) = files(tmp_path)
    store = VoiceStore(tmp_path, "m", engine.config, most_bytes=path.stat().st_size * 3 + 100)
    path.unlink()
    engine.voices._store = store
    for age, voice in enumerate(voices[1:]):
        cache(engine, voice)
        os.utime(store._path(voice), (100 + age, 100 + age))
    assert store.line(voices[1]) is not None  # used now: the second is the oldest
    engine.voices._known.clear()
    cache(engine, voices[0])
    left = [voice.name for voice in voices if store._path(voice).exists()]
    assert left == ["0", "1", "3"]


def test_the_decoder_of_this_machine_takes_what_it_gave(tmp_path: Path) -> None:
    first = cache(kept(tmp_path), sung())
    (path,) = files(tmp_path)
    written = path.stat().st_ino
    assert torch.equal(cache(kept(tmp_path), sung()), first)
    assert path.stat().st_ino == written  # found good, not written anew


def test_a_folder_that_cannot_be_written_is_no_trouble(tmp_path: Path, read: list[int]) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    assert torch.equal(cache(kept(blocked), sung()), cache(tiny_engine(), sung()))
    assert blocked.read_text() == "not a folder"


def test_a_folder_that_is_only_for_reading_is_read(
    tmp_path: Path, read: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = cache(kept(tmp_path), sung())

    def refuse(*_arguments: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "utime", refuse)
    assert torch.equal(cache(kept(tmp_path), sung()), first)
    assert len(read) == 1


def test_a_full_disk_keeps_nothing_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def half(path: Path, data: bytes) -> int:
        with path.open("wb") as file:
            file.write(data[: len(data) // 2])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", half)
    assert torch.equal(cache(kept(tmp_path), sung()), cache(tiny_engine(), sung()))
    assert files(tmp_path) == []


def test_what_was_never_finished_is_removed(tmp_path: Path) -> None:
    draft = tmp_path / f"{'0' * 40}.12345.part"
    draft.write_bytes(b"half of a voice")
    cache(kept(tmp_path), sung())
    assert [path.suffix for path in files(tmp_path)] == [".safetensors"]


@pytest.mark.parametrize("prompt", [tiny_segment(300), tiny_segment(1, text="word " * 60)])
def test_a_voice_that_fills_the_window_is_refused_in_one_sentence(prompt: Segment) -> None:
    voice = Voice("anna", prompt)
    with pytest.raises(VoiceError, match=r"'anna' takes \d+ of the 256 places .* shorter"):
        tiny_engine().conversation(voice)


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "tokenizer.json"])
def test_an_exchanged_file_is_another_model(tmp_path: Path, name: str) -> None:
    for known in ("model.safetensors", "config.json", "tokenizer.json"):
        (tmp_path / known).write_bytes(b"1")
    model = tmp_path / "model.safetensors"
    before = (state_of_files(tmp_path), state_of_files(model))
    assert before == (state_of_files(tmp_path), state_of_files(model))
    (tmp_path / name).write_bytes(b"12")
    assert state_of_files(tmp_path) != before[0] and state_of_files(model) != before[1]


def test_a_model_that_went_meanwhile_is_told_by_its_weights_alone(tmp_path: Path) -> None:
    assert state_of_files(tmp_path / "gone" / "model.safetensors") == ""


def test_one_changed_tensor_is_another_model() -> None:
    model = tiny_engine().model
    before = fingerprint(model.state_dict().items(), "fp32")
    assert fingerprint(model.state_dict().items(), "fp32") == before
    with torch.no_grad():
        model.projection.weight.mul_(1.01)
    assert fingerprint(model.state_dict().items(), "fp32") != before
