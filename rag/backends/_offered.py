"""Which backends there are, which of them could answer now, and what the others lack."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from rag.backends import BACKENDS
from rag.config import BackendSettings
from rag.errors import RagError
from rag.registry import lookup

_FOR_TESTS = {"scripted"}


class Offered(NamedTuple):
    """`lacks` says in words what is missing and how to get it; None where it is usable now."""

    name: str
    model: str | None
    lacks: str | None

    @property
    def usable(self) -> bool:
        return self.lacks is None


def offered(settings: BackendSettings, extra: Mapping[str, str]) -> list[Offered]:
    """Each backend, with the settings as they are; their model is that of their own backend."""
    registry = {**BACKENDS, **extra}
    return [_offer(name, settings, registry) for name in registry if name not in _FOR_TESTS]


def _offer(name: str, settings: BackendSettings, registry: Mapping[str, str]) -> Offered:
    own = settings.model if name == settings.name else None
    given = settings.model_copy(update={"name": name, "model": own})
    try:
        backend = lookup("backend", name, registry).from_settings(
            given, embed=_unused, fits=_unused, rarity=_unused, rare=_unused
        )
        getattr(backend, "check", lambda: None)()
    except RagError as error:
        return Offered(name, own, str(error))
    return Offered(name, getattr(backend, "model", None), None)


def _unused(*_: Any) -> Any:
    raise AssertionError("nothing is asked of a backend that is only listed")
