"""The cache of built llama.cpp wheels: its key, its place, and that a damaged wheel is never used."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import setup_llama
from setup_llama import cache_folder, cache_key, cmake_flags, find_wheel, keep_wheel
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
