"""BEIR: a folder with `corpus.jsonl` (`_id`, `title`, `text`) beside queries and qrels."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from rag.errors import SourceUnreadable
from rag.sources.jsonl import read_objects
from rag.types import Record

_CORPUS = ("corpus.jsonl", "corpus.jsonl.gz")
_BESIDE = ("qrels", "queries.jsonl", "queries.jsonl.gz")


class Beir:
    """Keeps each `_id` as it is, for the qrels refer to it."""

    def read(self, address: str) -> Iterator[Record]:
        return read_objects(_corpus(address), keep_id=True)


def is_beir(folder: Path) -> bool:
    """Whether a folder has the layout of a BEIR dataset."""
    return _has(folder, _CORPUS) and _has(folder, _BESIDE)


def is_corpus(file: Path) -> bool:
    """Whether a file is the corpus of a BEIR dataset."""
    return file.name in _CORPUS and is_beir(file.parent)


def _has(folder: Path, names: tuple[str, ...]) -> bool:
    return any((folder / name).exists() for name in names)


def _corpus(address: str) -> str:
    folder = Path(address)
    if not folder.is_dir():
        return address
    for name in _CORPUS:
        if (folder / name).is_file():
            return str(folder / name)
    raise SourceUnreadable(f"{address} has no corpus.jsonl. Name the folder that holds it.")
