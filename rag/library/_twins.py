"""Twins: the preprint and the published version of one work, under two ids. Linked, not merged.

Two papers are twins where the normalised titles are equal, an author is shared and the years lie
within 2; or where the abstracts are nearly the same words, the titles have most words in common,
and nothing speaks against it. A false pair would hide a paper, so what is doubtful is left apart.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from rag.library._identity import family, normalised_title
from rag.library._near import KEYS, alike, sketch
from rag.library._tables import load, marks, parts
from rag.types import Paper

_BATCH = 1024
_CROWD = 40  # papers that share a key: it is no sign of one work (an empty text, "Editorial")
_NEARLY = 0.8  # of the shingles of both abstracts
_ROUGHLY = 0.3  # for papers whose titles agree but whose authors are unknown
_RENAMED = 0.6  # words of a title that a new title of the same work keeps
_WORDS = 40  # an abstract of fewer says too little
_YEARS = 2
_TELLING = 15  # normalised characters of a title
_NOTICE = re.compile(
    r"\W*(?:correction|corrigendum|erratum|retraction|retracted|withdrawn|comment|reply|response|"
    r"discussion|editorial|part|supplement)\b",
    re.IGNORECASE,
)
_WORD = re.compile(r"\w+")
_SMALL = frozenset("a an and at by for from in of on the through to towards using via with".split())
_NUMBERED = re.compile(r"\b(?:[ivx]+|\d+)\b", re.IGNORECASE)


class Twins:
    """The pairs in one library's file."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def link(self, progress: Callable[[int], None]) -> int:
        """Sketch what has no sketch yet, compare it with all; the pairs that are new."""
        fresh = self._sketch(progress)
        if not fresh:
            return 0
        numbers, keys = self._sketches()
        found = 0
        for a, b in candidates(numbers, keys, np.array(fresh, np.int64)):
            if twins(load(self._db, a), load(self._db, b)):
                self._db.execute("INSERT OR IGNORE INTO twins VALUES (?, ?)", (a, b))
                found += 1
        return found

    def groups(self) -> list[tuple[str, ...]]:
        pairs = self._db.execute("SELECT number, other FROM twins ORDER BY number, other")
        members = _connected(list(pairs))
        ids = self._ids([n for group in members for n in group])
        return [tuple(ids[n] for n in group) for group in members]

    def others(self) -> dict[str, tuple[str, ...]]:
        """For each paper that has twins, their ids."""
        return {i: tuple(j for j in group if j != i) for group in self.groups() for i in group}

    def _ids(self, numbers: Sequence[int]) -> dict[int, str]:
        found: dict[int, str] = {}
        for part in parts(numbers):
            query = f"SELECT number, id FROM papers WHERE number IN ({marks(part)})"
            found.update(self._db.execute(query, part))
        return found

    def _sketch(self, progress: Callable[[int], None]) -> list[int]:
        fresh: list[int] = []
        query = (
            "SELECT number, title, abstract FROM papers WHERE number > ? AND "
            "number NOT IN (SELECT number FROM sketches) ORDER BY number LIMIT ?"
        )
        while batch := self._db.execute(query, (fresh[-1] if fresh else 0, _BATCH)).fetchall():
            keys = sketch([row[1] for row in batch], [row[2] for row in batch])
            rows = [(row[0], key.tobytes()) for row, key in zip(batch, keys, strict=True)]
            self._db.executemany("INSERT INTO sketches VALUES (?, ?)", rows)
            fresh += [row[0] for row in batch]
            progress(len(fresh))
        return fresh

    def _sketches(self) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
        rows = self._db.execute("SELECT number, keys FROM sketches ORDER BY number").fetchall()
        keys = np.frombuffer(b"".join(row[1] for row in rows), np.uint64).reshape(-1, KEYS)
        return np.array([row[0] for row in rows], np.int64), keys


def candidates(
    numbers: NDArray[np.int64], keys: NDArray[np.uint64], fresh: NDArray[np.int64]
) -> Iterator[tuple[int, int]]:
    """Pairs (a < b) that share a key of some column, at least one of them fresh; each once."""
    is_fresh = np.isin(numbers, fresh)
    seen: set[tuple[int, int]] = set()
    for column in keys.T:
        order = np.argsort(column, kind="stable")
        ranked = column[order]
        borders = np.flatnonzero(np.r_[True, ranked[1:] != ranked[:-1], True])
        sizes = np.diff(borders)
        for at in np.flatnonzero((sizes > 1) & (sizes <= _CROWD)):
            members = order[borders[at] : borders[at + 1]]
            for i, first in enumerate(members):
                for second in members[i + 1 :]:
                    if is_fresh[first] or is_fresh[second]:
                        low, high = sorted((int(numbers[first]), int(numbers[second])))
                        if (low, high) not in seen:
                            seen.add((low, high))
                            yield low, high


def twins(a: Paper, b: Paper) -> bool:
    """Whether two papers are one work."""
    if bool(_NOTICE.match(a.title)) != bool(_NOTICE.match(b.title)) or _far_apart(a, b):
        return False
    authors = _shared(a, b)
    if authors is False:
        return False
    title = normalised_title(a.title)
    if title == normalised_title(b.title) and len(title) >= _TELLING:
        return authors or alike(a.abstract, b.abstract) >= _ROUGHLY
    numbered = _NUMBERED.findall(a.title) != _NUMBERED.findall(b.title)  # parts of one study
    short = min(len(a.abstract.split()), len(b.abstract.split())) < _WORDS
    if numbered or short or _overlap(a.title, b.title) < _RENAMED:
        return False  # abstracts are copied from one study into the next, and by mistake
    return alike(a.abstract, b.abstract) >= _NEARLY


def _far_apart(a: Paper, b: Paper) -> bool:
    return bool(a.year and b.year and abs(a.year - b.year) > _YEARS)


def _overlap(a: str, b: str) -> float:
    """Words of the shorter title that are in the longer one."""
    first, second = (set(_WORD.findall(t.casefold())) - _SMALL for t in (a, b))
    return len(first & second) / max(min(len(first), len(second)), 1)


def _shared(a: Paper, b: Paper) -> bool | None:
    """Whether an author is on both; None where one of them names nobody."""
    if not a.authors or not b.authors:
        return None
    return bool(set(map(family, a.authors)) & set(map(family, b.authors)))


def _connected(pairs: Sequence[tuple[int, int]]) -> list[list[int]]:
    group: dict[int, list[int]] = {}
    for a, b in pairs:
        mine, theirs = group.setdefault(a, [a]), group.setdefault(b, [b])
        if mine is not theirs:
            mine += theirs
            group.update(dict.fromkeys(theirs, mine))
    unique = {id(members): sorted(members) for members in group.values()}
    return sorted(unique.values())
