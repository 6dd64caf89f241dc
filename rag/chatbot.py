"""Composes the whole: open a home, ingest, search, ask. The file to read first.

    retrieve -> rank -> prompt -> complete -> cite

`ask` is these five calls; `stream` yields an event after each of them. Everything that can be
exchanged (embedder, store, backend, grounder) is named in the settings.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import date
from functools import cached_property, lru_cache
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from rag import llama, prompt, refuse
from rag._alignment import EmbedTokens
from rag._answering import (
    Clock,
    Draft,
    Remembering,
    checked_filters,
    chosen_papers,
    condensed,
    disk_by_part,
)
from rag._blas import one_thread
from rag._codes import Question
from rag._ranking import Ranker
from rag.backends import BACKENDS
from rag.backends._offered import Offered, offered
from rag.cite import cite, render
from rag.config import Settings
from rag.embedding import Embedder, has_tokens, make_embedder
from rag.errors import (
    BackendError,
    BackendInterrupted,
    ConfigError,
    IndexFailure,
    IndexMissing,
    SourceError,
    SourceUnreadable,
)
from rag.export import write
from rag.ground import GROUNDERS, Grounder
from rag.index import WORDS, Index, Manifest, Recipe
from rag.ingest import (
    Progress,
    build_vectors,
    build_words,
    embed_missing,
    rehearse,
    silent,
    store_records,
    writing,
)
from rag.lexical import tokens
from rag.library import Library
from rag.registry import lookup
from rag.retrieve import Retriever
from rag.sample import resolve
from rag.sources import Meter, open_source
from rag.sources.live import Desk, Live, open_live
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
    Policy,
    Record,
    Refusal,
    Rejected,
)

_SENTENCES = 500  # whose word vectors are kept in memory: about 25 MB
DEFAULT_HOME = ".footnoted"
_LONGEST = 4_000  # characters of a question that are embedded; an encoder reads less
_ATTEMPTS = 5  # at opening an index while others publish new ones
_VENUES = 20  # that `info` names
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
        self._writers: dict[str, Backend] = {}
        self._filling: _Filling | None = None

    @classmethod
    def open(cls, home: str | Path = DEFAULT_HOME, settings: Settings | None = None) -> Chatbot:
        """Open the home, making it if it is missing. Raises ConfigError or LibraryError."""
        path = Path(home).expanduser()
        bot = cls(path, settings or Settings.load(path))
        if not Library.is_current(path / "library.sqlite"):
            with writing(path):
                Library(path / "library.sqlite").close()
        return bot

    def ingest(
        self,
        *sources: str | Path | Iterable[Any],
        format: str | None = None,
        rebuild: bool = False,
        limit: int | None = None,
        fields: Mapping[str, str] | None = None,
        since: date | None = None,
        vectors: Literal["now", "background", "later"] = "now",
        prune: bool = False,
        progress: Progress = silent,
    ) -> IngestReport:
        """Add papers from files, folders, globs or `sample:`; without any, finish what is pending.

        An iterable of LlamaIndex Documents is a source too: text is abstract, metadata the rest.
        `fields` says what the fields of a paper are called in a CSV, JSON or Parquet file:
        {"title": "Name", "abstract": "Beschreibung"}; what it leaves out is guessed. `since`
        limits live queries (`arxiv:QUERY`) to what came out on that day or later; in files it
        passes over nothing.

        Papers are found by their words seconds after they are read. Their vectors take longer:
        they are waited for ("now"), made by a thread while this returns ("background"; `wait`
        waits for it), or left to a later call ("later"). `prune` removes what a source gave
        before and no longer gives, unless another gives it; it needs whole sources, so that
        `since` and a query half done are left aside.

        Raises SourceError where a source cannot be read at all, HomeLocked while another process
        writes, IndexMismatch where the settings changed and `rebuild` is not given.
        """
        if prune and (limit is not None or not sources):
            raise ConfigError("to prune, give sources, and no limit: a source must be read whole.")
        self.wait()
        with writing(self.home), closing(Library(self.home / "library.sqlite")) as library:
            desk = Desk(self._cursors, sources=len(sources), limit=limit, whole=prune)
            live = Live(self.settings.connectors, None if prune else since, desk)
            meter = Meter()
            found = self._records(sources, format, fields, meter, live)
            records = desk.counted(found) if sources else None
            watched = desk.watching(meter.watched(progress, limit))
            report = self._ingest_words(library, records, rebuild, prune, watched, desk=desk)
            if vectors == "now":
                self._ingest_vectors(library, progress)
        if vectors == "background":
            self._filling = _Filling(self._fill, progress)
            self._filling.start()
        return report

    def wait(self) -> None:
        """Wait for the vectors that `ingest(..., vectors="background")` makes.

        Raises what went wrong there.
        """
        filling, self._filling = self._filling, None
        if filling:
            filling.finish()

    def rehearse(
        self,
        *sources: str | Path,
        format: str | None = None,
        limit: int | None = None,
        fields: Mapping[str, str] | None = None,
        since: date | None = None,
        prune: bool = False,
        progress: Progress = silent,
    ) -> tuple[IngestReport, list[Rejected]]:
        """What `ingest` would report, and the first records it would reject; writes nothing."""
        desk = Desk(sources=len(sources), limit=limit)  # without a folder: no cursor moves
        live = Live(self.settings.connectors, None if prune else since, desk)
        meter = Meter()
        records = desk.counted(self._records(sources, format, fields, meter, live))
        watched = desk.watching(meter.watched(progress, limit))
        return rehearse(self.home, records, watched, prune=prune)

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
        asked = None
        if self.search_mode(mode) != "lexical" and query.strip():
            asked = self._question(query)
        clock.lap("embed")
        hits = self._ranked(query, asked, k, wanted, mode)
        clock.lap("search")
        return hits, clock.read()

    def search_mode(self, wanted: Mode | None = None) -> Mode:
        """How a search is done: as wanted, or by words alone while there are no vectors."""
        mode = wanted or self.settings.retrieval.mode
        return mode if self._open_index(vectors=False).manifest.vectors else "lexical"

    def ask(
        self,
        question: str,
        filters: Filters | Mapping[str, Any] | None = None,
        history: Sequence[prompt.Turn] = (),
        *,
        backend: str | None = None,
        model: str | None = None,
        policy: Policy | None = None,
    ) -> Answer:
        """Answer with a footnote to every sentence, or refuse and say why.

        `history` holds the earlier turns of a conversation; `backend`, `model` and `policy` take
        the place of the settings for this call. Raises IndexFailure, EmbeddingError or
        ConfigError; a backend that fails gives a refusal of kind "backend_failed".
        """
        chosen = {"backend": backend, "model": model, "policy": policy}
        for event in self.stream(question, filters, history, **chosen):  # type: ignore[arg-type]
            if event.kind == "answer":
                return event.value  # type: ignore[no-any-return]
        raise AssertionError("stream ends with an answer")

    def stream(
        self,
        question: str,
        filters: Filters | Mapping[str, Any] | None = None,
        history: Sequence[prompt.Turn] = (),
        *,
        backend: str | None = None,
        model: str | None = None,
        policy: Policy | None = None,
    ) -> Iterator[Event]:
        """Events as they happen: "retrieval" (hits), "token"s, "verdict"s, then one "answer"."""
        chosen = self.settings.chosen(backend, model, policy)
        draft = Draft(question, prompt.condense(question, history), chosen.backend.name)
        wanted = checked_filters(filters)
        if not self._library().count():
            yield Event("answer", draft.refuse(Refusal("empty_collection", _NO_PAPERS)))
            return
        self._open_index()
        try:
            writer = self._writer(chosen)  # first of all: a wrong name is told at once
        except BackendError as error:
            yield Event("answer", draft.refuse(Refusal("backend_failed", str(error))))
            return
        draft.standalone = asked = condensed(draft, history, writer, chosen)
        settings = chosen.retrieval
        question_ = self._question(asked)
        hits = self._ranked(asked, question_, settings.k, wanted, settings.mode)
        draft.clock.lap("retrieve")
        yield Event("retrieval", hits)
        refusal = self._refusal(asked if tokens(question) else question, question_.vector, hits)
        if refusal:
            yield Event("answer", draft.refuse(refusal, hits))
            return
        yield from self._answer(draft, hits, writer, chosen)

    async def aask(
        self,
        question: str,
        filters: Filters | Mapping[str, Any] | None = None,
        history: Sequence[prompt.Turn] = (),
        *,
        backend: str | None = None,
        model: str | None = None,
        policy: Policy | None = None,
    ) -> Answer:
        """`ask`, on a thread of its own."""
        chosen = {"backend": backend, "model": model, "policy": policy}
        return await asyncio.to_thread(self.ask, question, filters, history, **chosen)  # type: ignore[arg-type]

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

    def export(
        self,
        format: str = "bibtex",
        paper_ids: Sequence[str] | None = None,
        filters: Filters | Mapping[str, Any] | None = None,
    ) -> Iterator[str]:
        """Papers as text for other programs: bibtex, ris, jsonl or csv, in pieces."""
        library = self._library()
        papers = chosen_papers(library, paper_ids, checked_filters(filters))
        return write(papers, format, library.same_as(library.row_ids()[1]))

    def delete(self, *paper_ids: str) -> int:
        """Remove papers from library and index; the number that were there."""
        with writing(self.home), closing(Library(self.home / "library.sqlite")) as library:
            removed = library.delete(paper_ids)
            if removed and Manifest.read(self._index_root):
                build_words(library, self._index_root, self._recipe)
                build_vectors(library, self._index_root, self._recipe, self._stores)
            return removed

    def info(self) -> dict[str, Any]:
        """Counts, the state of the index, and the disk that the home takes (bytes)."""
        manifest = Manifest.read(self._index_root)
        library, disk = self._library(), disk_by_part(self.home)
        return {
            "home": str(self.home),
            "papers": library.count(),
            "chunks": manifest.chunks if manifest else 0,
            "pending": self.is_behind() is not None,
            "embedding": manifest.recipe.embedding if manifest else None,
            "backend": self.settings.backend.name,
            "twins": len(library.duplicates()),
            "disk": sum(disk.values()),
            "disk_by_part": disk,
            "by_year": library.by_year(),
            "by_source": library.by_source(),
            "by_venue": dict(islice(library.by_venue().items(), _VENUES)),
        }

    def backends(self) -> list[Offered]:
        """Who can write answers: each backend, and what those lack that cannot now."""
        return offered(self.settings.backend, self.settings.plugins.backends)

    def is_behind(self) -> str | None:
        """What the index does not reflect yet of the papers: their "words", only their "vectors".

        None where it is up to date.
        """
        manifest = Manifest.read(self._index_root)
        return manifest.behind(self._library().revision()) if manifest else WORDS

    def close(self) -> None:
        """Let go of the index, which opens again if it is used; wait for a background ingest."""
        self.wait()
        with self._lock:
            if self._index is not None:
                self._index.close()
                self._index = None

    def __enter__(self) -> Chatbot:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _answer(
        self, draft: Draft, hits: list[Hit], writer: Backend, chosen: Settings
    ) -> Iterator[Event]:
        draft.model = getattr(writer, "model", None)
        try:
            messages = draft.messages(hits, writer, chosen)
            for piece in draft.read(writer.complete(messages)):
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
        try:
            cited = cite(draft.text, hits, self._grounder(chosen), chosen.answer.policy)
        except BackendError as error:  # of a model that judges
            yield Event("answer", draft.refuse(Refusal("backend_failed", str(error)), hits))
            return
        sentences, citations = cited
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

    def _ingest_words(
        self,
        library: Library,
        records: Iterator[tuple[str, Record]] | None,
        rebuild: bool,
        prune: bool,
        progress: Progress,
        *,
        desk: Desk,
    ) -> IngestReport:
        manifest = None if rebuild else Manifest.read(self._index_root)
        if manifest:
            manifest.check(self._recipe)
        report = IngestReport()
        if records is not None:
            rejects = self.home / "rejected.jsonl"
            report = store_records(
                library, records, rejects, progress, prune=prune, go_on=desk.resumed
            )
            desk.close()
        if library.count() or manifest:
            build_words(library, self._index_root, self._recipe, progress, anew=rebuild)
            library.link_twins(lambda done: progress("comparing", done, None))
        return report

    def _ingest_vectors(self, library: Library, progress: Progress) -> None:
        if Manifest.read(self._index_root) is None:
            return
        arguments = (library, self._index_root, self._recipe, self._stores, progress)
        settings = self.settings
        for _ in embed_missing(
            library, self._embedder, settings.chunking.max_chars, progress, codes=settings.rank.late
        ):
            build_vectors(*arguments)
        build_vectors(*arguments)

    def _fill(self, progress: Progress) -> None:
        with writing(self.home), closing(Library(self.home / "library.sqlite")) as library:
            self._ingest_vectors(library, progress)

    def _records(
        self,
        sources: Sequence[str | Path | Iterable[Any]],
        format: str | None,
        fields: Mapping[str, str] | None,
        meter: Meter,
        live: Live,
    ) -> Iterator[tuple[str, Record]]:
        alone = len(sources) == 1
        opened = [  # first of all, so that a wrong name is told before anything is stored
            (str(s), self._open_source(str(s), format, fields, meter, live, alone=alone))
            if isinstance(s, str | Path)
            else ("LlamaIndex documents", llama.records(s))
            for s in sources
        ]
        return self._read(opened)

    def _read(self, opened: list[tuple[str, Iterator[Record]]]) -> Iterator[tuple[str, Record]]:
        for name, stream in opened:
            seen = 0
            try:
                for record in stream:
                    seen += 1
                    yield name, record
            except SourceError as error:
                if len(opened) == 1 and not seen:
                    raise
                yield name, Rejected(name, 0, str(error), "")

    def _open_source(
        self,
        address: str,
        format: str | None,
        fields: Mapping[str, str] | None,
        meter: Meter,
        live: Live,
        *,
        alone: bool,
    ) -> Iterator[Record]:
        """One unreadable file among several is a reject; a name that is wrong is an error."""
        try:
            query = None if format else open_live(address, live)
            if query is not None:
                meter.expect(None)
                return query
            extra = self.settings.plugins.sources
            return open_source(resolve(address), format, extra, fields, meter)
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

    def _retriever(self, mode: Mode = "hybrid") -> Retriever:
        settings = self.settings.retrieval
        return Retriever(
            self._open_index(vectors=mode != "lexical"),
            self._library(),
            candidates=settings.candidates,
            dense_weight=settings.dense_weight,
        )

    def _ranked(
        self, text: str, asked: Question | None, k: int, filters: Filters | None, mode: Mode
    ) -> list[Hit]:
        """Search, and reorder the first hits where both sides were asked."""
        retriever, vector = self._retriever(mode), None if asked is None else asked.vector
        with one_thread():
            if mode != "hybrid" or asked is None or k < 1 or not self._ranker.wanted:
                return retriever.search(text, vector, k, filters, mode)
            depth = max(k, self.settings.rank.depth)
            hits = retriever.search(text, vector, depth, filters, mode)
            return self._ranker.rank(text, asked, hits, self._open_index(), self._library())[:k]

    def _open_index(self, *, vectors: bool = True) -> Index:
        """The current index; one that was published since takes the old one's place."""
        for attempt in range(_ATTEMPTS):
            manifest = Manifest.read(self._index_root)
            stored = 0 if manifest else self._library().count()
            if stored:  # by an ingest that was interrupted
                raise IndexMissing(f"{stored} papers wait to be indexed. Run: footnoted ingest")
            try:
                with self._lock:
                    if self._index is None or self._index.manifest != manifest:
                        self._index = None
                        self._index = Index.open(self._index_root, self._recipe, self._stores)
                    return self._index.load(vectors=vectors)
            except IndexFailure:
                replaced = Manifest.read(self._index_root) != manifest  # while it was being opened
                if not replaced or attempt == _ATTEMPTS - 1:
                    raise
        raise AssertionError("the last attempt returns or raises")

    def _question(self, text: str) -> Question:
        """The question's vectors; the encoder reads no more of a long one than its beginning."""
        text = text[:_LONGEST]
        if has_tokens(self._embedder):
            return self._embedder.embed_question(text)
        vector: NDArray[np.float32] = self._embedder.embed_query([text])[0]
        return Question(vector, vector[None, :][:0], [])

    def _rarity(self, word: str) -> float:
        return self._open_index(vectors=False).lexical.rarity(word)

    @property
    def _cursors(self) -> Path:
        """Where it is kept how far live queries came."""
        given = self.settings.connectors.cursors
        return Path(given).expanduser() if given else self.home / "cursors"

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
    def _embed_tokens(self) -> EmbedTokens | None:
        embedder = self._embedder
        if not has_tokens(embedder):
            return None

        @lru_cache(maxsize=_SENTENCES)
        def embed_tokens(text: str) -> tuple[NDArray[np.float32], list[tuple[int, int]]]:
            read = embedder.embed_question(text)
            return read.tokens, read.spans

        return embed_tokens

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
    def _ranker(self) -> Ranker:
        return Ranker(self.settings.rank, self._embedder.fingerprint)

    def _grounder(self, chosen: Settings) -> Grounder:
        names = {**GROUNDERS, **chosen.plugins.grounders}
        cls = lookup("grounder", chosen.answer.grounder, names)
        grounder: Grounder = cls.from_settings(
            chosen.answer,
            embed=self._embed,
            embed_tokens=self._embed_tokens,
            complete=lambda asked: self._writer(chosen.at_zero()).complete(asked),
            instructions=prompt.template("judge"),
        )
        return grounder

    def _writer(self, chosen: Settings) -> Backend:
        """The backend of these settings, made once."""
        key = chosen.backend.model_dump_json()
        if key not in self._writers:
            cls = lookup("backend", chosen.backend.name, {**BACKENDS, **chosen.plugins.backends})
            self._writers[key] = cls.from_settings(
                chosen.backend,
                embed=self._embed,
                rarity=self._rarity,  # of whichever index is current when it is asked
            )
        return self._writers[key]


class _Filling(threading.Thread):
    """Makes vectors while others ask; what goes wrong is raised where it is waited for."""

    def __init__(self, fill: Callable[[Progress], None], progress: Progress) -> None:
        super().__init__(name="footnoted-vectors", daemon=True)
        self._fill, self._progress = fill, progress
        self._error: Exception | None = None

    def run(self) -> None:
        try:
            self._fill(self._progress)
        except Exception as error:  # told by `finish`, in the thread that waits
            self._error = error

    def finish(self) -> None:
        self.join()
        if self._error:
            raise self._error
