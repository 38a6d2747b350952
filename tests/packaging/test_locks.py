"""The lock files say names, versions and hashes, nothing else, and agree with pyproject.toml."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from setup_locks import APART, plain_markers
from setup_steps import TORCH
from setup_triton import PIN as TRITON

ROOT = Path(__file__).resolve().parents[2]
LOCKS = ("requirements.lock", "llama.lock", "installer.lock", "triton.lock")


def lock_text(name: str) -> str:
    return (ROOT / "packaging" / name).read_text(encoding="utf-8")


def locked() -> dict[str, str]:
    pins = re.findall(r"^([\w.-]+)==([^\s;]+)", lock_text("requirements.lock"), flags=re.MULTILINE)
    return dict(pins)


def project() -> dict[str, list[str]]:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return {"runtime": settings["project"]["dependencies"], **settings["dependency-groups"]}


def name_of(requirement: str) -> str:
    found = re.match(r"[\w.-]+", requirement)
    assert found is not None, requirement
    return found[0].lower().replace("_", "-")


@pytest.mark.parametrize("name", LOCKS)
def test_no_addresses(name: str) -> None:
    text = lock_text(name)
    assert "://" not in text
    assert "index" not in re.sub(r"#.*", "", text)


@pytest.mark.parametrize("name", LOCKS)
def test_every_package_has_an_exact_version_and_a_hash(name: str) -> None:
    text = lock_text(name)
    blocks = re.split(r"^(?=[\w])", text, flags=re.MULTILINE)[1:]
    assert blocks
    for block in blocks:
        assert re.match(r"[\w.-]+==[\w.]+", block), block[:80]
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", block), block[:80]


def test_torch_and_its_gpu_packages_stay_out() -> None:
    names = set(locked())
    assert not names & {*APART, "triton"}
    assert not [name for name in names if name.startswith(("nvidia-", "cuda-"))]


@pytest.mark.parametrize("group", ["runtime", "dev", "apart"])
def test_everything_the_project_asks_for_is_locked(group: str) -> None:
    asked = {name_of(requirement) for requirement in project()[group]}
    assert asked - set(APART) <= set(locked())


def test_exact_pins_are_the_locked_versions() -> None:
    versions = locked()
    for requirement in [*project()["runtime"], *project()["dev"]]:
        name, separator, version = requirement.partition("==")
        if separator and name_of(name) not in APART:
            assert versions[name_of(name)] == version, requirement


def test_what_is_installed_apart_is_pinned_alike_everywhere() -> None:
    runtime = project()["runtime"]
    assert TORCH in runtime
    pin = next(word for word in runtime if word.startswith("llama-cpp-python=="))
    assert f"\n{pin} " in lock_text("llama.lock")
    assert f"\n{TRITON} " in lock_text("triton.lock")


def test_the_tests_get_the_triton_that_torch_was_built_with() -> None:
    """Only a CUDA build of torch names it; a CPU build that is installed here says nothing."""
    from importlib.metadata import requires

    named = [line.split(";")[0].strip() for line in requires("torch") or []]
    assert [line for line in named if line.startswith("triton")] in ([], [TRITON])


def test_the_needs_of_what_is_installed_apart_are_locked() -> None:
    """Otherwise pip would have chosen their versions on the day of the set-up."""
    from importlib.metadata import requires

    for package in ("torch", "llama-cpp-python"):
        needs = {name_of(line) for line in requires(package) or [] if "extra ==" not in line}
        # A CUDA build of torch needs its GPU packages too; those go with torch.
        needs = {name for name in needs if not name.startswith(("nvidia-", "cuda-", "triton"))}
        assert needs
        assert needs <= set(locked())


def test_the_marker_that_every_line_has_is_left_out() -> None:
    text = (
        "a==1 ; python_full_version < '3.12' \\\n    --hash=sha256:0\n"
        "b==2 ; python_full_version < '3.12' and sys_platform == 'win32' \\\n    --hash=sha256:1\n"
    )
    assert plain_markers(text) == (
        "a==1 \\\n    --hash=sha256:0\nb==2 ; sys_platform == 'win32' \\\n    --hash=sha256:1\n"
    )
