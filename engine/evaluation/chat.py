"""llm-nano on prompts whose families of wordings were held out of training: all answers, in full.

No program can tell whether such an answer is right, so a person reads them: the verdicts in
``data/chat_reading.json`` belong to exact answers, and a share is stated only when every answer
given has been read. Greedy decoding, one thread; earlier turns of a prompt are played first.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

from engine.errors import EngineError

DATA = Path(__file__).parent / "data"
PROMPTS = DATA / "chat_prompts.json"
READING = DATA / "chat_reading.json"
ASSETS = Path(__file__).resolve().parents[2] / "assets"
MAX_TOKENS = 96
GOOD = ("right", "honest")


@dataclass(frozen=True, slots=True)
class Prompt:
    """One held-out question; ``family`` is the pattern of wordings it stands for."""

    id: str
    intent: str
    family: str
    before: tuple[str, ...]
    text: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What was asked before, asked and answered; ``ended`` when the model stopped by itself."""

    id: str
    before: tuple[str, ...]
    prompt: str
    answer: str
    ended: bool
    verdict: str | None


def read_prompts(path: Path = PROMPTS) -> list[Prompt]:
    """The prompts of a file."""
    items: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["prompts"]
    return [
        Prompt(i["id"], i["intent"], i["family"], tuple(i["before"]), i["prompt"]) for i in items
    ]


def read_verdicts(path: Path = READING) -> dict[tuple[str, str], str]:
    """(prompt id, exact answer) to the reader's verdict; empty when nothing has been read."""
    if not path.exists():
        return {}
    items: list[dict[str, str]] = json.loads(path.read_text(encoding="utf-8"))["answers"]
    return {(item["id"], item["answer"]): item["verdict"] for item in items}


def find_gguf(folder: Path) -> Path:
    """The one GGUF in ``folder``. Raises EngineError when there is none."""
    found = sorted(folder.glob("*.gguf")) if folder.is_dir() else [folder]
    if not found or not found[0].is_file():
        raise EngineError(f"There is no GGUF file in {folder}; train one or name another folder.")
    return found[0]


class Chat:
    """A GGUF with its own chat template, answering greedily.

    Where the file's metadata says how sure of an answer it must be and what to say instead, that
    is kept to, as the application does; ``unsure`` counts how often.
    """

    def __init__(self, gguf: Path) -> None:
        from llama_cpp import Llama

        self._model: Any = Llama(model_path=str(gguf), n_ctx=1024, n_threads=1, verbose=False)
        metadata: dict[str, str] = self._model.metadata
        self._instead = metadata.get("parley.surety.instead")
        self._least = float(metadata.get("parley.surety.least", "-inf"))
        self._tokens = int(metadata.get("parley.surety.tokens", "0"))
        lines = metadata.get("parley.surety.lots", "").splitlines()
        self._lots = [(int(n), b) for n, b in (line.split(" ", 1) for line in lines)]
        self.logs: list[float] = []
        """Log-probability (nats) of each token of the last answer."""
        self.unsure = 0

    def reply(self, turns: Sequence[str]) -> tuple[list[str], bool]:
        """Answers to successive user turns, and whether the last one ended by itself."""
        messages: list[dict[str, str]] = []
        ended = False
        for turn in turns:
            messages.append({"role": "user", "content": turn})
            self.logs = []
            made = self._model.create_chat_completion(
                cast("Any", messages),
                temperature=0.0,
                max_tokens=MAX_TOKENS,
                logits_processor=[self._watch],
            )["choices"][0]
            said, ended = made["message"]["content"], made["finish_reason"] == "stop"
            if self._instead and self._guessed(said):
                said, ended = self._instead, True
                self.unsure += 1
            messages.append({"role": "assistant", "content": said})
        return [m["content"] for m in messages if m["role"] == "assistant"], ended

    def _guessed(self, said: str) -> bool:
        """Whether the model was less sure of its answer than the file demands."""
        first = self.logs[: self._tokens]
        if not first:
            return False
        number = max((n for n, beginning in self._lots if said.startswith(beginning)), default=1)
        return (sum(first) + math.log(number)) / len(first) < self._least

    def _watch(self, ids: Any, scores: Any) -> Any:
        """Called before each token: keeps how likely the best one is, changes nothing."""
        self.logs.append(-math.log(sum(math.exp(s) for s in (scores - scores.max()).tolist())))
        return scores

    def close(self) -> None:
        """Free the model."""
        self._model.close()


def evaluate(folder: Path, limit: int | None = None) -> dict[str, Any]:
    """Ask all prompts (or the first ``limit``) and report every answer.

    ``share_right_or_honest`` is None as long as one of the answers has not been read.
    """
    verdicts = read_verdicts()
    chat = Chat(find_gguf(folder))
    answers: list[Answer] = []
    for prompt in read_prompts()[:limit]:
        replies, ended = chat.reply([*prompt.before, prompt.text])
        said = replies[-1]
        verdict = verdicts.get((prompt.id, said))
        answers.append(Answer(prompt.id, prompt.before, prompt.text, said, ended, verdict))
    chat.close()
    return summarise(answers)


def summarise(answers: Sequence[Answer]) -> dict[str, Any]:
    """Counts and shares of a list of answers, with the answers."""
    read = Counter(answer.verdict for answer in answers)
    unread = read.pop(None, 0)
    good = sum(read[verdict] for verdict in GOOD)
    return {
        "prompts": len(answers),
        "ended_by_themselves": sum(answer.ended for answer in answers),
        "verdicts": dict(read),
        "unread": unread,
        "share_right_or_honest": good / len(answers) if answers and not unread else None,
        "answers": [asdict(answer) for answer in answers],
    }


def main(arguments: list[str] | None = None) -> int:
    """Print the answers in full, or one JSON object; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m engine.evaluation.chat", description=__doc__)
    parser.add_argument("--folder", type=Path, default=ASSETS / "nano" / "llm")
    parser.add_argument("--limit", type=int, help="only the first N prompts")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    wanted = parser.parse_args(arguments)
    try:
        report = evaluate(wanted.folder, wanted.limit)
    except EngineError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if wanted.json:
        print(json.dumps(report))
        return 0
    for item in report["answers"]:
        for earlier in item["before"]:
            print(f"{item['id']}  (before: {earlier})")
        print(f"{item['id']}  {item['prompt']}")
        print(f"     {item['verdict'] or 'unread'}: {item['answer']}")
    share = report["share_right_or_honest"]
    state = f"{report['unread']} answers unread" if share is None else f"{share:.2f}"
    print(f"right or honest: {state}; ended by themselves: {report['ended_by_themselves']}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
