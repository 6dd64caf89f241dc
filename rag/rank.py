"""Hits -> Hits, reordered by what only the few best can afford: their best single sentence.

An abstract's vector is the average of what it says; a question mostly asks for one thing of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from rag.chunking import sentences
from rag.types import Hit

Embed = Callable[[Sequence[str]], NDArray[np.float32]]
DEPTH = 5  # hits: each costs the embedding of some eight sentences
SENTENCE_WEIGHT = 0.2  # of the best sentence's cosine similarity, beside the fused score


def rank(hits: Sequence[Hit], question: NDArray[np.float32], embed: Embed) -> list[Hit]:
    """Reorder by fused score plus best sentence; `question` is its vector, shape (d,)."""
    extra = [best_sentence(hit, question, embed) for hit in hits[:DEPTH]] + [0.0] * len(hits)
    scored = [
        replace(hit, score=(hit.score + SENTENCE_WEIGHT * best) / (1 + SENTENCE_WEIGHT))
        for hit, best in zip(hits, extra, strict=False)
    ]
    scored.sort(key=lambda hit: -hit.score)
    return [replace(hit, rank=rank) for rank, hit in enumerate(scored, start=1)]


def best_sentence(hit: Hit, question: NDArray[np.float32], embed: Embed) -> float:
    """Highest cosine similarity of a sentence of the abstract to the question, at least 0."""
    found = sentences(hit.paper.abstract)
    return max(0.0, float((embed(found) @ question).max())) if found else 0.0
