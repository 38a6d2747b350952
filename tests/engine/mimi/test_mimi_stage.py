"""Many streams on one memory, as on a card, against a memory for each, with graphs and without."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch._subclasses.fake_tensor import FakeTensorMode

from engine.config import MimiConfig, tiny
from engine.mimi.codec import MimiCodec
from engine.mimi.decoder import Decoder, codebooks
from engine.mimi.encoder import Encoder
from engine.mimi.graphs import Direct, Graphs, Network, pieces
from engine.mimi.lanes import OwnLane, SharedLane, Stage
from engine.mimi.memory import Snapshot
from tests.engine.mimi.conftest import noise, trained_looking
from tests.engine.recorded_graphs import use_recorded_graphs

TINY = tiny().mimi
STREAMS = 3


def networks(codec: MimiCodec) -> dict[str, Network]:
    weights = codec.model.state_dict()
    state = {name: tensor.detach().to(codec.device) for name, tensor in weights.items()}
    tables = codebooks(state, codec.config)
    with torch.inference_mode():
        return {
            "decoder": Decoder(state, tables, codec.config, half=False),
            "encoder": Encoder(state, tables, codec.config),
        }


@pytest.fixture(scope="module")
def both() -> dict[str, Network]:
    return networks(trained_looking(TINY))


@pytest.fixture(scope="module", params=["decoder", "encoder"])
def network(request: pytest.FixtureRequest, both: dict[str, Network]) -> Network:
    return both[request.param]


@pytest.fixture(scope="module", params=["as it is", "captured"])
def stage(request: pytest.FixtureRequest, network: Network) -> Iterator[Stage]:
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "captured":
            use_recorded_graphs(patch)
            yield Stage(Graphs(network))
        else:
            yield Stage(Direct(network))


def inputs(network: Network, frames: int, seed: int) -> np.ndarray[Any, Any]:
    if network.given.dtype == torch.float32:
        return noise(frames + 1, TINY, seed).reshape(frames + 1, -1)[:frames]
    codes = np.random.default_rng(seed).integers(0, TINY.codebook_size, (frames, TINY.codebooks))
    return codes.astype(np.int64)


class Plain:
    """A stream that shares nothing, by the rules of ``Lane``."""

    def __init__(self, network: Network) -> None:
        self.runner = Direct(network)

    def run(self, given: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        with self.runner.on():
            return self.runner.run(given)

    def reset(self) -> None:
        with self.runner.on():
            self.runner.memory.reset()

    def save(self) -> Snapshot:
        with self.runner.on():
            return self.runner.memory.save()

    def restore(self, place: Snapshot) -> None:
        with self.runner.on():
            self.runner.memory.restore(place)


def test_frames_are_cut_into_the_sizes_of_the_graphs() -> None:
    assert pieces(0) == []
    assert pieces(1) == [(0, 1)]
    assert pieces(7) == [(0, 4), (4, 2), (6, 1)]
    assert pieces(12) == [(0, 4), (4, 4), (8, 4)]
    for frames in range(40):
        cut = pieces(frames)
        assert [place for first, size in cut for place in range(first, first + size)] == [
            *range(frames)
        ]


def test_a_capture_is_one_graph_for_each_size_and_leaves_a_memory_as_new(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_recorded_graphs(monkeypatch)
    graphs = Graphs(network)
    fresh = Direct(network).memory.save()
    left = graphs.memory.save()
    torch.testing.assert_close(left.values, fresh.values, rtol=0, atol=0)
    torch.testing.assert_close(left.places, fresh.places, rtol=0, atol=0)
    with graphs.on():
        graphs.run(inputs(network, 39, 0))
    shots = {size: shot.graph.replays for size, shot in graphs._shots.items()}
    assert shots == {4: 9, 2: 1, 1: 1}  # 32 frames, then 7


def test_what_python_decides_is_decided_at_the_capture(monkeypatch: pytest.MonkeyPatch) -> None:
    """The stand-in for graphs has their one vice, or the tests with it would show nothing."""
    use_recorded_graphs(monkeypatch)
    total, steps = torch.zeros(1), [0]
    graph: Any = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        steps[0] += 1
        added = total + steps[0]
        total.copy_(added)
    total.zero_()
    for _ in range(3):
        steps[0] += 1
        graph.replay()
    assert total.item() == 3


STEPS = st.lists(
    st.tuples(
        st.integers(0, STREAMS - 1),
        st.sampled_from(["run", "run", "run", "save", "restore", "reset"]),
        st.sampled_from([0, 1, 1, 2, 4, 7]),
    ),
    min_size=1,
    max_size=24,
)


@settings(max_examples=40)
@given(steps=STEPS)
def test_streams_that_share_a_memory_are_streams_of_their_own_to_the_last_bit(
    network: Network, stage: Stage, steps: list[tuple[int, str, int]]
) -> None:
    shared = [SharedLane(lambda: stage) for _ in range(STREAMS)]
    plain = [Plain(network) for _ in range(STREAMS)]
    # Places may be gone to by another stream than the one that saved them.
    places: list[tuple[Snapshot | None, Snapshot]] = []
    for number, (index, action, amount) in enumerate(steps):
        one, other = shared[index], plain[index]
        if action == "run":
            frames = inputs(network, amount, number)
            np.testing.assert_array_equal(one.run(frames), other.run(frames))
        elif action == "save":
            places.append((one.save(), other.save()))
        elif action == "reset":
            one.reset()
            other.reset()
        elif places:
            mine, theirs = places[amount % len(places)]
            one.restore(mine)
            other.restore(theirs)
    for index in range(STREAMS):
        frames = inputs(network, 3, 1000 + index)
        np.testing.assert_array_equal(shared[index].run(frames), plain[index].run(frames))


@settings(max_examples=15)
@given(cuts=st.lists(st.sampled_from([1, 2, 4, 5, 9]), min_size=1, max_size=12))
def test_pieces_on_the_stage_join_to_what_a_stream_of_its_own_gives(
    network: Network, stage: Stage, cuts: list[int]
) -> None:
    given = inputs(network, sum(cuts), 5)
    lane = SharedLane(lambda: stage)
    made = np.concatenate([lane.run(part) for part in np.split(given, np.cumsum(cuts)[:-1])])
    whole = OwnLane(lambda: network).run(given)
    if made.dtype == np.int64:
        np.testing.assert_array_equal(made, whole)
    else:
        np.testing.assert_allclose(made, whole, atol=1e-5)


def test_sharing_would_be_heard(both: dict[str, Network]) -> None:
    """The tests above could not fail if what a stream remembers were of no consequence."""
    stage = Stage(Direct(both["decoder"]))
    one, two = SharedLane(lambda: stage), SharedLane(lambda: stage)
    before, after = inputs(both["decoder"], 4, 1), inputs(both["decoder"], 4, 2)
    one.run(before)
    assert np.abs(one.run(after) - two.run(after)).max() > 1e-3


def test_a_stream_that_is_gone_is_not_kept(network: Network, stage: Stage) -> None:
    lane = SharedLane(lambda: stage)
    lane.run(inputs(network, 1, 0))
    assert stage.owner is lane
    del lane
    assert stage.owner is None
    frames = inputs(network, 2, 1)
    fresh = SharedLane(lambda: stage)
    np.testing.assert_array_equal(fresh.run(frames), Plain(network).run(frames))


def test_streams_in_several_threads_take_turns(network: Network, stage: Stage) -> None:
    made = dict[int, list[np.ndarray[Any, Any]]]()

    def work(index: int) -> None:
        lane = SharedLane(lambda: stage)
        made[index] = [lane.run(inputs(network, 1, 10 * index + step)) for step in range(6)]

    threads = [threading.Thread(target=work, args=(index,)) for index in range(STREAMS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for index in range(STREAMS):
        plain = Plain(network)
        for step, got in enumerate(made[index]):
            np.testing.assert_array_equal(got, plain.run(inputs(network, 1, 10 * index + step)))


GROUPED = replace(TINY, kv_heads=1)
FAKE_CARD = pytest.mark.skipif(
    not torch.backends.cuda.is_built(), reason="this build of torch knows no CUDA"
)


@pytest.mark.parametrize("frames", [1, 2, 4])
@pytest.mark.parametrize("config", [TINY, GROUPED], ids=["plain", "grouped"])
@pytest.mark.parametrize("direction", ["decoder", "encoder"])
@pytest.mark.parametrize("device", ["meta", pytest.param("cuda", marks=FAKE_CARD)])
def test_nothing_waits_for_the_device_and_no_tensor_is_elsewhere(
    device: str, direction: str, config: MimiConfig, frames: int
) -> None:
    """Without values, as here, reading one fails, as does a tensor of the host among them."""
    state = MimiCodec(config).model.state_dict()
    faked = FakeTensorMode() if device == "cuda" else contextlib.nullcontext()
    with faked, torch.inference_mode():
        there = {
            name: torch.empty(tuple(tensor.shape), device=device) for name, tensor in state.items()
        }
        tables = codebooks(there, config)
        network: Network = (
            Decoder(there, tables, config, half=True)
            if direction == "decoder"
            else Encoder(there, tables, config)
        )
        memory = network.memory(4, 16)
        given = network.given.rows(frames, network.device)
        for _ in range(2):
            made = network(given, memory)
            assert (made.device.type, made.dtype) == (device, network.made.dtype)
            assert made.shape == (frames, network.made.width)
            memory.restore(memory.save())
        with pytest.raises(RuntimeError, match=f"(?i){device}"):
            network(torch.zeros_like(given, device="cpu"), memory)
