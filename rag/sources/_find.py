"""An address -> the files it stands for, and the format of each."""

from __future__ import annotations

import glob
from collections.abc import Iterator
from pathlib import Path
from stat import S_ISDIR, S_ISREG

from rag.errors import SourceError, SourceNotFound, SourceUnreadable
from rag.sources._open import STDIN, first_text
from rag.sources.beir import is_beir, is_corpus
from rag.sources.delimited import Csv, Tsv, sniff
from rag.sources.hf_page import looks_like_page

_SUFFIXES = {".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv", ".tsv": "tsv", ".tab": "tsv"}
_OURS = {*_SUFFIXES.values(), "beir", "hf_page"}


def guess_format(address: str, known: str) -> str:
    """Guess from the suffix, else from how the file begins; `known` goes into the message."""
    path, mode = Path(address), _mode(address)
    hint = f"Use --format with one of: {known}."
    if S_ISDIR(mode):
        if is_beir(path):
            return "beir"
        raise SourceUnreadable(f"{address} is a folder of no known format. {hint}")
    if mode and not S_ISREG(mode) and address != STDIN:
        raise SourceUnreadable(f"{address} is a pipe, which cannot be looked at first. {hint}")
    by_suffix = _by_suffix(path)
    if not (mode and by_suffix):
        return _by_look(address, hint)
    return "beir" if is_corpus(path) else by_suffix


def expand(address: str, format: str | None) -> list[str] | None:
    """List the files of a folder or glob, sorted. None: the address stands for itself alone."""
    path, mode = Path(address), _mode(address)
    if S_ISDIR(mode) and not _is_dataset(path, format):
        found = list(_in_folder(path, format))
    elif not mode and glob.has_magic(address):
        found = list(_matches(address, format))
        if format and not found:
            return None  # perhaps a query, with a star in it, to the reader of that name
    else:
        return None
    if not found:
        raise SourceNotFound(
            f"no such file: nothing to read in {address}. Check the path, or give --format."
        )
    unique: dict[Path, str] = {}
    for file in found:
        unique.setdefault(Path(file).resolve(), file)  # `**` follows links, also in circles
    return list(unique.values())


def exists(address: str) -> bool:
    """Whether there is a file, folder or pipe of that name."""
    return _mode(address) != 0


def _is_dataset(folder: Path, format: str | None) -> bool:
    return format == "beir" or (format is None and is_beir(folder))


def _mode(address: str) -> int:
    try:
        return Path(address).stat().st_mode
    except (OSError, ValueError):
        return 0


def _by_suffix(path: Path) -> str | None:
    return _SUFFIXES.get(Path(path.name.lower().removesuffix(".gz")).suffix)


def _by_look(address: str, hint: str) -> str:
    text = first_text(address).lstrip("\ufeff \t\r\n").replace("\r\n", "\n").replace("\r", "\n")
    header = text.partition("\n")[0]
    if text.startswith("{"):
        return "jsonl"
    if text.startswith("["):
        raise SourceUnreadable(
            f"{address} is one JSON array. Write one object a line: jq -c '.[]' FILE > FILE.jsonl"
        )
    for name, delimiters in (("tsv", Tsv.delimiters), ("csv", Csv.delimiters)):
        if sniff(header, delimiters):
            return name
    if looks_like_page(text):
        return "hf_page"
    raise SourceUnreadable(f"{address} is of no format that is known here. {hint}")


def _matches(pattern: str, format: str | None) -> Iterator[str]:
    for name in sorted(glob.glob(pattern, recursive=True)):  # noqa: PTH207 - takes any path
        if Path(name).is_dir():
            yield from _in_folder(Path(name), format)
        else:
            yield name


def _in_folder(folder: Path, format: str | None) -> Iterator[str]:
    if _is_dataset(folder, format):
        yield str(folder)
        return
    for entry in sorted(folder.iterdir()):
        if entry.name.startswith("."):
            continue
        if entry.is_dir() and not entry.is_symlink():  # a link may lead in circles
            yield from _in_folder(entry, format)
        elif entry.is_file() and _is_wanted(entry, format):
            yield str(entry)


def _is_wanted(file: Path, format: str | None) -> bool:
    """A README or a picture beside the papers is passed over without a word."""
    found = _by_suffix(file) or _perhaps(file)
    if format is None or found:
        return bool(found) and found == (format or found)
    return format not in _OURS  # only a reader from outside knows what it can read


def _perhaps(file: Path) -> str | None:
    try:
        return _by_look(str(file), "")
    except SourceError:
        return None
