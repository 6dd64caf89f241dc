"""Reads a chat completion out of server-sent events, and says so where something else came.

Not the client's own reader: that one takes HTML, JSON or a stream cut short for a short answer.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import suppress
from itertools import islice
from typing import Any

from rag.errors import BackendInterrupted, BackendRefused
from rag.types import Usage

MAX_LINE = 1_000_000
_FIELD = re.compile(r"[A-Za-z_-]*")


class Reported(Exception):
    """The server reported a failure where an answer was due: `body` is what it said."""

    def __init__(self, body: object) -> None:
        super().__init__(str(body))
        self.body = body


class Counted:
    """What a stream said of its tokens; `on_end` is called where the text is whole without it."""

    def __init__(self, on_end: Callable[[], None] = lambda: None) -> None:
        self.usage = Usage()
        self.on_end = on_end
        self._told = False

    def hear(self, chunk: dict[str, Any]) -> bool:
        """Note the tokens that a chunk tells of; whether any chunk has told by now."""
        told = chunk.get("usage")
        if isinstance(told, dict):
            read, written = told.get("prompt_tokens"), told.get("completion_tokens")
            self.usage = Usage(_whole(read), _whole(written))
            self._told = True
        return self._told


def texts(chunks: Iterable[bytes], counted: Counted | None = None) -> Iterator[str]:
    """Yield the text of each event; an empty piece where a model thinks without writing."""
    counted = counted or Counted()
    stream = events(chunks)
    for event, data in stream:
        if data.startswith("[DONE]"):
            return
        chunk = _object(data)
        if event == "error" or chunk.get("error"):
            raise Reported(chunk.get("error") or chunk)
        told = counted.hear(chunk)
        choice = _first(chunk)
        yield from _written(choice.get("delta"))
        if reason := choice.get("finish_reason"):
            if not told:
                _listen_on(stream, counted)
            check_finish(str(reason))
            return
    raise cut()


def counting(pieces: Iterator[str], counted: Counted) -> Generator[str, None, Usage]:
    """Pass on what a stream yields; return what it said of its tokens, also where it breaks off."""
    try:
        yield from pieces
    except BackendInterrupted as error:
        error.usage = counted.usage
        raise
    return counted.usage


def _listen_on(stream: Iterator[tuple[str, str]], counted: Counted) -> None:
    """Take in the count of tokens that comes after the text; nothing else there matters."""
    counted.on_end()  # some servers keep the connection open, and never send it
    with suppress(Exception):
        for _, data in stream:
            if data.startswith("[DONE]") or counted.hear(_object(data)):
                return


def _whole(number: object) -> int:
    return number if isinstance(number, int) and number > 0 else 0


def cut() -> BackendInterrupted:
    """The error for a stream that just ends: whether the text is all of it, nobody knows."""
    return BackendInterrupted(
        "The server ended the stream without saying that the answer is complete. "
        "Ask again; if it happens every time, look into the server's own log."
    )


def check_finish(reason: str) -> None:
    """Raise where `finish_reason` says that the text is not the whole answer."""
    if reason in {"length", "max_tokens"}:
        raise BackendInterrupted(
            "The model hit its limit of max_tokens before it was done. "
            "Raise backend.max_tokens in footnoted.toml."
        )
    if reason in {"content_filter", "error"}:
        raise BackendInterrupted(
            f"The server stopped the answer ({reason}). "
            "Put the question differently, or choose another model with --model."
        )


def events(chunks: Iterable[bytes]) -> Iterator[tuple[str, str]]:
    """Yield the name and the data of each event."""
    name, data = "", list[str]()
    rows = _lines(chunks)
    for row in rows:
        field, _, value = row.partition(":")
        if not _FIELD.fullmatch(field):
            raise not_a_stream("\n".join([row, *islice(rows, 200)]))
        if field == "data":
            data.append(value.removeprefix(" "))
        elif field == "event":
            name = value.strip()
        elif not row and data:
            yield name, "\n".join(data)
            name, data = "", []
    if data:
        yield name, "\n".join(data)


def not_a_stream(body: str) -> Exception:
    """Name what came instead: an error of the server's, a whole answer, a page."""
    try:
        found = json.loads(body)
    except ValueError:
        found = None
    if isinstance(found, dict) and "choices" not in found:
        return Reported(found.get("error") or found)
    kind = "a web page" if body.lstrip().startswith("<") else "malformed text"
    return BackendRefused(
        f"The server answered with {'JSON' if found is not None else kind} where a stream of "
        "events was asked for. Check that --base-url is the address of an OpenAI-compatible "
        "API that can stream (most end in /v1)."
    )


def _lines(chunks: Iterable[bytes]) -> Iterator[str]:
    held = b""
    for chunk in chunks:
        # Cut before decoding: a character may lie across two packets, a line break never does.
        *whole, held = (held + chunk).split(b"\n")
        yield from (_text(line) for line in whole)
        if len(held) > MAX_LINE:
            raise not_a_stream(held[:100].decode(errors="replace"))
    yield _text(held)


def _text(line: bytes) -> str:
    return line.decode("utf-8").rstrip("\r").removeprefix("\ufeff")


def _object(data: str) -> dict[str, Any]:
    chunk = json.loads(data)
    if not isinstance(chunk, dict):
        raise ValueError("an event that is no JSON object")
    return chunk


def _first(chunk: dict[str, Any]) -> dict[str, Any]:
    choices = chunk.get("choices")
    # Usage and keep-alive events come without choices.
    first = choices[0] if isinstance(choices, list) and choices else None
    return first if isinstance(first, dict) else {}


def _written(delta: object) -> Iterator[str]:
    if not isinstance(delta, dict):
        return
    content = delta.get("content")
    if isinstance(content, list):
        content = "".join(str(p.get("text") or "") for p in content if isinstance(p, dict))
    if isinstance(content, str) and content:
        yield content
    elif delta.get("reasoning_content") or delta.get("reasoning"):
        yield ""
