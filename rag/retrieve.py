"""Question + filters -> Hits: dense, lexical, or both fused; one hit a paper, by its best chunk.

Fusion is a convex combination (Bruch, Gai and Ingber, An Analysis of Fusion Functions for Hybrid
Retrieval, TOIS 2023) of the cosine similarity and of the BM25 score as a share of the most that
this question could reach. Unlike min-max scaling that keeps weak matches weak: a question in
words of its own is left to the vectors. `benchmarks/fusion.py` measures the alternatives.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from rag.chunking import chunks
from rag.index import Index, paper_of
from rag.library import Library
from rag.types import Chunk, Filters, Hit, Mode, Paper

Scored = list[tuple[str, float]]
_LONGEST = 2_000  # characters of a question that are searched for; an encoder reads less


class Retriever:
    """Searches one generation of the index; papers and their text come from the library."""

    def __init__(
        self, index: Index, library: Library, *, candidates: int = 100, dense_weight: float = 0.6
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

        `vector` is the question's, shape (d,); None only where the mode is lexical.
        """
        k = max(k, 0)
        allowed = self._allowed(filters)
        depth = max(self._candidates, 2 * k)
        dense: Scored = []
        lexical: Scored = []
        share: Scored = []
        if mode != "lexical" and vector is not None:
            dense = self._index.vectors.search(vector, depth, allowed)
        if mode != "dense":
            words = question[:_LONGEST]
            lexical = self._index.lexical.search(words, depth, allowed)
            share = _shares(lexical, self._index.lexical.most(words))
        weights = {"hybrid": self._dense_weight, "dense": 1.0, "lexical": 0.0}
        return self._hits(fuse(dense, share, weights[mode]), dict(dense), dict(lexical), k)

    def _allowed(self, filters: Filters | None) -> set[str] | None:
        if not filters:
            return None
        of = self._index.chunks_of
        return {chunk for paper in self._library.select(filters) for chunk in of.get(paper, ())}

    def _hits(
        self, fused: Scored, dense: Mapping[str, float], lexical: Mapping[str, float], k: int
    ) -> list[Hit]:
        best = best_per_paper(fused)[:k]
        papers = self._library.get([paper_of(chunk_id) for chunk_id, _ in best])
        hits: list[Hit] = []
        for chunk_id, score in best:
            paper = papers.get(paper_of(chunk_id))
            chunk = self._chunk(paper, chunk_id) if paper else None
            if paper and chunk:  # else it was deleted or replaced since the index was made
                hits.append(
                    Hit(
                        len(hits) + 1, min(max(score, 0.0), 1.0), paper, chunk,
                        dense.get(chunk_id), lexical.get(chunk_id),
                    )
                )  # fmt: skip
        return hits

    def _chunk(self, paper: Paper, chunk_id: str) -> Chunk | None:
        """Cut again rather than stored, so that a span always fits the abstract as it is now."""
        found = chunks(paper, self._index.manifest.recipe.max_chars)
        return next((chunk for chunk in found if chunk.id == chunk_id), None)


def fuse(dense: Scored, lexical: Scored, dense_weight: float) -> Scored:
    """Weighted sum of two score lists, best first; ties go by name, so that runs agree.

    What the dense list lacks is as far as the farthest in it; what the lexical one lacks shares
    no word and counts 0.
    """
    floor = min((score for _, score in dense), default=0.0)
    near, words = dict(dense), dict(lexical)
    total = {
        name: dense_weight * near.get(name, floor) + (1.0 - dense_weight) * words.get(name, 0.0)
        for name in {**near, **words}
    }
    return sorted(total.items(), key=lambda item: (-item[1], item[0]))


def best_per_paper(scored: Scored) -> Scored:
    """The first, that is best, chunk of each paper, in order."""
    seen: set[str] = set()
    out: Scored = []
    for chunk_id, score in scored:
        paper = paper_of(chunk_id)
        if paper not in seen:
            seen.add(paper)
            out.append((chunk_id, score))
    return out


def _shares(scored: Scored, most: float) -> Scored:
    return [(name, score / most) for name, score in scored] if most > 0 else []
