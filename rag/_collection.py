"""What is open of a home: its library, its index and its encoder, each from when it is first used.

Safe to use from several threads. What is found here belongs to one state of the index; a newer one
that was published since takes its place with the next search.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rag._alignment import EmbedTokens
from rag._answering import Remembering, reader_of, words_of
from rag._blas import one_thread
from rag._codes import Codes, Question
from rag._ranking import Ranker
from rag._reader import Reader
from rag._sentences import answered, answers, fits
from rag.chunking import sentences
from rag.config import Settings
from rag.embedding import Embedder, has_tokens, make_embedder
from rag.errors import IndexFailure, IndexMissing, RagError
from rag.index import Index
from rag.ingest import writing
from rag.library import Library
from rag.manifest import Manifest, Recipe
from rag.retrieve import Retriever
from rag.stores import STORES
from rag.types import Filters, Hit, Mode

_LONGEST = 4_000  # characters of a question that are embedded; an encoder reads less
_ATTEMPTS = 5  # at opening an index while others publish new ones
_CODES = 2_000  # texts whose codes are remembered where none are kept: about 12 MB
_QUESTIONS = 64  # remembered: about 3 MB


class Collection:
    """The papers of one home, for reading; `writing` gives the only writer."""

    def __init__(self, home: Path, settings: Settings) -> None:
        self.home = home
        self.settings = settings
        self._local = threading.local()
        self._lock = threading.Lock()
        self._index: Index | None = None

    @contextmanager
    def writing(self) -> Iterator[Library]:
        """The library for writing. Raises HomeLocked while another process writes."""
        with writing(self.home), closing(Library(self._library_file)) as library:
            yield library

    def make(self) -> None:
        """See to a library of the current format: make it, or migrate an older one."""
        if not Library.is_current(self._library_file):
            with self.writing():
                pass
            return
        with suppress(RagError):  # what may not be written, or is being written, is read as it is
            with closing(Library(self._library_file, read_only=True)) as library:
                folded = library.is_folded()
            if not folded:
                with self.writing():
                    pass

    def library(self) -> Library:
        """A reader for this thread: SQLite's connections are not shared between threads."""
        if not hasattr(self._local, "library"):
            self._local.library = Library(self._library_file, read_only=True)
        library: Library = self._local.library
        return library

    def manifest(self) -> Manifest | None:
        """What is indexed; None before the first index."""
        return Manifest.read(self.root)

    def index(self, *, vectors: bool = True) -> Index:
        """The current index; one that was published since takes the old one's place."""
        for attempt in range(_ATTEMPTS):
            manifest = self.manifest()
            stored = 0 if manifest else self.library().count()
            if stored:  # by an ingest that was interrupted
                raise IndexMissing(f"{stored} papers wait to be indexed. Run: footnoted ingest")
            try:
                with self._lock:
                    if self._index is None or self._index.manifest != manifest:
                        self._index = None
                        self._index = Index.open(self.root, self.recipe, self.stores)
                    return self._index.load(vectors=vectors)
            except IndexFailure:
                replaced = self.manifest() != manifest  # while it was being opened
                if not replaced or attempt == _ATTEMPTS - 1:
                    raise
        raise AssertionError("the last attempt returns or raises")

    def search(
        self,
        text: str,
        asked: Question | None,
        k: int,
        filters: Filters | None,
        mode: Mode,
        *,
        found: Callable[[], None] = lambda: None,
    ) -> list[Hit]:
        """Search, and reorder the first hits: copies of the question count nothing.

        `found` is called between the two, so that each can be timed.
        """
        index, library = self.index(vectors=mode != "lexical"), self.library()
        settings, vector = self.settings.retrieval, None if asked is None else asked.vector
        retriever = Retriever(
            index, library, candidates=settings.candidates, dense_weight=settings.dense_weight
        )
        with one_thread():
            depth = max(k, self.settings.rank.depth) if k > 0 else 0
            hits = retriever.search(text, vector, depth, filters, mode)
            found()
            return self._ranker.rank(text, asked, hits, index, library, mode=mode)[:k]

    def question(self, text: str) -> Question:
        """The question's vectors; the encoder reads no more of a long one than its beginning."""
        return self._questions(text[:_LONGEST])

    def fits(self, text: str, hits: Sequence[Hit]) -> list[NDArray[np.float32]]:
        """How well each sentence of each hit's abstract fits a question, about in [0, 1].

        By late interaction, or by cosine where the embedder has no vectors of words.
        """
        asked, embedder = self.question(text), self.embedder
        if has_tokens(embedder):
            size, library = self.settings.chunking.max_chars, self.library()
            with one_thread():
                return fits(asked, hits, embedder, library, size=size, make=self._codes)
        cut = [sentences(hit.paper.abstract) for hit in hits]
        none = np.zeros(0, np.float32)
        return [self.embed(part) @ asked.vector if part else none for part in cut]

    def answered(self, text: str, hit: Hit, found: NDArray[np.float32]) -> Iterator[float] | None:
        """Log-odds that the best sentences of the hit answer, each read when it is asked for.

        None where nothing can read them.
        """
        reader = self.reader
        return answered(text[:_LONGEST], hit.paper, found, reader) if reader else None

    def answers(self, text: str, title: str, sentence: str) -> float | None:
        """Log-odds that a sentence of the paper of this title answers; None as above."""
        reader = self.reader
        return answers(text[:_LONGEST], title, sentence, reader) if reader else None

    def rarity(self, word: str) -> float:
        """How rare a stemmed word is among the papers, in [0, 1]."""
        return self.index(vectors=False).lexical.rarity(word)

    def rare(self, word: str) -> bool:
        """Whether a stemmed word stands in so few papers that it names them."""
        return self.index(vectors=False).lexical.names(word)

    def close(self) -> None:
        """Let go of the index, which opens again if it is used."""
        with self._lock:
            if self._index is not None:
                self._index.close()
                self._index = None

    @property
    def root(self) -> Path:
        """Where the index lies."""
        return self.home / "index"

    @property
    def _library_file(self) -> Path:
        return self.home / "library.sqlite"

    @cached_property
    def embedder(self) -> Embedder:
        return make_embedder(self.settings.embedding, self.settings.plugins.embedders)

    @cached_property
    def embed(self) -> Remembering:
        return Remembering(self.embedder.embed)

    @cached_property
    def _codes(self) -> Callable[[str], Codes]:
        """Token codes of a text, for a home that keeps none."""
        embedder = self.embedder
        assert has_tokens(embedder)
        return lru_cache(maxsize=_CODES)(lambda text: embedder.embed_with_tokens([text])[1][0])

    @cached_property
    def _questions(self) -> Callable[[str], Question]:
        embedder = self.embedder

        @lru_cache(maxsize=_QUESTIONS)  # what is searched for is then read for, and judged
        def question(text: str) -> Question:
            if has_tokens(embedder):
                return embedder.embed_question(text)
            vector: NDArray[np.float32] = embedder.embed_query([text])[0]
            return Question(vector, vector[None, :][:0], [])

        return question

    @cached_property
    def embed_tokens(self) -> EmbedTokens | None:
        """Vectors of a sentence's words; None where the embedder has none."""
        return words_of(self.embedder)

    @cached_property
    def reader(self) -> Reader | None:
        """What reads two texts together; None where the embedder has no such thing."""
        with self._lock:  # it takes a third of a second to make
            return reader_of(self.embedder)

    @cached_property
    def recipe(self) -> Recipe:
        settings = self.settings
        return Recipe.of(
            self.embedder.fingerprint, settings.chunking.max_chars, settings.store.name
        )

    @cached_property
    def stores(self) -> dict[str, str]:
        return {**STORES, **self.settings.plugins.stores}

    @cached_property
    def _ranker(self) -> Ranker:
        weight = self.settings.retrieval.dense_weight
        return Ranker(self.settings.rank, self.embedder, weight)
