"""Composes the whole: open a home, ingest, search, ask. The file to read first.

    retrieve -> rank -> prompt -> complete -> cite

`ask` is these five calls; `stream` yields an event after each of them. Everything that can be
exchanged (embedder, store, backend, grounder) is named in the settings.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rag import llama, prompt, refuse
from rag._answering import Clock, Draft, Remembering, checked_filters, disk_bytes
from rag.backends import BACKENDS
from rag.cite import cite, render
from rag.config import Settings
from rag.embedding import Embedder, make_embedder
from rag.errors import BackendError, BackendInterrupted, IndexMissing, SourceError, SourceUnreadable
from rag.ground import EmbeddingGrounder
from rag.index import Index, Manifest, Recipe
from rag.ingest import Progress, build_index, embed_missing, silent, store_records, writing
from rag.lexical import tokens
from rag.library import Library
from rag.rank import rank
from rag.registry import lookup
from rag.retrieve import Retriever
from rag.sample import resolve
from rag.sources import open_source
from rag.stores import STORES
from rag.types import (
    Answer,
    Backend,
    Event,
    Filters,
    Hit,
    IngestReport,
    Mode,
    Paper,
    Record,
    Refusal,
    Rejected,
)

DEFAULT_HOME = ".footnoted"
_NO_WORDS = "That names nothing to look for. Ask in a few words what you want to know."
_NO_PAPERS = "This collection has no papers yet. Add some: footnoted ingest SOURCE"


class Chatbot:
    """A home with papers, and what answers from them. Safe to use from several threads."""

    def __init__(self, home: Path, settings: Settings) -> None:
        self.home = home
        self.settings = settings
        self._local = threading.local()
        self._lock = threading.Lock()
        self._index: Index | None = None

    @classmethod
    def open(cls, home: str | Path = DEFAULT_HOME, settings: Settings | None = None) -> Chatbot:
        """Open the home, making it if it is missing. Raises ConfigError or LibraryError."""
        path = Path(home).expanduser()
        bot = cls(path, settings or Settings.load(path))
        if not (path / "library.sqlite").is_file():
            with writing(path):
                Library(path / "library.sqlite").close()
        return bot

    def ingest(
        self,
        *sources: str | Path | Iterable[Any],
        format: str | None = None,
        rebuild: bool = False,
        limit: int | None = None,
        progress: Progress = silent,
    ) -> IngestReport:
        """Add papers from files, folders, globs or `sample:`; without any, finish what is pending.

        An iterable of LlamaIndex Documents is a source too: text is abstract, metadata the rest.

        Raises SourceError where a source cannot be read at all, HomeLocked while another process
        writes, IndexMismatch where the settings changed and `rebuild` is not given.
        """
        with writing(self.home):
            library = Library(self.home / "library.sqlite")
            try:
                records = islice(self._records(sources, format), limit) if sources else None
                return self._ingest(library, records, rebuild, progress)
            finally:
                library.close()

    def search(
        self,
        query: str,
        k: int = 10,
        filters: Filters | Mapping[str, Any] | None = None,
        mode: Mode | None = None,
    ) -> list[Hit]:
        """The best k papers, best first, one hit a paper."""
        return self.timed_search(query, k, filters, mode)[0]

    def timed_search(
        self,
        query: str,
        k: int = 10,
        filters: Filters | Mapping[str, Any] | None = None,
        mode: Mode | None = None,
    ) -> tuple[list[Hit], dict[str, float]]:
        """`search`, with the seconds that embedding, searching, and both took."""
        clock = Clock()
        mode, wanted = mode or self.settings.retrieval.mode, checked_filters(filters)
        retriever = self._retriever()
        vector = None if mode == "lexical" or not query.strip() else self._query_vector(query)
        clock.lap("embed")
        hits = retriever.search(query, vector, k, wanted, mode)
        clock.lap("search")
        return hits, clock.read()

    def ask(
        self,
        question: str,
        filters: Filters | Mapping[str, Any] | None = None,
        history: Sequence[prompt.Turn] = (),
    ) -> Answer:
        """Answer with a footnote to every sentence, or refuse and say why.

        `history` holds the earlier turns of a conversation. Raises IndexFailure, EmbeddingError
        or ConfigError; a backend that fails gives a refusal of kind "backend_failed".
        """
        for event in self.stream(question, filters, history):
            if event.kind == "answer":
                return event.value  # type: ignore[no-any-return]
        raise AssertionError("stream ends with an answer")

    def stream(
        self,
        question: str,
        filters: Filters | Mapping[str, Any] | None = None,
        history: Sequence[prompt.Turn] = (),
    ) -> Iterator[Event]:
        """Events as they happen: "retrieval" (hits), "token"s, "verdict"s, then one "answer"."""
        draft = Draft(question, prompt.condense(question, history), self.settings.backend.name)
        asked, wanted = draft.standalone, checked_filters(filters)
        if not self._library().count():
            yield Event("answer", draft.refuse(Refusal("empty_collection", _NO_PAPERS)))
            return
        retriever = self._retriever()
        try:
            backend = self._backend  # before anything is searched: a wrong name is told at once
        except BackendError as error:
            yield Event("answer", draft.refuse(Refusal("backend_failed", str(error))))
            return
        settings = self.settings.retrieval
        vector = self._query_vector(asked)
        hits = retriever.search(asked, vector, settings.k, wanted, settings.mode)
        hits = rank(hits, vector, self._embed)
        draft.clock.lap("retrieve")
        yield Event("retrieval", hits)
        refusal = self._refusal(asked if tokens(question) else question, vector, hits)
        if refusal:
            yield Event("answer", draft.refuse(refusal, hits))
            return
        yield from self._answer(draft, hits, backend)

    async def aask(
        self,
        question: str,
        filters: Filters | Mapping[str, Any] | None = None,
        history: Sequence[prompt.Turn] = (),
    ) -> Answer:
        """`ask`, on a thread of its own."""
        return await asyncio.to_thread(self.ask, question, filters, history)

    def as_retriever(
        self,
        k: int = 8,
        filters: Filters | Mapping[str, Any] | None = None,
        mode: Mode | None = None,
    ) -> Any:
        """Give this home as a LlamaIndex `BaseRetriever`; its nodes carry their spans."""
        return llama.retriever(self, k, filters, mode)

    def as_query_engine(self, filters: Filters | Mapping[str, Any] | None = None) -> Any:
        """Give this home as a LlamaIndex `BaseQueryEngine`; its source nodes are the footnotes."""
        return llama.query_engine(self, filters)

    def papers(self) -> Iterator[Paper]:
        """All papers, in the order in which they came."""
        return self._library().papers()

    def paper(self, paper_id: str) -> Paper | None:
        """One paper by its id, None where there is none."""
        return self._library().get([paper_id]).get(paper_id)

    def delete(self, *paper_ids: str) -> int:
        """Remove papers from library and index; the number that were there."""
        with writing(self.home):
            library = Library(self.home / "library.sqlite")
            try:
                removed = library.delete(paper_ids)
                if removed and Manifest.read(self._index_root):
                    build_index(library, self._index_root, self._recipe, self._stores)
                return removed
            finally:
                library.close()

    def info(self) -> dict[str, Any]:
        """Counts, the state of the index, and the disk that the home takes (bytes)."""
        manifest = Manifest.read(self._index_root)
        library = self._library()
        return {
            "home": str(self.home),
            "papers": library.count(),
            "chunks": manifest.chunks if manifest else 0,
            "pending": self.is_behind(),
            "embedding": manifest.recipe.embedding if manifest else None,
            "backend": self.settings.backend.name,
            "disk": disk_bytes(self.home),
            "by_year": library.by_year(),
        }

    def is_behind(self) -> bool:
        """Whether papers were stored or removed that the index does not reflect yet."""
        manifest = Manifest.read(self._index_root)
        return manifest is None or manifest.revision != self._library().revision()

    def close(self) -> None:
        """Let go of the index; the chatbot opens it again if it is used."""
        with self._lock:
            if self._index is not None:
                self._index.close()
                self._index = None

    def __enter__(self) -> Chatbot:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _answer(self, draft: Draft, hits: list[Hit], backend: Backend) -> Iterator[Event]:
        draft.model = getattr(backend, "model", None)
        try:
            for piece in backend.complete(prompt.build(draft.standalone, hits, draft.question)):
                draft.add(piece)
                yield Event("token", piece)
        except BackendInterrupted as error:
            draft.interrupted = str(error)
        except BackendError as error:
            yield Event("answer", draft.refuse(Refusal("backend_failed", str(error)), hits))
            return
        draft.clock.lap("generate")
        if not draft.text.strip() or draft.text.strip().startswith(prompt.NO_ANSWER):
            yield Event("answer", draft.refuse(refuse.not_stated(hits[0]), hits))
            return
        policy = self.settings.answer.policy
        sentences, citations = cite(draft.text, hits, self._grounder, policy)
        draft.clock.lap("verify")
        for sentence in sentences:
            yield Event("verdict", sentence)
        if not sentences:
            yield Event("answer", draft.refuse(refuse.not_stated(hits[0]), hits))
            return
        yield Event(
            "answer",
            draft.answer(
                text=render(sentences), sentences=tuple(sentences), citations=tuple(citations)
            ),
        )

    def _refusal(
        self, question: str, vector: NDArray[np.float32], hits: list[Hit]
    ) -> Refusal | None:
        if not hits:
            return Refusal("not_in_collection", "No paper in this collection matches that.")
        if not tokens(question):  # whatever is nearest to it is so by chance
            return Refusal("not_in_collection", _NO_WORDS)
        lexicon = self._open_index().lexical
        found = refuse.features(question, vector, hits, self._embed, lexicon)
        return refuse.refusal(question, hits, found, self.settings.answer.refuse_below)

    def _ingest(
        self,
        library: Library,
        records: Iterator[tuple[str, Record]] | None,
        rebuild: bool,
        progress: Progress,
    ) -> IngestReport:
        manifest = None if rebuild else Manifest.read(self._index_root)
        if manifest:
            manifest.check(self._recipe)
        report = IngestReport()
        if records is not None:
            report = store_records(library, records, self.home / "rejected.jsonl", progress)
        if not library.count() and manifest is None:
            return report
        embed_missing(library, self._embedder, self.settings.chunking.max_chars, progress)
        build_index(library, self._index_root, self._recipe, self._stores, progress, anew=rebuild)
        return report

    def _records(
        self, sources: Sequence[str | Path | Iterable[Any]], format: str | None
    ) -> Iterator[tuple[str, Record]]:
        opened = [  # first of all, so that a wrong name is told before anything is stored
            (str(s), self._open_source(str(s), format, alone=len(sources) == 1))
            if isinstance(s, str | Path)
            else ("LlamaIndex documents", llama.records(s))
            for s in sources
        ]
        for name, stream in opened:
            seen = 0
            try:
                for record in stream:
                    seen += 1
                    yield name, record
            except SourceError as error:
                if len(sources) == 1 and not seen:
                    raise
                yield name, Rejected(name, 0, str(error), "")

    def _open_source(self, address: str, format: str | None, *, alone: bool) -> Iterator[Record]:
        """One unreadable file among several is a reject; a name that is wrong is an error."""
        try:
            return open_source(resolve(address), format, self.settings.plugins.sources)
        except SourceUnreadable as error:
            if alone:
                raise
            return iter([Rejected(address, 0, str(error), "")])

    def _library(self) -> Library:
        """A reader for this thread: SQLite's connections are not shared between threads."""
        if not hasattr(self._local, "library"):
            self._local.library = Library(self.home / "library.sqlite", read_only=True)
        library: Library = self._local.library
        return library

    def _retriever(self) -> Retriever:
        settings = self.settings.retrieval
        return Retriever(
            self._open_index(),
            self._library(),
            candidates=settings.candidates,
            dense_weight=settings.dense_weight,
        )

    def _open_index(self) -> Index:
        """The current index; one that was published since takes the old one's place."""
        manifest = Manifest.read(self._index_root)
        stored = 0 if manifest else self._library().count()
        if stored:  # by an ingest that was interrupted
            raise IndexMissing(f"{stored} papers wait to be indexed. Run: footnoted ingest")
        with self._lock:
            if self._index is None or self._index.manifest != manifest:
                self._index = Index.open(self._index_root, self._recipe, self._stores)
            return self._index

    def _query_vector(self, question: str) -> NDArray[np.float32]:
        vector: NDArray[np.float32] = self._embedder.embed_query([question])[0]
        return vector

    def _rarity(self, word: str) -> float:
        return self._open_index().lexical.rarity(word)

    @property
    def _index_root(self) -> Path:
        return self.home / "index"

    @cached_property
    def _embedder(self) -> Embedder:
        return make_embedder(self.settings.embedding, self.settings.plugins.embedders)

    @cached_property
    def _embed(self) -> Remembering:
        return Remembering(self._embedder.embed)

    @cached_property
    def _recipe(self) -> Recipe:
        settings = self.settings
        return Recipe.of(
            self._embedder.fingerprint, settings.chunking.max_chars, settings.store.name
        )

    @cached_property
    def _stores(self) -> dict[str, str]:
        return {**STORES, **self.settings.plugins.stores}

    @cached_property
    def _grounder(self) -> EmbeddingGrounder:
        return EmbeddingGrounder(self._embed)

    @cached_property
    def _backend(self) -> Backend:
        settings = self.settings.backend
        cls = lookup("backend", settings.name, {**BACKENDS, **self.settings.plugins.backends})
        backend: Backend = cls.from_settings(
            settings,
            embed=self._embed,
            rarity=self._rarity,  # of whichever index is current when it is asked
        )
        return backend
