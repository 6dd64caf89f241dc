"""Vectors in a flat file beside an approximate index: exact scores for the few that matter."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
_BLOCK = 16384  # rows scored at once: what is gathered stays some 25 MB


class ExactVectors:
    """Rows of float32, appended to and mapped into memory; a deleted row loses its name only.

    One writer, on a folder that no reader has open.
    """

    def __init__(self, folder: Path) -> None:
        self._data, self._index = folder / "exact.f32", folder / "exact.json"

    def upsert(self, names: Sequence[str], vectors: Floats) -> None:
        """Add or replace; vectors of shape (len(names), d), unit length."""
        rows = np.ascontiguousarray(vectors, np.float32)
        with self._data.open("ab") as file:
            first = file.tell() // (4 * rows.shape[1])
            file.write(rows.tobytes())
        self._rows.update((name, first + n) for n, name in enumerate(names))
        self._dimension = rows.shape[1]
        self.__dict__.pop("_matrix", None)

    def delete(self, names: Iterable[str]) -> None:
        for name in names:
            self._rows.pop(name, None)

    def save(self) -> None:
        """Write down which row is whose; without it nothing since the last time was written."""
        state = {"dimension": self._dimension, "rows": self._rows}
        part = self._index.with_suffix(".part")
        part.write_text(json.dumps(state), encoding="utf-8")
        part.replace(self._index)

    def get(self, names: Sequence[str]) -> Floats:
        """Vectors by name, shape (len(names), d). Raises KeyError for a name not there."""
        if not names:
            return np.zeros((0, self._dimension), np.float32)
        return np.asarray(self._matrix[[self._rows[name] for name in names]])

    def search(self, vector: Floats, k: int, allowed: Collection[str]) -> list[tuple[str, float]]:
        """The k nearest among `allowed`, by cosine similarity, best first."""
        names = [name for name in allowed if name in self._rows]
        if not names or k < 1:
            return []
        rows = np.array([self._rows[name] for name in names])
        scores = np.concatenate(
            [self._matrix[rows[i : i + _BLOCK]] @ vector for i in range(0, len(rows), _BLOCK)]
        )
        return best(names, scores, k)

    def names(self) -> list[str]:
        return list(self._rows)

    def blocks(self, names: Sequence[str]) -> Iterator[Floats]:
        """All vectors of these names, some thousand rows at a time."""
        for start in range(0, len(names), _BLOCK):
            yield self.get(names[start : start + _BLOCK])

    def __len__(self) -> int:
        return len(self._rows)

    @cached_property
    def _state(self) -> tuple[int, dict[str, int]]:
        try:
            state = json.loads(self._index.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return 0, {}
        return int(state["dimension"]), dict(state["rows"])

    @cached_property
    def _rows(self) -> dict[str, int]:
        return self._state[1]

    @cached_property
    def _dimension(self) -> int:
        return self._state[0]

    @cached_property
    def _matrix(self) -> Floats:
        flat = np.memmap(self._data, np.float32, "r")
        return flat.reshape(-1, self._dimension)


def best(names: Sequence[str], scores: Floats, k: int) -> list[tuple[str, float]]:
    """The k best names with their scores, best first."""
    k = min(k, len(names))
    top = np.argpartition(-scores, k - 1)[:k]
    top = top[np.lexsort((top, -scores[top]))]
    return [(names[i], float(scores[i])) for i in top]
