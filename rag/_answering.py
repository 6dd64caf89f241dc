"""What an answer needs on its way through the chatbot: its draft, clock, and sentence vectors."""

from __future__ import annotations

import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, fields
from functools import lru_cache
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from rag import _small_talk, prompt, refuse
from rag._alignment import EmbedTokens
from rag._leaning import names_in, says_what
from rag._reader import Reader
from rag.config import Settings
from rag.embedding import Embedder, has_tokens
from rag.errors import BackendError, BackendInterrupted, ConfigError
from rag.library import Library
from rag.types import Answer, Backend, Filters, Hit, Message, Paper, Refusal, Usage

Embed = Callable[[Sequence[str]], NDArray[np.float32]]
_FILTERS = TypeAdapter(Filters)  # once: made by several threads at a time it fails now and then
_PART = 500  # papers fetched at once for an export
_REMEMBERED = 20_000  # sentence vectors kept in memory: about 30 MB
_SENTENCES = 500  # whose word vectors are kept in memory: about 25 MB


class Remembering:
    """Embeds sentences once: the answers to like questions are judged against the same ones."""

    def __init__(self, embed: Embed) -> None:
        self._embed = embed
        self._known: OrderedDict[str, NDArray[np.float32]] = OrderedDict()
        self._lock = threading.Lock()

    def __call__(self, texts: Sequence[str]) -> NDArray[np.float32]:
        with self._lock:
            found = {text: self._known[text] for text in texts if text in self._known}
        missing = [text for text in dict.fromkeys(texts) if text not in found]
        if missing:
            found.update(zip(missing, self._embed(missing), strict=True))
            self._remember(found, missing)
        return np.stack([found[text] for text in texts])

    def _remember(self, found: dict[str, NDArray[np.float32]], new: Sequence[str]) -> None:
        with self._lock:
            self._known.update((text, found[text]) for text in new)
            while len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)


def words_of(embedder: Embedder) -> EmbedTokens | None:
    """Vectors of a sentence's words, the last some hundred remembered; None: there are none."""
    if not has_tokens(embedder):
        return None

    @lru_cache(maxsize=_SENTENCES)
    def words(text: str) -> tuple[NDArray[np.float32], list[tuple[int, int]]]:
        read = embedder.embed_question(text)
        return read.tokens, read.spans

    return words


def reader_of(embedder: Embedder) -> Reader | None:
    """What reads two texts together, where the embedder has such a thing."""
    return getattr(embedder, "reader", None)


def condensed(
    draft: Draft, history: Sequence[prompt.Turn], writer: Backend, settings: Settings
) -> str:
    """The question in words that stand alone: the model's, where there is one to ask."""
    by_rules = draft.standalone
    writes = getattr(writer, "writes", True) and settings.answer.condense == "auto"
    if not (history and writes and prompt.leans(draft.question, history)):
        return by_rules
    try:
        asked = prompt.condensing(draft.question, history, writer, settings.backend)
        said = "".join(writer.complete(asked))
    except BackendError:  # the answer itself will tell what is wrong with the backend
        return by_rules
    return prompt.condensation(said, draft.question, history) or by_rules


class Clock:
    """Seconds by stage."""

    def __init__(self) -> None:
        self._start = self._last = time.perf_counter()
        self.laps: dict[str, float] = {}

    def lap(self, name: str) -> None:
        now = time.perf_counter()
        self.laps[name] = now - self._last
        self._last = now

    def since_start(self) -> float:
        return time.perf_counter() - self._start

    def read(self) -> dict[str, float]:
        laps = {**self.laps, "total": self.since_start()}
        return {name: round(seconds, 4) for name, seconds in laps.items()}


class Draft:
    """An answer in the making: what was asked, what has arrived, and when."""

    def __init__(self, question: str, standalone: str, backend: str) -> None:
        self.question = question
        self.standalone = standalone
        self.backend = backend
        self.model: str | None = None
        self.text = ""
        self.interrupted: str | None = None
        self.usage = Usage()
        self._told = ""
        self._count: Callable[[str], int] | None = None
        self.clock = Clock()

    def messages(self, hits: Sequence[Hit], writer: Backend, chosen: Settings) -> list[Message]:
        """What the backend is asked, within the window of its model."""
        # Neither bare words whose place a name took, nor "tell me more", choose a sentence; others
        # choose one that speaks of what was asked about.
        asked = _small_talk.after(self.question).strip()
        kept = self.standalone.endswith(asked) and says_what(asked)
        about = names_in(self.standalone.removesuffix(asked)) if kept else []
        newest = f"{about[0]}: {asked}" if len(about) == 1 else asked if kept else self.standalone
        if not getattr(writer, "writes", True):
            return prompt.build(self.standalone, hits, newest)
        messages = prompt.fitted(self.standalone, hits, newest, writer, chosen.backend)
        self._told = "\n\n".join(message.content for message in messages)
        self._count = getattr(writer, "count", None)
        return messages

    def read(self, pieces: Iterator[str]) -> Iterator[str]:
        """Pass on what a backend writes, and remember it and the tokens that it took."""
        while True:
            try:
                piece = next(pieces)
            except StopIteration as end:
                self.usage = self._spent(end.value)
                return
            except BackendInterrupted as error:
                self.usage = self._spent(error.usage)
                raise
            if not self.text:
                self.clock.laps["first_token"] = self.clock.since_start()
            self.text += piece
            yield piece

    def _spent(self, told: object) -> Usage:
        """What the server told; else what the model's tokenizer counts; else 0, for not known."""
        if isinstance(told, Usage) and told != Usage():
            return told
        if self._count is not None:
            with suppress(Exception):  # a count is no reason to lose an answer
                return Usage(self._count(self._told), self._count(self.text))
        return Usage()

    def refuse(self, refusal: Refusal, hits: Sequence[Hit] = ()) -> Answer:
        near = refuse.nearest(hits, named=refusal.paper_id)
        return self.answer(text=refusal.message, refusal=refusal, nearest=near)

    def answer(self, **fields: Any) -> Answer:
        stages = ("retrieve", "rank", "first_token", "generate", "verify")
        seconds = {**dict.fromkeys(stages, 0.0), **self.clock.read()}
        return Answer(
            id=uuid4().hex,
            question=self.question,
            standalone_question=self.standalone,
            backend=self.backend,
            model=self.model,
            truncated=self.interrupted is not None,
            seconds=seconds,
            tokens=asdict(self.usage),
            prompt=prompt.template_hash("answer"),
            **fields,
        )


def checked_filters(filters: Filters | Mapping[str, Any] | None) -> Filters | None:
    """Raises ConfigError for a filter that does not exist, or whose value is of the wrong kind."""
    given = asdict(filters) if isinstance(filters, Filters) else dict(filters or {})
    unknown = set(given) - {field.name for field in fields(Filters)}
    if unknown:
        known = ", ".join(field.name for field in fields(Filters))
        raise ConfigError(f"there is no filter '{min(unknown)}'. Filters: {known}.")
    try:
        return _FILTERS.validate_python({k: _printable(v) for k, v in given.items()})
    except ValidationError as error:
        first = error.errors()[0]
        raise ConfigError(
            f"the filter '{first['loc'][0]}': {first['msg'].lower()}. Give year as (first, last), "
            f"None for an open end, and the others as text."
        ) from None


def _printable(value: Any) -> Any:
    """Text without lone surrogates, which a terminal can give and no database takes."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value


def chosen_papers(
    library: Library, ids: Sequence[str] | None, filters: Filters | None
) -> Iterator[Paper]:
    """The papers of these ids, in their order; else those that the filters admit, else all."""
    if ids is not None:
        found = library.get(ids)
        yield from (found[i] for i in ids if i in found)
    elif not filters:
        yield from library.papers()
    else:
        rows = library.rows(filters)
        for start in range(0, len(rows), _PART):
            yield from library.by_row(rows[start : start + _PART]).values()


def disk_by_part(folder: Path) -> dict[str, int]:
    """Bytes of what lies in a folder, by name, the largest first; a library with its log."""
    sizes: dict[str, int] = {}
    with suppress(OSError):
        for entry in folder.iterdir():
            name = entry.name.removesuffix("-wal").removesuffix("-shm")
            sizes[name] = sizes.get(name, 0) + disk_bytes(entry)
    return dict(sorted(sizes.items(), key=lambda item: (-item[1], item[0])))


def disk_bytes(path: Path) -> int:
    """Bytes of a file, or of all below a folder, among which a writer may come and go."""
    if not path.is_dir():
        with suppress(OSError):
            return path.lstat().st_size
        return 0
    total = 0
    for parent, _, names in os.walk(path):
        for name in names:
            with suppress(OSError):
                total += Path(parent, name).lstat().st_size
    return total
