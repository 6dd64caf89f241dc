"""Questions wait in one bounded line for a few workers, and each is told its place.

Answers are made on threads and read on the event loop. A worker never waits for a reader: what it
makes is kept in memory (an answer is small), so a slow or dead client holds no place.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncGenerator, Callable, Generator, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from typing import Any

Work = Callable[[], Iterator[Any]]
_END = object()


class Busy(Exception):
    """As many wait as may. `waiting` is how many."""

    def __init__(self, waiting: int) -> None:
        wait = "question waits" if waiting == 1 else "questions wait"
        super().__init__(f"busy: {waiting} {wait} already. Try again in a minute.")
        self.waiting = waiting


class Closing(Exception):
    """The server is being stopped."""

    def __init__(self) -> None:
        super().__init__("the server is being stopped; ask again when it is back.")


class TooOften(Exception):
    """One client has asked as often as it may."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"that was a lot in a minute. Ask again in {int(seconds) + 1} s.")


class TooLong(Exception):
    """The total time is over."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"no answer within {seconds:.0f} seconds. Try again, or ask for less.")


@dataclass(frozen=True, slots=True)
class Place:
    """Where in the line a question stands; 1 is next."""

    number: int

    def __str__(self) -> str:
        return f"busy, place {self.number}"


@dataclass(eq=False, slots=True)
class _Ticket:
    work: Work
    tell: Callable[[Any], None]
    cancelled: threading.Event = field(default_factory=threading.Event)


class Pool:
    """`workers` threads, and a line of at most `waiting` before them."""

    def __init__(self, workers: int, waiting: int) -> None:
        self._limit = waiting
        self._line: list[_Ticket] = []
        self._running = 0
        self._workers = workers
        self._changed = threading.Condition()
        self._closed = False
        for number in range(workers):
            name = f"answer-{number}"
            threading.Thread(target=self._serve, name=name, daemon=True).start()

    @property
    def waiting(self) -> int:
        return len(self._line)

    @property
    def running(self) -> int:
        return self._running

    @property
    def _idle(self) -> int:
        return self._workers - self._running

    async def stream(self, work: Work, seconds: float) -> AsyncGenerator[Any]:
        """What `work` yields, and a `Place` whenever that changes while it waits.

        Raises Busy, Closing, TooLong after `seconds` in all, and whatever the work raises. Leaving
        it cancels the work at its next yield.
        """
        loop, inbox = asyncio.get_running_loop(), asyncio.Queue[Any]()

        def tell(item: Any) -> None:
            with suppress(RuntimeError):  # the loop is closed: nobody listens any more
                loop.call_soon_threadsafe(inbox.put_nowait, item)

        ticket = self._join(work, tell)
        deadline = time.monotonic() + seconds
        try:
            while True:
                item = await _within(inbox.get(), deadline, seconds)
                if item is _END:
                    return
                if isinstance(item, BaseException):
                    raise item
                yield item
        finally:
            self._leave(ticket)

    def drain(self, seconds: float) -> bool:
        """Take no more, and wait until nothing waits or runs; False where time was too short."""
        with self._changed:
            self._closed = True
            done = self._changed.wait_for(lambda: not self._line and not self._running, seconds)
            self._changed.notify_all()
            return done

    def _join(self, work: Work, tell: Callable[[Any], None]) -> _Ticket:
        with self._changed:
            if self._closed:
                raise Closing
            if len(self._line) >= self._limit:
                raise Busy(len(self._line))
            ticket = _Ticket(work, tell)
            self._line.append(ticket)
            if (number := len(self._line) - self._idle) > 0:
                tell(Place(number))
            self._changed.notify_all()
            return ticket

    def _leave(self, ticket: _Ticket) -> None:
        ticket.cancelled.set()
        with self._changed:
            if ticket in self._line:
                self._line.remove(ticket)
                self._tell_places()
                self._changed.notify_all()

    def _tell_places(self) -> None:
        for number, ticket in enumerate(self._line, 1 - self._idle):
            if number > 0:
                ticket.tell(Place(number))

    def _serve(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._line or self._closed)
                if not self._line:
                    return
                ticket = self._line.pop(0)
                self._running += 1
                self._tell_places()
            try:
                _run(ticket)
            finally:
                with self._changed:
                    self._running -= 1
                    self._changed.notify_all()


def _run(ticket: _Ticket) -> None:
    if ticket.cancelled.is_set():
        return
    try:
        with closing(_closable(ticket.work())) as items:
            for item in items:
                if ticket.cancelled.is_set():
                    return
                ticket.tell(item)
    except Exception as error:  # it is the reader's to handle: this thread goes on to the next
        ticket.tell(error)
    else:
        ticket.tell(_END)


def _closable(items: Iterator[Any]) -> Generator[Any, None, None]:
    yield from items


async def _within(awaitable: Any, deadline: float, seconds: float) -> Any:
    try:
        return await asyncio.wait_for(awaitable, max(deadline - time.monotonic(), 0.0))
    except TimeoutError:
        raise TooLong(seconds) from None
