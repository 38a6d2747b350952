"""Start Parley: set up what native libraries read, then open the window or take the command."""

from __future__ import annotations

import multiprocessing
import os
import sys


def set_up_native() -> None:
    """Settings that libraries read once, at import; what the user has set himself stays."""
    # OpenMP threads that spin while waiting make everything 5 to 50 times slower on a busy machine.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("KMP_BLOCKTIME", "0")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    # Models are given by path: nothing here may look anything up on the network.
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    # onnxruntime would give this machine a number and report its use to its maker.
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    # Sound callbacks wait for the interpreter's lock: let go of it five times as often as usual.
    sys.setswitchinterval(0.001)


def main() -> int:
    """Open the window, or run the command line; returns the exit code."""
    multiprocessing.freeze_support()
    set_up_native()
    if not sys.argv[1:]:
        from app.core.screen import has_screen

        if has_screen():
            from app.ui.start import open_window

            code = open_window()
            sys.stderr.flush()
            # All of ours is closed and saved. What native libraries still do at exit can take seconds.
            os._exit(code)
    from app import cli

    return cli.main(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
