"""The llama-cpp-python wheel: built once on this machine, then taken from the user's cache folder.

The package is published as source only and takes minutes to compile. A build is kept under a key of
everything that shapes it (version, Python, platform, compiler flags), so that another checkout, or the
same one after a clean-up, installs it in seconds. Standard library only.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from setup_machine import Machine, SetupError

COMMON_FLAGS = (
    # Portable code rather than code for this very CPU: the cache may be on a shared home folder.
    "-DGGML_NATIVE=OFF",
    "-DLLAVA_BUILD=OFF",
    "-DLLAMA_BUILD_TOOLS=OFF",
    "-DLLAMA_BUILD_EXAMPLES=OFF",
    "-DLLAMA_BUILD_TESTS=OFF",
    "-DLLAMA_BUILD_SERVER=OFF",
    "-DLLAMA_OPENSSL=OFF",
    "-DGGML_CCACHE=OFF",
)
AVX2_FLAGS = ("-DGGML_AVX2=ON", "-DGGML_FMA=ON", "-DGGML_F16C=ON", "-DGGML_BMI2=ON")
HEARTBEAT_S = 30.0


def cmake_flags(machine: Machine, user_flags: str = "") -> tuple[str, ...]:
    """The compiler flags for this machine; the user's own CMAKE_ARGS come last, so they win."""
    vector = AVX2_FLAGS if machine.has_avx2 else ()
    return (*COMMON_FLAGS, *vector, *user_flags.split())


def cache_folder(machine: Machine, environment: dict[str, str]) -> Path:
    """Where built wheels are kept: PARLEY_CACHE_DIR, or the system's usual place for caches."""
    override = environment.get("PARLEY_CACHE_DIR")
    if override:
        return Path(override).expanduser() / "wheels"
    home = Path.home()
    if machine.system == "windows":
        base = Path(environment.get("LOCALAPPDATA", str(home / "AppData" / "Local")))
        return base / "parley" / "Cache" / "wheels"
    if machine.system == "darwin":
        return home / "Library" / "Caches" / "parley" / "wheels"
    base = Path(environment.get("XDG_CACHE_HOME") or str(home / ".cache"))
    return base / "parley" / "wheels"


def cache_key(pinned: str, machine: Machine, flags: tuple[str, ...], libc: str) -> str:
    """A folder name for one build: readable in front, exact behind.

    Args:
        pinned: the text of llama.lock, which holds the version and the source's hash.
        machine: the machine to build for.
        flags: the CMake flags.
        libc: name and version of the C library, such as "glibc2.36".
    """
    version = re.search(r"==([\w.]+)", pinned)
    if version is None:
        raise SetupError(
            "packaging/llama.lock names no version: restore that file from the repository."
        )
    python = f"cp{sys.version_info[0]}{sys.version_info[1]}"
    parts = (pinned, python, machine.system, machine.arch, libc, *flags)
    digest = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]
    return f"llama-cpp-python-{version[1]}-{python}-{machine.system}-{machine.arch}-{digest}"


def libc_name() -> str:
    """The C library's name and version, '' where it does not matter."""
    return "".join(platform.libc_ver())


@contextmanager
def exclusive(path: Path) -> Generator[None, None, None]:
    """Hold a lock file, waiting for whoever holds it. The lock goes when its holder ends, however it ends."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+b") as handle:
        waited = False
        while not _try_lock(handle.fileno()):
            if not waited:
                print("  Another set-up is at work here; waiting for it to finish.", flush=True)
                waited = True
            time.sleep(1.0)
        yield


def _try_lock(descriptor: int) -> bool:
    if sys.platform == "win32":
        import msvcrt

        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def find_wheel(folder: Path) -> Path | None:
    """The wheel in a cache folder, when it is there and whole."""
    for wheel in sorted(folder.glob("*.whl")):
        stated = wheel.with_name(wheel.name + ".sha256")
        if stated.is_file() and stated.read_text(encoding="ascii").strip() == file_hash(wheel):
            return wheel
    return None


def keep_wheel(wheel: Path, folder: Path) -> Path:
    """Move a finished wheel into its cache folder, with its hash, so that a half copy is never used."""
    folder.mkdir(parents=True, exist_ok=True)
    kept = folder / wheel.name
    digest = file_hash(wheel)
    shutil.move(str(wheel), str(kept))
    kept.with_name(kept.name + ".sha256").write_text(digest + "\n", encoding="ascii")
    return kept


def file_hash(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as handle:
        while block := handle.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def build_wheel(python: Path, lock: Path, flags: tuple[str, ...], folder: Path) -> Path:
    """Build the wheel from its hash-checked source and put it into `folder`.

    Raises:
        SetupError: the build failed; names the log.
    """
    folder.mkdir(parents=True, exist_ok=True)
    log_path = folder / "build.log"
    environment = {
        **os.environ,
        "CMAKE_ARGS": " ".join(flags),
        "CMAKE_BUILD_PARALLEL_LEVEL": str(os.cpu_count() or 2),
    }
    with tempfile.TemporaryDirectory(dir=folder) as target, log_path.open("wb") as log:
        command = [
            *(str(python), "-m", "pip", "wheel", "--no-deps", "--no-input", "--no-cache-dir"),
            *("--require-hashes", "--no-binary", "llama-cpp-python", "-r", str(lock), "-w", target),
        ]
        process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # so that the compilers can be ended together with pip
        )
        try:
            _wait_aloud(process)
        finally:
            _end(process)
        wheels = sorted(Path(target).glob("*.whl"))
        if process.returncode != 0 or not wheels:
            tail = log_path.read_text(encoding="utf-8", errors="replace").splitlines()[-20:]
            print("\n".join(f"  | {line}" for line in tail), file=sys.stderr)
            raise SetupError(
                f"llama.cpp could not be built; the last lines are above and the whole log is in {log_path}."
            )
        return keep_wheel(wheels[0], folder)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a build that was given up, and the compilers it started."""
    if process.poll() is not None:
        return
    if sys.platform == "win32":
        process.terminate()
    else:
        os.killpg(process.pid, signal.SIGTERM)
    process.wait()


def _wait_aloud(process: subprocess.Popen[bytes]) -> None:
    """Wait for a build, saying now and then that it is still going on."""
    started = time.monotonic()
    while True:
        try:
            process.wait(timeout=HEARTBEAT_S)
        except subprocess.TimeoutExpired:
            minutes, seconds = divmod(int(time.monotonic() - started), 60)
            print(f"  still building ({minutes} min {seconds:02d} s)", flush=True)
        else:
            return
