"""The import contracts of pyproject.toml, tried on a small made-up project: each catches what it is for.

A contract with a misspelt module would pass for ever; here it would fail.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ALLOWED = {
    "app/core/ports.py": "import numpy\n",
    "app/settings/model.py": "import app.core.ports\n",
    "app/audio/devices.py": "import sounddevice\nimport app.settings.model\n",
    "app/listening/whisper.py": "import faster_whisper, ctranslate2, onnxruntime\n",
    "app/thinking/llama.py": "import llama_cpp\nimport app.core.ports\n",
    "app/speaking/csm.py": "import engine.generator\n",
    "app/library/fit.py": "import engine.weights\n",
    "app/compose.py": "import app.audio.devices, app.listening.whisper, app.speaking.csm, engine\n",
    "app/headless.py": "import app.compose\n",
    "app/cli.py": "import app.headless, engine.bench\n",
    "app/ui/window.py": "import PySide6\nimport app.compose\n",
    "engine/generator.py": "import torch, moshi\n",
    "engine/weights.py": "",
    "engine/bench.py": "",
    "engine/training/whisper.py": "import ctranslate2, transformers\n",
    "engine/evaluation/nano.py": "import faster_whisper, llama_cpp\n",
}
# contract -> files that break it, one import each
BREAKING = {
    "The layers of app": [
        ("app/core/clock.py", "import app.settings.model\n"),
        ("app/thinking/prompt.py", "import app.listening.whisper\n"),
        ("app/settings/paths.py", "import app.audio.devices\n"),
        ("app/conversation/turn.py", "import app.compose\n"),
        ("app/unplaced/thing.py", ""),
    ],
    "The engine knows nothing of app": [("engine/types.py", "import app.core.ports\n")],
    "Only speaking, library, compose and cli use the engine": [
        ("app/conversation/session.py", "import engine.generator\n"),
        ("app/thinking/tools.py", "import engine\n"),
    ],
    "torch and moshi only in the engine": [("app/speaking/fast.py", "import torch\n")],
    "PySide6 only in app.ui": [("app/headless.py", "import PySide6\n")],
    "llama_cpp only in app.thinking": [
        ("app/compose.py", "import llama_cpp\n"),
        ("engine/generator.py", "import llama_cpp\n"),
    ],
    "faster_whisper, ctranslate2 and onnxruntime only in app.listening": [
        ("app/audio/vad.py", "import onnxruntime\n"),
        ("engine/generator.py", "import ctranslate2\n"),
        ("app/cli.py", "import faster_whisper\n"),
    ],
    "sounddevice only in app.audio": [
        ("app/speaking/player.py", "import sounddevice\n"),
        ("engine/mimi.py", "import sounddevice\n"),
    ],
    "Running speech does not need the training and evaluation tools": [
        ("app/audio/filters.py", "import scipy\n"),
        ("app/thinking/gguf.py", "import gguf\n"),
    ],
}


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        for folder in path.relative_to(root).parents[:-1]:
            (root / folder / "__init__.py").touch()
        path.write_text(text, encoding="utf-8")


def verdicts(root: Path) -> dict[str, str]:
    """The verdict (KEPT or BROKEN) on every contract."""
    shutil.copy(ROOT / "pyproject.toml", root)
    tool = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [str(tool), "--no-cache", "--no-logo"], cwd=root, capture_output=True, text=True
    )
    found = re.findall(r"^(.+?) (KEPT|BROKEN)", done.stdout, flags=re.MULTILINE)
    assert found, done.stdout + done.stderr
    return dict(found)


def test_what_is_allowed_keeps_every_contract(tmp_path: Path) -> None:
    write(tmp_path, ALLOWED)
    assert verdicts(tmp_path) == dict.fromkeys(BREAKING, "KEPT")


@pytest.mark.parametrize(
    ("contract", "name", "text"),
    [(contract, *case) for contract, cases in BREAKING.items() for case in cases],
)
def test_what_is_not_allowed_breaks_its_contract(
    tmp_path: Path, contract: str, name: str, text: str
) -> None:
    write(tmp_path, {**ALLOWED, name: text})
    broken = [name for name, verdict in verdicts(tmp_path).items() if verdict == "BROKEN"]
    assert broken == [contract]
