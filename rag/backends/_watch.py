"""Keeps time on a stream that may hang, drip or never end.

A client's own timeouts count each read, so one byte a second passes them for ever. Here the
stream is read on a thread of its own, and whoever waits for it stops waiting in time.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from queue import Empty, Full, Queue
from threading import Event, Thread
from time import monotonic
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from rag.config import BackendSettings

_END = object()


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds: for everything, for the first text, and between one piece and the next."""

    total: float = 120.0
    first: float = 60.0
    between: float = 20.0

    @classmethod
    def of(cls, settings: BackendSettings) -> Self:
        return cls(settings.timeout, settings.first_token_timeout, settings.token_timeout)


class Late(Exception):
    """Nothing came within a limit: `setting` is the one that would have to be raised."""

    def __init__(self, setting: str, seconds: float) -> None:
        super().__init__(f"no text within {seconds:g} s")
        self.setting = setting
        self.seconds = seconds


class Line:
    """What the thread that reads a stream shares with the one that waits for it."""

    def __init__(self) -> None:
        self.inbox: Queue[object] = Queue(64)
        self.dropped = Event()
        self.hang_up: Callable[[], None] = lambda: None
        # Set by a reader that gets its text in one piece: only the total limit makes sense then.
        self.whole = False

    def offer(self, item: object) -> bool:
        """Hand `item` over; False when nobody waits for it any more."""
        while not self.dropped.is_set():
            with suppress(Full):
                self.inbox.put(item, timeout=0.1)
                return True
        return False

    def drop(self) -> None:
        self.dropped.set()
        self.hang_up()


Reader = Callable[[Line], Generator[str, None, None]]


def watched(read: Reader, limits: Limits, deadline: float) -> Iterator[str]:
    """Yield what `read` yields, and raise what it raises, or `Late`.

    An empty piece is not passed on: it is a sign of life, which restarts the wait.
    """
    line = Line()
    Thread(target=_pump, args=(read, line), name="footnoted-backend", daemon=True).start()
    started = False
    try:
        while (piece := _take(line, limits, deadline, started)) is not None:
            started = started or bool(piece)
            if piece:
                yield piece
    finally:
        line.drop()


def _pump(read: Reader, line: Line) -> None:
    last: object = _END
    try:
        with closing(read(line)) as pieces:
            for piece in pieces:
                if not line.offer(piece):
                    break
    # The thread that waits raises it: one that dies in silence would look like a hung server.
    except BaseException as error:
        last = error
    line.offer(last)


def _take(line: Line, limits: Limits, deadline: float, started: bool) -> str | None:
    left = deadline - monotonic()
    first = limits.total if line.whole else limits.first
    limit = limits.between if started else first
    try:
        item = line.inbox.get(timeout=max(0.0, min(limit, left))) if left > 0 else None
    except Empty:
        item = None
    if item is None:
        raise _late(limits, left <= limit, started)
    if isinstance(item, BaseException):
        raise item
    return item if isinstance(item, str) else None


def _late(limits: Limits, total: bool, started: bool) -> Late:
    if total:
        return Late("timeout", limits.total)
    if started:
        return Late("token_timeout", limits.between)
    return Late("first_token_timeout", limits.first)
