"""BEIR: a folder with `corpus.jsonl` (`_id`, `title`, `text`) beside queries and qrels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from rag.errors import SourceUnreadable
from rag.sources._unpack import SUFFIXES
from rag.sources.jsonl import read_objects
from rag.types import Record

_CORPUS = ("corpus.jsonl", *(f"corpus.jsonl{suffix}" for suffix in SUFFIXES))
_BESIDE = ("qrels", "queries.jsonl", *(f"queries.jsonl{suffix}" for suffix in SUFFIXES))


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


def corpora_in(names: Sequence[str]) -> list[str]:
    """Those of these files that are the corpus of a BEIR dataset, which comes as a .zip."""
    found = set(names)
    pairs = ((name, name.rpartition("/")[0]) for name in names if name.endswith("/corpus.jsonl"))
    return [name for name, folder in pairs if f"{folder}/queries.jsonl" in found]


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
