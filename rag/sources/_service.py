"""Whom a live query asks: the address, the pause, the key, and what mends a refusal."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, unquote, urlsplit

from rag.errors import SourceUnreadable

if TYPE_CHECKING:
    from pydantic import SecretStr


@dataclass(frozen=True, slots=True)
class Service:
    """Whom to ask, and how. `setting` names the address in a message.

    `advice` says by HTTP status what mends a refusal, where that is special to the service;
    `passing` are further statuses that mean "slow down". `form` is sent in the body of a POST,
    so that a key stands in no address and in nobody's log.
    """

    name: str
    setting: str
    url: str
    pause: float
    mailto: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    form: Mapping[str, str] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()
    advice: Mapping[int, str] = field(default_factory=dict)
    passing: frozenset[int] = frozenset()
    key_setting: str = ""

    @property
    def address(self) -> str:
        """`url` without a user, a password or a query. Raises SourceUnreadable if it is none."""
        return public(checked(self))

    def scrub(self, text: str) -> str:
        for secret in self.secrets:
            text = text.replace(secret, "***")
        return text


def key_of(setting: SecretStr | None, variable: str) -> str:
    """The key that is set, else the one in the environment; empty where there is none."""
    return (setting.get_secret_value() if setting else os.environ.get(variable, "")).strip()


def checked(service: Service) -> SplitResult:
    try:
        url = urlsplit(service.url.strip())
        whole = url.scheme in {"http", "https"} and bool(url.hostname) and url.port != 0
    except ValueError:
        whole = False
    if not whole:
        raise SourceUnreadable(
            f"{service.setting} is no complete address. Give it as http://localhost:8000."
        )
    return url


def public(url: SplitResult) -> str:
    """The address without a user, a password or a query: those may be secrets."""
    return url._replace(netloc=url.netloc.rpartition("@")[2], query="", fragment="").geturl()


def login(url: SplitResult) -> tuple[str, str] | None:
    """Sent as a header: an address is written into logs."""
    return (unquote(url.username), unquote(url.password or "")) if url.username else None


def is_loopback(url: SplitResult) -> bool:
    host = (url.hostname or "").lower()
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
