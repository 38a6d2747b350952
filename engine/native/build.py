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
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from engine.native import compilers
from engine.native.compilers import BuildError, Compiler

FOLDER = Path(__file__).resolve().parent
SOURCES = FOLDER / "src"
PREFIX = "parley_native-"
SWITCH = "PARLEY_NATIVE"
"""Environment variable: 0 leaves this engine unused and unbuilt."""

PORTABLE = "PARLEY_PORTABLE"
"""Defined, it leaves out all intrinsics (for the test that compares)."""

_VECTOR_FLAG = re.compile(r"(avx|fma|f16c|sse|ssse|bmi|amx|asimd|sve|fp16|bf16|dotprod|i8mm|movbe)")


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
    if sys.platform == "darwin":
        parts.append(_apple_name())
    return " ".join(parts)


def _apple_name() -> str:
    """The processor's model on macOS, such as "Apple M2"; '' where it is not told."""
    name, size = ctypes.create_string_buffer(256), ctypes.c_size_t(256)
    asked = (b"machdep.cpu.brand_string", name, ctypes.byref(size), None, ctypes.c_size_t(0))
    with contextlib.suppress(OSError, AttributeError):
        if ctypes.CDLL(None).sysctlbyname(*asked) == 0:
            return name.value.decode(errors="replace")
    return ""


def digest() -> str:
    """Names a build: sources, options and processor."""
    summary = hashlib.sha256()
    for path in sources():
        summary.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    summary.update(Path(compilers.__file__).read_bytes())
    summary.update(processor().encode())
    return summary.hexdigest()[:16]


def library_path() -> Path:
    """Where the build for this machine and these sources lies, or would lie."""
    suffix = {"win32": ".dll", "darwin": ".dylib"}.get(sys.platform, ".so")
    return FOLDER / f"{PREFIX}{digest()}{suffix}"


def compile_library(
    target: Path,
    *,
    flags: Sequence[str] | None = None,
    defines: Sequence[str] = (),
    compiler: Compiler | None = None,
) -> Path:
    """Compile into ``target``, whole or not at all.

    Args:
        target: the library.
        flags: for the processor; None tries those for this very one, then those for any.
        defines: preprocessor names.
        compiler: None tries all that this machine has until one does it.

    Raises:
        BuildError: with the first compiler's first complaint.
    """
    first: BuildError | None = None
    for one in compilers.found() if compiler is None else (compiler,):
        for choice in compilers.machine_flags(one) if flags is None else (flags,):
            try:
                return _compile(one, choice, defines, target)
            except BuildError as error:
                first = first or error
    raise first or BuildError("there is no C++ compiler on this machine")


def _compile(
    compiler: Compiler, flags: Sequence[str], defines: Sequence[str], target: Path
) -> Path:
    files = [path for path in sources() if path.suffix == ".cpp"]
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{PREFIX}") as folder:
        built = Path(folder) / target.name
        line = compilers.command(compiler, files, flags, defines, built)
        try:
            done = compiler.run(line, Path(folder))
        except OSError as error:
            raise BuildError(f"{compiler.program} failed: {error}") from error
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
        compiler = compilers.find_compiler()
    except BuildError:
        return digest()
    return " ".join((digest(), compiler.program, *compiler.options, compiler.version()))


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
