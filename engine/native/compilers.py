"""The C++ compilers of this machine, and what each is told. Standard library only.

Nothing here may ask the user for anything: no compiler is called that would offer to be installed.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

PROBE = Path(__file__).resolve().parent / "src" / "probe" / "processor.cpp"
"""A program that names the processor's vector instructions, where the compiler cannot find them out."""

COMMON_FLAGS = (
    *("-std=c++17", "-O3", "-shared", "-fvisibility=hidden"),
    # Square roots set no errno and conversions raise no flag: both stand in the way of vectors.
    *("-fno-math-errno", "-fno-trapping-math"),
)
UNIX_FLAGS = ("-fPIC", "-pthread")
MINGW_FLAGS = ("-static",)  # nobody else would find the compiler's own libraries
MSVC_FLAGS = ("/nologo", "/std:c++17", "/utf-8", "/O2", "/EHsc", "/MT", "/LD")

# GCC keeps the stack of a Windows program aligned to 16 bytes and yet moves whole vectors to it with
# instructions that insist on 32 or 64. The assembler can write the ones that do not insist.
_MINGW_MOVES = "-Wa,-muse-unaligned-vector-move"
_APPLE_STUBS = Path("/usr/bin")
_COMPONENT = "Microsoft.VisualStudio.Component.VC.Tools.x86.x64"


class BuildError(Exception):
    """The library could not be compiled; the message is one sentence."""


@dataclass(frozen=True, slots=True)
class Compiler:
    """A C++ compiler.

    Attributes:
        program: its path or name.
        options: what its user wants with every call (the further words of ``CXX``).
        msvc: it takes Microsoft's options.
        environment: what it must run in, None for this process's own.
        windows: it makes programs for Windows.
    """

    program: str
    options: tuple[str, ...] = ()
    msvc: bool = False
    environment: Mapping[str, str] | None = None
    windows: bool = sys.platform == "win32"

    def run(self, line: Sequence[str], folder: Path) -> subprocess.CompletedProcess[str]:
        """Run a command line of it in a folder; nobody is there to answer a question."""
        return subprocess.run(
            line,
            cwd=folder,
            env=None if self.environment is None else dict(self.environment),
            capture_output=True,
            text=True,
            errors="replace",
            stdin=subprocess.DEVNULL,
        )

    def version(self) -> str:
        """What it says of itself; '' where it cannot be asked."""
        if self.msvc:
            return ""
        asked = [self.program, *self.options, "--version"]
        return self.run(asked, Path.cwd()).stdout.partition("\n")[0]


def found() -> Iterator[Compiler]:
    """The C++ compilers of this machine, the likeliest to do first: what ``CXX`` names, then the system's."""
    chosen = os.environ.get("CXX", "").split()
    first = shutil.which(chosen[0]) if chosen else None
    if first:
        yield Compiler(first, tuple(chosen[1:]), msvc=Path(first).stem.lower() == "cl")
    if sys.platform == "win32":
        yield from _microsofts()
    seen = {first}
    for name in ("c++", "g++", "clang++"):
        program = shutil.which(name)
        if program and program not in seen and not _is_empty_stub(program):
            seen.add(program)
            yield Compiler(program)


def find_compiler() -> Compiler:
    """The first C++ compiler of this machine.

    Raises:
        BuildError: when there is none.
    """
    for compiler in found():
        return compiler
    raise BuildError("there is no C++ compiler on this machine")


def _is_empty_stub(program: str) -> bool:
    """Whether this is macOS's stand-in for a compiler, which would open a window to offer one."""
    if sys.platform != "darwin" or Path(program).parent != _APPLE_STUBS:
        return False
    asked = [str(_APPLE_STUBS / "xcode-select"), "-p"]
    return subprocess.run(asked, capture_output=True, stdin=subprocess.DEVNULL).returncode != 0


def _microsofts() -> Iterator[Compiler]:
    """Visual Studio's compiler: the one of a developer's prompt, or of the newest installation."""
    if shutil.which("cl"):
        yield Compiler("cl", msvc=True)
        return
    script = _visual_studio()
    if script is None:
        return
    environment = _environment_after(script)
    path = next((value for name, value in environment.items() if name.upper() == "PATH"), "")
    program = shutil.which("cl", path=path)
    if program:
        yield Compiler(program, msvc=True, environment=environment)


def _visual_studio() -> Path | None:
    """The script that sets up the compiler of the newest installation with one."""
    installer = Path(
        os.environ.get("PROGRAMFILES(X86)", ""), "Microsoft Visual Studio", "Installer"
    )
    tool = installer / "vswhere.exe"
    if not tool.is_file():
        return None
    asked = [str(tool), "-utf8", "-latest", "-products", "*", "-property", "installationPath"]
    if not _is_arm():
        asked += ["-requires", _COMPONENT]
    said = subprocess.run(asked, capture_output=True, stdin=subprocess.DEVNULL).stdout
    where = said.decode("utf-8", errors="replace").strip()
    name = "vcvarsarm64.bat" if _is_arm() else "vcvars64.bat"
    script = Path(where, "VC", "Auxiliary", "Build", name)
    return script if where and script.is_file() else None


def _environment_after(script: Path) -> dict[str, str]:
    """The environment that a batch file leaves behind; /u has it told in UTF-16, whatever the language."""
    line = f'cmd /u /d /s /c ""{script}" >nul 2>&1 && set"'
    said = subprocess.run(line, capture_output=True, stdin=subprocess.DEVNULL).stdout
    lines = said.decode("utf-16-le", errors="replace").splitlines()
    pairs = (line.partition("=") for line in lines)
    return {name: value for name, _, value in pairs if name}


def _is_arm() -> bool:
    return platform.machine().lower() in ("arm64", "aarch64")


def machine_flags(compiler: Compiler) -> list[tuple[str, ...]]:
    """Options that let a compiler use this processor, best first; the last are for any processor."""
    if compiler.msvc:
        return [*msvc_flags(vector_names(compiler)), ()]
    native = "-mcpu=native" if _is_arm() else "-march=native"
    if compiler.windows and "clang" not in compiler.version().lower():
        return [(native, _MINGW_MOVES), ()]
    return [(native,), ()]


def msvc_flags(names: Sequence[str]) -> list[tuple[str, ...]]:
    """Microsoft's options for a processor with these instructions (as ``PROBE`` names them).

    It has no option for some of them and yet knows them all; so they are told in the names by which
    other compilers tell.
    """
    out: list[tuple[str, ...]] = []
    if "avx512_vnni" in names:
        bf16 = ("/D__AVX512BF16__=1",) if "avx512_bf16" in names else ()
        out.append(("/arch:AVX512", "/D__AVX512VNNI__=1", *bf16))
    if "avx2" in names:
        if "avx_vnni" in names:
            out.append(("/arch:AVX2", "/D__AVXVNNI__=1"))
        out.append(("/arch:AVX2",))
    return out


def vector_names(compiler: Compiler) -> tuple[str, ...]:
    """What ``PROBE`` says, compiled by this compiler; nothing where it does not work."""
    if _is_arm():
        return ()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        program = Path(folder, "processor.exe")
        if compiler.msvc:
            line = [compiler.program, "/nologo", "/EHsc", str(PROBE), f"/Fe:{program}"]
        else:
            line = [compiler.program, *compiler.options, str(PROBE), "-o", str(program)]
        try:
            if compiler.run(line, Path(folder)).returncode != 0:
                return ()
            return tuple(compiler.run([str(program)], Path(folder)).stdout.split())
        except OSError:
            return ()


def command(
    compiler: Compiler,
    files: Sequence[Path],
    flags: Sequence[str],
    defines: Sequence[str],
    target: Path,
) -> list[str]:
    """The line that compiles files into the library ``target``."""
    names = [str(path) for path in files]
    if compiler.msvc:
        options = (*MSVC_FLAGS, *flags, *(f"/D{name}" for name in defines))
        return [compiler.program, *compiler.options, *options, *names, f"/Fe:{target}"]
    system = MINGW_FLAGS if compiler.windows else UNIX_FLAGS
    options = (*COMMON_FLAGS, *system, *flags, *(f"-D{name}" for name in defines))
    return [compiler.program, *compiler.options, *options, *names, "-o", str(target)]
