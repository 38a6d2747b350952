"""CUDA graphs without a card: what is captured is noted, operation by operation, and done again.

A graph knows addresses and nothing else, so whatever Python decided while it was captured stays
decided. The same holds here: a replay runs the noted operations on the very tensors of the capture.
What a capture computed is spoiled when it ends, since a real one computes nothing.
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class RecordedGraph:
    """``torch.cuda.CUDAGraph``."""

    def __init__(self) -> None:
        self.noted: list[tuple[Any, Any, Any, list[Tensor]]] = []
        self.replays = 0

    def replay(self) -> None:
        self.replays += 1
        for operation, args, kwargs, fresh in self.noted:
            again = [one for one in tree_leaves(operation(*args, **kwargs)) if _is_tensor(one)]
            if fresh:
                for target, source in zip(fresh, again, strict=True):
                    target.copy_(source)


class _Recorder(TorchDispatchMode):
    def __init__(self, graph: RecordedGraph) -> None:
        super().__init__()
        self._graph = graph

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> object:
        kwargs = {} if kwargs is None else kwargs
        made = func(*args, **kwargs)
        given = {_place(one) for one in tree_leaves((args, kwargs)) if _is_tensor(one)}
        results = [one for one in tree_leaves(made) if _is_tensor(one)]
        # Views and what was written in place are at their addresses by themselves.
        fresh = [] if any(_place(one) in given for one in results) else results
        self._graph.noted.append((func, args, kwargs, fresh))
        return made


class _Stream:
    """``torch.cuda.Stream`` and ``Event``: everything has happened when a call returns."""

    def __init__(self, *_: object, **__: object) -> None: ...

    def record(self) -> None: ...

    def synchronize(self) -> None: ...


@contextlib.contextmanager
def _capture(graph: RecordedGraph, **_: object) -> Generator[None, None, None]:
    with _Recorder(graph):
        yield
    for entry in graph.noted:
        for one in entry[3]:
            one.fill_(float("nan") if one.is_floating_point() or one.is_complex() else 7)


def use_recorded_graphs(patch: pytest.MonkeyPatch) -> None:
    """Let whatever asks torch for streams and graphs have these."""
    patch.setattr(torch.cuda, "Stream", _Stream)
    patch.setattr(torch.cuda, "Event", _Stream)
    patch.setattr(torch.cuda, "CUDAGraph", RecordedGraph)
    patch.setattr(torch.cuda, "graph", _capture)
    patch.setattr(torch.cuda, "graph_pool_handle", lambda: None)
    patch.setattr(torch.cuda, "synchronize", lambda device=None: None)
    patch.setattr(torch.cuda, "stream", lambda stream: contextlib.nullcontext())
    patch.setattr(torch.cuda, "device", lambda device: contextlib.nullcontext())
    patch.setattr(Tensor, "pin_memory", lambda tensor: tensor.clone())


def _is_tensor(value: object) -> bool:
    return isinstance(value, Tensor)


def _place(tensor: Tensor) -> int:
    """Its address; of weights in a library's own layout, which nothing writes, any number."""
    plain = tensor.layout == torch.strided
    return tensor.untyped_storage().data_ptr() if plain else id(tensor)
