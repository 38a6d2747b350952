"""Sentences about anything at all, for what llm-nano has no intent for.

Without them a small model takes every unknown sentence for the intent that shares a word with it.
With them it falls back: a statement is met with interest, a question with "I do not know", an order
with "I cannot do that". The sentences are those that the speech models are trained on.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator

from engine.training.corpus import sentences

# Honest even where the sentence was no statement or no good news.
STATEMENT_ANSWERS = ("I am too small to say much about that. But I am listening, so tell me more.",)
QUESTION_ANSWERS = (
    "I do not know that, sorry. I am only a small model.",
    "I am not sure, and I would rather not guess.",
)
ORDER_ANSWERS = ("I cannot do that, sorry. I can only talk.",)

# Such sentences belong to intents and topics, which know better answers.
_INTENT_WORDS = re.compile(
    r"\b(?:you|your|yours|yourself|parley|hello|goodbye|thank|thanks|sorry|weather|news|joke|story)\b",
    re.IGNORECASE,
)
_INTENT_STARTS = re.compile(
    r"(?:i am|i'm|i feel|i have|i've|i like|i love|i hate|i want|my name|my favourite|what is|what's|who"
    r" is|tell me|should i|what should|what can|can i|do i|am i|happy|good|it is|it's|there is|let's)\b",
    re.IGNORECASE,
)
_SUBJECTS = frozenset(
    "i we he she it they my our his her their the a an this that these those there some many most"
    " every each nobody nothing everyone everything someone something people all both one two three"
    " yesterday today tomorrow last next in on at after before when if while because although since"
    " by for with from without perhaps maybe sometimes usually".split()
)


def other_sentences(seed: int) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Endless (sentence, possible answers); sentences that belong to an intent are left out."""
    rng = random.Random(seed)
    for sentence in sentences(seed):
        words = sentence.split()
        if not 4 <= len(words) <= 14 or _INTENT_WORDS.search(sentence):
            continue
        if _INTENT_STARTS.match(sentence) and rng.random() < 0.9:
            continue
        if sentence.endswith("?"):
            # The speech text also holds shuffled words with a question mark: those are no questions.
            if " or " not in sentence and words[0].lower() in _QUESTIONS:
                yield sentence, QUESTION_ANSWERS
        elif sentence.endswith("."):
            told = words[0].strip(",").lower() in _SUBJECTS or words[0][1:2] == "'"
            if told:
                yield sentence, STATEMENT_ANSWERS
            elif words[0].lower() in _ORDERS:
                yield sentence, ORDER_ANSWERS


_QUESTIONS = frozenset(
    "what which who whom whose when where why how is are was were am do does did has have had can"
    " could will would shall should may might must isn't aren't wasn't doesn't didn't don't can't"
    " won't".split()
)
_ORDERS = frozenset(
    "please put take bring give turn open close shut move carry hold wash clean cut fold hang pull"
    " push lift drop throw fill empty pour mix stir boil heat bake cook add paint build fix mend lock"
    " leave keep write draw sign read send post order buy sell pay count measure check press click"
    " start stop switch plug light cover wrap tie pack park drive follow cross".split()
)
