"""The whole engine in the arrangement of a card, here: one stage for all conversations, graphs and all."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import generator
from engine.csm.model import CsmModel
from engine.generator import Conversation, SpeechEngine
from engine.mimi.lanes import SharedLane
from engine.runtime.ahead import StaticDecoder
from engine.runtime.decoder import Decoder
from engine.runtime.eager import EagerDecoder
from engine.runtime.fused import fuse
from engine.runtime.graphs import Graphs, Stage
from engine.runtime.static import StaticFrame
from engine.runtime.static_branches import BranchFrame, BranchStage
from engine.types import Sampling, Segment
from tests.engine.recorded_graphs import use_recorded_graphs
from tests.engine.test_making import Forced, same, say
from tests.engine.tiny import tiny_engine, tiny_segment, tiny_voice

WARM = Sampling(temperature=1.0, top_k=20)
CANDIDATES = {"say": 1, "choose": 3}


Makes = tuple[SpeechEngine, Callable[[CsmModel, Sampling, int], Decoder]]


@pytest.fixture(scope="module")
def plain() -> Makes:
    return tiny_engine(sampling=WARM), EagerDecoder


@pytest.fixture(scope="module")
def captured() -> Iterator[Makes]:
    engine = tiny_engine(sampling=WARM)
    with pytest.MonkeyPatch.context() as patch:
        use_recorded_graphs(patch)
        # What asks where it is: the codec's choice of lanes. Everything else is where its weights are.
        engine.codec._networks()._device = torch.device("cuda")
        with torch.inference_mode():
            frame = StaticFrame(fuse(engine.model))
            stage = Stage(frame, Graphs(frame))
            rows = BranchFrame(frame.weights, None, 3)
            stage.branches = BranchStage(rows, Graphs(rows))

        def decoder(model: CsmModel, sampling: Sampling, seed: int) -> StaticDecoder:
            return StaticDecoder(stage, sampling, seed)

        yield engine, decoder


def conversation(makes: Makes, seed: int) -> Conversation:
    engine, decoder = makes
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(generator, "make_decoder", decoder)
        made = engine.conversation(tiny_voice(), seed=seed)
    made._sound.pace = Forced((1, 1, 2, 4))
    return made


def heard(seconds: float, seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).standard_normal(int(seconds * 24000))
    return (0.1 * noise).astype(np.float32)


STEPS = st.lists(
    st.tuples(
        st.integers(0, 1),
        st.sampled_from(["say", "say", "choose", "add", "listen"]),
        st.integers(1, 9),
    ),
    min_size=1,
    max_size=6,
)


@settings(max_examples=20, deadline=None)
@given(steps=STEPS)
def test_conversations_on_one_stage_are_those_of_the_plain_engine(
    plain: Makes, captured: Makes, steps: list[tuple[int, str, int]]
) -> None:
    ours = [conversation(captured, seed) for seed in range(2)]
    theirs = [conversation(plain, seed) for seed in range(2)]
    assert isinstance(ours[0]._sound._stream._said, SharedLane)
    for number, (index, action, amount) in enumerate((*steps, (0, "say", 5), (1, "say", 5))):
        pair = ours[index], theirs[index]
        if action in CANDIDATES:
            same(*(say(each, f"Line {number}.", amount, CANDIDATES[action]) for each in pair))
        elif action == "add":
            for each in pair:
                each.add(tiny_segment(amount, seed=number))
        else:
            sound = heard(amount / 5, number)
            for each in pair:
                each.listen(sound[: len(sound) // 2])
                each.listen(sound)
            for each in pair:
                each.add(Segment(1, "And you?", audio=sound))
    for one, other in zip(ours, theirs, strict=True):
        assert one.positions == other.positions
        assert one._decoder.noise == other._decoder.noise
