"""An address -> the files it stands for, and the format of each."""

from __future__ import annotations

import glob
from collections.abc import Iterator, Mapping
from pathlib import Path
from stat import S_ISDIR, S_ISREG

from rag.errors import SourceError, SourceNotFound, SourceUnreadable
from rag.sources import _zip
from rag.sources._fields import NONE
from rag.sources._looks import guess_by_look, refine
from rag.sources._open import PARQUET, STDIN, first_bytes, first_text
from rag.sources._unpack import SUFFIXES
from rag.sources.beir import is_beir, is_corpus

_SUFFIXES = {
    ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "json", ".csv": "csv", ".tsv": "tsv",
    ".tab": "tsv", ".bib": "bibtex", ".bibtex": "bibtex", ".biblatex": "bibtex", ".ris": "ris",
    ".nbib": "medline", ".medline": "medline", ".parquet": "parquet", ".atom": "arxiv_atom",
}  # fmt: skip
_BESIDE = frozenset("readme license licence notice changelog contributing authors todo".split())
_PROSE = frozenset({"", ".txt", ".text", ".md"})
_OURS = {*_SUFFIXES.values(), "beir", "hf_page", "hf_html", "pubmed_xml", "rejected", "text"}


def guess_format(address: str, known: str, fields: Mapping[str, str] = NONE) -> str:
    """Guess from the suffix, else from how the file begins; `known` goes into the message."""
    path, mode = Path(address), _mode(address)
    hint = f"Use --format with one of: {known}."
    if S_ISDIR(mode):
        if is_beir(path):
            return "beir"
        raise SourceUnreadable(f"{address} is a folder of no known format. {hint}")
    if mode and not S_ISREG(mode) and address != STDIN:
        raise SourceUnreadable(f"{address} is a pipe, which cannot be looked at first. {hint}")
    if mode and is_corpus(path):
        return "beir"
    by_suffix = _by_suffix(path) if mode or _zip.split(address) else None
    return _refined(address, by_suffix) if by_suffix else _by_look(address, hint, fields)


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


def is_wanted(address: str, format: str | None) -> bool:
    """Whether to read a file that nobody named: a README or a picture is passed over silently."""
    by_suffix = _by_suffix(Path(address))
    found = _refined(address, by_suffix) if by_suffix else _perhaps(address)
    if format is None or found:
        return bool(found) and found == (format or found)
    return format not in _OURS  # only a reader from outside knows what it can read


def leads_out(address: str, folder: str) -> bool:
    """Whether a file of a folder is a link to what its owner never meant to be read with it."""
    path = Path(address)
    inside = Path(folder).is_dir() and path.is_symlink()
    return inside and not path.resolve().is_relative_to(Path(folder).resolve())


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
    return _SUFFIXES.get(_unpacked_name(path).suffix)


def _unpacked_name(path: Path) -> Path:
    name = path.name.lower()
    for suffix in SUFFIXES:
        name = name.removesuffix(suffix)
    return Path(name)


def _refined(address: str, by_suffix: str) -> str:
    """`papers.json` may hold one object a line, and `rejected.jsonl` has a reader of its own."""
    if by_suffix not in ("json", "jsonl"):
        return by_suffix
    try:
        return refine(by_suffix, first_text(address))
    except SourceError:
        return by_suffix  # whose reader says what is wrong


def _by_look(address: str, hint: str, fields: Mapping[str, str] = NONE) -> str:
    if first_bytes(address).startswith(PARQUET):
        return "parquet"
    found = guess_by_look(first_text(address), fields)
    if found is None:
        raise SourceUnreadable(f"{address} is of no format that is known here. {hint}")
    return found


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
        elif entry.is_file() and (_zip.is_zip(str(entry)) or is_wanted(str(entry), format)):
            yield str(entry)


def _perhaps(address: str) -> str | None:
    name = _unpacked_name(Path(address))
    if name.stem in _BESIDE:
        return None
    try:
        found = _by_look(address, "")
    except SourceError:
        return None
    # Any prose has a short paragraph above a long one: not every file of it is meant.
    is_prose = found in ("text", "hf_page") and name.suffix not in _PROSE
    return None if is_prose else found
