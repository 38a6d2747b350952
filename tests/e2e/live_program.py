"""The live conversation as a program without a window: what is shown goes out, wishes come in, as lines.

Run by ``test_live_card.py`` in a process of its own, because PortAudio reads its surroundings once.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("HF_HUB_OFFLINE", "1")


def main() -> int:
    """Talk until stdin ends; exit code 0 when everything ended in time."""
    from app.compose_live import LiveMaker
    from app.conversation.live import LiveSession
    from app.core.shown import Shown
    from app.settings.model import Settings

    settings = Settings(threads=1, recordings=Path(sys.argv[1]), chime=False)
    maker = LiveMaker(settings)
    session = LiveSession(maker, record=True)

    def show(what: Shown) -> None:
        told: dict[str, Any] = {"shown": type(what).__name__, **asdict(what)}
        sys.stdout.write(json.dumps(told, default=str) + "\n")
        sys.stdout.flush()

    session.watch(show)
    session.start()
    for line in sys.stdin:
        name, *words = line.split()
        if name == "type":
            session.type(" ".join(words))
        elif name == "stop":
            session.stop()
        elif name == "kill-engine" and maker.engine_pid:
            os.kill(maker.engine_pid, signal.SIGKILL)
    return 0 if session.close(5.0) else 1


if __name__ == "__main__":
    multiprocessing.freeze_support()
    sys.exit(main())
