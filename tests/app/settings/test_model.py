"""Settings: defaults that exist, values that are checked, secrets that stay out."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.core.errors import InputError, ModelMissingError
from app.settings import paths
from app.settings.model import Settings, settings_from


def test_defaults_are_the_built_in_pack() -> None:
    settings = settings_from({"asr": None, "threads": None})
    assert settings.nano_parts() == ["asr", "llm", "model"]
    assert not settings.llm_is_server
    assert settings.threads is None
    assert settings.library_threads >= 1


def test_own_models_are_not_the_pack() -> None:
    settings = settings_from({"asr": Path("/models/whisper"), "llm": "http://127.0.0.1:1/v1"})
    assert settings.nano_parts() == ["model"]
    assert settings.llm_is_server


@pytest.mark.parametrize(
    ("name", "value"),
    [("threads", 0), ("seed", -1), ("device", "abacus"), ("precision", "fp64"), ("turn_s", 0)],
)
def test_values_out_of_range_are_told(name: str, value: object) -> None:
    with pytest.raises(InputError, match=f"--{name.replace('_', '-')}") as told:
        settings_from({name: value})
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("device", "gpu", "'auto', 'cpu', 'cuda' or 'cuda:N'"),
        ("device", "cuda:", "'auto', 'cpu', 'cuda' or 'cuda:N'"),
        ("precision", "int3", "'auto', 'fp32', 'bf16', 'int8' or 'int4'"),
    ],
)
def test_what_can_be_chosen_is_told_in_words(name: str, value: str, says: str) -> None:
    with pytest.raises(InputError) as told:
        settings_from({name: value})
    assert (
        str(told.value)
        == f"The value '{value}' of --{name} cannot be used: Input should be {says}."
    )
    assert settings_from({"device": "cuda:1"}).device == "cuda:1"


def test_what_is_kept_of_the_settings_has_no_address() -> None:
    assert "llm" not in Settings(llm="http://me:pw@host").described()


def voice(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "prompt.txt").write_text("Hello.")
    return folder


def test_voices_by_name_by_folder_and_by_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paths, "voices", lambda: tmp_path / "voices")
    assert Settings().voice_folder() is None
    amber, birch = voice(tmp_path / "voices" / "amber"), voice(tmp_path / "voices" / "birch")
    assert Settings().voice_folder() == amber
    assert Settings(voice="birch").voice_folder() == birch
    assert Settings(voice=str(tmp_path)).voice_folder() == tmp_path
    with pytest.raises(ModelMissingError, match=r"no voice 'oak': .* amber, birch"):
        Settings(voice="oak").voice_folder()
