"""One generation of the indexes derived from a library: vectors, BM25, and a manifest.

A generation is built in a folder of its own and becomes the current one by renaming the manifest
over the old one. A reader therefore sees a whole old or a whole new index; what a killed build
leaves behind is named by no manifest, and is swept away by the next build.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

from rag.chunking import CHUNKER_VERSION, chunks, context_text
from rag.errors import IndexFailure, IndexMismatch, IndexMissing
from rag.lexical import LEXICAL_VERSION, LexicalIndex
from rag.registry import lookup
from rag.stores import STORES, VectorStore
from rag.types import Chunk, Paper

FORMAT = 1
_MANIFEST = "current.json"
_CHUNKS = "chunks.json"


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
class Manifest:
    """What the current generation is, made by which recipe, from which state of the library."""

    folder: str
    recipe: Recipe
    revision: int
    papers: int
    chunks: int

    @classmethod
    def read(cls, root: Path) -> Manifest | None:
        """The manifest of the current generation, None before the first one."""
        try:
            data = json.loads((root / _MANIFEST).read_text(encoding="utf-8"))
            return cls(**{**data, "recipe": Recipe(**data["recipe"])})
        except FileNotFoundError:
            return None
        except (ValueError, TypeError, KeyError, OSError) as error:
            raise IndexFailure(
                f"{root / _MANIFEST} cannot be read ({error}). Run: footnoted ingest --rebuild"
            ) from error

    def publish(self, root: Path) -> None:
        """Make this generation the current one: written aside, flushed to disk, renamed."""
        part = root / f"{_MANIFEST}.part"
        with part.open("w", encoding="utf-8") as file:
            json.dump(asdict(self), file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        _sync_tree(root / self.folder)
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


class Index:
    """The current generation, open for reading."""

    def __init__(self, root: Path, manifest: Manifest, stores: Mapping[str, str]) -> None:
        self.manifest = manifest
        self._folder = root / manifest.folder
        self._stores = stores

    @classmethod
    def open(cls, root: Path, recipe: Recipe, stores: Mapping[str, str] | None = None) -> Index:
        """Raises IndexMissing, IndexMismatch, or IndexFailure, each naming the fix."""
        manifest = Manifest.read(root)
        if manifest is None:
            raise IndexMissing("nothing is indexed yet. Run: footnoted ingest SOURCE")
        manifest.check(recipe)
        if not (root / manifest.folder).is_dir():
            raise IndexFailure(
                f"the index folder {root / manifest.folder} is gone. "
                f"Run: footnoted ingest --rebuild"
            )
        return cls(root, manifest, {**STORES, **(stores or {})})

    @cached_property
    def lexical(self) -> LexicalIndex:
        try:
            return LexicalIndex.load(self._folder / "lexical")
        except (OSError, ValueError, KeyError) as error:
            raise IndexFailure(
                f"the lexical index cannot be read ({error}). Run: footnoted ingest --rebuild"
            ) from error

    @cached_property
    def vectors(self) -> VectorStore:
        store = open_store(self.manifest.recipe.store, self._folder, self._stores)
        if store.count() != self.manifest.chunks:
            raise IndexFailure(
                f"the vector index holds {store.count()} of {self.manifest.chunks} chunks. "
                f"Run: footnoted ingest --rebuild"
            )
        return store

    @cached_property
    def chunks_of(self) -> dict[str, list[str]]:
        """Chunk ids by paper id."""
        out: dict[str, list[str]] = {}
        for chunk_id in self.lexical.ids:
            out.setdefault(paper_of(chunk_id), []).append(chunk_id)
        return out

    def close(self) -> None:
        if "vectors" in self.__dict__:
            self.vectors.close()


def paper_of(chunk_id: str) -> str:
    return chunk_id.rpartition("#")[0]


def cut(papers: Iterable[Paper], max_chars: int) -> Iterator[tuple[Chunk, Paper, bytes]]:
    """Each chunk with its paper and the hash of the text that stands for it in the index."""
    for paper in papers:
        for chunk in chunks(paper, max_chars):
            text = context_text(paper.title, chunk)
            yield chunk, paper, hashlib.sha256(text.encode("utf-8", "replace")).digest()


def open_store(name: str, folder: Path, stores: Mapping[str, str]) -> VectorStore:
    store: VectorStore = lookup("store", name, stores)(folder / "vectors")
    return store


def new_folder(root: Path, current: Manifest | None) -> str:
    """A fresh name for a generation; leftovers of killed builds are removed."""
    root.mkdir(parents=True, exist_ok=True)
    for path in root.glob("gen-*"):
        if current is None or path.name != current.folder:
            shutil.rmtree(path, ignore_errors=True)
    number = int(current.folder.removeprefix("gen-")) + 1 if current else 1
    return f"gen-{number:06d}"


def read_chunk_hashes(folder: Path) -> dict[str, str]:
    try:
        data: dict[str, str] = json.loads((folder / _CHUNKS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return data


def write_chunk_hashes(folder: Path, hashes: dict[str, str]) -> None:
    (folder / _CHUNKS).write_text(json.dumps(hashes), encoding="utf-8")


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
