from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import rag.stores.compact
from rag.stores.compact import CompactStore, pack
from rag.types import Chunk, Paper

RNG = np.random.default_rng(5)
PAPER = Paper("T", "A.", "p")


def unit(n: int, d: int = 96) -> np.ndarray:
    """Vectors in clusters, as those of papers are."""
    centres = RNG.normal(size=(20, d))
    rows = centres[RNG.integers(0, 20, n)] + 0.7 * RNG.normal(size=(n, d))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def filled(folder: Path, vectors: np.ndarray) -> CompactStore:
    store = CompactStore(folder)
    items = [(Chunk(f"p{n}#0", f"p{n}", "A.", 0, 2), PAPER) for n in range(len(vectors))]
    store.upsert(items, vectors)
    return store


@pytest.mark.parametrize(("dimension", "least"), [(384, 0.9), (40, 0.6)])
def test_few_candidates_are_enough_and_scores_are_exact(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dimension: int, least: float
) -> None:
    monkeypatch.setattr(rag.stores.compact, "_CANDIDATES", 1000)
    vectors = unit(4000, dimension)
    store = filled(tmp_path, vectors)
    hit = 0
    for question in unit(30, dimension):
        exact = vectors @ question
        found = store.search(question, 10)
        assert [s for _, s in found] == sorted((s for _, s in found), reverse=True)
        for name, score in found:
            assert score == pytest.approx(float(exact[int(name[1:-2])]), abs=1e-6)
        hit += len({f"p{i}#0" for i in np.argsort(-exact)[:10]} & {name for name, _ in found})
    assert hit / 300 > least


def test_codes_follow_what_is_added_and_deleted(tmp_path: Path) -> None:
    vectors = unit(8)
    store = filled(tmp_path, vectors)
    assert store.search(vectors[3], 1)[0][0] == "p3#0"
    store.delete(["p3#0"])
    assert store.search(vectors[3], 8)[0][0] != "p3#0"
    store.upsert([(Chunk("q#0", "q", "A.", 0, 2), PAPER)], vectors[3:4])
    assert store.search(vectors[3], 1)[0][0] == "q#0"
    store.close()
    assert CompactStore(tmp_path).search(vectors[3], 1)[0][0] == "q#0"


def test_a_sign_is_a_bit() -> None:
    codes = pack(np.array([[1, -1, 1, 0], [-1, -1, -1, 5]], np.float32))
    assert codes.shape == (2, 1)
    assert np.bitwise_count(codes[0] ^ codes[1]).sum() == 3
