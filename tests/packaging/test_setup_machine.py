"""What the set-up tells people on each kind of machine."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from setup_machine import (
    COMPILER,
    ESPEAK,
    Machine,
    _os_release,
    has_compiler,
    install_line,
    python_install_line,
    python_version_of,
)


def machine(system: str, distribution: str = "", release: str = "", **changes: bool) -> Machine:
    return Machine(
        system=system,
        arch="x86_64",
        distribution=(distribution,) if distribution else (),
        release=release,
        is_root=changes.get("is_root", False),
        has_apt=distribution in {"debian", "ubuntu"},
        has_nvidia_gpu=False,
        has_avx2=True,
    )


@pytest.mark.parametrize(
    ("on", "line"),
    [
        (machine("linux", "debian", "12"), "sudo apt-get install -y espeak-ng libespeak-ng1"),
        (
            machine("linux", "debian", "12", is_root=True),
            "apt-get install -y espeak-ng libespeak-ng1",
        ),
        (machine("linux", "fedora", "43"), "sudo dnf install -y espeak-ng"),
        (machine("linux", "arch"), "sudo pacman -S --needed espeak-ng"),
        (machine("darwin"), "brew install espeak-ng"),
        (machine("windows"), "winget install eSpeak-NG.eSpeak-NG"),
        (machine("linux", "slackware"), "install espeak-ng with your system's package manager"),
    ],
)
def test_the_line_that_gets_espeak(on: Machine, line: str) -> None:
    assert install_line(on, ESPEAK) == line


def test_a_mac_gets_its_compiler_from_apple() -> None:
    assert install_line(machine("darwin"), COMPILER) == "xcode-select --install"


def test_windows_gets_a_compiler_and_not_its_installer_alone() -> None:
    assert "Workload.VCTools" in install_line(machine("windows"), COMPILER)


@pytest.mark.parametrize("status", [0, 2])
def test_a_mac_is_asked_for_its_tools_and_not_made_to_offer_them(
    status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def run(line: list[str], **_: object) -> subprocess.CompletedProcess[bytes]:
        asked.extend(line)
        return subprocess.CompletedProcess(line, status)

    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(subprocess, "run", run)
    assert has_compiler(machine("darwin")) == (status == 0)
    assert asked == ["/usr/bin/xcode-select", "-p"]


def test_visual_studios_folder_is_no_compiler_yet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.delenv("ProgramFiles(x86)", raising=False)
    monkeypatch.setenv("ProgramFiles", str(tmp_path))
    studio = tmp_path / "Microsoft Visual Studio"
    (studio / "Installer").mkdir(parents=True)
    assert not has_compiler(machine("windows"))
    (studio / "2022" / "BuildTools" / "VC" / "Tools" / "MSVC" / "14.44").mkdir(parents=True)
    assert has_compiler(machine("windows"))


@pytest.mark.parametrize(
    ("on", "part"),
    [
        (machine("linux", "debian", "12"), "apt-get install -y python3.11 python3.11-venv"),
        (machine("linux", "ubuntu", "24.04"), "pipx run uv python install 3.11"),
        (machine("linux", "fedora", "43"), "dnf install -y python3.11"),
        (machine("darwin"), "brew install python@3.11"),
        (machine("windows"), "winget install Python.Python.3.11"),
    ],
)
def test_the_line_that_gets_python(on: Machine, part: str) -> None:
    assert part in python_install_line(on)


def test_packages_are_installed_only_as_root_with_apt() -> None:
    assert machine("linux", "debian", "12", is_root=True).installs_packages
    assert not machine("linux", "debian", "12").installs_packages
    assert not machine("linux", "fedora", "43", is_root=True).installs_packages


def test_os_release_with_quotes_and_without_a_file(tmp_path: Path) -> None:
    path = tmp_path / "os-release"
    path.write_text('NAME="Pop"\nID=pop\nID_LIKE="ubuntu debian"\nVERSION_ID="24.04"\n')
    assert _os_release(path) == (("pop", "ubuntu", "debian"), "24.04")
    assert _os_release(tmp_path / "missing") == ((), "")


def test_a_python_that_does_not_run_has_no_version(tmp_path: Path) -> None:
    assert python_version_of(Path(sys.executable)) == sys.version_info[:2]
    assert python_version_of(tmp_path / "python3.11") is None
