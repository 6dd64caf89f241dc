"""The one door to the chatbot: API, page, OpenAI clients and MCP all come through here."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, closing, suppress
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from typing import Any, TypeVar

from rag.chatbot import Chatbot
from rag.conversations import Conversations
from rag.errors import ConfigError, RagError
from rag.prompt import Turn
from rag.types import Answer, Event, Filters, Hit, Mode, Paper, Policy
from ui import traces
from ui.access import Window
from ui.jobs import Jobs
from ui.observe import Meters, log
from ui.options import Options
from ui.work import Place, Pool, TooOften

LOCAL = "local"  # who asks where nobody has to say who they are
_NOBODY = ""  # and what is theirs belongs to whoever uses the command line here, too
_READERS = 4
_CANARY_SECONDS = 10.0

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Asked:
    """A question with all that goes with it; None stands for what the settings say."""

    question: str
    filters: Filters | None = None
    history: Sequence[Turn] = ()
    backend: str | None = None
    policy: Policy | None = None
    conversation: str | None = None
    owner: str = _NOBODY
    written: str | None = None  # the question as its asker wrote it, filters and all


def owner_name(user: str | None) -> str:
    """Under which name a user's conversations and jobs are kept."""
    return _NOBODY if user in (None, "", LOCAL) else str(user)


class Service:
    """Asks, searches and ingests for many at once, within the limits of its options."""

    def __init__(self, bot: Chatbot, options: Options) -> None:
        self.bot = bot
        self.options = options
        self.meters = Meters()
        self.pool = Pool(options.concurrent, options.waiting)
        self.conversations = Conversations(bot.home)
        self._asked = Window(options.rate, 60.0)
        self.jobs = Jobs(bot)
        self._readers = ThreadPoolExecutor(_READERS, thread_name_prefix="read")
        self._ready: tuple[float, dict[str, Any]] = (float("-inf"), {})
        self.meters.gauge("waiting", "Questions in line", lambda: self.pool.waiting)
        self.meters.gauge("running", "Answers in the making", lambda: self.pool.running)

    @property
    def backends(self) -> list[str]:
        """Who may write an answer here: the one that is set, the extractive one, and plugins."""
        settings = self.bot.settings
        return list(
            dict.fromkeys([settings.backend.name, "extractive", *settings.plugins.backends])
        )

    def check(self, asked: Asked) -> None:
        """Raise ConfigError for what cannot be asked, before it waits in line.

        Only backends that the operator has set: a visitor must not make the server connect
        elsewhere.
        """
        if not asked.question.strip():
            raise ConfigError("the question is empty")
        if len(asked.question) > self.options.max_question:
            raise ConfigError(
                f"the question has {len(asked.question):,} characters; "
                f"the limit is {self.options.max_question:,}"
            )
        if asked.backend and asked.backend not in self.backends:
            raise ConfigError(
                f"no backend '{asked.backend}' here. Choose: {', '.join(self.backends)}."
            )
        self.bot.settings.chosen(asked.backend, None, asked.policy)

    def pace(self, who: str) -> None:
        """Count what somebody asks on the page, which the guard cannot tell from its chatter.

        Raises TooOften.
        """
        if wait := self._asked.wait(who):
            self.meters.turned_away.labels("rate").inc()
            raise TooOften(wait)
        self._asked.add(who)

    async def stream(self, asked: Asked) -> AsyncGenerator[Event | Place]:
        """Places in the line, then the events of `Chatbot.stream`; the answer as it was stored.

        Raises ConfigError, another RagError, Busy, Closing or TooLong.
        """
        self.check(asked)
        work = partial(self._events, asked)
        async with aclosing(self.pool.stream(work, self.options.total_seconds)) as items:
            async for item in items:
                yield item

    async def ask(self, asked: Asked) -> Answer:
        """Only the answer."""
        async with aclosing(self.stream(asked)) as items:
            async for item in items:
                if isinstance(item, Event) and item.kind == "answer":
                    return item.value  # type: ignore[no-any-return]
        raise AssertionError("a stream ends with an answer")

    async def read(self, function: Callable[..., T], *args: Any, **named: Any) -> T:
        """Run what looks something up on one of a few threads."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._readers, partial(function, *args, **named))

    async def search(
        self, query: str, k: int, filters: Filters | None = None, mode: Mode | None = None
    ) -> tuple[list[Hit], dict[str, float]]:
        return await self.read(self.bot.timed_search, query, k, filters, mode)

    async def papers_of(self, *answers: dict[str, Any]) -> dict[str, Paper]:
        """The papers that these answers cite or name as near, as far as they are still there."""
        ids = {c["paper_id"] for a in answers for c in (*a["citations"], *a["nearest"])}
        return await self.read(lambda: {i: p for i in ids if (p := self.bot.paper(i))})

    async def ready(self) -> dict[str, Any]:
        """Whether the index opens, the model works, and a paper is found by its own title."""
        if time.monotonic() - self._ready[0] > _CANARY_SECONDS:
            self._ready = (time.monotonic(), await self.read(self.canary))
        return self._ready[1]

    def canary(self) -> dict[str, Any]:
        """Look for the first paper by its title, and say how that went."""
        try:
            paper = next(self.bot.papers(), None)
            if paper is None:
                return {"ready": True, "papers": 0, "reason": "no papers yet"}
            hits = self.bot.search(paper.title, k=10)
            found = any(hit.paper.id == paper.id for hit in hits)
            reason = "" if found else "a paper was not found by its own title"
            return {"ready": found, "papers": self.bot.info()["papers"], "reason": reason}
        except RagError as error:
            log("not ready", logging.ERROR, error=str(error))
            return {"ready": False, "papers": None, "reason": type(error).__name__}

    def warm(self) -> None:
        """Do once what every question does before it is answered, so that the first is quick."""
        with suppress(RagError):
            for paper in islice(self.bot.papers(), 1):
                # Without a model, which would have to be paid; read closely after it was found.
                asked = self.bot.stream(paper.title, backend="extractive")
                with closing(asked) as events:  # type: ignore[type-var]
                    list(islice(events, 2))

    def close(self) -> bool:
        """Finish what waits and runs; False where that took longer than it may."""
        finished = self.pool.drain(self.options.drain_seconds)
        self.jobs.close(self.options.drain_seconds)
        self._readers.shutdown(wait=False, cancel_futures=True)
        self.bot.close()
        return finished

    def _events(self, asked: Asked) -> Iterator[Event]:
        history = asked.history
        if asked.conversation:
            history = self.conversations.turns(asked.conversation, asked.owner)
        chosen: dict[str, Any] = {"backend": asked.backend, "policy": asked.policy}
        for event in self.bot.stream(asked.question, asked.filters, history, **chosen):
            yield self._kept(event.value, asked) if event.kind == "answer" else event

    def _kept(self, answer: Answer, asked: Asked) -> Event:
        if asked.written:
            answer = replace(answer, question=asked.written)
        if asked.conversation:
            answer = self.conversations.append(asked.conversation, answer, asked.owner)
        self.meters.count(answer)
        traces.record(answer)
        said: dict[str, Any] = {"question": asked.question} if self.options.log_text else {}
        log(
            "answer",
            answer=answer.id,
            backend=answer.backend,
            refused=answer.refusal.kind if answer.refusal else None,
            sentences=len(answer.sentences),
            citations=len(answer.citations),
            seconds=answer.seconds,
            **said,
        )
        return Event("answer", answer)


__all__ = ["LOCAL", "Asked", "Service"]
