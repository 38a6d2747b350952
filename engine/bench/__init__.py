"""How fast the engine is on this machine, in one run with its peer.

- ``suite``: the run: who takes part, round after round.
- ``rows``: from measured rounds to the rows of the table. Pure.
- ``ours``, ``peer``: the two kinds of contestants.
- ``child``: each contestant in a process of its own.
- ``build``: models of each precision, also of random weights.
- ``memory``: bandwidth of memory, and how much of it is used.
- ``profiling``: where a frame's time goes.
"""

from __future__ import annotations

from engine.bench.suite import run

__all__ = ["run"]
