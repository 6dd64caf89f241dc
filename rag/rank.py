"""Hits -> Hits, reordered by what only the few best can afford.

`late`: late interaction (Khattab and Zaharia, ColBERT, SIGIR 2020) with the token vectors of the
encoder that is there anyway, of which a document keeps one bit a dimension. On SciFact the bits
rank as well as the whole vectors do, at 48 bytes a token (`benchmarks/retrieval.py`).
`cross`: a cross-encoder of the user's, which reads question and abstract together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from rag.types import Hit, Paper

Floats = NDArray[np.float32]
Codes = NDArray[np.uint8]
Scorer = Callable[[Sequence[tuple[str, str]]], Sequence[float]]
"""A cross-encoder: (question, text) pairs -> scores in [0, 1]."""

LATE_WEIGHT = 0.4  # of the late score, beside the fused one


def late(hits: Sequence[Hit], tokens: Floats, weights: Floats, codes: Sequence[Codes]) -> list[Hit]:
    """Reorder the first `len(codes)` hits by fused score plus late interaction.

    `tokens` are the question's unit token vectors, shape (t, d), `weights` what each counts,
    shape (t,); `codes` the bits of each hit's tokens, shape (n, d / 8). Hits without codes count
    as the average of those that have some.
    """
    scores = [max_sim(tokens, weights, code) for code in codes]
    known = [score for score in scores if score is not None]
    if not known:
        return list(hits)
    mean = sum(known) / len(known)
    extra = [mean if score is None else score for score in scores]
    first = [
        replace(hit, score=_clip((hit.score + LATE_WEIGHT * more) / (1 + LATE_WEIGHT)))
        for hit, more in zip(hits, extra, strict=False)
    ]
    return renumbered(first, hits[len(first) :])


def cross(
    hits: Sequence[Hit],
    question: str,
    score: Scorer,
    depth: int,
    instead: Mapping[str, Paper] = MappingProxyType({}),
) -> list[Hit]:
    """Reorder the first `depth` hits by what a cross-encoder says of question and abstract.

    `instead`: papers, by id, that are read as something else than they are.
    """
    first = hits[:depth]
    read = [instead.get(hit.paper.id, hit.paper) for hit in first]
    scores = score([(question, f"{paper.title}. {paper.abstract}") for paper in read])
    judged = [replace(hit, score=_clip(s)) for hit, s in zip(first, scores, strict=True)]
    return renumbered(judged, hits[depth:])


def max_sim(tokens: Floats, weights: Floats, codes: Codes) -> float | None:
    """Weighted mean over the question's tokens of the best match among a document's, in [-1, 1].

    A match is the cosine of a token vector and a vector of signs. None where either has no tokens
    or nothing counts.
    """
    total = float(weights.sum())
    if not len(codes) or not len(tokens) or total <= 0:
        return None
    best = best_matches(tokens, codes, np.zeros(1, np.int64))[:, 0]
    return float(best @ weights) / total


def best_matches(tokens: Floats, codes: Codes, first: NDArray[np.int64]) -> Floats:
    """The best match of each token in each run of codes that begins at `first`, shape (t, runs)."""
    signs = np.unpackbits(codes, axis=1).astype(np.float32)
    best = np.maximum.reduceat(tokens @ signs.T, first, axis=1)
    # With bits b for signs 2b - 1: q . (2b - 1) = 2 q . b - sum(q), and no second array.
    cosines = (2.0 * best - tokens.sum(axis=1)[:, None]) / np.sqrt(tokens.shape[1])
    return np.asarray(cosines, np.float32)


def renumbered(first: Sequence[Hit], rest: Sequence[Hit]) -> list[Hit]:
    """The first in their new order; the rest stays behind them, with scores that say so."""
    ordered = sorted(first, key=lambda hit: -hit.score)
    last = ordered[-1].score if ordered else 1.0
    highest = max((hit.score for hit in rest), default=0.0)
    scale = last / highest if highest > last else 1.0
    behind = [replace(hit, score=hit.score * scale) for hit in rest]
    return [replace(hit, rank=n) for n, hit in enumerate([*ordered, *behind], 1)]


def _clip(score: float) -> float:
    return min(max(float(score), 0.0), 1.0)
