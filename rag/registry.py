"""Finds an implementation by name: each registry is one dict, name -> "module:Class".

Users add their own in `footnoted.toml`, or name a `package.module:Class` directly.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from rag.errors import ConfigError


def lookup(kind: str, name: str, registry: Mapping[str, str]) -> Any:
    """Import and return the class that `name` stands for; `kind` is used in messages."""
    path = registry.get(name, name if ":" in name else "")
    if not path:
        known = ", ".join(sorted(registry))
        raise ConfigError(
            f"no {kind} is called '{name}'. Choose one of: {known}; "
            f"or name your own as package.module:Class."
        )
    module, _, attribute = path.partition(":")
    try:
        return getattr(import_module(module), attribute)
    except ImportError as error:
        raise ConfigError(f"the {kind} '{name}' cannot be imported from {path}: {error}") from error
    except AttributeError as error:
        raise ConfigError(f"the {kind} '{name}': {module} has no '{attribute}'") from error
