"""Compiles ``src/`` for this very machine: ``python -m engine.native.build``. Standard library only.

The result lies beside this file, named with a digest of everything it was made from, so that a changed
source or another processor is never met by an old build. Without it the engine is slower, not broken.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
SOURCES = FOLDER / "src"
PREFIX = "parley_native-"
SWITCH = "PARLEY_NATIVE"
"""Environment variable: 0 leaves this engine unused and unbuilt."""

UNIX_FLAGS = (
    *("-std=c++17", "-O3", "-shared", "-fPIC", "-pthread", "-fvisibility=hidden"),
    # Square roots set no errno and conversions raise no flag: both stand in the way of vectors.
    *("-fno-math-errno", "-fno-trapping-math"),
)
MSVC_FLAGS = ("/nologo", "/std:c++17", "/O2", "/EHsc", "/LD")
PORTABLE = "PARLEY_PORTABLE"
"""Defined, it leaves out all intrinsics (for the test that compares)."""

_VECTOR_FLAG = re.compile(r"(avx|fma|f16c|sse|ssse|bmi|amx|asimd|sve|fp16|bf16|dotprod|i8mm|movbe)")
_WINDOWS_AVX2, _WINDOWS_AVX512 = 40, 41  # IsProcessorFeaturePresent


class BuildError(Exception):
    """The library could not be compiled; the message is one sentence."""


@dataclass(frozen=True, slots=True)
class Compiler:
    """A C++ compiler: its program, what must run before it, and whether it takes MSVC's options."""

    program: str
    msvc: bool = False
    environment_script: str = ""


def switched_off(environment: dict[str, str] | None = None) -> bool:
    """Whether the user wants to do without this engine."""
    return (environment or dict(os.environ)).get(SWITCH, "") == "0"


def sources() -> list[Path]:
    """The files that are compiled, and those that they include."""
    return sorted(SOURCES.glob("*.[ch]*"))


def processor() -> str:
    """What a build depends on of this processor."""
    parts = [platform.system(), platform.machine(), platform.processor()]
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        first = cpuinfo.read_text(encoding="utf-8", errors="replace").split("\n\n")[0]
        lines = dict(line.split(":", 1) for line in first.splitlines() if ":" in line)
        fields = {name.strip(): value.strip() for name, value in lines.items()}
        parts += [fields.get(name, "") for name in ("vendor_id", "cpu family", "model", "CPU part")]
        names = (fields.get("flags") or fields.get("Features") or "").split()
        parts += sorted(name for name in names if _VECTOR_FLAG.match(name))
    return " ".join(parts)


def digest() -> str:
    """Names a build: sources, options and processor."""
    summary = hashlib.sha256()
    for path in sources():
        summary.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    summary.update(" ".join((*UNIX_FLAGS, *MSVC_FLAGS, processor())).encode())
    return summary.hexdigest()[:16]


def library_path() -> Path:
    """Where the build for this machine and these sources lies, or would lie."""
    suffix = {"win32": ".dll", "darwin": ".dylib"}.get(sys.platform, ".so")
    return FOLDER / f"{PREFIX}{digest()}{suffix}"


def find_compiler() -> Compiler:
    """The first C++ compiler of this machine.

    Raises:
        BuildError: when there is none.
    """
    chosen = os.environ.get("CXX", "").split()
    for name in (*chosen[:1], "c++", "g++", "clang++"):
        found = shutil.which(name)
        if found:
            return Compiler(found)
    if shutil.which("cl"):
        return Compiler("cl", msvc=True)
    script = _visual_studio()
    if script:
        return Compiler("cl", msvc=True, environment_script=script)
    raise BuildError("there is no C++ compiler on this machine")


def _visual_studio() -> str:
    """The script that sets up an installed Visual Studio's compiler, '' without one."""
    installer = Path(
        os.environ.get("PROGRAMFILES(X86)", ""), "Microsoft Visual Studio", "Installer"
    )
    tool = installer / "vswhere.exe"
    if sys.platform != "win32" or not tool.is_file():
        return ""
    asked = [str(tool), "-latest", "-products", "*", "-property", "installationPath"]
    where = subprocess.run(asked, capture_output=True, text=True).stdout.strip()
    script = Path(where, "VC", "Auxiliary", "Build", "vcvars64.bat")
    return str(script) if where and script.is_file() else ""


def machine_flags() -> tuple[str, ...]:
    """Options that let the compiler use all of this processor."""
    if sys.platform == "win32":
        has = ctypes.windll.kernel32.IsProcessorFeaturePresent
        if has(_WINDOWS_AVX512):
            return ("/arch:AVX512",)
        return ("/arch:AVX2",) if has(_WINDOWS_AVX2) else ()
    if platform.machine().lower() in ("arm64", "aarch64"):
        return ("-mcpu=native",)
    return ("-march=native",)


def command(
    compiler: Compiler, flags: Sequence[str], defines: Sequence[str], target: Path
) -> list[str]:
    """The line that compiles everything into ``target``."""
    files = [str(path) for path in sources() if path.suffix == ".cpp"]
    if not compiler.msvc:
        defined = [f"-D{name}" for name in defines]
        return [compiler.program, *UNIX_FLAGS, *flags, *defined, *files, "-o", str(target)]
    defined = [f"/D{name}" for name in defines]
    line = [compiler.program, *MSVC_FLAGS, *flags, *defined, *files, f"/Fe:{target}"]
    if compiler.environment_script:
        return ["cmd", "/s", "/c", "call", compiler.environment_script, ">nul", "&&", *line]
    return line


def compile_library(
    target: Path, *, flags: Sequence[str] | None = None, defines: Sequence[str] = ()
) -> Path:
    """Compile into ``target``, whole or not at all.

    Raises:
        BuildError: with the compiler's first complaint.
    """
    compiler = find_compiler()
    chosen = machine_flags() if flags is None else flags
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{PREFIX}") as folder:
        built = Path(folder) / target.name
        line = command(compiler, chosen, defines, built)
        done = subprocess.run(
            line,
            cwd=folder,
            capture_output=True,
            text=True,
            errors="replace",
            stdin=subprocess.DEVNULL,
        )
        if done.returncode != 0 or not built.is_file():
            said = f"{done.stderr}\n{done.stdout}".splitlines()
            complaint = next((one.strip() for one in said if "error" in one.lower()), "no reason")
            raise BuildError(f"{compiler.program} failed: {complaint}")
        os.replace(built, target)
    return target


def build() -> Path:
    """The library for this machine, compiled unless it is there; older builds that nobody uses go.

    Raises:
        BuildError: when it cannot be compiled.
    """
    target = library_path()
    if not target.is_file():
        compile_library(target)
    for old in FOLDER.glob(f"{PREFIX}*{target.suffix}"):
        if old != target:
            with contextlib.suppress(OSError):  # Windows keeps what a running program has loaded
                old.unlink()
    return target


def key() -> str:
    """What a set-up builds from: a change of it is worth another try."""
    if switched_off():
        return "off"
    try:
        compiler = find_compiler()
    except BuildError:
        return digest()
    asked = [compiler.program, "--version"]
    said = "" if compiler.msvc else subprocess.run(asked, capture_output=True, text=True).stdout
    return f"{digest()} {compiler.program} {said.partition(chr(10))[0]}"


def main(arguments: Sequence[str]) -> int:
    """Build, and say in one line how it went; 1 where it could not be done. ``--key``: see ``key``."""
    status = 0
    if "--key" in arguments:
        line = key()
    elif switched_off():
        line = f"The CPU engine is switched off ({SWITCH}=0)."
    else:
        try:
            line = f"The CPU engine is built: {build().name}"
        except (BuildError, OSError) as error:
            line = f"The CPU engine was not built: {error}; speech on the CPU will be slower."
            status = 1
    sys.stdout.write(line + "\n")
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
