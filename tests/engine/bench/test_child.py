"""Contestants in processes of their own, with the real models of random weights."""

from __future__ import annotations

import multiprocessing

import pytest
import torch

from engine.bench.build import Wanted
from engine.bench.child import Child, Entry, Here, sentence
from engine.errors import DeviceError, ModelError

NANO = Wanted("csm-nano", True, "cpu", "fp32", 1)


def test_a_child_measures_and_when_it_is_killed_that_is_one_sentence() -> None:
    child = Child(Entry("parley", NANO, 2))
    try:
        assert child.about.precision == "fp32"
        assert len(child.round(2).frame_s) == 2
        peak = child.peak()
        assert peak is None or 1e8 < peak < 2e9
        (process,) = multiprocessing.active_children()
        process.kill()
        process.join()
        with pytest.raises(ModelError, match="ended without a word"):
            child.round(2)
    finally:
        child.close()
    assert multiprocessing.active_children() == []


def test_a_child_that_cannot_load_says_why_and_ends() -> None:
    with pytest.raises(ModelError, match="not a known shape"):
        Child(Entry("parley", Wanted("csm-0", True, "cpu", "fp32", 1), 2))
    assert multiprocessing.active_children() == []


def test_a_child_that_is_not_ready_in_time_is_ended_at_once() -> None:
    with pytest.raises(ModelError, match="not done within 0 s"):
        Child(Entry("parley", NANO, 2), 0.01)
    assert multiprocessing.active_children() == []


def test_the_peer_makes_as_many_frames_and_no_more() -> None:
    pytest.importorskip("transformers")
    before = torch.get_num_threads()
    try:
        peer = Here(Entry("transformers eager", NANO, 3))
        found = peer.round(3)
    finally:
        torch.set_num_threads(before)
    assert len(found.frame_s) == 3
    assert len(found.first_audio_s) == 1
    assert len(found.prefill_all_s) == 1


def test_errors_are_sentences() -> None:
    assert sentence(DeviceError("No card: use the CPU.")) == "No card: use the CPU."
    assert sentence(RuntimeError("bad\ntrace")).startswith("It failed with RuntimeError (bad)")
