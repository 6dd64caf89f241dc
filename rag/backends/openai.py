"""Any OpenAI-compatible server: OpenAI, vLLM, Ollama, llama.cpp, LM Studio, OpenRouter."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from ipaddress import ip_address
from threading import Timer
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import SplitResult, urlsplit

from rag.backends._attempts import Plan, attempts, printable
from rag.backends._failures import Setup
from rag.backends._sse import Counted, counting, texts
from rag.backends._watch import Limits, Line
from rag.errors import BackendNotReady, BackendRefused, BackendUnreachable
from rag.types import Message, Usage

if TYPE_CHECKING:
    import httpx
    from openai import OpenAI

    from rag.config import BackendSettings

DEFAULT_URL = "https://api.openai.com/v1"
# A token is about four characters: ten times that is a server that ignores max_tokens.
CHARS_PER_TOKEN = 40
PATIENCE = 0.5  # seconds that a whole answer waits for its count of tokens


class OpenAIBackend:
    """Streams chat completions. Settings left out are read from OPENAI_* variables."""

    def __init__(self, settings: BackendSettings) -> None:
        secret = settings.api_key.get_secret_value() if settings.api_key else None
        given_url = _given(settings.base_url, "OPENAI_BASE_URL")
        given_key = _given(secret, "OPENAI_API_KEY")
        self._url = _checked_url(given_url or DEFAULT_URL)
        self._key = _checked_key(given_key, given_url, self._url)
        self.model: str | None = _checked_model(_given(settings.model, "OPENAI_MODEL"))
        self._settings = settings

    @classmethod
    def from_settings(cls, settings: BackendSettings, **resources: Any) -> Self:
        """Raises BackendNotReady where a key, an address or a model's name is missing."""
        return cls(settings)

    def complete(self, messages: Sequence[Message]) -> Generator[str, None, Usage]:
        """Yield the answer as it arrives; return the tokens that the server counted."""
        _load()
        body = self._body(messages)
        try:
            return (yield from self._stream(body))
        except BackendRefused as error:
            if "stream_options" not in str(error):
                raise
        del body["stream_options"]  # an older server: it counts no tokens for us
        return (yield from self._stream(body))

    def check(self) -> None:
        """Raises BackendUnreachable where a server on this machine does not answer.

        One elsewhere is not asked: it would learn the key's owner's address for a list.
        """
        if _is_loopback(self._url):
            try:
                place = (self._url.hostname or "", self._url.port or 80)
                socket.create_connection(place, timeout=2.0).close()
            except OSError as error:
                raise BackendUnreachable(
                    f"No server listens at {_public(self._url)} ({error.strerror or error}). "
                    "Start it, or set --base-url to where one does."
                ) from None

    def _stream(self, body: dict[str, Any]) -> Generator[str, None, Usage]:
        counted = Counted()

        def read(line: Line) -> Generator[str, None, None]:
            with (
                self._client() as client,
                client.chat.completions.with_streaming_response.create(**body) as response,
            ):
                line.hang_up = lambda: _hang_up(response.http_response)
                counted.on_end = _soon(line.hang_up)
                yield from texts(response.iter_bytes(), counted)

        return (yield from counting(attempts(read, self._plan()), counted))

    def _body(self, messages: Sequence[Message]) -> dict[str, Any]:
        # OpenAI's newer models refuse the old name, most other servers know only that one.
        newer = self._url.hostname == "api.openai.com"
        return {
            "model": self.model,
            "messages": [{"role": m.role, "content": printable(m.content)} for m in messages],
            "temperature": self._settings.temperature,
            "max_completion_tokens" if newer else "max_tokens": self._settings.max_tokens,
            "stream": True,
            "stream_options": {"include_usage": True},
        }

    def _plan(self) -> Plan:
        return Plan(
            Setup(_public(self._url), self.model, secrets=_secrets(self._key, self._url)),
            Limits.of(self._settings),
            self._settings.retries,
            self._settings.max_tokens * CHARS_PER_TOKEN,
        )

    def _client(self) -> OpenAI:
        import httpx
        from openai import OpenAI

        # A little more than our own limit, so that ours is the one that speaks.
        patience = httpx.Timeout(self._settings.first_token_timeout + 1.0)
        # No proxy leads to this machine, whatever the environment says.
        http = httpx.Client(
            trust_env=not _is_loopback(self._url), timeout=patience, follow_redirects=False
        )
        return OpenAI(
            api_key=self._key,
            base_url=self._url.geturl(),
            max_retries=0,
            timeout=patience,
            http_client=http,
        )


def _load() -> None:
    """Import the client before any clock runs: it takes a second or two."""
    try:
        import openai.resources.chat.completions  # noqa: F401
    except ImportError as error:
        raise BackendNotReady(
            "The openai backend needs the client's package: pip install 'openai>=2.54,<3'."
        ) from error


def _soon(act: Callable[[], None]) -> Callable[[], None]:
    """What acts a moment after it is called."""

    def later() -> None:
        timer = Timer(PATIENCE, act)
        timer.daemon = True
        timer.start()

    return later


def _hang_up(response: httpx.Response) -> None:
    # Not close(): that leaves a reader blocked in another thread, on a descriptor that may
    # soon be somebody else's. A socket shut down wakes it, and it closes what it opened.
    stream = response.extensions.get("network_stream")
    connection = stream.get_extra_info("socket") if stream is not None else None
    if connection is not None:
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)


def _given(value: str | None, variable: str) -> str:
    return (value or os.environ.get(variable) or "").strip()


def _checked_url(address: str) -> SplitResult:
    try:
        url = urlsplit(address)
        whole = url.scheme in {"http", "https"} and bool(url.hostname) and url.port != 0
    except ValueError:
        whole = False
    if not whole:
        raise BackendNotReady(
            "The address of the server (--base-url, OPENAI_BASE_URL) is not complete: "
            "give it as http://localhost:8000/v1."
        )
    return url


def _checked_key(key: str, given_url: str, url: SplitResult) -> str:
    if not key and not given_url:
        raise BackendNotReady(
            "No key for the openai backend: set OPENAI_API_KEY, or point OPENAI_BASE_URL (or "
            "--base-url) at a local server; or use --backend extractive, which needs neither."
        )
    if not key and not _is_loopback(url):
        raise BackendNotReady(
            f"No key for {_public(url)}: set OPENAI_API_KEY (to any word, if it asks for none)."
        )
    if not (key.isascii() and key.isprintable() and " " not in key):
        raise BackendNotReady(
            "The key holds characters that no key has: set OPENAI_API_KEY to it again."
        )
    return key or "none"


def _checked_model(model: str) -> str:
    if not model:
        raise BackendNotReady(
            "No model for the openai backend: name one with --model, OPENAI_MODEL, "
            "or backend.model in footnoted.toml."
        )
    return model


def _is_loopback(url: SplitResult) -> bool:
    host = (url.hostname or "").lower()
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def _public(url: SplitResult) -> str:
    """The address without a user, a password or a query: those may be secrets."""
    return url._replace(netloc=url.netloc.rpartition("@")[2], query="", fragment="").geturl()


def _secrets(key: str, url: SplitResult) -> tuple[str, ...]:
    # "none" is no secret, and a word of our own messages.
    found = (key if key != "none" else "", url.password or "", url.query)
    return tuple(secret for secret in found if len(secret) > 3)
