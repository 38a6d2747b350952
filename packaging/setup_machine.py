"""What kind of machine this is, and what it still needs from its system.

Looks only, except for `install_packages`. Knows nothing of virtual environments or of Parley itself.
Standard library only, and must at least parse on Python 3.9.
"""

from __future__ import annotations

import ctypes
import os
import platform
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

PYTHON_VERSION = (3, 11)


class SetupError(Exception):
    """One sentence for the person at the terminal: what is wrong and what to do."""


@dataclass(frozen=True)
class Machine:
    """The facts that decide what is installed and how.

    system: "linux", "darwin" or "windows"; arch: "x86_64" or "arm64" (others as they call themselves);
    distribution: the ids of os-release, nearest first, for example ("ubuntu", "debian").
    """

    system: str
    arch: str
    distribution: tuple[str, ...]
    release: str
    is_root: bool
    has_apt: bool
    has_nvidia_gpu: bool
    has_avx2: bool

    @property
    def installs_packages(self) -> bool:
        """Whether missing system packages are installed rather than only named."""
        return self.is_root and self.has_apt


def this_machine() -> Machine:
    """Look at the machine that runs this."""
    system = platform.system().lower()
    arch = {"amd64": "x86_64", "aarch64": "arm64"}.get(
        platform.machine().lower(), platform.machine().lower()
    )
    ids, release = _os_release(Path("/etc/os-release"))
    return Machine(
        system=system,
        arch=arch,
        distribution=ids,
        release=release,
        is_root=hasattr(os, "geteuid") and os.geteuid() == 0,
        has_apt=shutil.which("apt-get") is not None,
        has_nvidia_gpu=_has_nvidia_gpu(),
        has_avx2=arch == "x86_64" and _has_avx2(system),
    )


def _os_release(path: Path) -> tuple[tuple[str, ...], str]:
    if not path.is_file():
        return (), ""
    fields: dict[str, str] = {}
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        key, separator, value = line.partition("=")
        if separator:
            fields[key.strip()] = value.strip().strip("\"'")
    ids = (fields.get("ID", ""), *fields.get("ID_LIKE", "").split())
    return tuple(name for name in ids if name), fields.get("VERSION_ID", "")


def _has_nvidia_gpu() -> bool:
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return False
    try:
        listed = subprocess.run([tool, "-L"], capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return False  # a driver that does not answer is no use to torch either
    return listed.returncode == 0 and "GPU 0" in listed.stdout


def _has_avx2(system: str) -> bool:
    cpuinfo = Path("/proc/cpuinfo")
    if system == "linux" and cpuinfo.is_file():
        return " avx2" in cpuinfo.read_text(encoding="utf-8", errors="replace")
    return True  # every Intel Mac and every PC that Windows 11 accepts


@dataclass(frozen=True)
class Need:
    """Something that must come from the system: why, and its package name on each kind of system."""

    what: str
    why: str
    packages: dict[str, str]


ESPEAK = Need(
    "espeak-ng",
    "makes the speech that training, evaluation and some tests use",
    {
        "apt": "espeak-ng libespeak-ng1",
        "dnf": "espeak-ng",
        "pacman": "espeak-ng",
        "brew": "espeak-ng",
        "winget": "eSpeak-NG.eSpeak-NG",
    },
)
SOUND = Need(
    "PortAudio",
    "opens the microphone and the loudspeaker",
    {"apt": "libportaudio2", "dnf": "portaudio", "pacman": "portaudio"},
)
WINDOW = Need(
    "what Qt draws windows with",
    "shows Parley's window",
    {
        "apt": "libegl1 libgl1 libxkbcommon0 libxkbcommon-x11-0 libfontconfig1 libfreetype6"
        " libglib2.0-0 libdbus-1-3 libxcb-cursor0 libxcb-icccm4 libxcb-keysyms1 libxcb-image0"
        " libxcb-randr0 libxcb-render-util0 libxcb-shape0 libxcb-sync1 libxcb-xfixes0 libxcb-xkb1"
        " libxcb-util1 libx11-xcb1 fonts-dejavu-core",
        "dnf": "mesa-libEGL libxkbcommon-x11 xcb-util-cursor xcb-util-wm xcb-util-keysyms",
        "pacman": "libglvnd libxkbcommon-x11 xcb-util-cursor xcb-util-wm xcb-util-keysyms",
    },
)
VIRTUAL_DEVICES = Need(
    "PulseAudio or Xvfb",
    "is the virtual sound card or screen of the tests",
    {
        "apt": "pulseaudio pulseaudio-utils libasound2-plugins xvfb",
        "dnf": "pulseaudio pulseaudio-utils alsa-plugins-pulseaudio xorg-x11-server-Xvfb",
        "pacman": "pulseaudio pulseaudio-alsa xorg-server-xvfb",
    },
)
COMPILER = Need(
    "a C++ compiler",
    "builds llama.cpp, once",
    {
        "apt": "build-essential cmake",
        "dnf": "gcc-c++ cmake",
        "pacman": "base-devel cmake",
        # The package alone is an installer; what it installs must be said to it.
        "winget": "Microsoft.VisualStudio.2022.BuildTools --override"
        ' "--passive --wait --add Microsoft.VisualStudio.Workload.VCTools --includeRecommended"',
    },
)


def has_espeak(_machine: Machine) -> bool:
    """Whether libespeak-ng can be loaded."""
    names = ("libespeak-ng.so.1", "libespeak-ng.so", "libespeak-ng.dylib", "libespeak-ng.dll")
    folders = ("", "/opt/homebrew/lib/", "/usr/local/lib/", "C:\\Program Files\\eSpeak NG\\")
    for folder in folders:
        for name in names:
            if _loads(folder + name):
                return True
    return False


def has_sound(machine: Machine) -> bool:
    """Whether PortAudio can be loaded; on Windows and macOS its package brings it."""
    return machine.system != "linux" or _loads("libportaudio.so.2")


def has_window(machine: Machine) -> bool:
    """Whether the libraries that Qt's window needs can be loaded; elsewhere Qt brings them."""
    if machine.system != "linux":
        return True
    needed = ("libEGL.so.1", "libxkbcommon-x11.so.0", "libfontconfig.so.1", "libxcb-cursor.so.0")
    return all(_loads(name) for name in (*needed, "libxcb-icccm.so.4", "libdbus-1.so.3"))


def has_virtual_devices(machine: Machine) -> bool:
    """Whether the tests can make a sound card and a screen of their own; only Linux has them to make."""
    if machine.system != "linux":
        return True
    return all(shutil.which(tool) for tool in ("pulseaudio", "paplay", "parec", "Xvfb"))


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def has_compiler(machine: Machine) -> bool:
    """Whether a C++ compiler is likely to be found by CMake."""
    if os.environ.get("CXX"):
        return True
    if machine.system == "windows":
        roots = [os.environ.get(name) for name in ("ProgramFiles(x86)", "ProgramFiles")]
        found = [Path(root) / "Microsoft Visual Studio" for root in roots if root]
        return any(any(folder.glob("*/*/VC/Tools/MSVC/*")) for folder in found)
    names = [shutil.which(name) for name in ("c++", "g++", "clang++")]
    if machine.system == "darwin" and all(
        name is None or name[:9] == "/usr/bin/" for name in names
    ):
        # There the names are stand-ins, which open a window where the tools behind them are missing.
        asked = ["/usr/bin/xcode-select", "-p"]
        return subprocess.run(asked, capture_output=True, check=False).returncode == 0
    return any(names)


def install_line(machine: Machine, need: Need) -> str:
    """The exact line that gets `need` on this machine."""
    manager = _manager(machine)
    packages = need.packages.get(manager)
    if machine.system == "darwin" and need is COMPILER:
        return "xcode-select --install"
    if packages is None:
        return f"install {need.what} with your system's package manager"
    sudo = "" if machine.is_root else "sudo "
    return {
        "apt": f"{sudo}apt-get install -y {packages}",
        "dnf": f"{sudo}dnf install -y {packages}",
        "pacman": f"{sudo}pacman -S --needed {packages}",
        "brew": f"brew install {packages}",
        "winget": f"winget install {packages}",
    }[manager]


def python_install_line(machine: Machine) -> str:
    """The exact line that gets Python 3.11 on this machine."""
    major, minor = PYTHON_VERSION
    python = f"python{major}.{minor}"
    sudo = "" if machine.is_root else "sudo "
    if machine.system == "darwin":
        return f"brew install python@{major}.{minor}"
    if machine.system == "windows":
        return f"winget install Python.Python.{major}.{minor}"
    if machine.distribution[:1] == ("debian",) and machine.release == "12":
        return f"{sudo}apt-get install -y {python} {python}-venv"
    if "fedora" in machine.distribution or "rhel" in machine.distribution:
        return f"{sudo}dnf install -y {python}"
    # Other systems have moved on to newer versions; uv keeps every version beside the system's own.
    if _manager(machine) == "apt":
        return f"{sudo}apt-get install -y pipx && pipx run uv python install {major}.{minor}"
    return f"pipx run uv python install {major}.{minor}"


def install_packages(need: Need, say_line: str) -> bool:
    """Install `need` with apt-get (root on Debian or Ubuntu). Returns whether that worked."""
    packages = need.packages["apt"].split()
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    print(f"  {say_line}", flush=True)
    for command in (
        ["apt-get", "update", "-qq"],
        ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages],
    ):
        done = subprocess.run(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
        )
    return (
        done.returncode == 0
    )  # a stale package list need not stop an install, so only the last counts


def _manager(machine: Machine) -> str:
    if machine.system == "darwin":
        return "brew"
    if machine.system == "windows":
        return "winget"
    if machine.has_apt:
        return "apt"
    if {"fedora", "rhel"} & set(machine.distribution):
        return "dnf"
    return "pacman" if "arch" in machine.distribution else "unknown"


def python_candidates(machine: Machine) -> list[Path]:
    """Where a Python 3.11 may be, likeliest first. Some may not exist or not be 3.11."""
    major, minor = PYTHON_VERSION
    home = Path.home()
    if machine.system == "windows":
        local = Path(os.environ.get("LOCALAPPDATA", str(home / "AppData" / "Local")))
        roaming = Path(os.environ.get("APPDATA", str(home / "AppData" / "Roaming")))
        found = [
            local / "Programs" / "Python" / f"Python{major}{minor}" / "python.exe",
            Path(f"C:\\Python{major}{minor}\\python.exe"),
            *sorted((roaming / "uv" / "python").glob(f"cpython-{major}.{minor}*/python.exe")),
        ]
    else:
        on_path = shutil.which(f"python{major}.{minor}")
        data = Path(os.environ.get("XDG_DATA_HOME", str(home / ".local" / "share")))
        pyenv = Path(os.environ.get("PYENV_ROOT", str(home / ".pyenv")))
        executable = f"bin/python{major}.{minor}"
        found = [
            *([Path(on_path)] if on_path else []),
            Path(f"/usr/{executable}"),
            Path(f"/opt/homebrew/{executable}"),
            Path(f"/usr/local/{executable}"),
            *sorted((pyenv / "versions").glob(f"{major}.{minor}.*/{executable}")),
            *sorted((data / "uv" / "python").glob(f"cpython-{major}.{minor}*/{executable}")),
        ]
    return [path for path in found if path.is_file()]


def python_version_of(python: Path) -> Optional[tuple[int, int]]:
    """The (major, minor) that an interpreter reports, or None when it does not run."""
    code = "import sys; print(sys.version_info[0], sys.version_info[1])"
    try:
        asked = subprocess.run(
            [str(python), "-c", code], capture_output=True, text=True, timeout=60
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    words = asked.stdout.split()
    if asked.returncode != 0 or len(words) != 2:
        return None
    return int(words[0]), int(words[1])


def first_python(machine: Machine) -> Optional[Path]:
    """The Python 3.11 to build on: the one that runs this if it is one, else the first that answers."""
    if sys.version_info[:2] == PYTHON_VERSION and sys.prefix == sys.base_prefix:
        return Path(sys.executable)
    for candidate in python_candidates(machine):
        if python_version_of(candidate) == PYTHON_VERSION:
            return candidate
    if sys.version_info[:2] == PYTHON_VERSION:
        # Started from some other environment's Python: build on what that one was built on.
        return Path(getattr(sys, "_base_executable", sys.executable))
    return None
