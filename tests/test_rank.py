from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag.embedding import HashingEmbedder
from rag.rank import DEPTH, best_sentence, rank
from rag.types import Chunk, Hit, Paper

EMBED = HashingEmbedder().embed


def hit(rank_: int, score: float, abstract: str) -> Hit:
    paper = Paper(f"Paper {rank_}", abstract, id=f"p{rank_}")
    return Hit(rank_, score, paper, Chunk(f"p{rank_}#0", f"p{rank_}", abstract, 0, len(abstract)))


def vector(question: str) -> np.ndarray:
    return EMBED([question])[0]


QUESTION = "edges of the graph on disk"
VAGUE = "Penguins breed in winter. They walk far. Ice is cold."
PRECISE = "Penguins breed in winter. Edges of the graph on disk. Ice is cold."


def test_of_two_alike_the_one_with_the_better_sentence_comes_first():
    found = rank([hit(1, 0.5, VAGUE), hit(2, 0.5, PRECISE)], vector(QUESTION), EMBED)
    assert [h.paper.id for h in found] == ["p2", "p1"]
    assert [h.rank for h in found] == [1, 2]


def test_a_sentence_does_not_make_up_for_a_paper_about_something_else():
    found = rank([hit(1, 1.0, VAGUE), hit(2, 0.0, PRECISE)], vector(QUESTION), EMBED)
    assert [h.paper.id for h in found] == ["p1", "p2"]


def test_equal_hits_keep_their_order():
    found = rank([hit(n, 0.5, VAGUE) for n in range(1, 5)], vector(QUESTION), EMBED)
    assert [h.paper.id for h in found] == ["p1", "p2", "p3", "p4"]


def test_only_the_first_are_looked_at_and_the_rest_keeps_its_order():
    hits = [hit(n, 1.0 - n / 100, VAGUE) for n in range(1, DEPTH + 4)]
    hits[-1] = hit(DEPTH + 3, 0.9, PRECISE)
    seen: list[str] = []

    def embed(texts):
        seen.extend(texts)
        return EMBED(texts)

    found = rank(hits, vector(QUESTION), embed)
    assert [h.paper for h in found[DEPTH:]] == [h.paper for h in hits[DEPTH:]]
    assert "Edges of the graph on disk." not in seen


def test_no_hits_and_no_sentences():
    assert rank([], vector(QUESTION), EMBED) == []
    (alone,) = rank([hit(1, 0.5, "")], vector(QUESTION), EMBED)
    assert (alone.rank, alone.paper.id) == (1, "p1")
    assert best_sentence(hit(1, 0.5, " "), vector(QUESTION), EMBED) == 0.0


def test_the_best_sentence_is_the_nearest_one():
    one = best_sentence(hit(1, 0.5, PRECISE), vector(QUESTION), EMBED)
    assert one > best_sentence(hit(1, 0.5, VAGUE), vector(QUESTION), EMBED)
    assert one == pytest.approx(
        float((EMBED(["Edges of the graph on disk."]) @ vector(QUESTION))[0])
    )


_ABSTRACTS = st.lists(st.sampled_from([*VAGUE.split(". "), *PRECISE.split(". ")]), max_size=4)
_HITS = st.lists(st.tuples(st.floats(0, 1), _ABSTRACTS.map(". ".join)), max_size=9)


@settings(max_examples=100, deadline=None)
@given(_HITS, st.text(max_size=40))
def test_ranking_is_a_permutation_with_ranks_from_one_and_scores_in_range(pairs, question):
    pairs.sort(key=lambda pair: -pair[0])
    hits = [hit(n, score, text) for n, (score, text) in enumerate(pairs, start=1)]
    found = rank(hits, vector(question), EMBED)
    assert sorted(h.paper.id for h in found) == sorted(h.paper.id for h in hits)
    assert [h.rank for h in found] == list(range(1, len(hits) + 1))
    assert all(-1e-6 <= h.score <= 1 + 1e-6 for h in found)
    assert {(h.paper, h.chunk) for h in found} == {(h.paper, h.chunk) for h in hits}
    best = [h.score for h in found[:DEPTH]]
    assert best == sorted(best, reverse=True)
