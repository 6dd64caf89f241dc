from __future__ import annotations

from pathlib import Path

import bm25s
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag.lexical import _AROUND, STOP_WORDS, LexicalIndex, _Terms, stem, tokens

TEXTS = {
    "a": "Multi-vector retrieval compares every token of a query.",
    "b": "The graph index lives on disk and is searched from disk.",
    "c": "A multivector index of graphs.",
    "d": "Protein folding, without any of those words.",
}


@pytest.fixture
def index() -> LexicalIndex:
    return LexicalIndex.build(list(TEXTS), TEXTS.values())


def names(found: list[tuple[str, float]]) -> list[str]:
    return [name for name, _ in found]


def test_words_are_stemmed_and_stop_words_dropped() -> None:
    assert tokens("The Graphs are searching") == tokens("graph searched") == ["graph", "search"]
    assert stem("retrieval") == stem("retrieved") == "retriev"
    assert tokens(" ".join(sorted(STOP_WORDS))) == []


@pytest.mark.parametrize("question", ["multi-vector", "multivector", "Multi-Vector"])
def test_a_hyphen_hides_nothing(index: LexicalIndex, question: str) -> None:
    assert set(names(index.search(question, 4))) == {"a", "c"}


def test_a_hyphenated_word_is_found_by_its_parts(index: LexicalIndex) -> None:
    assert names(index.search("multi vector", 4)) == ["a"]
    assert {"multi", "vector", "multivector"} <= set(tokens("multi-vector"))


def test_the_best_comes_first(index: LexicalIndex) -> None:
    found = index.search("graph index on disk", 4)
    assert names(found) == ["b", "c"]
    assert found[0][1] > found[1][1] > 0
    assert index.search("graph index on disk", 1) == found[:1]
    assert index.search("disk disk disk", 4) == index.search("disk", 4)


@pytest.mark.parametrize("question", ["", "the of and", "zebra", "?!", "日本"])
def test_nothing_to_find(index: LexicalIndex, question: str) -> None:
    assert index.search(question, 4) == []


@pytest.mark.parametrize(("k", "found"), [(0, 0), (-1, 0), (1, 1), (100, 2)])
def test_any_k(index: LexicalIndex, k: int, found: int) -> None:
    assert len(index.search("graph", k)) == found


@pytest.mark.parametrize(
    ("allowed", "found"),
    [([], []), ([2], ["c"]), ([2, 3], ["c"]), ([3], []), (None, ["b", "c"])],
)
def test_only_what_is_allowed(
    index: LexicalIndex, allowed: list[int] | None, found: list[str]
) -> None:
    rows = None if allowed is None else np.array(allowed, np.int64)
    assert names(index.search("graph disk", 4, rows)) == found
    assert [index.row(name) for name in (*TEXTS, "absent")] == [0, 1, 2, 3, None]


@given(st.text("aAtheof-_.’'İ1(", max_size=12))
@settings(max_examples=300)
def test_the_way_without_detours_leads_to_the_same_words(text: str) -> None:
    bare = text.lower().strip(_AROUND)
    if not any(map(str.isspace, bare)):
        assert _Terms()._of(bare) == tokens(bare)


@given(st.lists(st.text(" ab-.’İß1_é\n", max_size=30), min_size=1, max_size=9))
@settings(max_examples=60)
def test_the_matrix_is_that_of_bm25s(texts: list[str]) -> None:
    theirs = bm25s.BM25(k1=1.2, b=0.75)
    theirs.index([tokens(text) or ["\x00"] for text in texts], show_progress=False)
    ours = LexicalIndex.build([str(n) for n in range(len(texts))], texts)
    if all(tokens(text) for text in texts):  # bm25s cannot count a text without words
        for word in {word for text in texts for word in tokens(text)}:
            expected = theirs.get_scores([word])
            assert ours._bm25.get_scores([word]) == pytest.approx(expected, abs=1e-6)


def test_an_index_is_the_same_after_a_reload(index: LexicalIndex, tmp_path: Path) -> None:
    index.save(tmp_path)
    again = LexicalIndex.load(tmp_path)
    assert again.ids == index.ids
    for question in ("graph index on disk", "multi-vector", "protein words", "zebra"):
        assert again.search(question, 4) == index.search(question, 4)
        assert again.most(question) == index.most(question)
    assert [again.rarity(w) for w in ("graph", "zebra")] == [index.rarity("graph"), 1.0]


@pytest.mark.parametrize("texts", [{}, {"a": ""}, {"a": "the", "b": "?"}])
def test_an_index_without_words(texts: dict[str, str], tmp_path: Path) -> None:
    LexicalIndex.build(list(texts), texts.values()).save(tmp_path)
    index = LexicalIndex.load(tmp_path)
    assert index.ids == list(texts)
    assert index.search("graph", 3) == []
    assert index.rarity("graph") == 1.0


def test_rarer_words_count_more(index: LexicalIndex) -> None:
    assert index.rarity(stem("graph")) < index.rarity(stem("protein")) < index.rarity("zebra") == 1


WORDS = st.sampled_from("graph disk protein the of multi-vector vector fold searches 3.5".split())
LINES = st.lists(WORDS, max_size=12).map(" ".join)


@given(st.lists(LINES, min_size=1, max_size=12), LINES)
@settings(max_examples=60)
def test_scores_stay_below_the_most_and_rarity_in_bounds(texts: list[str], question: str) -> None:
    index = LexicalIndex.build([str(n) for n in range(len(texts))], texts)
    found = index.search(question, 50)
    assert all(0 < score <= index.most(question) for _, score in found)
    assert [score for _, score in found] == sorted((s for _, s in found), reverse=True)
    assert all(0 <= index.rarity(word) <= 1 for word in tokens(question))
    assert len(set(names(found))) == len(found) <= len(texts)
