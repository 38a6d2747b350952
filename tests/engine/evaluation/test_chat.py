"""The reading of llm-nano's answers: a share only where every answer has been read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.errors import EngineError
from engine.evaluation.chat import Answer, find_gguf, read_prompts, read_verdicts, summarise
from engine.training.llm import grammar
from engine.training.llm.dialogues import plain


def _answer(number: int, verdict: str | None) -> Answer:
    return Answer(f"t{number}", (), "hello", "Hello.", True, verdict)


def test_share_counts_right_and_honest_answers() -> None:
    report = summarise([_answer(n, v) for n, v in enumerate(["right", "honest", "wrong", "right"])])

    assert report["share_right_or_honest"] == 0.75
    assert report["verdicts"] == {"right": 2, "honest": 1, "wrong": 1}


def test_no_share_while_an_answer_is_unread() -> None:
    report = summarise([_answer(1, "right"), _answer(2, None)])

    assert report["share_right_or_honest"] is None
    assert report["unread"] == 1


def test_a_verdict_belongs_to_the_exact_answer(tmp_path: Path) -> None:
    path = tmp_path / "reading.json"
    item = {"id": "t01", "answer": "I am Parley.", "verdict": "right"}
    path.write_text(json.dumps({"answers": [item]}), encoding="utf-8")

    verdicts = read_verdicts(path)

    assert verdicts.get(("t01", "I am Parley.")) == "right"
    assert verdicts.get(("t01", "I am Tom.")) is None
    assert read_verdicts(tmp_path / "none.json") == {}


def test_prompts_are_sixty_and_belong_to_their_families() -> None:
    prompts = read_prompts()

    assert len(prompts) == 60
    assert len({prompt.id for prompt in prompts}) == 60
    for prompt in prompts:
        family = {plain(text) for text in grammar.expand(grammar.parse(prompt.family))}
        assert plain(prompt.text) in family, prompt.id


def test_a_folder_without_a_model_is_told(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="GGUF"):
        find_gguf(tmp_path)
