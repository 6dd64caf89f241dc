from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.retrieve import Retriever, fuse
from rag.types import Filters, Hit, Mode, Paper
from tests.conftest import CountingEmbedder, Home, make_papers

MODES = get_args(Mode)
COSINES = st.one_of(st.floats(-1, 1, width=32), st.just(float("nan")))
PAIRS = st.lists(st.tuples(COSINES, st.floats(0, 1, width=32)), min_size=1, max_size=12)


@given(PAIRS, st.floats(0, 1))
def test_fused_scores_lie_between_the_two_and_none_is_lost(
    pairs: list[tuple[float, float]], weight: float
) -> None:
    cosines, shares = np.array(pairs, np.float32).T
    fused = fuse(cosines, shares, weight)
    assert not np.isnan(fused).any()
    near = ~np.isnan(cosines)
    low, high = np.minimum(cosines, shares)[near], np.maximum(cosines, shares)[near]
    assert (fused[near] >= low - 1e-6).all() and (fused[near] <= high + 1e-6).all()


@given(PAIRS)
def test_one_side_alone_keeps_its_order(pairs: list[tuple[float, float]]) -> None:
    cosines, shares = np.array(pairs, np.float32).T
    nothing = np.full_like(cosines, np.nan)
    assert fuse(cosines, shares, 0.0) == pytest.approx(shares)
    assert fuse(nothing, shares, 1.0) == pytest.approx(shares)  # no vectors: words decide


def test_a_paper_without_a_vector_counts_as_the_farthest_that_has_one() -> None:
    cosines = np.array([0.9, np.nan, 0.2], np.float32)
    assert fuse(cosines, np.zeros(3, np.float32), 0.5) == pytest.approx([0.45, 0.1, 0.1])


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    made = Home(tmp_path_factory.mktemp("retrieve") / "home", CountingEmbedder())
    made.ingest(make_papers(30, sentences=14))
    return made


@pytest.fixture
def retriever(home: Home) -> Retriever:
    return home.retriever()


def search(
    home: Home, question: str, k: int = 5, filters: Filters | None = None, mode: Mode = "hybrid"
) -> list[Hit]:
    vector = home.embedder.embed_query([question])[0]
    return home.retriever().search(question, vector, k, filters, mode)


@pytest.mark.parametrize("mode", MODES)
def test_hits_are_ranked_unique_and_slice_back(home: Home, mode: Mode) -> None:
    hits = search(home, "sparse graph memory", 10, mode=mode)
    assert [hit.rank for hit in hits] == list(range(1, 11))
    assert len({hit.paper.id for hit in hits}) == 10
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    for hit in hits:
        assert hit.chunk.paper_id == hit.paper.id
        assert hit.paper.abstract[hit.chunk.start : hit.chunk.end] == hit.chunk.text != ""
        assert hit.to_dict()["text"] == hit.chunk.text


@pytest.mark.parametrize("mode", ["hybrid", "lexical"])  # hashed words know no rarity
def test_a_title_finds_its_paper_first(home: Home, mode: Mode) -> None:
    paper = make_papers(30, sentences=14)[17]
    assert search(home, paper.title, 3, mode=mode)[0].paper == paper


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("k", "found"), [(0, 0), (1, 1), (30, 30), (1_000_000, 30)])
def test_any_k(home: Home, mode: Mode, k: int, found: int) -> None:
    hits = search(home, "sparse graph memory retrieval token", k, mode=mode)
    assert len(hits) == found


def test_scores_of_both_sides_are_told(home: Home) -> None:
    (hit,) = search(home, "sparse graph", 1)
    assert hit.dense is not None and hit.lexical is not None
    (dense,), (lexical,) = (search(home, "sparse graph", 1, mode=m) for m in ("dense", "lexical"))
    assert (dense.lexical, lexical.dense) == (None, None)
    assert 0 <= hit.score <= 1


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "filters",
    [Filters(year=(1900, 1950)), Filters(venue="nowhere"), Filters(author="%"),
     Filters(category="_")],
)  # fmt: skip
def test_filters_that_admit_nothing(home: Home, filters: Filters, mode: Mode) -> None:
    assert search(home, "sparse graph", 5, filters, mode) == []


@pytest.mark.parametrize("mode", MODES)
def test_only_admitted_papers_are_found_and_all_of_them(home: Home, mode: Mode) -> None:
    filters = Filters(year=(2001, 2010), venue="venue 1")
    hits = search(home, "sparse graph memory retrieval token", 30, filters, mode)
    expected = {
        p.id for p in make_papers(30, sentences=14)
        if p.venue == "Venue 1" and p.year and 2001 <= p.year <= 2010
    }  # fmt: skip
    assert {hit.paper.id for hit in hits} == expected


def test_words_alone_need_no_vector(retriever: Retriever) -> None:
    assert retriever.search("sparse graph", None, 3, mode="lexical")


@pytest.mark.parametrize("question", ["", "the of and", "?" * 50, "zebra " * 100_000])
def test_odd_questions_do_no_harm(home: Home, question: str) -> None:
    assert search(home, question, 3, mode="lexical") == []
    assert len(search(home, question, 3)) == 3


def test_what_was_deleted_since_is_left_out(tmp_path: Path) -> None:
    home = Home(tmp_path / "home", CountingEmbedder())
    home.ingest(make_papers(10))
    from rag.library import Library

    library = Library(home.path / "library.sqlite")
    library.delete(["p3"])
    library.close()
    hits = search(home, make_papers(10)[3].title, 10)
    assert "p3" not in {hit.paper.id for hit in hits}
    assert [hit.rank for hit in hits] == list(range(1, 10))


@pytest.fixture(scope="module")
def sample(sample_home: Home) -> Iterator[Retriever]:
    index, library = sample_home.index(), sample_home.library()
    yield Retriever(index, library)
    index.close()
    library.close()


def test_each_sample_title_finds_its_paper_first(
    sample: Retriever, sample_home: Home, sample_papers: list[Paper]
) -> None:
    titles = [paper.title for paper in sample_papers]
    vectors = sample_home.embedder.embed_query(titles)
    first = [
        sample.search(title, vector, 1)[0].paper.title
        for title, vector in zip(titles, vectors, strict=True)
    ]
    assert first == titles
