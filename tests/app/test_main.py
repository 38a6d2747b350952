"""The entry: quick where nothing heavy is needed, and the native set-up in time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import main as entry

ROOT = Path(__file__).resolve().parents[2]
HEAVY = ("torch", "numpy", "llama_cpp", "faster_whisper", "onnxruntime", "pydantic", "soundfile")


def run(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return done.stdout


@pytest.mark.parametrize("argument", ["--version", "--help"])
def test_what_needs_no_model_imports_nothing_heavy(argument: str) -> None:
    code = (
        "import sys, json, main\n"
        f"sys.argv = ['main.py', '{argument}']\n"
        "try: main.main()\n"
        "except SystemExit: pass\n"
        "print(json.dumps(sorted(sys.modules)))"
    )
    loaded = json.loads(run(code).splitlines()[-1])
    assert not set(HEAVY) & set(loaded)


def test_native_settings_are_made_but_not_forced(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OMP_WAIT_POLICY", "KMP_BLOCKTIME", "TOKENIZERS_PARALLELISM", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    monkeypatch.setenv("ORT_DISABLE_TELEMETRY", "0")
    entry.set_up_native()
    assert os.environ["ORT_DISABLE_TELEMETRY"] == "1"  # this one is: nothing leaves the machine
    assert os.environ["OMP_WAIT_POLICY"] == "PASSIVE"
    assert os.environ["HF_HUB_OFFLINE"] == "0"
