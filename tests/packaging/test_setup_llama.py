"""The cache of built llama.cpp wheels: its key, its place, and that a damaged wheel is never used."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
from functools import partial
from pathlib import Path
from subprocess import Popen

import pytest
import setup_llama
from setup_llama import build_wheel, cache_folder, cache_key, cmake_flags, find_wheel, keep_wheel
from setup_machine import Machine, SetupError

PC = Machine(
    system="linux",
    arch="x86_64",
    distribution=("debian",),
    release="12",
    is_root=False,
    has_apt=True,
    has_nvidia_gpu=False,
    has_avx2=True,
)
LOCK = "llama-cpp-python==0.3.36 --hash=sha256:00\n"


def test_the_key_is_readable_and_changes_with_everything_that_shapes_the_build() -> None:
    flags = cmake_flags(PC)
    key = cache_key(LOCK, PC, flags, "glibc2.36")
    assert key.startswith("llama-cpp-python-0.3.36-cp3")
    others = {
        cache_key(LOCK.replace("00", "01"), PC, flags, "glibc2.36"),
        cache_key(LOCK, dataclasses.replace(PC, arch="arm64"), flags, "glibc2.36"),
        cache_key(LOCK, dataclasses.replace(PC, system="darwin"), flags, "glibc2.36"),
        cache_key(LOCK, PC, (*flags, "-DGGML_CUDA=ON"), "glibc2.36"),
        cache_key(LOCK, PC, flags, "glibc2.39"),
    }
    assert len(others) == 5
    assert key not in others
    assert key == cache_key(LOCK, PC, flags, "glibc2.36")


def test_a_lock_without_a_version_is_named() -> None:
    with pytest.raises(SetupError, match=r"llama\.lock names no version"):
        cache_key("", PC, (), "")


def test_old_processors_get_no_avx2_and_the_users_flags_come_last() -> None:
    assert "-DGGML_AVX2=ON" in cmake_flags(PC)
    assert "-DGGML_AVX2=ON" not in cmake_flags(dataclasses.replace(PC, has_avx2=False))
    assert cmake_flags(PC, "-DGGML_CUDA=ON -DX=1")[-2:] == ("-DGGML_CUDA=ON", "-DX=1")


def test_where_the_cache_is() -> None:
    home = Path.home()
    assert cache_folder(PC, {}) == home / ".cache" / "parley" / "wheels"
    assert cache_folder(PC, {"XDG_CACHE_HOME": "/c"}) == Path("/c/parley/wheels")
    assert cache_folder(PC, {"PARLEY_CACHE_DIR": "/d"}) == Path("/d/wheels")
    mac = dataclasses.replace(PC, system="darwin")
    assert cache_folder(mac, {}) == home / "Library" / "Caches" / "parley" / "wheels"
    windows = dataclasses.replace(PC, system="windows")
    assert cache_folder(windows, {"LOCALAPPDATA": "/l"}) == Path("/l/parley/Cache/wheels")


def test_a_kept_wheel_is_found_and_a_damaged_one_is_not(tmp_path: Path) -> None:
    built = tmp_path / "built" / "llama_cpp_python-0.3.36-py3-none-any.whl"
    built.parent.mkdir()
    built.write_bytes(b"wheel")
    folder = tmp_path / "cache" / "key"
    assert find_wheel(folder) is None
    kept = keep_wheel(built, folder)
    assert find_wheel(folder) == kept
    kept.write_bytes(b"whe")
    assert find_wheel(folder) is None


def test_a_wheel_whose_hash_was_never_written_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "llama_cpp_python-0.3.36-py3-none-any.whl").write_bytes(b"half")
    assert find_wheel(tmp_path) is None


def test_two_builds_at_a_time_exclude_each_other(tmp_path: Path) -> None:
    path = tmp_path / "key.lock"
    with setup_llama.exclusive(path), path.open("a+b") as second:
        assert not setup_llama._try_lock(second.fileno())
    with path.open("a+b") as third:
        assert setup_llama._try_lock(third.fileno())


def fake_python(tmp_path: Path, script: str) -> Path:
    """A stand-in for the environment's Python; $last is the folder that the wheel goes to."""
    path = tmp_path / "python"
    path.write_text(f"#!/bin/sh\nfor last; do :; done\n{script}\n")
    path.chmod(0o755)
    return path


WHEEL = "llama_cpp_python-0.3.36-py3-none-any.whl"


def test_a_finished_build_is_kept_with_the_flags_it_was_given(tmp_path: Path) -> None:
    python = fake_python(tmp_path, f'echo "$CMAKE_ARGS" > "$last/{WHEEL}"')
    folder = tmp_path / "cache"
    wheel = build_wheel(python, tmp_path / "llama.lock", ("-DA=1", "-DB=2"), folder)
    assert wheel == find_wheel(folder) == folder / WHEEL
    assert wheel.read_text() == "-DA=1 -DB=2\n"


@pytest.mark.parametrize("script", [f'echo no; touch "$last/{WHEEL}"; exit 1', "echo no"])
def test_a_failed_build_leaves_no_wheel_and_names_its_log(
    tmp_path: Path, script: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "cache"
    with pytest.raises(SetupError, match=r"could not be built.*build\.log"):
        build_wheel(fake_python(tmp_path, script), tmp_path / "llama.lock", (), folder)
    assert find_wheel(folder) is None
    assert "| no" in capsys.readouterr().err


def test_a_build_that_is_given_up_is_ended_with_everything_it_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def give_up(process: subprocess.Popen[bytes]) -> None:
        assert process.poll() is None
        processes.append(process)
        raise KeyboardInterrupt

    processes: list[subprocess.Popen[bytes]] = []
    monkeypatch.setattr(setup_llama, "_wait_aloud", give_up)
    read_end, write_end = os.pipe()
    os.set_inheritable(write_end, True)
    # The grandchild holds the pipe open for as long as it lives. (`>&12` is beyond some shells.)
    python = fake_python(tmp_path, f"sleep 600 >/dev/fd/{write_end} &\nwait")
    monkeypatch.setattr(setup_llama.subprocess, "Popen", partial(Popen, pass_fds=[write_end]))
    with pytest.raises(KeyboardInterrupt):
        build_wheel(python, tmp_path / "llama.lock", (), tmp_path / "cache")
    os.close(write_end)
    assert processes[0].returncode == -signal.SIGTERM
    with open(read_end, "rb") as pipe:
        assert pipe.read() == b""  # returns only once nobody holds the other end
