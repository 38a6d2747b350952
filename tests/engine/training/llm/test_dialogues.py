"""The written text: speakable, wide, reproducible, and free of what is held out."""

from __future__ import annotations

import random
import re
from itertools import islice

import pytest

from engine.training.llm import grammar
from engine.training.llm.corpus import Corpus, CorpusError, load_corpus
from engine.training.llm.dialogues import DialogueMaker, plain
from engine.training.llm.noise import Noise
from engine.training.llm.other import (
    ORDER_ANSWERS,
    QUESTION_ANSWERS,
    STATEMENT_ANSWERS,
    other_sentences,
)
from engine.training.llm.pipeline import held_out_wordings, make_dialogue_maker

POOL = 300  # other sentences; the full pool takes seconds to make
SPEAKABLE = re.compile(r"[A-Za-z0-9 .,?!']+")


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return load_corpus()


@pytest.fixture(scope="module")
def wordings(corpus: Corpus) -> dict[str, list[str]]:
    """Every wording of every intent, expanded once for all tests; topics under ``topic``."""
    families = {name: intent.families for name, intent in corpus.intents.items()}
    families["topic"] = corpus.topic_families
    return {
        name: [w for family in listed for w in grammar.expand(family.parsed)]
        for name, listed in families.items()
    }


def _answers(corpus: Corpus) -> list[str]:
    answers = [a for i in corpus.intents.values() for a in (*i.answers, *i.series, *i.untold)]
    answers += [i.why for i in corpus.intents.values() if i.why]
    answers += [i.more for i in corpus.intents.values() if i.more]
    answers += [text for t in corpus.topics for text in (t.first, t.more, t.why)]
    answers += [*STATEMENT_ANSWERS, *QUESTION_ANSWERS, *ORDER_ANSWERS]
    return [*answers, *corpus.salad_answers]


def test_answers_can_be_spoken_and_are_short(corpus: Corpus) -> None:
    for answer in _answers(corpus):
        said = re.sub(r"\{\w+\}", "Thing", answer)
        assert SPEAKABLE.fullmatch(said), answer
        assert len(re.findall(r"[.?!]", said)) <= 3, answer
        assert len(said) <= 160, answer
        assert said[0].isupper() and said[-1] in ".?!", answer


def test_user_wordings_are_many(corpus: Corpus) -> None:
    assert corpus.wordings() >= 8000
    assert sum(len(intent.families) for intent in corpus.intents.values()) >= 1000


def test_every_slot_has_values(corpus: Corpus) -> None:
    for intent in corpus.intents.values():
        asked = {s for f in intent.families for s in grammar.slots(f.pattern)}
        for slot in asked | {s for a in intent.answers for s in grammar.slots(a)}:
            assert slot == "name" or slot.rstrip("2") in corpus.lists, (intent.name, slot)


def test_answers_name_only_what_every_wording_or_the_profile_gives(
    corpus: Corpus, wordings: dict[str, list[str]]
) -> None:
    for name, intent in corpus.intents.items():
        needed = {slot for answer in intent.answers for slot in grammar.slots(answer)}
        if needed and not intent.asks:
            for wording in wordings[name]:
                assert needed <= grammar.slots(wording), (name, wording)


def test_no_family_holds_a_held_out_wording(wordings: dict[str, list[str]]) -> None:
    held_out = {plain(text) for text in held_out_wordings()}
    for name, listed in wordings.items():
        assert not held_out & {plain(wording) for wording in listed}, name


def test_generated_conversations_hold_no_held_out_wording() -> None:
    held_out = {plain(text) for text in held_out_wordings()}
    maker, rng = make_dialogue_maker(POOL), random.Random(5)
    for _ in range(500):
        for turn in maker.dialogue(rng):
            assert plain(turn.user) not in held_out, turn.user


def test_same_seed_same_conversations() -> None:
    def made(seed: int) -> list[object]:
        maker, rng = DialogueMaker(load_corpus(), other_pool=POOL), random.Random(seed)
        return [maker.dialogue(rng) for _ in range(50)]

    assert made(3) == made(3)
    assert made(3) != made(4)


def test_generated_answers_are_speakable_and_copy_what_was_said(corpus: Corpus) -> None:
    maker, rng = DialogueMaker(corpus, other_pool=POOL), random.Random(11)
    told = 0
    for _ in range(1200):
        name = None
        for turn in maker.dialogue(rng):
            assert SPEAKABLE.fullmatch(turn.answer), turn.answer
            if match := re.match(r"(?:Nice to meet you, |Hello )(\S+?)\.", turn.answer):
                name = match[1]
                assert name.lower() in turn.user.lower()
            elif match := re.match(r"(?:Your name is|You are) ([A-Z]\w*)\.$", turn.answer):
                assert match[1] == name
                told += 1
    assert told > 0


def test_a_withheld_wording_is_never_used(corpus: Corpus) -> None:
    hello = [w for f in corpus.intents["hello"].families for w in grammar.expand(f.parsed)]
    maker, rng = DialogueMaker(corpus, hello, POOL), random.Random(2)
    users = {plain(t.user) for _ in range(400) for t in maker.dialogue(rng)}

    assert not users & {plain(text) for text in hello}


def test_noise_leaves_copied_words_alone() -> None:
    noise, rng = Noise({"my": ["by"]}, ["um"]), random.Random(1)
    keep = frozenset({"zorblat"})
    for _ in range(500):
        assert "zorblat" in noise.disturb("well my name is Zorblat today", keep, rng).lower()


def test_a_wrong_line_is_named(tmp_path_factory: pytest.TempPathFactory) -> None:
    from engine.training.llm import corpus as module

    folder = tmp_path_factory.mktemp("data")
    for path in module.DATA.glob("*.txt"):
        (folder / path.name).write_bytes(path.read_bytes())
    with (folder / "world.txt").open("a", encoding="utf-8") as file:
        file.write("\nthis is no line of the format\n")

    with pytest.raises(CorpusError, match=r"world\.txt"):
        load_corpus(folder)


def test_other_sentences_get_answers_of_their_kind() -> None:
    for sentence, answers in islice(other_sentences(3), 400):
        assert not re.search(r"\byou\b", sentence.lower())
        assert (answers == QUESTION_ANSWERS) == sentence.endswith("?"), sentence
        if answers == ORDER_ANSWERS:
            assert sentence.split()[0].lower() not in ("i", "the", "my", "we", "it"), sentence
