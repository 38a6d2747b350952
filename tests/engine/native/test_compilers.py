"""Finding a compiler on any system, telling it about the processor, and going on to the next."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from engine.native import build, compilers
from engine.native.compilers import BuildError, Compiler

UNIX = pytest.mark.skipif(sys.platform == "win32", reason="stands in for programs with scripts")


def script(path: Path, *lines: str) -> str:
    """A program of a few shell lines."""
    path.write_text("\n".join(("#!/bin/sh", *lines)) + "\n", encoding="utf-8")
    path.chmod(0o755)
    return str(path)


@pytest.fixture
def real(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Compiler:
    """This machine's compiler, which has one small file to compile."""
    try:
        compiler = compilers.find_compiler()
    except BuildError as error:
        pytest.skip(str(error))
    folder = tmp_path / "small"
    folder.mkdir()
    (folder / "one.cpp").write_text('extern "C" int one() { return 1; }\n', encoding="utf-8")
    monkeypatch.setattr(build, "SOURCES", folder)
    return compiler


@UNIX
def test_a_compiler_that_fails_is_followed_by_the_next(
    real: Compiler, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    broken = Compiler(script(tmp_path / "broken", "echo 'error: out of order' >&2", "exit 1"))
    gone = Compiler(str(tmp_path / "gone"))
    monkeypatch.setattr(compilers, "found", lambda: iter([broken, gone, real]))
    assert build.compile_library(tmp_path / "library").is_file()
    monkeypatch.setattr(compilers, "found", lambda: iter([broken, gone]))
    with pytest.raises(BuildError, match="out of order"):
        build.compile_library(tmp_path / "other")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["broken", "library", "small"]


@UNIX
def test_flags_that_a_compiler_does_not_know_are_left_out(real: Compiler, tmp_path: Path) -> None:
    refuse = 'case "$*" in *=native*) echo "error: what is native?" >&2; exit 1;; esac'
    old = Compiler(script(tmp_path / "old", refuse, f'exec {real.program} "$@"'))
    assert build.compile_library(tmp_path / "library", compiler=old).is_file()


@UNIX
def test_all_of_cxx_is_heard(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    mine = script(tmp_path / "mine", 'echo "mine $1"')
    monkeypatch.setenv("CXX", f"{mine} -fancy")
    compiler = compilers.find_compiler()
    assert (compiler.program, compiler.options) == (mine, ("-fancy",))
    assert compiler.version() == "mine -fancy"
    line = compilers.command(compiler, [Path("a.cpp")], (), ("X",), Path("out"))
    assert line[:2] == [mine, "-fancy"]
    assert "-DX" in line


def test_without_any_compiler_it_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(compilers, "found", lambda: iter(()))
    for ask in (compilers.find_compiler, lambda: build.compile_library(tmp_path / "library")):
        with pytest.raises(BuildError, match="no C\\+\\+ compiler"):
            ask()


@pytest.mark.parametrize(("status", "expected"), [(2, []), (0, ["/usr/bin/c++"])])
def test_macos_is_not_made_to_offer_its_tools(
    status: int, expected: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its /usr/bin/c++ is there without them, and opens a window when it is run."""
    asked: list[str] = []

    def run(line: Sequence[str], **_: object) -> subprocess.CompletedProcess[bytes]:
        asked.append(line[0])
        return subprocess.CompletedProcess(line, status)

    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setattr(shutil, "which", lambda name: "/usr/bin/c++" if name == "c++" else None)
    monkeypatch.setattr(subprocess, "run", run)
    assert [one.program for one in compilers.found()] == expected
    assert asked == ["/usr/bin/xcode-select"]


@pytest.fixture
def visual_studio(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A Windows machine with Visual Studio in a folder with a space, and nothing on its PATH."""
    tool = tmp_path / "Microsoft Visual Studio" / "Installer" / "vswhere.exe"
    place = tmp_path / "Visual Studio"
    batch = place / "VC" / "Auxiliary" / "Build" / "vcvars64.bat"
    for path in (tool, batch):
        path.parent.mkdir(parents=True)
        path.touch()

    def run(line: str | Sequence[str], **_: object) -> subprocess.CompletedProcess[bytes]:
        if line[0] == str(tool):
            return subprocess.CompletedProcess(line, 0, f"{place}\r\n".encode())
        assert isinstance(line, str)
        assert f'"{batch}"' in line
        said = "INCLUDE=C:\\Größe\r\nPath=over there\r\n".encode("utf-16-le")
        return subprocess.CompletedProcess(line, 0, said)

    def which(name: str, path: str | None = None) -> str | None:
        return "there/cl.exe" if (name, path) == ("cl", "over there") else None

    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setenv("PROGRAMFILES(X86)", str(tmp_path))
    monkeypatch.setattr("platform.machine", lambda: "AMD64")
    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr(shutil, "which", which)
    return place


def test_visual_studio_is_found_without_its_prompt(visual_studio: Path) -> None:
    (compiler,) = compilers.found()
    assert (compiler.program, compiler.msvc) == ("there/cl.exe", True)
    assert compiler.environment == {"INCLUDE": "C:\\Größe", "Path": "over there"}
    line = compilers.command(compiler, [Path("a.cpp")], ("/arch:AVX2",), ("X",), Path("b.dll"))
    assert line[0] == "there/cl.exe"
    assert {"/LD", "/utf-8", "/arch:AVX2", "/DX", "a.cpp", "/Fe:b.dll"} <= set(line)
    shutil.rmtree(visual_studio)
    assert list(compilers.found()) == []


@pytest.mark.parametrize(
    ("names", "first"),
    [
        ("", ()),
        ("avx2", ("/arch:AVX2",)),
        ("avx2 avx_vnni", ("/arch:AVX2", "/D__AVXVNNI__=1")),
        ("avx2 avx512", ("/arch:AVX2",)),  # without VNNI the kernels are those for AVX2
        ("avx2 avx512 avx512_vnni", ("/arch:AVX512", "/D__AVX512VNNI__=1")),
        (
            "avx2 avx_vnni avx512 avx512_vnni avx512_bf16",
            ("/arch:AVX512", "/D__AVX512VNNI__=1", "/D__AVX512BF16__=1"),
        ),
    ],
)
def test_microsofts_compiler_is_told_what_the_processor_has(
    names: str, first: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compilers, "vector_names", lambda _: tuple(names.split()))
    choices = compilers.machine_flags(Compiler("cl", msvc=True))
    assert choices[0] == first
    assert choices[-1] == ()


@UNIX
def test_gcc_for_windows_writes_no_moves_that_insist_on_alignment(tmp_path: Path) -> None:
    def flags(said: str) -> tuple[str, ...]:
        program = script(tmp_path / "compiler", f"echo '{said}'")
        return compilers.machine_flags(Compiler(program, windows=True))[0]

    assert "-Wa,-muse-unaligned-vector-move" in flags("g++ (MinGW) 13.2")
    assert "-Wa,-muse-unaligned-vector-move" not in flags("clang version 19.1")


@pytest.mark.skipif(not Path("/proc/cpuinfo").is_file(), reason="compares with what Linux says")
def test_the_probe_sees_what_the_system_sees() -> None:
    theirs = set(build.processor().split())
    if "sse2" not in theirs:
        pytest.skip("the probe is for x86")
    try:
        ours = set(compilers.vector_names(compilers.find_compiler()))
    except BuildError as error:
        pytest.skip(str(error))
    for name in ("avx2", "avx_vnni", "avx512_vnni", "avx512_bf16"):
        assert (name in ours) == (name in theirs)
    assert ("avx512" in ours) == ("avx512bw" in theirs)
