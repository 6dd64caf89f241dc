"""Finds what is wrong with a home, and mends it from the library, which is the truth.

The index is looked at in a process of its own, since a flipped bit can crash the one that reads
it. What is made again takes its vectors from the library's cache: nothing is embedded anew.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from rag._seal import broken
from rag.errors import LibraryError, RagError
from rag.library import Library
from rag.manifest import WORDS, Manifest
from rag.stores import STORES

LIBRARY, INDEX = "library", "index"
REPAIR = "Run: footnoted doctor --repair"
INGEST = "Run: footnoted ingest"
_PATIENCE = 600  # seconds for the canaries, which take one


@dataclass(frozen=True, slots=True)
class Finding:
    """A problem of one part of a home (library, words, vectors or index), and what mends it."""

    part: str
    problem: str
    mend: str = REPAIR

    def __str__(self) -> str:
        return f"{self.part}: {self.problem}. {self.mend}"


def examine(home: Path, stores: Mapping[str, str] | None = None) -> list[Finding]:
    """Everything that is wrong with a home; nothing is written. Takes seconds for 75,000 papers.

    Raises LibraryError where there is no library, or one of another format.
    """
    path = home / "library.sqlite"
    if not path.is_file():
        raise LibraryError(f"there is no library at {path}. Run: footnoted ingest SOURCE")
    try:
        library = Library(path, read_only=True)
    except LibraryError as error:
        if "format" in str(error) or "nothing yet" in str(error):
            raise
        return [Finding(LIBRARY, str(error).partition(". ")[0])]
    with closing(library):
        found = [Finding(LIBRARY, problem) for problem in library.check()]
        if found:
            return found  # the index cannot be judged by a library that is wrong
        return list(_index(home / "index", library, {**STORES, **(stores or {})}))


def repair_library(home: Path) -> list[str]:
    """Mend the library in place; sentences on what was done. Raises LibraryError."""
    path = home / "library.sqlite"
    try:
        library = Library(path)
    except LibraryError as error:
        if "damaged" not in str(error):
            raise
        return _salvage(path)
    with closing(library):
        problems = library.check()
        if any("file is damaged" in problem for problem in problems):
            library.close()
            return _salvage(path)
        try:
            again = library.mend() if problems else []
        except LibraryError as error:
            if "damaged" not in str(error):
                raise
            library.close()
            return _salvage(path)
    said = [f"mended: {problem}" for problem in problems]
    if again:
        said.append(f"ingest the sources again of: {', '.join(again[:5])}")
    return said


def _salvage(path: Path) -> list[str]:
    saved = Library.salvage(path)
    said = [f"saved {saved.papers:,} papers; the damaged file is kept as {saved.damaged.name}"]
    if saved.lost:
        with closing(Library(path, read_only=True)) as library:
            sources = " ".join(list(library.by_source())[:5])
        said.append(f"{saved.lost:,} papers are lost. Run: footnoted ingest {sources}")
    return said


def _index(root: Path, library: Library, stores: Mapping[str, str]) -> Iterator[Finding]:
    try:
        manifest = Manifest.read(root)
    except RagError as error:
        yield Finding(INDEX, str(error).partition(" Run: ")[0].rstrip("."))
        return
    if manifest is None:
        if library.count():
            yield Finding(INDEX, "the papers are not indexed yet", INGEST)
        return
    whole = True
    for part in (manifest.words, manifest.vectors):
        for problem in _files(root / part.folder) if part else ():
            whole = False
            yield Finding(part.folder.partition("-")[0] if part else INDEX, problem)
    if whole:
        yield from _probe(root, library.path, stores)
        lacking = manifest.behind(library.revision())
        if lacking:
            what = "papers" if lacking == WORDS else "vectors"
            yield Finding(lacking, f"the {what} of the last ingest are not all indexed", INGEST)


def _files(folder: Path) -> Iterator[str]:
    if not folder.is_dir():
        yield f"the folder {folder} is gone"
        return
    for name in broken(folder)[:3]:
        yield f"{folder.name}/{name} is damaged or gone"


def _probe(root: Path, library: Path, stores: Mapping[str, str]) -> Iterator[Finding]:
    order = {"root": str(root), "library": str(library), "stores": dict(stores)}
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    try:
        done = subprocess.run(
            [sys.executable, "-m", "rag._probe"], input=json.dumps(order), capture_output=True,
            text=True, timeout=_PATIENCE, check=False, env=env,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        yield Finding(INDEX, f"it did not answer within {_PATIENCE} seconds")
        return
    if done.returncode:
        last = done.stderr.strip().rpartition("\n")[2][:200]
        yield Finding(INDEX, f"reading it ends in a crash ({last or done.returncode})")
        return
    for part, problem in json.loads(done.stdout):
        yield Finding(part, str(problem).rstrip("."))


__all__ = ["Finding", "examine", "repair_library"]
