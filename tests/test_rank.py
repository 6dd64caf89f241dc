from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.rank import cross, late, max_sim
from rag.types import Chunk, Hit, Paper

D = 16
RNG = np.random.default_rng(3)
QUESTION = RNG.normal(size=(4, D)).astype(np.float32)
QUESTION /= np.linalg.norm(QUESTION, axis=1, keepdims=True)
ONES = np.ones(4, np.float32)
NEAR = np.packbits(QUESTION > 0, axis=1)
FAR = np.packbits(QUESTION <= 0, axis=1)[:1]
NONE = np.zeros((0, D // 8), np.uint8)


def hit(rank: int, score: float) -> Hit:
    paper = Paper(f"Paper {rank}", f"Abstract {rank}.", id=f"p{rank}")
    return Hit(rank, score, paper, Chunk(f"p{rank}#0", f"p{rank}", paper.abstract, 0, 11))


def ids(hits: list[Hit]) -> list[str]:
    return [h.paper.id for h in hits]


def test_of_two_alike_the_one_whose_tokens_match_comes_first() -> None:
    found = late([hit(1, 0.5), hit(2, 0.5)], QUESTION, ONES, [FAR, NEAR])
    assert ids(found) == ["p2", "p1"]
    assert [h.rank for h in found] == [1, 2]


def test_tokens_do_not_make_up_for_a_paper_about_something_else() -> None:
    assert ids(late([hit(1, 1.0), hit(2, 0.0)], QUESTION, ONES, [FAR, NEAR])) == ["p1", "p2"]


def test_a_paper_without_codes_counts_as_the_average() -> None:
    found = late([hit(1, 0.5), hit(2, 0.5), hit(3, 0.5)], QUESTION, ONES, [FAR, NONE, NEAR])
    assert ids(found) == ["p3", "p2", "p1"]


@pytest.mark.parametrize("codes", [[], [NONE, NONE]])
def test_without_codes_nothing_changes(codes: list[np.ndarray]) -> None:
    hits = [hit(1, 0.5), hit(2, 0.4)]
    assert late(hits, QUESTION, ONES, codes) == hits
    assert late([], QUESTION, ONES, codes[:0]) == []


def test_a_question_without_tokens_or_weights_changes_nothing() -> None:
    hits = [hit(1, 0.5), hit(2, 0.4)]
    assert late(hits, QUESTION[:0], ONES[:0], [NEAR, FAR]) == hits
    assert late(hits, QUESTION, 0 * ONES, [NEAR, FAR]) == hits


def test_only_the_first_are_looked_at_and_the_rest_stays_behind_in_order() -> None:
    hits = [hit(n, 0.9 - n / 100) for n in range(1, 8)]
    found = late(hits, QUESTION, ONES, [FAR, FAR, NEAR])
    assert ids(found) == ["p3", "p1", "p2", "p4", "p5", "p6", "p7"]
    assert [h.score for h in found] == sorted((h.score for h in found), reverse=True)


@given(st.integers(0, 10_000), st.integers(1, 30), st.integers(1, 6))
def test_max_sim_is_the_plain_sum_over_signs(seed: int, tokens: int, words: int) -> None:
    """Against the formula written out: mean over words of the best cosine with a sign vector."""
    rng = np.random.default_rng(seed)
    question = rng.normal(size=(words, D)).astype(np.float32)
    question /= np.linalg.norm(question, axis=1, keepdims=True)
    weights = rng.uniform(0.1, 1, words).astype(np.float32)
    bits = rng.integers(0, 2, (tokens, D), np.uint8)
    signs = (2.0 * bits - 1.0) / np.sqrt(D)
    expected = sum(
        w * max(float(q @ s) for s in signs) for q, w in zip(question, weights, strict=True)
    ) / sum(weights)
    found = max_sim(question, weights, np.packbits(bits, axis=1))
    assert found == pytest.approx(expected, abs=1e-5)
    assert found is not None and -1 <= found <= 1


def test_a_cross_encoder_decides_alone_over_the_first() -> None:
    seen: list[tuple[str, str]] = []

    def score(pairs: list[tuple[str, str]]) -> list[float]:
        seen.extend(pairs)
        return [0.2, 0.9]

    found = cross([hit(n, 1 - n / 10) for n in range(1, 4)], "why?", score, 2)
    assert ids(found) == ["p2", "p1", "p3"]
    assert seen == [("why?", "Paper 1. Abstract 1."), ("why?", "Paper 2. Abstract 2.")]
    assert found[2].score <= found[1].score
    assert cross([], "why?", lambda pairs: [], 2) == []
