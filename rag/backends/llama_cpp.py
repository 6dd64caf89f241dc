"""A GGUF file, read and run in this process by llama.cpp, through the package xllamacpp.

The model is loaded once for all chatbots of a process. xllamacpp opens a port on loopback beside
it; that asks for a key which nobody but this process knows.
"""

from __future__ import annotations

import secrets
from collections.abc import Generator, Sequence
from importlib.util import find_spec
from pathlib import Path
from queue import Queue
from threading import Lock, Thread
from typing import TYPE_CHECKING, Any, Self

from rag.backends._attempts import Plan, attempts, printable
from rag.backends._failures import Setup
from rag.backends._sse import Counted, check_finish, counting
from rag.backends._watch import Limits, Line
from rag.errors import BackendNotReady, BackendRefused
from rag.types import Message, Usage

if TYPE_CHECKING:
    from rag.config import BackendSettings

WINDOW = 4096  # tokens, where the settings name no other
_NO_PACKAGE = "The llama_cpp backend needs its package: pip install 'footnoted[llama-cpp]'."
_loaded: dict[tuple[Path, int], tuple[Any, str]] = {}
_loading = Lock()


class LlamaCppBackend:
    """`backend.model` is the path of the GGUF file, `backend.window` its context in tokens."""

    def __init__(self, settings: BackendSettings) -> None:
        self._path = _checked(settings.model)
        self._settings = settings
        self.model: str | None = self._path.name
        self.window = settings.window or WINDOW

    @classmethod
    def from_settings(cls, settings: BackendSettings, **resources: Any) -> Self:
        """Raises BackendNotReady where the file or the package is missing."""
        return cls(settings)

    def complete(self, messages: Sequence[Message]) -> Generator[str, None, Usage]:
        """Yield the answer as it is written; return the tokens read and written."""
        server, _ = _server(self._path, self.window)
        counted = Counted()
        asked = {
            "messages": [{"role": m.role, "content": printable(m.content)} for m in messages],
            "temperature": self._settings.temperature,
            "max_tokens": self._settings.max_tokens,
            "stream": True,
            "stream_options": {"include_usage": True},
        }

        def read(line: Line) -> Generator[str, None, None]:
            ended = ""
            for chunk in _chunks(server, asked, line):
                ended = (yield from _text(chunk, counted)) or ended
            check_finish(ended)

        setup = Setup(self._path.name, address="--model")
        pieces = attempts(read, Plan(setup, Limits.of(self._settings)))
        return (yield from counting(pieces, counted))

    def count(self, text: str) -> int:
        """Tokens that the model's own tokenizer makes of `text`."""
        import httpx

        server, key = _server(self._path, self.window)
        with httpx.Client(trust_env=False, timeout=30.0) as client:
            reply = client.post(
                f"{server.listening_address}/tokenize",
                json={"content": printable(text)},
                headers={"Authorization": f"Bearer {key}"},
            )
        reply.raise_for_status()
        return len(reply.json()["tokens"])

    def check(self) -> None:
        """Raises BackendNotReady where the package is missing."""
        if find_spec("xllamacpp") is None:
            raise BackendNotReady(_NO_PACKAGE)


def _checked(model: str | None) -> Path:
    path = Path(model or "").expanduser()
    if not model or not path.is_file():
        what = f"there is no file {model}" if model else "none is named"
        raise BackendNotReady(
            f"The llama_cpp backend needs a GGUF file, and {what}: give its path with --model, or "
            "as backend.model in footnoted.toml."
        )
    with path.open("rb") as file:
        if file.read(4) != b"GGUF":
            raise BackendNotReady(f"{path} is no GGUF file: give the path of one with --model.")
    return path.resolve()


def _server(path: Path, window: int) -> tuple[Any, str]:
    with _loading:
        key = (path, window)
        if key not in _loaded:
            _loaded.clear()  # one model at a time: each takes its size in memory
            _loaded[key] = _load(path, window)
        return _loaded[key]


def _load(path: Path, window: int) -> tuple[Any, str]:
    try:
        import xllamacpp
    except ImportError as error:
        raise BackendNotReady(_NO_PACKAGE) from error
    params = xllamacpp.CommonParams()
    params.model.path = str(path)
    params.n_ctx = window
    params.n_parallel = 1
    params.verbosity = 1  # errors alone: it would write each step of each answer to the terminal
    key = secrets.token_urlsafe(32)
    params.api_keys = [key]
    try:
        return xllamacpp.Server(params), key
    except Exception as error:
        said = str(error).strip() or type(error).__name__
    raise BackendNotReady(f"llama.cpp cannot load {path} ({said}). Try another file (--model).")


def _chunks(server: Any, asked: dict[str, Any], line: Line) -> Generator[Any, None, None]:
    """What the server hands to a callback, as a stream; it stops writing where nobody listens."""
    inbox: Queue[Any] = Queue()

    def take(chunk: Any) -> bool:
        inbox.put(chunk)
        return line.dropped.is_set()

    def run() -> None:
        try:
            server.handle_chat_completions(asked, take)
        except BaseException as error:
            inbox.put(error)
        inbox.put(None)

    Thread(target=run, name="footnoted-llama-cpp", daemon=True).start()
    while (item := inbox.get()) is not None:
        if isinstance(item, BaseException):
            raise item
        yield from item if isinstance(item, list) else [item]


def _advised(said: str) -> str:
    wide = "context" in said
    advice = "Lower retrieval.k, or raise backend.window" if wide else "Ask again"
    return f"llama.cpp refused ({said}). {advice}."


def _text(chunk: Any, counted: Counted) -> Generator[str, None, str]:
    """Yield the text of a chunk; return why the text ends with it, where it does."""
    if error := chunk.get("error") or (chunk if "message" in chunk and "code" in chunk else None):
        raise BackendRefused(_advised(str(error.get("message", error))))
    counted.hear(chunk)
    ended = ""
    for choice in chunk.get("choices") or ():
        yield choice.get("delta", {}).get("content") or ""
        ended = str(choice.get("finish_reason") or ended)
    return ended
