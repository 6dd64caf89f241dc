from __future__ import annotations

from pathlib import Path

import pytest

from rag.config import Settings
from rag.errors import ConfigError


@pytest.fixture(autouse=True)
def elsewhere(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No footnoted.toml of whoever runs the tests."""
    monkeypatch.chdir(tmp_path_factory.mktemp("cwd"))


def write(folder: Path, text: str) -> Path:
    path = folder / "footnoted.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_defaults_are_what_ships() -> None:
    settings = Settings.load(environ={})
    assert settings == Settings()
    assert (settings.embedding.model, settings.backend.name, settings.store.name) == (
        "default", "extractive", "chroma",
    )  # fmt: skip


def test_flags_beat_the_environment_beats_the_file(tmp_path: Path) -> None:
    write(tmp_path, "[retrieval]\nk = 1\ncandidates = 11\ndense_weight = 0.1")
    environ = {"FOOTNOTED_RETRIEVAL_K": "2", "FOOTNOTED_RETRIEVAL_CANDIDATES": "22"}
    found = Settings.load(tmp_path, {"retrieval.k": 3, "retrieval.candidates": None}, environ)
    assert (found.retrieval.k, found.retrieval.candidates, found.retrieval.dense_weight) == (
        3, 22, 0.1,
    )  # fmt: skip


def test_where_the_file_is_looked_for(tmp_path: Path) -> None:
    home, named = tmp_path / "home", tmp_path / "named"
    home.mkdir()
    named.mkdir()
    write(Path(), "[retrieval]\nk = 1")
    assert Settings.load(home, environ={}).retrieval.k == 1
    write(home, "[retrieval]\nk = 2")
    assert Settings.load(home, environ={}).retrieval.k == 2
    path = write(named, "[retrieval]\nk = 3")
    assert Settings.load(home, environ={"FOOTNOTED_CONFIG": str(path)}).retrieval.k == 3
    with pytest.raises(ConfigError, match="which is not a file"):
        Settings.load(home, environ={"FOOTNOTED_CONFIG": str(tmp_path / "absent")})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[retrieval]\nkk = 1", r"toml: there is no setting 'retrieval.kk' \(known here: mode, k,"),
        ("[retreival]\nk = 1", r"no setting 'retreival' \(known here: embedding, chunking"),
        ("[json]\nk = 1", "no setting 'json'"),
        ("[retrieval]\nk = 0", "'retrieval.k': input should be greater than or equal to 1"),
        ("[retrieval]\nmode = 'fast'", "'retrieval.mode': input should be 'hybrid'"),
        ("[backend.llm_kwargs]\nx = 1\n[plugins]\nmore = 1", "no setting 'plugins.more'"),
        ("retrieval = 3", "'retrieval'"),
        ("[retrieval\nk = 1", "cannot be read as TOML"),
    ],
)
def test_a_wrong_file_fails_when_it_is_loaded(tmp_path: Path, text: str, message: str) -> None:
    write(tmp_path, text)
    with pytest.raises(ConfigError, match=message):
        Settings.load(tmp_path, environ={})


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "footnoted.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="cannot be read as TOML"):
        Settings.load(tmp_path, environ={})


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({"FOOTNOTED_RETRIEVAL_KK": "1"}, "the environment: there is no setting 'retrieval.kk'"),
        ({"FOOTNOTED_NOTHING": "1"}, "the environment: there is no setting 'nothing'"),
        ({"FOOTNOTED_COPY_X": "1"}, "the environment: there is no setting 'copy'"),
        ({"FOOTNOTED_RETRIEVAL_K": "many"}, "the environment: 'retrieval.k': input should be"),
    ],
)
def test_a_wrong_variable_is_named(environ: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Settings.load(environ=environ)


def test_a_wrong_flag_is_named() -> None:
    with pytest.raises(ConfigError, match=r"the command line: 'retrieval\.k'"):
        Settings.load(flags={"retrieval.k": 0}, environ={})


def test_other_variables_are_let_be() -> None:
    environ = {"FOOTNOTED_HOME": "x", "HOME": "y", "FOOTNOTED_CONFIG": ""}
    assert Settings.load(environ=environ) == Settings()


def test_a_key_is_never_shown() -> None:
    settings = Settings.load(environ={"FOOTNOTED_BACKEND_API_KEY": "sk-secret"})
    assert settings.backend.api_key is not None
    assert settings.backend.api_key.get_secret_value() == "sk-secret"
    assert "sk-secret" not in repr(settings) + str(settings.model_dump())


def test_settings_do_not_change_afterwards() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Settings().retrieval.k = 3  # type: ignore[misc]


def test_secrets_are_in_nothing_that_is_written_down():
    key = "sk-secret-0123456789"
    backend = {
        "api_key": key,
        "base_url": f"https://me:{key}@host.example/v1?key={key}",
        "llm_kwargs": {"api_key": key, "headers": {"Authorization": key}, "model": "m"},
    }
    settings = Settings.load(flags={f"backend.{name}": value for name, value in backend.items()})
    assert key not in settings.model_dump_json()
    assert key not in str(settings.model_dump(mode="json"))
    assert key not in repr(settings)
    assert settings.model_dump()["backend"]["base_url"] == "https://***@host.example/v1"
    assert settings.model_dump()["backend"]["llm_kwargs"]["model"] == "m"
    assert settings.backend.llm_kwargs["api_key"] == key, "what is used is whole"
