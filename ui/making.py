"""Answers in the making, which outlive the page that asked: a reload loses no question.

A page follows an answer that is made for its conversation. Leaving the page ends the following and
not the answer, which is stored when it is done; only Stop ends it. What failed while nobody
followed is told to the next page that opens the conversation.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from ui.service import Asked, Service

_REMEMBERED = 200  # answers that failed, and that nobody was told of
_END = object()


class Making:
    """One answer: what has come of it so far, for any number of followers."""

    def __init__(self, asked: Asked) -> None:
        self.asked = asked
        self._items: list[Any] = []
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def question(self) -> str:
        """As it was written."""
        return self.asked.written or self.asked.question

    def start(self, service: Service) -> asyncio.Task[None]:
        self._task = asyncio.create_task(self._make(service))
        self._task.add_done_callback(self._end)
        return self._task

    def stop(self) -> None:
        """End it; nothing of it is stored."""
        if self._task:
            self._task.cancel()

    async def follow(self) -> AsyncGenerator[Any]:
        """Everything that `Service.stream` yields, from the beginning; raises what it raises."""
        at = 0
        while True:
            for item in self._items[at:]:
                at += 1
                if item is _END:
                    return
                if isinstance(item, BaseException):
                    raise item
                yield item
            if at == len(self._items):
                await self._changed.wait()

    async def _make(self, service: Service) -> None:
        async with aclosing(service.stream(self.asked)) as items:
            async for item in items:
                self._tell(item)

    def _end(self, task: asyncio.Task[None]) -> None:
        """Tell the followers; one that was stopped may never have begun."""
        error = None if task.cancelled() else task.exception()
        self._tell(error or _END)  # an error is the follower's to handle

    def _tell(self, item: Any) -> None:
        self._items.append(item)
        self._changed.set()
        self._changed = asyncio.Event()

    @property
    def failed(self) -> bool:
        return bool(self._items) and isinstance(self._items[-1], BaseException)


class Makings:
    """The answers in the making, by conversation. To be used on the event loop only."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._latest: dict[str, Making] = {}
        self._tasks: set[asyncio.Task[None]] = set()  # the loop itself holds them weakly

    def begin(self, asked: Asked) -> Making:
        """Make an answer; `asked` names a conversation."""
        making = Making(asked)
        self._latest[str(asked.conversation)] = making
        task = making.start(self._service)
        self._tasks.add(task)
        task.add_done_callback(lambda done: self._ended(done, making))
        return making

    def of(self, conversation: str | None, owner: str) -> Making | None:
        """What is being made for a conversation of this owner's, or failed and was not told."""
        making = self._latest.get(conversation or "")
        return making if making and making.asked.owner == owner else None

    def stop(self, conversation: str | None, owner: str) -> None:
        if making := self.of(conversation, owner):
            making.stop()

    def told(self, making: Making) -> None:
        """Forget one that somebody has seen to its end."""
        name = str(making.asked.conversation)
        if self._latest.get(name) is making:
            del self._latest[name]

    def _ended(self, task: asyncio.Task[None], making: Making) -> None:
        self._tasks.discard(task)
        if not making.failed:
            self.told(making)
        while len(self._latest) > len(self._tasks) + _REMEMBERED:
            oldest = next(m for m in self._latest.values() if m.failed)
            self.told(oldest)
