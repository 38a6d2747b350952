"""say: the promised keys, any text, going on from a session."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fakes.commands import Run, one_sentence, seconds
from tests.fakes.parts import FakeFactory
from tests.fakes.sounds import write_question


def test_say_has_the_promised_keys(run: Run, tmp_path: Path) -> None:
    code, result, _ = run("say", "Good morning to you.", "--output", tmp_path / "a.wav")
    assert code == 0
    assert set(result) == {"output", "text", "seconds", "rtf", "first_audio_ms", "frames", "ended"}
    assert result["text"] == "Good morning to you."
    assert result["frames"] == 8
    assert result["seconds"] == pytest.approx(0.64)
    assert result["ended"] == "eos"
    assert seconds(tmp_path / "a.wav") == pytest.approx(0.64)


@pytest.mark.parametrize("text", ["", "   ", "\n\t", "😀🎉", "안녕하세요"])
def test_text_without_words_is_told(run: Run, tmp_path: Path, text: str) -> None:
    code, result, err = run("say", text, "--output", tmp_path / "a.wav")
    assert code == 2
    one_sentence(err, result, "text")
    assert not (tmp_path / "a.wav").exists()


def test_ten_thousand_characters_are_spoken_piece_by_piece(
    run: Run, factory: FakeFactory, tmp_path: Path
) -> None:
    text = ("The quick brown fox jumps over the lazy dog, as it always does. " * 160)[:10_000]
    code, result, err = run("say", text, "--output", tmp_path / "a.wav")
    assert code == 0
    spoken = [entry[1] for entry in factory.speech_part.conversations[0].context]
    assert len(spoken) > 100
    assert max(len(piece) for piece in spoken) < 200
    assert seconds(tmp_path / "a.wav") == pytest.approx(result["seconds"], abs=0.01)
    assert "[1/" in err


def test_text_without_an_end_is_spoken_too(run: Run, tmp_path: Path) -> None:
    assert run("say", "a" * 10_000, "--output", tmp_path / "a.wav")[0] == 0


def test_say_goes_on_from_a_session(
    run: Run, talk: Run, factory: FakeFactory, tmp_path: Path
) -> None:
    question = write_question(tmp_path / "q.wav")
    talk(question)
    code, _, _ = run(
        "say", "And so on.", "--output", tmp_path / "a.wav", "--context", tmp_path / "session"
    )
    assert code == 0
    context = factory.speech_part.conversations[-1].context
    assert [(who, words) for who, words, _ in context[:2]] == [
        ("user", "hello there"),
        ("reply", "I am a fake, and I say so myself."),
    ]


@pytest.mark.parametrize(
    "transcript",
    [
        None,
        "{",
        "[]",
        '{"turns": 3}',
        '{"turns": [{"user_text": "a", "user_wav": "../../etc/passwd"}]}',
        '{"turns": [{"user_text": "a", "user_wav": "gone.wav"}]}',
    ],
)
def test_a_folder_that_is_no_session_is_told(
    run: Run, tmp_path: Path, transcript: str | None
) -> None:
    (tmp_path / "s").mkdir()
    if transcript is not None:
        (tmp_path / "s" / "transcript.json").write_text(transcript)
    code, result, err = run(
        "say", "Hi.", "--output", tmp_path / "a.wav", "--context", tmp_path / "s"
    )
    assert code == 2
    one_sentence(err, result, "ession")
