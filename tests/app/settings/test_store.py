"""The settings file: round trips, comments, damage, upgrades, and no secrets."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
import tomlkit
from hypothesis import given, settings
from hypothesis import strategies as st

from app.core.errors import OutputError
from app.settings.model import Settings
from app.settings.store import SettingsStore


@pytest.fixture
def store(tmp_path: Path) -> SettingsStore:
    return SettingsStore(tmp_path / "config" / "settings.toml")


def written(store: SettingsStore, text: str) -> SettingsStore:
    store.path.parent.mkdir(parents=True, exist_ok=True)
    store.path.write_text(text, encoding="utf-8")
    return store


def test_no_file_is_the_defaults_without_a_word(store: SettingsStore) -> None:
    loaded = store.load()
    assert loaded.settings == Settings()
    assert loaded.notices == ()
    assert not store.path.exists()


def test_what_is_saved_is_loaded_and_only_that_is_written(store: SettingsStore) -> None:
    chosen = Settings(patience=0.8, microphone='Jabra "Link" #3', echo="off", threads=3)
    assert store.save(chosen) == ()
    assert store.load().settings == chosen
    assert set(tomlkit.parse(store.path.read_text(encoding="utf-8"))) == {
        *("schema", "patience", "microphone", "echo", "threads")
    }
    assert not list(store.path.parent.glob(".*"))


WORDS = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=20)


@settings(max_examples=30)
@given(
    microphone=WORDS,
    loudspeaker=WORDS,
    patience=st.floats(0, 1),
    theme=st.sampled_from(["system", "light", "dark"]),
    barge_in=st.booleans(),
    threads=st.none() | st.integers(1, 256),
    caption_pt=st.integers(8, 48),
    candidates=st.integers(1, 4),
    chime=st.booleans(),
    watermark=st.booleans(),
    extra=WORDS,
)
def test_any_settings_survive_beside_what_the_user_wrote(extra: str, **values: object) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = SettingsStore(Path(folder) / "settings.toml")
        before = f"# mine\nschema = 1\npatience = 0.25 # slowly\n[more]\nx = {tomlkit.item(extra).as_string()}\n"
        written(store, before)
        chosen = Settings.model_validate(values)
        store.save(chosen)
        assert store.load().settings == chosen
        text = store.path.read_text(encoding="utf-8")
        assert "# mine" in text
        assert "# slowly" in text
        assert tomlkit.parse(text).unwrap()["more"]["x"] == extra
        store.save(chosen)
        assert store.path.read_text(encoding="utf-8") == text, "saving again changes nothing"


def test_a_setting_back_at_its_default_is_not_pinned(store: SettingsStore) -> None:
    store.save(Settings(voice="nova", patience=0.9, recordings=Path("/r")))
    store.save(Settings())
    left = tomlkit.parse(store.path.read_text(encoding="utf-8")).unwrap()
    assert left == {"schema": 1, "patience": 0.5}


def test_each_new_line_says_what_it_means(store: SettingsStore) -> None:
    store.save(Settings(patience=0.9))
    (line,) = [line for line in store.path.read_text().splitlines() if "patience" in line]
    assert "# How long Parley lets you think" in line


def test_unknown_keys_are_told_and_kept(store: SettingsStore) -> None:
    written(store, 'schema = 1\npatiense = 0.7\nfuture = "x"\n')
    loaded = store.load()
    assert loaded.settings == Settings()
    assert len(loaded.notices) == 2
    assert "did you mean 'patience'?" in loaded.notices[0]
    store.save(Settings(theme="dark"))
    kept = tomlkit.parse(store.path.read_text()).unwrap()
    assert (kept["patiense"], kept["future"], kept["theme"]) == (0.7, "x", "dark")


def test_invalid_values_give_way_to_their_defaults_alone(store: SettingsStore) -> None:
    written(store, 'patience = 3.5\ntheme = "pink"\nbarge_in = [1]\nmicrophone = "Desk"\n')
    loaded = store.load()
    assert loaded.settings == Settings(microphone="Desk")
    assert len(loaded.notices) == 3
    for name in ("patience = 3.5", "theme = 'pink'", "barge_in = [1]"):
        (notice,) = [notice for notice in loaded.notices if name in notice]
        assert "\n" not in notice
        assert "default" in notice


@pytest.mark.parametrize(
    "content",
    [
        b"patience = = 3",
        b"\xff\xfe\x00",
        b'theme = "dark',
        b"patience = 1\npatience = 0\n",
        b"[a]\n[a]\n",
    ],
)
def test_a_file_that_is_no_toml_is_kept_aside(store: SettingsStore, content: bytes) -> None:
    store.path.parent.mkdir(parents=True)
    for number in (1, 2):
        store.path.write_bytes(content)
        loaded = store.load()
        assert loaded.settings == Settings()
        (notice,) = loaded.notices
        aside = store.path.with_name(f"settings.damaged-{number}.toml")
        assert aside.name in notice
        assert aside.read_bytes() == content
        assert not store.path.exists()
    assert store.load().notices == ()


def test_saving_over_damage_keeps_it_too(store: SettingsStore) -> None:
    written(store, "patience = = 3")
    store.save(Settings(theme="light"))
    assert store.load().settings == Settings(theme="light")
    assert store.path.with_name("settings.damaged-1.toml").read_text() == "patience = = 3"


def test_a_folder_in_the_files_place_is_one_sentence(store: SettingsStore) -> None:
    store.path.mkdir(parents=True)
    (store.path / "x").touch()
    assert store.load().settings == Settings()


def test_a_place_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    store = SettingsStore(tmp_path / "file" / "settings.toml")
    assert store.load().settings == Settings()
    with pytest.raises(OutputError) as told:
        store.save(Settings(theme="dark"))
    assert "\n" not in str(told.value)


def test_a_failed_save_leaves_the_old_file(
    store: SettingsStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.save(Settings(theme="dark"))

    def refuse(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", refuse)
    with pytest.raises(OutputError, match="No space left"):
        store.save(Settings(theme="light"))
    assert store.load().settings == Settings(theme="dark")
    assert [entry.name for entry in store.path.parent.iterdir()] == ["settings.toml"]


def test_a_linked_file_stays_linked(store: SettingsStore, tmp_path: Path) -> None:
    real = tmp_path / "dotfiles.toml"
    real.write_text("schema = 1\n")
    store.path.parent.mkdir(parents=True)
    store.path.symlink_to(real)
    store.save(Settings(theme="dark"))
    assert store.path.is_symlink()
    assert 'theme = "dark"' in real.read_text()


def renamed(document: tomlkit.TOMLDocument) -> None:
    document["patience"] = document.pop("calm")


def doubled(document: tomlkit.TOMLDocument) -> None:
    document["patience"] = float(document["patience"]) / 2


def test_old_schemas_are_upgraded_step_by_step(tmp_path: Path) -> None:
    store = SettingsStore(tmp_path / "settings.toml", schema=3, upgrades={1: renamed, 2: doubled})
    written(store, "schema = 1\ncalm = 0.8\n")
    loaded = store.load()
    assert loaded.settings.patience == 0.4
    assert loaded.notices == ()
    assert "schema = 1" in store.path.read_text(), "loading does not write"
    store.save(loaded.settings)
    assert tomlkit.parse(store.path.read_text()).unwrap() == {"schema": 3, "patience": 0.4}
    assert store.load().settings.patience == 0.4


def test_a_newer_schema_is_read_as_far_as_known_and_kept(store: SettingsStore) -> None:
    written(store, "schema = 9\npatience = 0.8\nhologram = true\n")
    loaded = store.load()
    assert loaded.settings.patience == 0.8
    assert "newer Parley" in loaded.notices[0]
    store.save(loaded.settings)
    kept = tomlkit.parse(store.path.read_text()).unwrap()
    assert (kept["schema"], kept["hologram"]) == (9, True)


def test_a_schema_that_is_no_number_is_told(store: SettingsStore) -> None:
    written(store, 'schema = "one"\npatience = 0.8\n')
    loaded = store.load()
    assert loaded.settings.patience == 0.8
    assert "schema" in loaded.notices[0]


def test_a_password_in_the_address_is_never_written(store: SettingsStore) -> None:
    notices = store.save(Settings(llm="http://me:geheim@host:8080/v1?x=1"))
    assert "PARLEY_LLM_KEY" in notices[0]
    assert "geheim" not in store.path.read_text()
    assert store.load().settings.llm == "http://host:8080/v1?x=1"
