"""What the import contracts cannot see: that light modules stay light when they are imported."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
HEAVY = (
    *("torch", "moshi", "transformers", "llama_cpp", "faster_whisper", "ctranslate2"),
    *("onnxruntime", "matplotlib", "scipy", "sounddevice", "PySide6"),
)
LIGHT = (
    *("engine", "engine.types", "engine.config", "engine.errors", "engine.normalise"),
    *("app", "app.core", "app.cli", "app.compose", "app.compose_live"),
    *("app.conversation.live", "app.conversation.simulation", "app.bench", "app.recording"),
    *("app.audio", "app.listening", "app.thinking", "app.speaking", "app.settings"),
)


@pytest.mark.parametrize("module", LIGHT)
def test_importing_it_loads_nothing_heavy(module: str) -> None:
    code = (
        f"import sys, {module}\n"
        f"print(sorted({{name.split('.')[0] for name in sys.modules}} & set({HEAVY!r})))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"


def test_the_project_folder_does_not_hide_the_packaging_library() -> None:
    """Our packaging/ has no __init__.py: with one, libraries that `import packaging` would find it."""
    import packaging.version

    assert not Path(packaging.version.__file__).is_relative_to(ROOT / "packaging")
    assert not (ROOT / "packaging" / "__init__.py").exists()
