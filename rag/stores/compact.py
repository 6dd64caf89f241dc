"""Vectors in little memory: one bit a dimension to find candidates, exact scores to order them.

Yamada et al., Efficient Passage Retrieval with Hashing for Open-domain QA (BPR), ACL 2021, do the
same with learned hashes; the signs of the default model's vectors need no learning. In memory is
a 32nd of the vectors; the vectors themselves stay in a file, of which a search reads the
candidates' rows. It looks at every code: cheaper than a graph in memory and at building, dearer a
question as the collection grows (`benchmarks/scale.py`).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rag.stores.exact import ExactVectors, best
from rag.types import Chunk, Paper

Floats = NDArray[np.float32]
_CANDIDATES = 1000  # at least: what keeps recall@10 above 0.99
_FOR_EACH = 5  # candidates for each result that is wanted


class CompactStore:
    """Sign bits in memory, searched by Hamming distance, and vectors in a file for rescoring."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._exact = ExactVectors(folder)
        self._names: list[str] | None = None
        self._codes: NDArray[np.uint64] = np.zeros((0, 1), np.uint64)
        self._changed = False

    def upsert(self, items: Sequence[tuple[Chunk, Paper]], vectors: Floats) -> None:
        self._exact.upsert([chunk.id for chunk, _ in items], vectors)
        self._names, self._changed = None, True

    def delete(self, chunk_ids: Sequence[str]) -> None:
        self._exact.delete(chunk_ids)
        self._names, self._changed = None, True

    def search(
        self, vector: Floats, k: int, allowed: Collection[str] | None = None
    ) -> list[tuple[str, float]]:
        if allowed is not None:
            return self._exact.search(vector, k, allowed)
        names = self._load()
        if k < 1 or not names:
            return []
        depth = max(_CANDIDATES, _FOR_EACH * k)
        if depth < len(names):
            apart = np.bitwise_count(self._codes ^ pack(vector[None, :])).sum(axis=1)
            names = [names[i] for i in np.argpartition(apart, depth)[:depth]]
        return best(names, self._exact.get(names) @ vector, k)

    def vectors(self, chunk_ids: Sequence[str]) -> Floats:
        return self._exact.get(chunk_ids)

    def count(self) -> int:
        return len(self._exact)

    def close(self) -> None:
        if self._changed:
            self._exact.save()
            self._changed = False

    def _load(self) -> list[str]:
        """The names, and their codes made from the file when they are first searched."""
        if self._names is None:
            names = self._exact.names()
            parts = [pack(part) for part in self._exact.blocks(names)]
            self._codes = np.concatenate(parts) if parts else self._codes[:0]
            self._names = names
        return self._names


def pack(vectors: Floats) -> NDArray[np.uint64]:
    """Signs of (n, d) vectors as bits in (n, ceil(d / 64)) words."""
    bits = np.packbits(vectors > 0, axis=1)
    padding = -bits.shape[1] % 8
    return np.pad(bits, ((0, 0), (0, padding))).view(np.uint64)
