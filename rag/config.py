"""Settings: flags > environment (FOOTNOTED_*) > footnoted.toml > defaults.

The file is what `FOOTNOTED_CONFIG` names, else `footnoted.toml` in the home, else the one in the
working directory. `[embedding] model = ...` in it is `FOOTNOTED_EMBEDDING_MODEL` in the
environment. An unknown key fails here, with the keys that exist, and never later.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_serializer

from rag.errors import ConfigError
from rag.types import Mode, Policy

ENV_PREFIX = "FOOTNOTED_"
FILE_NAME = "footnoted.toml"
# Names of arguments whose values are written down nowhere.
SECRET_NAME = re.compile(r"(^|[_-])(key|token|secret|password|authorization)$", re.IGNORECASE)
_USER = re.compile(r"//[^/@]*@")
Precision = Literal["auto", "float32", "bfloat16"]
_NOT_SETTINGS = {"FOOTNOTED_HOME", "FOOTNOTED_CONFIG", "FOOTNOTED_DEBUG"}


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())


class EmbeddingSettings(_Section):
    """`model`: "default" (what ships), or any sentence-transformers name or folder.

    `precision`: of the bulk of an ingest; "auto" is bfloat16 where the processor multiplies it.
    """

    name: str = "sentence_transformers"
    model: str = "default"
    device: str | None = None
    batch_size: int = Field(32, ge=1)
    precision: Precision = "auto"


class ChunkingSettings(_Section):
    """`max_chars`: of abstract text in a chunk; the default fits a 256-token encoder."""

    max_chars: int = Field(1000, ge=100)


class RetrievalSettings(_Section):
    """`dense_weight`: share of the dense score in the fused one, the rest is BM25's."""

    mode: Mode = "hybrid"
    k: int = Field(8, ge=1)
    candidates: int = Field(100, ge=1)
    dense_weight: float = Field(0.5, ge=0, le=1)


class RankSettings(_Section):
    """How the first `depth` hits are reordered.

    `late`: by late interaction, whose token codes an ingest keeps (some 6 KB a paper); `model`: by
    a cross-encoder of sentence-transformers, a name or a folder.
    """

    late: bool = True
    model: str | None = None
    depth: int = Field(20, ge=1)


class BackendSettings(_Section):
    """Who writes the answer. Times are in seconds; `window` is the model's context in tokens."""

    name: str = "extractive"
    model: str | None = None
    base_url: str | None = Field(None, repr=False)
    api_key: SecretStr | None = None
    temperature: float = 0.0
    max_tokens: int = Field(800, ge=1)
    timeout: float = Field(120.0, gt=0)
    first_token_timeout: float = Field(60.0, gt=0)
    token_timeout: float = Field(20.0, gt=0)
    retries: int = Field(2, ge=0)
    window: int | None = Field(None, ge=256)
    llm: str | None = None
    llm_kwargs: dict[str, Any] = Field(default_factory=dict, repr=False)

    @field_serializer("llm_kwargs")
    def _masked_arguments(self, given: dict[str, Any]) -> dict[str, Any]:
        return _masked(given)

    @field_serializer("base_url")
    def _masked_address(self, given: str | None) -> str | None:
        return given and _USER.sub("//***@", given.partition("?")[0])


class AnswerSettings(_Section):
    """`refuse_below`: probability that the collection answers; None takes the calibrated one.

    `grounder` judges the sentences; `grounder_model` is the cross-encoder of "nli", by name or
    folder. `condense`: a follow-up is put into words of its own by the backend's model, by rules
    where there is none ("auto"), or by rules always.
    """

    policy: Policy = "flag"
    grounder: str = "embedding"
    grounder_model: str | None = None
    condense: Literal["auto", "rules"] = "auto"
    refuse_below: float | None = Field(None, ge=0, le=1)


class StoreSettings(_Section):
    """Where vectors live: "chroma" (embedded), "compact" (a 32nd of the memory), or your own.

    Yours is named as "package.module:Class".
    """

    name: str = "chroma"


class ConnectorSettings(_Section):
    """Live queries. An address is what stands in front of the documented path; times in seconds.

    `*_pause` lies between two requests, `timeout` limits the wait for more of one reply, and
    `patience` everything that is tried for one page. `cursors`: where it is kept how far a query
    came; None means `cursors` in the home. `page_size`: records a request, None the usual.
    """

    arxiv_url: str = "https://export.arxiv.org"
    openalex_url: str = "https://api.openalex.org"
    pubmed_url: str = "https://eutils.ncbi.nlm.nih.gov"
    hf_url: str = "https://huggingface.co"
    arxiv_pause: float = Field(3.0, ge=0)
    openalex_pause: float = Field(0.1, ge=0)
    pubmed_pause: float | None = Field(None, ge=0)
    hf_pause: float = Field(0.5, ge=0)
    mailto: str | None = None
    openalex_key: SecretStr | None = None
    ncbi_key: SecretStr | None = None
    timeout: float = Field(60.0, gt=0)
    patience: float = Field(600.0, gt=0)
    retries: int = Field(6, ge=0)
    page_size: int | None = Field(None, ge=1)
    cursors: str | None = None


class Registries(_Section):
    """Implementations of the user's own: name = "package.module:Class"."""

    backends: dict[str, str] = Field(default_factory=dict)
    grounders: dict[str, str] = Field(default_factory=dict)
    sources: dict[str, str] = Field(default_factory=dict)
    stores: dict[str, str] = Field(default_factory=dict)
    embedders: dict[str, str] = Field(default_factory=dict)


class Settings(_Section):
    """Everything that can be set, checked when it is loaded."""

    embedding: EmbeddingSettings = EmbeddingSettings()
    chunking: ChunkingSettings = ChunkingSettings()
    retrieval: RetrievalSettings = RetrievalSettings()
    rank: RankSettings = RankSettings()
    backend: BackendSettings = BackendSettings()
    answer: AnswerSettings = AnswerSettings()
    store: StoreSettings = StoreSettings()
    connectors: ConnectorSettings = ConnectorSettings()
    plugins: Registries = Registries()

    @classmethod
    def load(
        cls,
        home: str | Path | None = None,
        flags: Mapping[str, Any] | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> Settings:
        """Merge the sources of settings; `flags` is keyed by "section.key", None means unset.

        Raises ConfigError naming the key, where it was set, and what would be accepted.
        """
        env = os.environ if environ is None else environ
        merged: dict[str, dict[str, Any]] = {}
        for origin, layer in (
            _from_file(_find_file(home, env)),
            ("the environment", _from_environ(env)),
            ("the command line", _from_flags(flags or {})),
        ):
            _overlay(merged, layer)
            _validate(merged, origin)
        return _validate(merged, "the settings")

    def at_zero(self) -> Settings:
        """These settings with the backend's temperature at zero, as for a judge."""
        cold = self.backend.model_copy(update={"temperature": 0.0})
        return self.model_copy(update={"backend": cold})

    def chosen(self, backend: str | None, model: str | None, policy: Policy | None) -> Settings:
        """These settings with another backend, model or policy where one is given.

        A backend that is not the one of the settings does not take over its model.
        """
        name = backend or self.backend.name
        keeps = name == self.backend.name
        used = {"name": name, "model": model or (self.backend.model if keeps else None)}
        rule = {"policy": policy or self.answer.policy}
        if rule["policy"] not in get_args(Policy):
            raise ConfigError(f"there is no policy '{policy}'. Choose one of: flag, drop, keep")
        return self.model_copy(
            update={
                "backend": self.backend.model_copy(update=used),
                "answer": self.answer.model_copy(update=rule),
            }
        )


def _masked(arguments: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: _masked(value)
        if isinstance(value, Mapping)
        else "**********"
        if SECRET_NAME.search(str(name))
        else value
        for name, value in arguments.items()
    }


def _find_file(home: str | Path | None, env: Mapping[str, str]) -> Path | None:
    named = env.get("FOOTNOTED_CONFIG")
    if named:
        if not Path(named).is_file():
            raise ConfigError(f"FOOTNOTED_CONFIG names {named}, which is not a file")
        return Path(named)
    places = [Path(home) / FILE_NAME] if home else []
    return next((p for p in [*places, Path(FILE_NAME)] if p.is_file()), None)


def _from_file(path: Path | None) -> tuple[str, dict[str, dict[str, Any]]]:
    if path is None:
        return "", {}
    try:
        return str(path), tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise ConfigError(f"{path} cannot be read as TOML: {error}") from error


def _from_environ(env: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    layer: dict[str, dict[str, Any]] = {}
    for name, value in env.items():
        if not name.startswith(ENV_PREFIX) or name in _NOT_SETTINGS:
            continue
        section, _, key = name.removeprefix(ENV_PREFIX).lower().partition("_")
        layer.setdefault(section, {})[key] = value
    return layer


def _from_flags(flags: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    layer: dict[str, dict[str, Any]] = {}
    for name, value in flags.items():
        if value is not None:
            section, _, key = name.partition(".")
            layer.setdefault(section, {})[key] = value
    return layer


def _overlay(target: dict[str, dict[str, Any]], layer: Mapping[str, Any]) -> None:
    for section, values in layer.items():
        if isinstance(values, Mapping):
            target.setdefault(section, {}).update(values)
        else:
            target[section] = values


def _validate(merged: Mapping[str, Any], origin: str) -> Settings:
    try:
        return Settings.model_validate(merged)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            section = Settings.model_fields.get(str(first["loc"][0]))
            where = section.annotation if section and len(first["loc"]) > 1 else Settings
            known = ", ".join(getattr(where, "model_fields", ()))
            reason = f"there is no setting '{key}' (known here: {known})"
        else:
            reason = f"'{key}': {first['msg'].lower()}"
        raise ConfigError(f"{origin}: {reason}") from None
