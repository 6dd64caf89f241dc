"""Question + filters -> Hits: dense, lexical, or both fused; one hit a paper, by its best chunk.

Fusion is a convex combination (Bruch, Gai and Ingber, An Analysis of Fusion Functions for Hybrid
Retrieval, TOIS 2023) of the cosine similarity and of the BM25 score as a share of the most that
this question could reach. Unlike min-max scaling that keeps weak matches weak: a question in
words of its own is left to the vectors. Both scores are exact for every paper that either side
found. `benchmarks/retrieval.py` measures the alternatives.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rag.chunking import chunks
from rag.index import Dense, Index, Rows, paper_of
from rag.lexical import LexicalIndex, tokens
from rag.library import Library
from rag.types import Chunk, Filters, Hit, Mode, Paper

Floats = NDArray[np.float32]
_LONGEST = 2_000  # characters of a question that are searched for; an encoder reads less


class Retriever:
    """Searches one state of the index; papers and their text come from the library."""

    def __init__(
        self, index: Index, library: Library, *, candidates: int = 100, dense_weight: float = 0.5
    ) -> None:
        self._index = index
        self._library = library
        self._candidates = candidates
        self._dense_weight = dense_weight

    def search(
        self,
        question: str,
        vector: NDArray[np.float32] | None,
        k: int,
        filters: Filters | None = None,
        mode: Mode = "hybrid",
    ) -> list[Hit]:
        """The best k papers, none for a k below 1.

        `vector` is the question's, shape (d,); None only where the mode is lexical. Where there
        are no vectors yet, words alone decide in every mode.
        """
        if k < 1:
            return []
        depth = max(self._candidates, 2 * k)
        allowed = self._library.rows(filters) if filters else None
        dense = None if mode == "lexical" or vector is None else self._index.dense
        lexical = self._index.lexical
        words = question[:_LONGEST] if mode != "dense" or dense is None else ""
        shares = lexical.scores(words)
        candidates = set[int]()
        if dense is not None and vector is not None:
            names = (paper_of(name) for name, _ in dense.search(vector, depth, allowed))
            candidates.update(row for name in names if (row := lexical.row(name)) is not None)
        candidates.update(lexical.best(shares, depth, self._inside(allowed)).tolist())
        rows = np.array(sorted(candidates), np.int64)
        bm25 = shares[rows]
        most = lexical.most(words)
        chunk_ids, cosines = self._near(dense, vector, rows)
        weight = {"hybrid": self._dense_weight, "dense": 1.0, "lexical": 0.0}[mode]
        score = fuse(cosines, bm25 / most if most > 0 else bm25, weight)
        order = np.lexsort((rows, -score))[: 2 * k]  # some may be twins of others, or gone
        found = [
            _Found(lexical.ids[rows[i]], float(score[i]), chunk_ids[i], cosines[i], bm25[i])
            for i in order
        ]
        return list(islice(self._hits(found, question[:_LONGEST]), k))

    def _near(
        self, dense: Dense | None, vector: Floats | None, rows: Rows
    ) -> tuple[list[str | None], Floats]:
        if dense is None or vector is None:
            return [None] * len(rows), np.full(len(rows), np.nan, np.float32)
        return dense.similarities(vector, self._index.paper_rows[rows])

    def _inside(self, allowed: Rows | None) -> Rows | None:
        """Positions in the lexical index of the rows that a filter admits."""
        if allowed is None:
            return None
        return np.flatnonzero(np.isin(self._index.paper_rows, allowed, assume_unique=True))

    def _hits(self, found: list[_Found], question: str) -> Iterator[Hit]:
        papers = self._library.get([item.paper for item in found])
        same_as = self._library.same_as(list(papers))
        shown, rank = set[str](), 1
        for item in found:
            paper, twins = papers.get(item.paper), same_as.get(item.paper, ())
            chunk = self._chunk(paper, item.chunk, question) if paper else None
            if not paper or not chunk or not shown.isdisjoint(twins):
                continue  # deleted or replaced since the index was made; or shown under another id
            shown.add(paper.id)
            yield Hit(
                rank, min(max(item.score, 0.0), 1.0), paper, chunk,
                None if np.isnan(item.cosine) else float(item.cosine),
                float(item.bm25) or None, twins,
            )  # fmt: skip
            rank += 1

    def _chunk(self, paper: Paper, chunk_id: str | None, words: str) -> Chunk | None:
        """Cut again rather than stored, so that a span always fits the abstract as it is now."""
        found = chunks(paper, self._index.manifest.recipe.max_chars)
        if chunk_id is None:
            return max(found, key=lambda c: _overlap(c, words, self._index.lexical), default=None)
        return next((chunk for chunk in found if chunk.id == chunk_id), None)


class _Found(NamedTuple):
    paper: str
    score: float
    chunk: str | None
    cosine: np.float32
    bm25: np.float32


def fuse(cosines: Floats, shares: Floats, dense_weight: float) -> Floats:
    """Weighted sum of two score arrays.

    A paper without a vector (NaN) is as far as the farthest that has one; where none has, words
    alone decide.
    """
    if np.isnan(cosines).all():
        return shares
    near = np.where(np.isnan(cosines), np.nanmin(cosines), cosines)
    return np.asarray(dense_weight * near + (1.0 - dense_weight) * shares, np.float32)


def _overlap(chunk: Chunk, words: str, lexical: LexicalIndex) -> float:
    held = set(tokens(chunk.text))
    return sum(lexical.rarity(word) for word in set(tokens(words)) & held)
