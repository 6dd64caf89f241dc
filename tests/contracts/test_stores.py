"""What every vector store does. It runs on each entry of STORES by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import cast

import numpy as np
import pytest

from rag.registry import lookup
from rag.stores import STORES, VectorStore
from rag.stores.chroma import ChromaStore
from rag.types import Chunk, Paper

PAPER = Paper("Sparse Maps", "Squirrels forget.", "p", ("Ada Lee",), 2024, "V", None, ("cs.IR",))
BARE = Paper("Bare", "Nothing else is known.", "bare")
Open = Callable[[], VectorStore]


@pytest.fixture(params=sorted(STORES))
def reopen(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    """Opens the same folder, each time anew; all are closed at the end."""
    with ExitStack() as stack:

        def opener() -> VectorStore:
            store = cast(VectorStore, lookup("store", request.param, STORES)(tmp_path / "vectors"))
            stack.callback(store.close)
            return store

        yield opener


def item(name: str, paper: Paper = PAPER) -> tuple[Chunk, Paper]:
    return Chunk(name, paper.id, paper.abstract, 0, len(paper.abstract)), paper


def unit(*rows: list[float]) -> np.ndarray:
    vectors = np.array(rows, np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def names(found: list[tuple[str, float]]) -> list[str]:
    return [name for name, _ in found]


THREE = unit([1, 0, 0], [1, 1, 0], [0, 0, 1])


@pytest.fixture
def store(reopen: Open) -> VectorStore:
    store = reopen()
    store.upsert([item("a"), item("b", BARE), item("c")], THREE)
    return store


def test_the_nearest_come_first_with_their_cosine(store: VectorStore) -> None:
    found = store.search(unit([1, 0.1, 0])[0], 3)
    assert names(found) == ["a", "b", "c"]
    expected = (THREE @ unit([1, 0.1, 0])[0]).tolist()
    assert [score for _, score in found] == pytest.approx(expected, abs=1e-5)


def test_a_similarity_may_be_negative(store: VectorStore) -> None:
    assert store.search(-THREE[2], 3)[-1] == ("c", pytest.approx(-1, abs=1e-5))


@pytest.mark.parametrize(("k", "found"), [(0, 0), (-1, 0), (1, 1), (3, 3), (10_000, 3)])
def test_any_k(store: VectorStore, k: int, found: int) -> None:
    assert len(store.search(THREE[0], k)) == found


@pytest.mark.parametrize("kind", [set, list, frozenset])
def test_only_what_is_allowed(store: VectorStore, kind: type) -> None:
    assert names(store.search(THREE[0], 3, kind(["c", "b"]))) == ["b", "c"]
    assert names(store.search(THREE[0], 1, kind(["c"]))) == ["c"]
    assert store.search(THREE[0], 3, kind([])) == []


def test_unknown_names_are_allowed_in_vain(store: VectorStore) -> None:
    assert names(store.search(THREE[0], 3, {"c", "absent"})) == ["c"]
    assert store.search(THREE[0], 3, {"absent"}) == []


def test_upsert_replaces(store: VectorStore) -> None:
    store.upsert([item("c")], THREE[:1] * -1)
    assert store.count() == 3
    assert store.search(THREE[0], 3)[-1] == ("c", pytest.approx(-1, abs=1e-5))


def test_delete(store: VectorStore) -> None:
    store.delete(["a", "absent"])
    store.delete([])
    assert store.count() == 2
    assert names(store.search(THREE[0], 3)) == ["b", "c"]


def test_an_empty_store(reopen: Open) -> None:
    store = reopen()
    assert store.count() == 0
    assert store.search(THREE[0], 3) == []


def test_all_is_there_after_it_is_opened_again(store: VectorStore, reopen: Open) -> None:
    store.delete(["b"])
    before = store.search(THREE[0], 3)
    store.close()
    again = reopen()
    assert again.count() == 2
    assert names(again.search(THREE[0], 3)) == names(before) == ["a", "c"]


def test_names_and_texts_of_all_kinds(reopen: Open) -> None:
    store = reopen()
    odd = ["doi:10.1/ä#0", "p#1#0", "' OR 1=1", "中文#0", " "]
    store.upsert([item(name) for name in odd], unit(*np.eye(5).tolist()))
    assert [names(store.search(row, 1))[0] for row in unit(*np.eye(5).tolist())] == odd


def test_recall_against_exact_search(reopen: Open) -> None:
    rng = np.random.default_rng(5)
    centres = rng.normal(size=(60, 64))
    vectors = unit(*(np.repeat(centres, 50, axis=0) + 0.6 * rng.normal(size=(3000, 64))).tolist())
    queries = unit(*(centres[:40] + 0.6 * rng.normal(size=(40, 64))).tolist())
    store = reopen()
    store.upsert([item(str(n)) for n in range(3000)], vectors)
    best = np.argsort(-(queries @ vectors.T), axis=1)[:, :10]
    hits = sum(
        len({str(n) for n in row} & set(names(store.search(query, 10))))
        for query, row in zip(queries, best, strict=True)
    )
    assert hits / 400 >= 0.98
    half = {str(n) for n in range(0, 3000, 2)}
    exact = [str(n) for n in np.argsort(-(vectors @ queries[0])) if n % 2 == 0][:10]
    assert len(set(exact) & set(names(store.search(queries[0], 10, half)))) >= 9
    assert len(store.search(queries[0], 10_000)) == 3000


def test_llama_index_can_query_what_chroma_holds(tmp_path: Path) -> None:
    from llama_index.core.vector_stores import VectorStoreQuery
    from llama_index.vector_stores.chroma import ChromaVectorStore

    with closing(ChromaStore(tmp_path)) as store:
        store.upsert([item("a"), item("b", BARE)], THREE[:2])
        theirs = ChromaVectorStore(chroma_collection=store._collection)
        found = theirs.query(
            VectorStoreQuery(query_embedding=THREE[0].tolist(), similarity_top_k=2)
        )
    assert found.ids == ["a", "b"]
    assert [node.get_content() for node in found.nodes or ()] == [PAPER.abstract, BARE.abstract]
    assert [node.metadata["paper_id"] for node in found.nodes or ()] == ["p", "bare"]
