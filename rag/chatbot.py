"""Composes the whole: open a home, ingest, search, ask. The file to read first.

    retrieve -> rank -> prompt -> complete -> cite

`ask` is these five calls; `stream` yields an event after each of them. Everything that can be
exchanged (embedder, store, backend, grounder) is named in the settings.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from rag import _small_talk, llama, prompt, refuse
from rag._answering import Clock, Draft, checked_filters, chosen_papers, condensed, disk_by_part
from rag._collection import Collection
from rag._follow_ups import asking
from rag._ingesting import Filling, Reading, cursors, ingest_vectors, ingest_words
from rag._kinds import kinds as kinds_of
from rag._leads import led
from rag._records import Records
from rag.backends import BACKENDS
from rag.backends._offered import Offered, offered
from rag.cite import cite, render
from rag.config import Settings
from rag.errors import BackendError, BackendInterrupted, ConfigError
from rag.export import write
from rag.ground import GROUNDERS, Grounder
from rag.indexing import build_vectors, build_words
from rag.ingest import Progress, rehearse, silent
from rag.lexical import tokens
from rag.manifest import WORDS
from rag.registry import lookup
from rag.sources.live import Desk
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
    Refusal,
    Rejected,
)

DEFAULT_HOME = ".footnoted"
_VENUES = 20  # that `info` names
_NO_WORDS = "That names nothing to look for. Ask in a few words what you want to know."
_NONE_MATCHES = "No paper in this collection matches that."
_NONE_PASSES = (
    "No paper in this collection passes the filters given. A paper without a year passes none for "
    "years: footnoted info tells what there is."
)
_NO_PAPERS = "This collection has no papers yet. Add some: footnoted ingest SOURCE"


class Chatbot:
    """A home with papers, and what answers from them. Safe to use from several threads."""

    def __init__(self, home: Path, settings: Settings) -> None:
        self.home = home
        self.settings = settings
        self._collection = Collection(home, settings)
        self._writers: dict[str, Backend] = {}
        self._filling: Filling | None = None

    @classmethod
    def open(cls, home: str | Path = DEFAULT_HOME, settings: Settings | None = None) -> Chatbot:
        """Open the home, making it if it is missing. Raises ConfigError or LibraryError."""
        path = Path(home).expanduser()
        bot = cls(path, settings or Settings.load(path))
        bot._collection.make()
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
        collection = self._collection
        with collection.writing() as library:
            desk = Desk(cursors(collection), sources=len(sources), limit=limit, whole=prune)
            reading = Reading(
                collection, sources, desk,
                format=format, fields=fields, since=None if prune else since, limit=limit,
            )  # fmt: skip
            report = ingest_words(
                collection, library, reading if sources else None, progress,
                rebuild=rebuild, prune=prune,
            )  # fmt: skip
            if vectors == "now":
                ingest_vectors(collection, library, progress)
        if vectors == "background":
            self._filling = Filling(collection, progress)
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
        reading = Reading(
            self._collection, sources, desk,
            format=format, fields=fields, since=None if prune else since, limit=limit,
        )  # fmt: skip
        return rehearse(self.home, reading.records(), reading.watched(progress), prune=prune)

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
            asked = self._collection.question(query)
        clock.lap("embed")
        hits = self._collection.search(query, asked, k, wanted, mode)
        clock.lap("search")
        return hits, clock.read()

    def search_mode(self, wanted: Mode | None = None) -> Mode:
        """How a search is done: as wanted, or by words alone while there are no vectors."""
        mode = wanted or self.settings.retrieval.mode
        return mode if self._collection.index(vectors=False).manifest.vectors else "lexical"

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
        the place of the settings for this call. What the records answer ("papers by Lee", "who
        wrote it?") has no sentence to cite: it is the message of a refusal, with the papers as the
        nearest. Raises IndexFailure, EmbeddingError or ConfigError; a backend that fails gives a
        refusal of kind "backend_failed".
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
        collection = self._collection
        if not collection.library().count():
            yield Event("answer", draft.refuse(Refusal("empty_collection", _NO_PAPERS)))
            return
        collection.index()
        try:
            writer = self._writer(chosen)  # first of all: a wrong name is told at once
        except BackendError as error:
            yield Event("answer", draft.refuse(Refusal("backend_failed", str(error))))
            return
        if answer := self._aside(draft, history, wanted):
            yield Event("answer", answer)
            return
        draft.standalone = asked = condensed(draft, asking(history), writer, chosen)
        settings, read = chosen.retrieval, collection.question(asked)
        lap = draft.clock.lap
        hits = collection.search(
            asked, read, settings.k, wanted, settings.mode, found=lambda: lap("retrieve")
        )
        lap("rank")
        yield Event("retrieval", hits)
        sought = asked if any(map(str.isalnum, question)) else question
        refusal = self._refusal(sought, hits, bool(wanted))
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
        return self._collection.library().papers()

    def paper(self, paper_id: str) -> Paper | None:
        """One paper by its id, None where there is none."""
        return self._collection.library().get([paper_id]).get(paper_id)

    def export(
        self,
        format: str = "bibtex",
        paper_ids: Sequence[str] | None = None,
        filters: Filters | Mapping[str, Any] | None = None,
    ) -> Iterator[str]:
        """Papers as text for other programs: bibtex, ris, jsonl or csv, in pieces."""
        library = self._collection.library()
        papers = chosen_papers(library, paper_ids, checked_filters(filters))
        kinds = kinds_of(library.heads(paper_ids)) if format in ("bibtex", "ris") else None
        return write(papers, format, library.same_as(library.row_ids()[1]), kinds)

    def delete(self, *paper_ids: str) -> int:
        """Remove papers from library and index; the number that were there."""
        collection = self._collection
        with collection.writing() as library:
            removed = library.delete(paper_ids)
            if removed and collection.manifest():
                build_words(library, collection.root, collection.recipe)
                build_vectors(library, collection.root, collection.recipe, collection.stores)
            return removed

    def info(self) -> dict[str, Any]:
        """Counts, the state of the index, and the disk that the home takes (bytes)."""
        manifest, library = self._collection.manifest(), self._collection.library()
        disk = disk_by_part(self.home)
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
        manifest = self._collection.manifest()
        return manifest.behind(self._collection.library().revision()) if manifest else WORDS

    def close(self) -> None:
        """Let go of the index, which opens again if it is used; wait for a background ingest."""
        self.wait()
        self._collection.close()

    def __enter__(self) -> Chatbot:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _answer(
        self, draft: Draft, hits: list[Hit], writer: Backend, chosen: Settings
    ) -> Iterator[Event]:
        draft.model = getattr(writer, "model", None)
        quoted = not getattr(writer, "writes", True)
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
            cited = cite(
                draft.text, hits, self._grounder(chosen), chosen.answer.policy, quoted=quoted
            )
        except BackendError as error:  # of a model that judges
            yield Event("answer", draft.refuse(Refusal("backend_failed", str(error)), hits))
            return
        sentences, citations = cited
        if quoted:
            sentences = led(draft.standalone, sentences, citations, self._collection.rare)
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

    def _aside(
        self, draft: Draft, history: Sequence[prompt.Turn], wanted: Filters | None
    ) -> Answer | None:
        """What no abstract is needed for: a reply to small talk, or what the records say."""
        if reply := _small_talk.reply(draft.question):
            return draft.refuse(reply)
        collection = self._collection
        records = Records(collection.library(), collection.index().lexical, wanted)
        told = records.tell(draft.question, draft.standalone, history)
        if told is None:
            return None
        draft.standalone = told.asked
        refusal = told.refusal
        return draft.answer(text=refusal.message, refusal=refusal, nearest=told.nearest)

    def _refusal(self, question: str, hits: list[Hit], filtered: bool) -> Refusal | None:
        if not hits:
            return Refusal("not_in_collection", _NONE_PASSES if filtered else _NONE_MATCHES)
        if not tokens(question):  # whatever is nearest to it is so by chance
            return Refusal("not_in_collection", _NO_WORDS)
        lexicon = self._collection.index().lexical
        fits = self._collection.fits(question, hits[: refuse.READ])
        found = refuse.features(question, hits, fits, lexicon)
        odds = self._collection.answered(question, hits[0], fits[0])
        threshold = self.settings.answer.refuse_below
        return refuse.refusal(question, hits, found, lexicon, odds=odds, threshold=threshold)

    def _grounder(self, chosen: Settings) -> Grounder:
        names = {**GROUNDERS, **chosen.plugins.grounders}
        cls = lookup("grounder", chosen.answer.grounder, names)
        grounder: Grounder = cls.from_settings(
            chosen.answer,
            embed=self._collection.embed,
            embed_tokens=self._collection.embed_tokens,
            reader=self._collection.reader,
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
                embed=self._collection.embed,
                fits=self._collection.fits,
                answers=self._collection.answers,
                rarity=self._collection.rarity,  # of whichever index is current when it is asked
                rare=self._collection.rare,
            )
        return self._writers[key]
