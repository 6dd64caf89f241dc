"""Looks into the indexes of a home, in a process of its own: a damaged one can crash it.

Reads a JSON object from standard input (`root`, `library`, `stores`) and writes a list of what is
wrong, as [part, problem]. Vectors that are stored must find themselves, and so must titles.
"""

from __future__ import annotations

import json
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np

from rag.errors import RagError
from rag.index import Dense, Index
from rag.lexical import tokens
from rag.library import Library
from rag.manifest import VECTORS, WORDS, Manifest

_CANARIES = 20
_ITSELF = 0.99  # cosine similarity, which rounding may lower a little
Problem = tuple[str, str]


def probe(root: Path, library: Path, stores: dict[str, str]) -> list[Problem]:
    """What is wrong with the words and the vectors."""
    manifest = Manifest.read(root)
    if manifest is None:
        return []
    index = Index(root, manifest, stores)
    with closing(Library(library, read_only=True)) as papers:
        try:
            return [
                *_guarded(WORDS, _words(index, papers)),
                *_guarded(VECTORS, _vectors(index, papers, root)),
            ]
        finally:
            index.close()


def _guarded(part: str, problems: Iterator[str]) -> Iterator[Problem]:
    try:
        yield from ((part, problem) for problem in problems)
    except RagError as error:
        yield part, str(error).partition(" Run: ")[0]
    except Exception as error:  # whatever a damaged array makes of itself
        yield part, f"{type(error).__name__}: {error}"[:200]


def _words(index: Index, library: Library) -> Iterator[str]:
    lexical, rows = index.lexical, index.paper_rows
    expected = index.manifest.words.papers
    if not len(lexical.ids) == len(rows) == expected:
        yield f"it holds {len(lexical.ids)} of {expected} papers"
        return
    wanted = library.get([lexical.ids[n] for n in _spread(len(lexical.ids))])
    for name, paper in wanted.items():
        if tokens(paper.title):
            row = lexical.row(name)
            score = lexical.scores(paper.title)[row] if row is not None else 0.0
            if not np.isfinite(score) or score <= 0:
                yield f"{name} is not found by its own title"


def _vectors(index: Index, library: Library, root: Path) -> Iterator[str]:
    part = index.manifest.vectors
    if part is None:
        return
    yield from _databases(root / part.folder)
    dense = index.dense
    if dense is None or len(dense.table.ids) != part.chunks:
        yield f"it does not hold the {part.chunks} chunks that it should"
        return
    chosen = _spread(len(dense.table.ids))
    keys = [dense.table.hashes[n].tobytes() for n in chosen]
    cached = library.cached_vectors(keys, index.manifest.recipe.embedding)
    for place, key in zip(chosen, keys, strict=True):
        if key in cached:
            yield from _canary(dense, dense.table.ids[place], cached[key])


def _canary(dense: Dense, name: str, vector: np.ndarray) -> Iterator[str]:
    found = dense.search(vector, 3)
    if not found or found[0][1] < _ITSELF:
        yield f"the vector of {name} does not find itself"
    elif float(dense.store.vectors([name])[0] @ vector) < _ITSELF:
        yield f"the vector of {name} is another one than was stored"


def _databases(folder: Path) -> Iterator[str]:
    """Chroma's own file changes while it is read, and so cannot be sealed."""
    for path in folder.rglob("*.sqlite3"):
        try:
            with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as db:
                answer = db.execute("PRAGMA integrity_check(1)").fetchone()[0]
        except sqlite3.Error as error:
            answer = str(error)
        if answer != "ok":
            yield f"{path.name} is damaged ({answer})"


def _spread(count: int) -> list[int]:
    return sorted({round(n) for n in np.linspace(0, count - 1, _CANARIES)}) if count else []


def main() -> None:
    given = json.load(sys.stdin)
    found = probe(Path(given["root"]), Path(given["library"]), given["stores"])
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main()
