"""Settings to run side by side: the product of what is varied, each with a short name."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from eval.errors import EvalError
from rag.config import Settings

_SHORT = {"backend.name": "", "retrieval.mode": "", "answer.policy": "", "backend.model": ""}


def variants(
    home: str | Path, fixed: Sequence[str] = (), varied: Sequence[str] = ()
) -> dict[str, Settings]:
    """Settings by name, one for each combination of `varied`, all of them with `fixed`.

    `fixed` are KEY=VALUE, `varied` KEY=VALUE,VALUE; a key is that of footnoted.toml, such as
    `retrieval.dense_weight`. Raises EvalError for what is not of that form, and ConfigError for a
    key or a value that does not exist.
    """
    flags = dict(_pair(text) for text in fixed)
    axes = [(key, values.split(",")) for key, values in map(_pair, varied)]
    out: dict[str, Settings] = {}
    for choice in itertools.product(*(values for _, values in axes)):
        chosen = dict(zip((key for key, _ in axes), choice, strict=True))
        out[_name(chosen)] = Settings.load(home, {**flags, **chosen})
    return out


def shown(settings: Settings) -> dict[str, Any]:
    """Settings as they may be written down: without the key."""
    found: dict[str, Any] = settings.model_dump(mode="json", exclude={"plugins"})
    found["backend"].pop("api_key", None)
    return found


def _name(chosen: Mapping[str, str]) -> str:
    parts = (f"{_SHORT.get(k, f'{k.rpartition(chr(46))[2]}=')}{v}" for k, v in chosen.items())
    return " ".join(parts)


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or "." not in key or not value:
        raise EvalError(f"'{text}' is no setting. Write it as retrieval.dense_weight=0.4.")
    return key.strip(), value.strip()
