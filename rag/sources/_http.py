"""One polite, stubborn HTTP client under all live queries.

The clients on PyPI were looked at first. `arxiv` 4.0.2 has its address fixed in the class, no
timeout, retries at once whatever the status, and knows no Retry-After; `pyalex` 0.21 keeps its
settings in a global; `Bio.Entrez` too. Neither tells a cursor that could be kept. So the
documented interfaces are asked through httpx, and what they have in common stands here, once:
the pause between requests, retries, limits, and what each failure is called.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from itertools import count
from time import monotonic, sleep
from typing import TYPE_CHECKING, Self, TypeVar

from rag.errors import SourceUnreadable
from rag.sources._failures import Refused, Slow, explain
from rag.sources._service import Service, checked, is_loopback, login, public

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")
BACKOFF = 1.0  # seconds before the second attempt, doubled each time
LONGEST_BACKOFF = 60.0
MAX_BODY = 256 * 2**20  # bytes, unpacked
_MAX_ERROR_BODY = 64 * 2**10
_AGENT = "footnoted/0.1"


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds for more of one reply, seconds for one page with all its attempts, and retries."""

    timeout: float = 60.0
    total: float = 600.0
    retries: int = 6


class Http:
    """Asks one service, one request at a time. A context manager: leaving it hangs up."""

    def __init__(self, service: Service, patience: Patience) -> None:
        import httpx

        self.service = service
        self._patience = patience
        self._base = checked(service)
        self._pace = _pace_of(self._base.netloc, service.pause)
        contact = f" (mailto:{service.mailto})" if service.mailto else ""
        self._client = httpx.Client(
            headers={"User-Agent": _AGENT + contact, **service.headers},
            auth=login(self._base),
            timeout=httpx.Timeout(patience.timeout),
            # No proxy leads to this machine, whatever the environment says.
            trust_env=not is_loopback(self._base),
            follow_redirects=False,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def get(
        self,
        path: str,
        params: Mapping[str, str],
        read: Callable[[bytes], T],
        handled: Collection[int] = (),
    ) -> T:
        """What `read` makes of the reply; it raises `Garbled` for what is worth another attempt.

        Raises SourceUnreachable after the last attempt, SourceUnreadable for a query that is
        refused, and `Refused` itself where its status is one that the caller has `handled`.
        """
        deadline = monotonic() + self._patience.total
        for attempt in count(1):
            self._pace.wait()
            try:
                return read(self._body(path, params, deadline))
            except Refused as refused:
                if refused.status in handled:
                    raise
                failure = explain(refused, self.service, path)
            except Exception as error:
                failure = explain(error, self.service, path)
            pause = failure.after or min(LONGEST_BACKOFF, BACKOFF * 2 ** (attempt - 1))
            late = monotonic() + pause >= deadline
            if not failure.again or attempt > self._patience.retries or late:
                # Raised here and not where it was caught: the client's own error would hang on
                # as its context, with the request's headers and the key in them.
                raise failure.error
            sleep(pause)
        raise AssertionError("count() never ends")

    def _body(self, path: str, params: Mapping[str, str], deadline: float) -> bytes:
        form = self.service.form
        method, where = ("POST", {"data": {**params, **form}}) if form else ("GET", {})
        url = public(self._base).rstrip("/") + path
        query = None if form else dict(params)
        try:
            with self._client.stream(method, url, params=query, **where) as response:  # type: ignore[arg-type]
                if response.status_code != 200:
                    words = _start(response, _MAX_ERROR_BODY)
                    raise Refused(response.status_code, dict(response.headers), words)
                return _whole(response, deadline)
        finally:
            self._pace.mark()


def _whole(response: httpx.Response, deadline: float) -> bytes:
    parts, size = [], 0
    for part in response.iter_bytes():
        parts.append(part)
        size += len(part)
        if size > MAX_BODY:
            raise SourceUnreadable(
                f"A reply of over {MAX_BODY >> 20} MB. Set connectors.page_size to fewer records."
            )
        if monotonic() > deadline:
            raise Slow
    return b"".join(parts)


def _start(response: httpx.Response, size: int) -> str:
    """How the body of an error begins; a broken one must not hide the status."""
    found = b""
    try:
        for part in response.iter_bytes():
            found += part
            if len(found) >= size:
                break
    except Exception:
        return ""
    return found[:size].decode("utf-8", "replace")


class _Pace:
    """The pause that a host asks for, kept across all queries of this process."""

    def __init__(self) -> None:
        self.pause = 0.0
        self._lock = threading.Lock()
        self._last = -1e9

    def wait(self) -> None:
        with self._lock:  # held while waiting: the next thread waits after this one
            left = self._last + self.pause - monotonic()
            if left > 0:
                sleep(left)
            self._last = monotonic()

    def mark(self) -> None:
        """The pause begins when the reply has ended."""
        self._last = monotonic()


_paces: dict[str, _Pace] = {}


def _pace_of(host: str, pause: float) -> _Pace:
    found = _paces.setdefault(host, _Pace())
    found.pause = pause
    return found
