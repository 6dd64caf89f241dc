"""What the current indexes of a home are, and how a new one takes the place of an old one.

A part is built in a folder of its own and becomes the current one by renaming the manifest over
the old one. A reader therefore sees a whole old or a whole new index.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from rag._seal import seal
from rag.chunking import CHUNKER_VERSION
from rag.errors import IndexFailure, IndexMismatch
from rag.lexical import LEXICAL_VERSION

FORMAT = 2
WORDS, VECTORS = "words", "vectors"  # the two parts, and how their folders begin
_MANIFEST = "current.json"


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that the content of an index depends on, apart from the papers."""

    embedding: str
    chunker: str
    lexical: str
    store: str
    format: int = FORMAT

    @classmethod
    def of(cls, fingerprint: str, max_chars: int, store: str) -> Recipe:
        return cls(fingerprint, f"{CHUNKER_VERSION}/{max_chars}", LEXICAL_VERSION, store)

    @property
    def max_chars(self) -> int:
        return int(self.chunker.partition("/")[2])


@dataclass(frozen=True, slots=True)
class Part:
    """One index in its folder: from which state of the library, and of how many papers.

    `chunks` counts what it holds, and `missing` the chunks whose vectors had not been made yet.
    """

    folder: str
    revision: int
    papers: int
    chunks: int = 0
    missing: int = 0


@dataclass(frozen=True, slots=True)
class Manifest:
    """What the current indexes are, and by which recipe they were made."""

    recipe: Recipe
    words: Part
    vectors: Part | None = None

    @classmethod
    def read(cls, root: Path) -> Manifest | None:
        """The current manifest, None before the first one. Raises IndexFailure or IndexMismatch."""
        try:
            data = json.loads((root / _MANIFEST).read_text(encoding="utf-8"))
            recipe = Recipe(**data["recipe"])
            if recipe.format != FORMAT:
                raise _other_format(recipe.format)
            vectors = Part(**data["vectors"]) if data["vectors"] else None
            return cls(recipe, Part(**data["words"]), vectors)
        except FileNotFoundError:
            return None
        except (ValueError, TypeError, KeyError, OSError) as error:
            raise IndexFailure(
                f"{root / _MANIFEST} cannot be read ({error}). Run: footnoted ingest --rebuild"
            ) from error

    @property
    def papers(self) -> int:
        return self.words.papers

    @property
    def chunks(self) -> int:
        """Chunks that have their vectors in the index."""
        return self.vectors.chunks if self.vectors else 0

    def behind(self, revision: int) -> str | None:
        """What the index lacks of the library's present state: words, vectors, or nothing."""
        if self.words.revision != revision:
            return WORDS
        part = self.vectors
        return VECTORS if not part or part.missing or part.revision != revision else None

    def publish(self, root: Path, folder: str) -> None:
        """Make this the current one, `folder` being new: flushed to disk, written, renamed."""
        seal(root / folder)
        _sync_tree(root / folder)
        part = root / f"{_MANIFEST}.part"
        with part.open("w", encoding="utf-8") as file:
            json.dump(asdict(self), file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        part.replace(root / _MANIFEST)
        _sync(root)

    def check(self, recipe: Recipe) -> None:
        """Raise IndexMismatch where the settings ask for another recipe than was used."""
        mine, theirs = asdict(self.recipe), asdict(recipe)
        wrong = [
            f"{k}: index {mine[k]}, settings {theirs[k]}" for k in mine if mine[k] != theirs[k]
        ]
        if wrong:
            raise IndexMismatch(
                f"the index was made with other settings ({'; '.join(wrong)}). "
                f"Run: footnoted ingest --rebuild"
            )


def _other_format(found: int) -> IndexMismatch:
    return IndexMismatch(
        f"the index is of format {found}, this Footnoted reads format {FORMAT}. It is made again "
        f"from the library, without embedding anew: footnoted ingest --rebuild"
    )


def _sync_tree(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            _sync(path)
    _sync(folder)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
