"""What only a card can show: its graphs make the sound that its kernels make, and the CPU's sound."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from engine.config import MIMI_NANO
from engine.errors import DeviceError
from engine.mimi.codec import MimiCodec, transformers_state
from engine.mimi.graphs import Direct, Graphs
from engine.types import CodeArray, FloatArray
from tests.engine.mimi.conftest import noise, trained_looking
from tests.engine.mimi.test_mimi_stage import TINY, inputs, networks

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]

CUTS = (1, 1, 2, 4, 4, 7, 1, 20)


@pytest.fixture(scope="module")
def on_cpu() -> MimiCodec:
    return trained_looking(TINY)


@pytest.fixture(scope="module")
def codec(on_cpu: MimiCodec) -> MimiCodec:
    return moved(on_cpu)


@pytest.fixture(scope="module")
def codes(on_cpu: MimiCodec) -> CodeArray:
    return on_cpu.encode(noise(sum(CUTS), TINY))


def moved(codec: MimiCodec) -> MimiCodec:
    there = MimiCodec(codec.config, "cuda")
    there.load_state(transformers_state(codec))
    return there


def in_cuts(codes: CodeArray) -> list[CodeArray]:
    return np.split(codes, np.cumsum(CUTS)[:-1])


@pytest.mark.parametrize("direction", ["decoder", "encoder"])
def test_a_captured_frame_is_bit_for_bit_the_uncaptured_one(
    codec: MimiCodec, direction: str
) -> None:
    network = networks(codec)[direction]
    graphs, direct = Graphs(network), Direct(network)
    for number, frames in enumerate(CUTS):
        given = inputs(network, frames, number)
        with direct.on():
            block = [direct.run(given[start : start + 32]) for start in range(0, frames, 32)]
        with graphs.on():
            np.testing.assert_array_equal(graphs.run(given), np.concatenate(block))


def test_the_sound_is_that_of_the_processor(on_cpu: MimiCodec, codec: MimiCodec, codes) -> None:
    wanted, stream = on_cpu.decode(codes), codec.stream()
    made = np.concatenate([stream.decode(part) for part in in_cuts(codes)])
    assert np.abs(made - wanted).max() < 1e-4 * np.abs(wanted).max()
    np.testing.assert_allclose(codec.decode(codes), made, atol=1e-4)


def test_the_codes_are_those_of_the_processor(on_cpu: MimiCodec, codec: MimiCodec) -> None:
    sound = noise(24, TINY)
    same = codec.encode(sound) == on_cpu.encode(sound)
    assert same.mean() > 0.98  # two rows may be equally near but for the order of a sum


def test_nano_sounds_the_same() -> None:
    on_cpu = MimiCodec(MIMI_NANO, precision="fp32")
    with torch.no_grad():
        for name, tensor in on_cpu.model.state_dict().items():
            if name.endswith("embedding_sum"):
                tensor.normal_()
    codes = np.random.default_rng(0).integers(0, MIMI_NANO.codebook_size, (80, 4))
    wanted = on_cpu.decode(codes)
    assert np.abs(moved(on_cpu).decode(codes) - wanted).max() < 1e-4 * np.abs(wanted).max()


def test_streams_share_the_graphs_and_nothing_else(codec: MimiCodec, codes: CodeArray) -> None:
    backwards = codes[::-1].copy()
    one, two = codec.stream(), codec.stream()
    ones: list[FloatArray] = []
    twos: list[FloatArray] = []
    for part, other in zip(in_cuts(codes), in_cuts(backwards), strict=True):
        ones.append(one.decode(part))
        twos.append(two.decode(other))
    alone = codec.stream()
    np.testing.assert_array_equal(np.concatenate(ones), [*map_decode(alone, codes)])
    alone.reset()
    np.testing.assert_array_equal(np.concatenate(twos), [*map_decode(alone, backwards)])


def map_decode(stream, codes: CodeArray) -> FloatArray:
    return np.concatenate([stream.decode(part) for part in in_cuts(codes)])


def test_a_saved_place_is_come_back_to_exactly(codec: MimiCodec, codes: CodeArray) -> None:
    stream, other = codec.stream(), codec.stream()
    stream.decode(codes[:9])
    place = stream.save()
    first = stream.decode(codes[9:13])
    stream.decode(codes)
    other.decode(codes[::-1].copy())
    for each in (stream, other, codec.stream()):
        each.restore(place)
        np.testing.assert_array_equal(each.decode(codes[9:13]), first)


def test_a_call_waits_for_its_own_sound_alone(codec: MimiCodec, codes: CodeArray) -> None:
    """Not for what others do on the card meanwhile, as the drawing of the next frame."""
    stream = codec.stream()
    stream.decode(codes[:4])
    busy = torch.randn(6144, 6144, device="cuda")
    ended = torch.cuda.Event()
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        for _ in range(60):
            busy = busy @ busy
            busy = busy / busy.norm()
        ended.record()
        stream.decode(codes[4:8])
        assert not ended.query()  # a tenth of a second of work is still under way
    finally:
        torch.cuda.set_sync_debug_mode("default")
        torch.cuda.synchronize()


def test_a_card_holds_no_weights_but_those_that_run(codec: MimiCodec) -> None:
    codec.encode(codec.decode(np.zeros((1, TINY.codebooks), np.int64)))
    assert {tensor.device.type for tensor in codec.model.state_dict().values()} == {"cpu"}


def test_no_memory_ends_in_one_sentence(codec: MimiCodec) -> None:
    network = networks(codec)["decoder"]

    class Full:
        device, given, made = network.device, network.given, network.made

        def memory(self, frames: int, multiple: int = 1):
            raise torch.OutOfMemoryError("CUDA out of memory")

        def __call__(self, given, memory, /):
            raise AssertionError

    with pytest.raises(DeviceError, match="does not fit into the memory of cuda"):
        Graphs(Full())
