"""The hashes of an index's files, written when it is published and compared when it is doubted."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

_FILE = "sums.json"
# Chroma writes to these also when it is only read: its database is checked by SQLite itself, and
# of the lengths its search makes no use.
_LIVING = ("chroma.sqlite3", "length.bin")


def seal(folder: Path) -> None:
    """Write the SHA-256 of every file of a finished index into it."""
    sums = {name: _sha256(path) for name, path in _files(folder)}
    (folder / _FILE).write_text(json.dumps(sums, indent=1), encoding="utf-8")


def broken(folder: Path) -> list[str]:
    """Files that are not as they were sealed, or are gone; an index without a seal has none."""
    try:
        sums: dict[str, str] = json.loads((folder / _FILE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return []
    except (OSError, ValueError):
        return [_FILE]
    sealed = {name: folder / name for name in sums if not _is_living(folder / name)}
    return [n for n, path in sealed.items() if not path.is_file() or _sha256(path) != sums[n]]


def _files(folder: Path) -> Iterator[tuple[str, Path]]:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name != _FILE and not _is_living(path):
            yield path.relative_to(folder).as_posix(), path


def _is_living(path: Path) -> bool:
    """Whether the file changes when the index is only read.

    So does, of an index of fewer vectors than Chroma writes at a time, all of the graph: it is made
    anew from the database each time it is opened, and lies there without its names.
    """
    if path.name.startswith(_LIVING):
        return True
    beside = path.parent
    return (beside / "header.bin").is_file() and not (beside / "index_metadata.pickle").is_file()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
