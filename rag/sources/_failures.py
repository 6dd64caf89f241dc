"""Whatever goes wrong with a request -> an error of ours that names the fix, and no secret.

httpx's errors are told apart by the names of their classes, so that nothing has to be imported.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from html import unescape

from rag._retry_after import retry_after
from rag.errors import SourceError, SourceUnreachable, SourceUnreadable
from rag.sources._service import Service

_SHOWN = 300
_BAD_QUERY = {400, 414, 422}
_PASSING = {408, 429, 500, 502, 503, 504}
_SAID = re.compile(r'"(message|error|detail)"\s*:\s*"((?:[^"\\]|\\.)*)"')
_BAD_KEY = re.compile(r"\bAPI.?key\b.*\b(?:invalid|wrong)", re.IGNORECASE)


class Garbled(Exception):
    """A reply of status 200 that is not what was asked for; asking again may help."""


class Slow(Exception):
    """The reply drips past the limit: httpx's own timeout counts each read alone."""


class Refused(Exception):
    """A status other than 200, with how the body begins."""

    def __init__(self, status: int, headers: Mapping[str, str], body: str) -> None:
        super().__init__(f"HTTP {status}")
        self.status, self.headers, self.body = status, headers, body


@dataclass(frozen=True, slots=True)
class Failure:
    """`again`: another try may help; `after`: seconds the server asks to wait before it."""

    error: SourceError
    again: bool = True
    after: float | None = None


def explain(error: Exception, service: Service, path: str) -> Failure:
    """The failure that `error` stands for."""
    where = f"{service.name} ({service.address})"
    if isinstance(error, SourceError):
        return Failure(type(error)(service.scrub(str(error))), again=False)
    if isinstance(error, Refused):
        return _refusal(error, service, path)
    kinds = {base.__name__ for base in type(error).__mro__}
    kind, message = next(pair for pair in _MESSAGES.items() if pair[0] in kinds)
    said = _short(service.scrub(str(error))) or type(error).__name__
    told = message.format(where=where, said=said, kind=type(error).__name__, at=service.setting)
    return Failure(SourceUnreachable(told), again=kind != "Exception")


# By the name of the class; the first that fits is taken.
_MESSAGES = {
    "Garbled": "{where} sent {said}. Check {at}, and whether this network asks for a login first; "
    "or run the same command again later.",
    "TimeoutException": "{where} was not done in time. Run the same command again later, or raise "
    "connectors.timeout and connectors.patience in footnoted.toml.",
    "Slow": "{where} was not done within connectors.patience. Run the same command again later, "
    "or raise that in footnoted.toml.",
    "ConnectError": "{where} cannot be reached ({said}). Check the network (and {at}), then run "
    "the same command again.",
    "RequestError": "The connection to {where} broke ({said}). Run the same command again.",
    "Exception": "{where} failed in an unforeseen way ({kind}: {said}). Run it again.",
}


def _refusal(refused: Refused, service: Service, path: str) -> Failure:
    status, after = refused.status, retry_after(refused.headers)
    said = _short(service.scrub(_words(refused.body)))
    reason = f"HTTP {status}" + (f": {said}" if said else "")
    wait = f" It asks to wait {after:g} s." if after else ""
    advice = _advice(status, said, service, path)
    message = f"{service.name} ({service.address}) refused ({reason}).{wait} {advice}"
    kind = SourceUnreadable if status in _BAD_QUERY else SourceUnreachable
    return Failure(kind(message), status in _PASSING | service.passing, after)


def _advice(status: int, said: str, service: Service, path: str) -> str:
    if service.key_setting and _BAD_KEY.search(said):
        return f"Set {service.key_setting} to a key that is valid there."
    if status in service.advice:
        return service.advice[status]
    if status in _ADVICE:
        wanted = service.key_setting or service.setting
        return _ADVICE[status].format(at=service.setting, key=wanted, path=path)
    if status // 100 == 3:
        return f"It sends elsewhere: set {service.setting} to the address it sends to."
    return "Run the same command again later: it goes on where it stopped."


_ADVICE = {
    **dict.fromkeys(_BAD_QUERY, "Mend the query; docs/connectors.md shows how to write one."),
    **dict.fromkeys((401, 403), "Set {key}, or ask less; docs/connectors.md says who wants what."),
    404: "Set {at} to what stands in front of {path}.",
    429: "Run the same command again: it goes on where it stopped.",
}


def _words(body: str) -> str:
    """The words of an error's body, be it JSON, XML, HTML or plain text."""
    said = dict(_SAID.findall(body))
    found = said.get("message") or said.get("error") or said.get("detail")
    text = found or re.sub(r"(?s)<(script|style|head)\b.*?</\1>", " ", body)
    return unescape(re.sub(r"<[^>]*>", " ", text))


def _short(text: str) -> str:
    words = " ".join(filter(str.isprintable, text.split())).rstrip(".")
    return words if len(words) <= _SHOWN else words[:_SHOWN] + "…"
