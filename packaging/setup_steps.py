"""The steps that turn a checkout and a Python 3.11 into a working environment in `.venv`.

Each step leaves a stamp holding a hash of what it was made from. A step whose stamp still fits is
skipped, so a second set-up takes a moment and an interrupted one goes on where it stopped.
Standard library only.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Sequence

import setup_llama
import setup_native
from setup_machine import (
    COMPILER,
    ESPEAK,
    PYTHON_VERSION,
    SOUND,
    VIRTUAL_DEVICES,
    WINDOW,
    Machine,
    Need,
    SetupError,
    first_python,
    has_compiler,
    has_espeak,
    has_sound,
    has_virtual_devices,
    has_window,
    install_line,
    install_packages,
    python_install_line,
    python_version_of,
)

TORCH = "torch==2.13.0"
BUILT_FOR = "import torch; print('cuda' if torch.version.cuda else 'cpu')"
GIB = 1 << 30
# What the finished environment takes, with room for the downloads beside it.
SPACE_CPU_BYTES = 4 * GIB
SPACE_CUDA_BYTES = 12 * GIB


@dataclass(frozen=True)
class Checkout:
    """Where things are in a checkout."""

    root: Path

    @property
    def packaging(self) -> Path:
        """The lock files' folder."""
        return self.root / "packaging"

    @property
    def venv(self) -> Path:
        """The virtual environment."""
        return self.root / ".venv"

    @property
    def stamps(self) -> Path:
        """Inside the environment, so that removing it forgets every step."""
        return self.venv / "parley-stamps"

    @property
    def python(self) -> Path:
        """The environment's interpreter."""
        return self.script("python")

    def script(self, name: str) -> Path:
        """A program in the environment."""
        if os.name == "nt":
            return self.venv / "Scripts" / f"{name}.exe"
        return self.venv / "bin" / name


def inputs_hash(*parts: str) -> str:
    """A short hash of everything a step was made from; order matters."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:20]


def is_done(stamps: Path, step: str, inputs: str) -> bool:
    """Whether a step was finished with exactly these inputs."""
    stamp = stamps / step
    return stamp.is_file() and stamp.read_text(encoding="ascii") == inputs


def mark_done(stamps: Path, step: str, inputs: str) -> None:
    """Record a finished step; whole or not at all, so that a crash here repeats the step."""
    stamps.mkdir(parents=True, exist_ok=True)
    unfinished = stamps / f".{step}.new"
    unfinished.write_text(inputs, encoding="ascii")
    os.replace(unfinished, stamps / step)


class Setup:
    """Runs the steps in order and says what it does."""

    def __init__(self, checkout: Checkout, machine: Machine) -> None:
        self.checkout = checkout
        self.machine = machine

    def run(self) -> None:
        """Bring the environment up to date.

        Raises:
            SetupError: a step failed; the message says what to do.
        """
        if self.machine.system == "darwin" and self.machine.arch == "x86_64":
            raise SetupError(
                "torch is no longer made for Macs with an Intel processor, so Parley does not run here:"
                " use a Mac with Apple silicon, Linux or Windows."
            )
        with setup_llama.exclusive(self.checkout.root / ".venv.lock"):
            python = self._find_python()
            self._step("environment", inputs_hash(str(python)), lambda: self._make_venv(python))
            installer = (self.checkout.packaging / "installer.lock").read_text(encoding="utf-8")
            self._step("installer", inputs_hash(installer), self._install_uv)
            self._step("torch", inputs_hash(TORCH, self._torch_kind()), self._install_torch)
            lock = (self.checkout.packaging / "requirements.lock").read_text(encoding="utf-8")
            self._step("packages", inputs_hash(lock), self._install_packages)
            self._step("llama", self._llama_key(), self._install_llama)
            self._step("native", inputs_hash(self._native_key()), self._build_native)
            self._step("imports", self._all_stamps(), self._check_imports)

    def _step(self, name: str, inputs: str, action: Callable[[], None]) -> None:
        if is_done(self.checkout.stamps, name, inputs):
            return
        action()
        mark_done(self.checkout.stamps, name, inputs)

    def _find_python(self) -> Path:
        """The interpreter to build on: the one that .venv was built on, else the best found."""
        if python_version_of(self.checkout.python) == PYTHON_VERSION:
            recorded = self.checkout.stamps / "base-python"
            if recorded.is_file():
                return Path(recorded.read_text(encoding="utf-8"))
        elif self.checkout.stamps.is_dir():
            shutil.rmtree(self.checkout.stamps)  # its Python is gone, so nothing in it counts
        found = first_python(self.machine)
        if found is None and self.machine.installs_packages:
            need = Need("Python 3.11", "", {"apt": "python3.11 python3.11-venv"})
            install_packages(need, "Installing Python 3.11 with apt-get")
            found = first_python(self.machine)
        if found is None:
            raise SetupError(
                "Parley needs Python 3.11, which is not on this machine; get it with:"
                f"  {python_install_line(self.machine)}  and run the same command again."
            )
        return found

    def _make_venv(self, python: Path) -> None:
        say(f"Creating the environment .venv with {python}")
        needed = SPACE_CUDA_BYTES if self._torch_kind() == "cuda" else SPACE_CPU_BYTES
        free = shutil.disk_usage(self.checkout.root).free
        if free < needed:
            raise SetupError(
                f"The environment needs about {needed // GIB} GiB and this disk has {free / GIB:.1f} GiB"
                " free: make room, or clone Parley onto another disk."
            )
        if self.checkout.venv.is_dir():
            shutil.rmtree(self.checkout.venv)
        if not self._runs([str(python), "-c", "import ensurepip"]):
            self._get_venv_module()
        command = [str(python), "-m", "venv", str(self.checkout.venv)]
        self._call(command, "The environment could not be created; is this folder writable?")
        self.checkout.stamps.mkdir(parents=True, exist_ok=True)
        (self.checkout.stamps / "base-python").write_text(str(python), encoding="utf-8")

    def _get_venv_module(self) -> None:
        major, minor = PYTHON_VERSION
        need = Need("python venv", "", {"apt": f"python{major}.{minor}-venv"})
        if self.machine.installs_packages and install_packages(
            need, "Installing Python's venv module with apt-get"
        ):
            return
        raise SetupError(
            "This Python has no venv module; get it with:"
            f"  {install_line(self.machine, need)}  and run the same command again."
        )

    def _install_uv(self) -> None:
        say("Installing the package installer uv")
        lock = self.checkout.packaging / "installer.lock"
        self._pip(
            ["install", "--quiet", "--require-hashes", "-r", str(lock)],
            "uv could not be installed; check the network connection and pip's configuration.",
        )

    def _torch_kind(self) -> str:
        """ "cuda" where an NVIDIA GPU answers, else "cpu"; PARLEY_TORCH overrides."""
        return torch_kind(self.machine, os.environ.get("PARLEY_TORCH", ""))

    def _install_torch(self) -> None:
        """Install torch with pip, before and apart from the lock.

        With pip, because pip's configuration (and PIP_EXTRA_INDEX_URL) says where this machine gets its
        packages, and a CPU build found there is preferred; apart from the lock, because locked with the
        rest it would bring 19 CUDA packages to machines that cannot use them.
        """
        kind = self._torch_kind()
        say(f"Installing {TORCH} for {'an NVIDIA GPU' if kind == 'cuda' else 'the CPU'}")
        if kind == "cpu" and self.machine.system == "linux" and not self._offers_cpu_torch():
            say(
                "  No CPU build of torch is offered to pip here, so this downloads the general one (2.6 GB)."
                " The README says how to get the small one."
            )
        if self.ask(BUILT_FOR) not in {"", kind}:
            # Another build of the same version would count as installed already.
            self._pip(
                ["uninstall", "--quiet", "-y", "torch"], "The old torch could not be removed."
            )
        self._pip(
            ["install", *quiet_in_logs(), TORCH],
            "torch could not be installed; check the network connection and the free disk space.",
        )
        if kind == "cuda" and self.ask(BUILT_FOR) == "cpu":
            say(
                "  Note: this PC has an NVIDIA GPU, but pip's configuration chose a CPU build of torch,"
                " so speech will be made on the CPU."
            )

    def _offers_cpu_torch(self) -> bool:
        asked = subprocess.run(
            [
                *(str(self.checkout.python), "-m", "pip", "install", "--dry-run", "--quiet"),
                *("--no-deps", "--ignore-installed", "--no-input", "--report", "-", TORCH),
            ],
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
        )
        return "+cpu" in asked.stdout

    def _install_packages(self) -> None:
        say("Installing the locked packages")
        lock = self.checkout.packaging / "requirements.lock"
        self._call(
            [
                *(str(self.checkout.script("uv")), "pip", "install", *quiet_in_logs(), "--python"),
                # The lock is complete; what moshi says about other packages' versions is not wanted.
                *(str(self.checkout.python), "--require-hashes", "--no-deps", "-r", str(lock)),
            ],
            "The locked packages could not be installed; check the network connection and try again.",
        )

    def _llama_key(self) -> str:
        lock = (self.checkout.packaging / "llama.lock").read_text(encoding="utf-8")
        libc = setup_llama.libc_name() if self.machine.system == "linux" else ""
        return setup_llama.cache_key(lock, self.machine, self._llama_flags(), libc)

    def _llama_flags(self) -> tuple[str, ...]:
        return setup_llama.cmake_flags(self.machine, os.environ.get("CMAKE_ARGS", ""))

    def _install_llama(self) -> None:
        key = self._llama_key()
        cache = setup_llama.cache_folder(self.machine, dict(os.environ))
        folder = cache / key
        with setup_llama.exclusive(cache / f"{key}.lock"):
            wheel = setup_llama.find_wheel(folder)
            if wheel is None:
                self._get_compiler()
                say(f"Building llama.cpp: some minutes, once on this machine (kept in {folder})")
                lock = self.checkout.packaging / "llama.lock"
                wheel = setup_llama.build_wheel(
                    self.checkout.python, lock, self._llama_flags(), folder
                )
            say("Installing llama.cpp from the cache")
            # With pip: uv would apply pyproject's override, which keeps this package out of the lock.
            self._pip(
                ["install", "--quiet", "--no-index", "--no-deps", "--force-reinstall", str(wheel)],
                f"The built llama.cpp could not be installed; remove {folder} and try again.",
            )

    def _native_key(self) -> str:
        return setup_native.key(self.checkout.python, self.checkout.root, child_environment())

    def _build_native(self) -> None:
        say("Building the CPU engine of speech")
        python, root = self.checkout.python, self.checkout.root
        say("  " + setup_native.build(python, root, child_environment()))

    def _get_compiler(self) -> None:
        if has_compiler(self.machine):
            return
        if self.machine.installs_packages:
            install_packages(COMPILER, "Installing a C++ compiler with apt-get")
        if not has_compiler(self.machine):
            raise SetupError(
                "llama.cpp is built on this machine and there is no C++ compiler; get one with:"
                f"  {install_line(self.machine, COMPILER)}  and run the same command again."
            )

    def _all_stamps(self) -> str:
        names = ("environment", "installer", "torch", "packages", "llama")
        texts = [(self.checkout.stamps / name).read_text(encoding="ascii") for name in names]
        return inputs_hash(*texts)

    def _check_imports(self) -> None:
        """Load the native libraries once, so that a broken one is named here and not in a conversation."""
        say("Checking that everything loads")
        for module in ("torch", "ctranslate2", "onnxruntime", "llama_cpp", "soundfile", "moshi"):
            self._call(
                [str(self.checkout.python), "-c", f"import {module}"],
                f"{module} was installed but does not load on this machine (the reason is above); "
                "remove the folder .venv and run the same command again.",
            )

    def _pip(self, arguments: list[str], failure: str) -> None:
        self._call(self._pip_command(arguments), failure)

    def _pip_command(self, arguments: list[str]) -> list[str]:
        return [str(self.checkout.python), "-m", "pip", *arguments, "--no-input"]

    def _call(self, command: list[str], failure: str) -> None:
        done = subprocess.run(command, env=child_environment(), stdin=subprocess.DEVNULL)
        if done.returncode != 0:
            raise SetupError(failure)

    def _runs(self, command: list[str]) -> bool:
        done = subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL)
        return done.returncode == 0

    def try_pip(self, arguments: list[str]) -> bool:
        """Whether pip did it, for what can be done without."""
        return subprocess.run(self._pip_command(arguments), env=child_environment()).returncode == 0

    def ask(self, code: str) -> str:
        """What the environment's Python prints; '' when it cannot."""
        command, environment = [str(self.checkout.python), "-c", code], child_environment()
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
        return done.stdout.strip()


FOR_TALKING = ((SOUND, has_sound), (WINDOW, has_window), (ESPEAK, has_espeak))
FOR_TESTS = (*FOR_TALKING, (VIRTUAL_DEVICES, has_virtual_devices))


def ensure(
    machine: Machine, needs: Sequence[tuple[Need, Callable[[Machine], bool]]] = FOR_TALKING
) -> None:
    """Get what is missing where we may, else name the line that does. Without it less works."""
    for need, is_there in needs:
        if is_there(machine):
            continue
        if machine.installs_packages:
            install_packages(need, f"Installing {need.what} with apt-get")
            if is_there(machine):
                continue
        line = install_line(machine, need)
        say(f"Note: {need.what} is not on this machine; it {need.why}. Get it with:  {line}")


def torch_kind(machine: Machine, override: str) -> str:
    """Which torch to install: "cpu" or "cuda".

    Args:
        machine: the machine to install on.
        override: "cpu", "cuda" or "" for looking at the machine.
    """
    if override:
        if override not in {"cpu", "cuda"}:
            raise SetupError(
                f"PARLEY_TORCH is '{override}'; set it to cpu or cuda, or leave it out."
            )
        return override
    return "cuda" if machine.has_nvidia_gpu and machine.system != "darwin" else "cpu"


def child_environment() -> dict[str, str]:
    """The environment for everything that is started: quiet tools, and OpenMP threads that sleep.

    With OpenMP's default of spinning while it waits, a busy machine is 5 to 50 times slower.
    """
    environment = dict(os.environ)
    environment.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    environment["PIP_DISABLE_PIP_VERSION_CHECK"] = "1"
    environment["UV_PYTHON_DOWNLOADS"] = "never"
    for name in ("PYTHONHOME", "PYTHONPATH", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__"):
        environment.pop(name, None)
    return environment


def quiet_in_logs() -> list[str]:
    """Progress bars for a person at a terminal, nothing where they would fill a log."""
    return [] if sys.stderr.isatty() else ["--quiet"]


def say(line: str) -> None:
    """One line of progress, on stderr: stdout belongs to the command that follows."""
    print(line if line.startswith("  ") else f"==> {line}", file=sys.stderr, flush=True)
