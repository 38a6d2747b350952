"""Which operations of PyTorch run, in order, and which of them are kernels on a card."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

WITHOUT_A_KERNEL = (
    *("view", "_unsafe_view", "slice", "select", "expand", "transpose", "permute", "unsqueeze"),
    *("split", "split_with_sizes", "t", "as_strided", "detach", "alias", "squeeze", "empty"),
    *("empty_like", "unbind", "reshape", "chunk"),
)


class Recorder(TorchDispatchMode):
    """Every operation, in order, and where its tensors are."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []
        self.devices: set[str] = set()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> object:
        self.names.append(func.overloadpacket.__name__)
        result = func(*args, **(kwargs or {}))
        tensors = (one for one in tree_leaves((args, kwargs, result)) if isinstance(one, Tensor))
        self.devices.update(one.device.type for one in tensors)
        return result


def recorded(run: Callable[[], None]) -> list[str]:
    """The operations of ``run`` that are kernels."""
    with torch.inference_mode(), Recorder() as recorder:
        run()
    return [name for name in recorder.names if name not in WITHOUT_A_KERNEL]
