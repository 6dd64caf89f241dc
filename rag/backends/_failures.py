"""Turns whatever a client raises into an error of ours that says what to do about it.

Told apart by the names of the classes, not by the classes: httpx, httpx2, openai and every
provider's own client raise alike named errors, and none of them has to be imported for it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rag._retry_after import retry_after
from rag.backends._watch import Late
from rag.errors import (
    BackendError,
    BackendNotReady,
    BackendRefused,
    BackendUnreachable,
)

DETAIL = 300
_PASSING = {429, 500, 502, 503, 504}
_TIMEOUTS = {"APITimeoutError", "TimeoutException", "TimeoutError"}
_CONNECTION = {"APIConnectionError", "TransportError", "ConnectionError"}
_CODE = re.compile(r"^Error code: \d+( - )?")
_QUOTA = re.compile(r"insufficient_quota|exceeded your current quota", re.I)
_WINDOW = re.compile(r"context.{0,3}(length|window|size)|maximum context|too many tokens", re.I)

_WAITED_FOR = {
    "timeout": "was not done within {:g} s",
    "first_token_timeout": "sent no text within {:g} s",
    "token_timeout": "sent no more text for {:g} s",
}
_ADVICE = {
    300: "The server sends elsewhere: set {address} to the address it sends to",
    400: "Check --model and the [backend] settings; a model may allow one temperature only",
    401: "Set {key} to a key that is valid there",
    403: "Set {key} to a key that may use this model, or choose another with --model",
    404: "Check the model's name (--model) and {address} (most end in /v1)",
    413: "Ask with fewer papers: lower retrieval.k in footnoted.toml",
    429: "Wait and ask again, or choose another model with --model",
}
_ADVICE_SERVER = "Ask again later; the server's own log says why"
_ADVICE_QUOTA = (
    "The account behind the key has no credit left: add some with the provider, "
    "or use --backend extractive, which needs none"
)
_ADVICE_WINDOW = (
    "The question and its papers are longer than the model's window: lower retrieval.k in "
    "footnoted.toml, or choose a model with a longer one (--model)"
)


@dataclass(frozen=True, slots=True)
class Setup:
    """What a message may name: the server, its model, and the settings that mend a failure."""

    where: str
    model: str | None = None
    key: str = "OPENAI_API_KEY"
    address: str = "--base-url"
    secrets: tuple[str, ...] = ()

    def scrub(self, text: str) -> str:
        for secret in self.secrets:
            text = text.replace(secret, "***")
        return text


@dataclass(frozen=True, slots=True)
class Failure:
    """`again`: another try may help; `after`: seconds the server asks to wait before it."""

    error: BackendError
    again: bool = False
    after: float | None = None


def explain(error: BaseException, setup: Setup) -> Failure:
    """The failure that `error` stands for; its message holds no secret of `setup`."""
    for case in _CASES:
        if failure := case(error, setup):
            return failure
    said = _short(f"{type(error).__name__}: {error}", setup)
    return Failure(BackendRefused(f"{setup.where} failed in an unforeseen way ({said}). Ask again"))


def _ours(error: BaseException, setup: Setup) -> Failure | None:
    if not isinstance(error, BackendError):
        return None
    if isinstance(error, BackendRefused):
        return Failure(BackendRefused(setup.scrub(str(error)), error.status))
    return Failure(type(error)(setup.scrub(str(error))))


def _late(error: BaseException, setup: Setup) -> Failure | None:
    if not isinstance(error, Late):
        return None
    what = _WAITED_FOR[error.setting].format(error.seconds)
    return Failure(_slow(what, f"backend.{error.setting}", setup))


def _timeout(error: BaseException, setup: Setup) -> Failure | None:
    if not _is_a(error, _TIMEOUTS):
        return None
    return Failure(_slow("sent no text in time", "backend.first_token_timeout", setup))


def _slow(what: str, setting: str, setup: Setup) -> BackendUnreachable:
    return BackendUnreachable(
        f"{setup.where} {what}. Is it overloaded? Raise {setting} in footnoted.toml, "
        "or choose a smaller model with --model."
    )


def _connection(error: BaseException, setup: Setup) -> Failure | None:
    if not _is_a(error, _CONNECTION):
        return None
    said = _short(str(error.__cause__ or error), setup)
    message = (
        f"The connection to {setup.where} failed ({said}). Start the server, or set "
        f"{setup.address} to where one listens."
    )
    return Failure(BackendUnreachable(message), again=True)


def _refused(error: BaseException, setup: Setup) -> Failure | None:
    status, body = _status(error), getattr(error, "body", None)
    if status is None and body is None:
        return None
    raw = f"{body} {error}"
    quota = bool(_QUOTA.search(raw))
    after = retry_after(_headers(error))
    said = _short(_detail(body) or _CODE.sub("", str(error)) or "no reason given", setup)
    code = f"HTTP {status}: " if status else ""
    wait = f" It asks to wait {after:g} s." if after else ""
    message = f"{setup.where} refused ({code}{said}).{wait} {_advice(status, raw, setup)}."
    return Failure(BackendRefused(message, status), status in _PASSING and not quota, after)


def _advice(status: int | None, raw: str, setup: Setup) -> str:
    if _QUOTA.search(raw):
        return _ADVICE_QUOTA
    if status in {None, 400, 413, 422} and _WINDOW.search(raw):
        return _ADVICE_WINDOW
    known = _ADVICE.get(status or 0) or _ADVICE.get((status or 0) // 100 * 100, _ADVICE_SERVER)
    return known.format(key=setup.key, address=setup.address)


def _garbled(error: BaseException, setup: Setup) -> Failure | None:
    # JSONDecodeError and UnicodeDecodeError are both of them; their texts quote the bytes.
    if not isinstance(error, ValueError):
        return None
    message = (
        f"{setup.where} sent malformed data ({type(error).__name__}). Check that "
        f"{setup.address} is the address of an OpenAI-compatible API, or update the server."
    )
    return Failure(BackendRefused(message))


def _missing(error: BaseException, setup: Setup) -> Failure | None:
    if not isinstance(error, ImportError):
        return None
    name = error.name or "a package"
    message = f"{name} is not installed: pip install {name.partition('.')[0]}"
    return Failure(BackendNotReady(setup.scrub(message)))


_CASES: tuple[Callable[[BaseException, Setup], Failure | None], ...] = (
    _ours,
    _late,
    _timeout,
    _connection,
    _refused,
    _garbled,
    _missing,
)


def _is_a(error: BaseException, names: set[str]) -> bool:
    return any(base.__name__ in names for base in type(error).__mro__)


def _status(error: BaseException) -> int | None:
    response = getattr(error, "response", None)
    status = getattr(error, "status_code", None) or getattr(response, "status_code", None)
    return status if isinstance(status, int) else None


def _detail(body: object) -> str:
    """The words in an error's body, which every server nests in its own way."""
    if isinstance(body, dict):
        for key in ("message", "error", "detail"):
            if body.get(key):
                return _detail(body[key])
    return str(body or "")


def _short(text: str, setup: Setup) -> str:
    # Scrubbed before it is cut: half a key is still a leak.
    words = " ".join(re.sub(r"<[^>]*>", " ", setup.scrub(text)).split()).rstrip(".")
    return words if len(words) <= DETAIL else words[:DETAIL] + "…"


def _headers(error: BaseException) -> Any:
    return getattr(getattr(error, "response", None), "headers", None) or {}
