"""Stamps, the choice of torch and the search for Python: the pure parts of the set-up."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import setup_steps
from setup_machine import (
    ESPEAK,
    SOUND,
    Machine,
    Need,
    SetupError,
    has_sound,
    has_virtual_devices,
    has_window,
)
from setup_steps import Checkout, Setup, ensure, inputs_hash, is_done, mark_done, torch_kind


@pytest.fixture(autouse=True)
def nothing_overridden(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the person who runs the tests has set must not decide them."""
    for name in ("PARLEY_TORCH", "PARLEY_CACHE_DIR", "CMAKE_ARGS"):
        monkeypatch.delenv(name, raising=False)


def machine(**changes: object) -> Machine:
    facts: dict[str, object] = {
        "system": "linux",
        "arch": "x86_64",
        "distribution": ("debian",),
        "release": "12",
        "is_root": False,
        "has_apt": True,
        "has_nvidia_gpu": False,
        "has_avx2": True,
    }
    return Machine(**{**facts, **changes})  # type: ignore[arg-type]


def test_a_step_is_done_only_with_the_inputs_it_was_made_from(tmp_path: Path) -> None:
    assert not is_done(tmp_path, "packages", "abc")
    mark_done(tmp_path, "packages", "abc")
    assert is_done(tmp_path, "packages", "abc")
    assert not is_done(tmp_path, "packages", "abd")
    assert not is_done(tmp_path, "torch", "abc")


def test_inputs_are_told_apart_even_when_their_texts_join_to_the_same() -> None:
    assert inputs_hash("ab", "c") != inputs_hash("a", "bc")
    assert inputs_hash("a", "b") != inputs_hash("b", "a")
    assert inputs_hash("a", "b") == inputs_hash("a", "b")


def test_torch_is_chosen_from_the_machine_and_can_be_overridden() -> None:
    assert torch_kind(machine(), "") == "cpu"
    assert torch_kind(machine(has_nvidia_gpu=True), "") == "cuda"
    assert torch_kind(machine(has_nvidia_gpu=True), "cpu") == "cpu"
    assert torch_kind(machine(), "cuda") == "cuda"
    with pytest.raises(SetupError, match="PARLEY_TORCH is 'rocm'; set it to cpu or cuda"):
        torch_kind(machine(), "rocm")


class TorchSwap(Setup):
    """A set-up that notes what pip is asked to do, in an environment whose torch was built for `installed`."""

    def __init__(self, checkout: Checkout, on: Machine, installed: str) -> None:
        super().__init__(checkout, on)
        self.installed = installed
        self.asked: list[str] = []

    def ask(self, code: str) -> str:
        return self.installed

    def _offers_cpu_torch(self) -> bool:
        return True

    def _pip(self, arguments: list[str], failure: str) -> None:
        self.asked.append(arguments[0])


@pytest.mark.parametrize(
    ("installed", "has_gpu", "asked"),
    [
        ("", True, ["install"]),
        ("cpu", True, ["uninstall", "install"]),
        ("cuda", True, ["install"]),
        ("cpu", False, ["install"]),
        ("cuda", False, ["uninstall", "install"]),
    ],
)
def test_a_torch_of_the_other_kind_makes_room(
    checkout: Checkout, installed: str, has_gpu: bool, asked: list[str]
) -> None:
    swap = TorchSwap(checkout, machine(has_nvidia_gpu=has_gpu), installed)
    swap._install_torch()
    assert swap.asked == asked


def test_an_intel_mac_is_told_so_before_anything_is_downloaded(checkout: Checkout) -> None:
    mac = Recorder(checkout)
    mac.machine = machine(system="darwin")
    with pytest.raises(SetupError, match="Intel processor"):
        mac.run()
    assert mac.done == []


class Recorder(Setup):
    """A set-up whose steps only note their names; `broken` fails."""

    def __init__(self, checkout: Checkout, broken: str = "") -> None:
        super().__init__(checkout, machine())
        self.done: list[str] = []
        self.broken = broken

    def _note(self, name: str) -> None:
        if name == self.broken:
            raise SetupError(f"{name} failed")
        self.done.append(name)

    def _find_python(self) -> Path:
        return Path("/usr/bin/python3.11")

    def _make_venv(self, python: Path) -> None:
        self._note("environment")

    def _install_uv(self) -> None:
        self._note("installer")

    def _install_torch(self) -> None:
        self._note("torch")

    def _install_packages(self) -> None:
        self._note("packages")

    def _install_llama(self) -> None:
        self._note("llama")

    def _build_native(self) -> None:
        self._note("native")

    def _check_imports(self) -> None:
        self._note("imports")


ALL_STEPS = ["environment", "installer", "torch", "packages", "llama", "native", "imports"]


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    locks = tmp_path / "packaging"
    locks.mkdir()
    (locks / "installer.lock").write_text("uv==1\n")
    (locks / "requirements.lock").write_text("numpy==2\n")
    (locks / "llama.lock").write_text("llama-cpp-python==0.3.36\n")
    return Checkout(tmp_path)


def test_a_second_set_up_does_nothing(checkout: Checkout) -> None:
    first, second = Recorder(checkout), Recorder(checkout)
    first.run()
    second.run()
    assert first.done == ALL_STEPS
    assert second.done == []


def test_an_interrupted_set_up_goes_on_where_it_stopped(checkout: Checkout) -> None:
    with pytest.raises(SetupError):
        Recorder(checkout, broken="packages").run()
    resumed = Recorder(checkout)
    resumed.run()
    assert resumed.done == ["packages", "llama", "native", "imports"]


def test_a_changed_lock_repeats_its_step_and_the_check(checkout: Checkout) -> None:
    Recorder(checkout).run()
    (checkout.packaging / "requirements.lock").write_text("numpy==2.1\n")
    again = Recorder(checkout)
    again.run()
    assert again.done == ["packages", "imports"]


def test_other_compiler_flags_rebuild_llama_only(
    checkout: Checkout, monkeypatch: pytest.MonkeyPatch
) -> None:
    Recorder(checkout).run()
    monkeypatch.setenv("CMAKE_ARGS", "-DGGML_CUDA=ON")
    again = Recorder(checkout)
    again.run()
    assert again.done == ["llama", "imports"]


def test_an_environment_whose_python_is_gone_is_made_anew(
    checkout: Checkout, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark_done(checkout.stamps, "packages", "anything")
    monkeypatch.setattr(setup_steps, "first_python", lambda _: Path(sys.executable))
    found = Setup(checkout, machine())._find_python()
    assert found == Path(sys.executable)
    assert not checkout.stamps.exists()


def test_without_python_311_the_message_holds_the_line_that_gets_it(
    checkout: Checkout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(setup_steps, "first_python", lambda _: None)
    with pytest.raises(SetupError, match=r"sudo apt-get install -y python3\.11 python3\.11-venv"):
        Setup(checkout, machine())._find_python()


def test_everything_started_has_sleeping_openmp_threads_and_no_foreign_python(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    monkeypatch.setenv("PYTHONHOME", "/somewhere")
    environment = setup_steps.child_environment()
    assert environment["OMP_WAIT_POLICY"] == "PASSIVE"
    assert "PYTHONHOME" not in environment


def test_what_is_missing_from_the_system_is_installed_or_its_line_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    installed: list[str] = []

    def install(need: Need, _line: str) -> bool:
        installed.append(need.what)
        return True

    monkeypatch.setattr(setup_steps, "install_packages", install)
    needs = ((SOUND, lambda _: SOUND.what in installed), (ESPEAK, lambda _: True))
    ensure(machine(), needs)
    assert not installed
    assert "sudo apt-get install -y libportaudio2" in capsys.readouterr().err
    ensure(machine(is_root=True), needs)
    assert installed == [SOUND.what]
    assert capsys.readouterr().err == ""


def test_the_window_and_the_sound_card_are_asked_of_linux_alone() -> None:
    for check in (has_sound, has_window, has_virtual_devices):
        assert check(machine(system="darwin"))
        assert check(machine(system="windows"))
