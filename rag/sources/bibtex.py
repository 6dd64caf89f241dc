"""BibTeX and BibLaTeX, parsed by bibtexparser, one entry at a time.

The file is cut before each line that begins an entry, where bibtexparser too would begin anew after
a broken one; what it passes over (a second entry in the same line) is given to it once more.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from rag.sources._blocks import Block, read_blocks
from rag.sources._identifiers import arxiv_id
from rag.sources._latex import from_latex, without_braces
from rag.sources._paper import make_paper, reject
from rag.types import Record, Rejected

_BEGINS = re.compile(r"[ \t]*@[A-Za-z]+[ \t]*[{(]")
_PASSED_OVER = re.compile(r"@(?!comment|string|preamble)[A-Za-z]+[ \t]*[{(]", re.IGNORECASE)
_AND = re.compile(r"\s+and\s+", re.IGNORECASE)
_BRACED = re.compile(r"\{[^{}]*\}")
_NAMED_PART = re.compile(r"(family|given|prefix|suffix)\s*=\s*(.*)", re.DOTALL)
_MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split()
_FIELDS = {  # ours -> theirs, the better one first
    "title": ("title",),
    "abstract": ("abstract",),
    "year": ("year", "date"),
    "venue": ("journal", "journaltitle", "booktitle", "eventtitle", "series", "school"),
    "url": ("url", "bdsk-url-1", "ee"),
    "categories": ("keywords", "keyword"),
    "doi": ("doi",),
    "arxiv_id": ("arxivid", "arxiv"),
    "pmid": ("pmid", "pubmed"),
    "language": ("langid", "language"),
    "license": ("license", "copyright", "rights"),
}

_ADDRESSES = frozenset({"url", "doi", "arxiv_id", "pmid"})


class Bibtex:
    def read(self, address: str) -> Iterator[Record]:
        strings = {month: month for month in _MONTHS}
        for block in read_blocks(address, _BEGINS.match):
            if block.problem:
                yield reject(address, block.number, block.problem, block.text)
            elif block.begun or _PASSED_OVER.search(block.text):
                yield from _records(block, strings, address)


def _records(block: Block, strings: dict[str, str], source: str) -> Iterator[Record]:
    from bibtexparser.model import (
        DuplicateFieldKeyBlock,
        Entry,
        ImplicitComment,
        ParsingFailedBlock,
        String,
    )

    for found in _split(block.text):
        number = block.number + max(0, found.start_line or 0)
        raw = found.raw or ""
        if isinstance(found, DuplicateFieldKeyBlock):
            yield _doubled(found.ignore_error_block, strings, source, number, raw)
        elif isinstance(found, ParsingFailedBlock):
            yield reject(source, number, f"bad BibTeX: {_reason(found.error)}", block.text)
            return  # what comes after it in this block is the rest of it
        elif isinstance(found, Entry):
            yield _record(_values(found, strings), found.key, source, number, raw)
        elif isinstance(found, String):
            strings[found.key.lower()] = _joined(str(found.value), strings)
        elif isinstance(found, ImplicitComment):
            again = _PASSED_OVER.search(raw)
            if again:
                lines = raw.count("\n", 0, again.start())
                rest = Block(number + lines, raw[again.start() :])
                yield from _records(rest, strings, source)


def _reason(error: Any) -> str:
    said = " ".join(str(getattr(error, "abort_reason", error)).split())[:300]
    return "the entry is never closed" if "end of file" in said else said


def _split(text: str) -> list[Any]:
    from bibtexparser.splitter import Splitter

    with _silenced():
        return list(Splitter(text).split().blocks)


@contextmanager
def _silenced() -> Iterator[None]:
    """It also logs what it returns."""
    logger = logging.getLogger("bibtexparser.splitter")
    before, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = before


def _values(entry: Any, strings: Mapping[str, str]) -> dict[str, str]:
    values: dict[str, str] = {}
    for field in entry.fields:
        values.setdefault(field.key.lower(), _joined(str(field.value), strings))
    return values


def _doubled(entry: Any, strings: Mapping[str, str], source: str, number: int, raw: str) -> Record:
    """Of two values for a field BibTeX takes the first; for these fields that may be the wrong."""
    for name in ("title", "abstract", "doi"):
        values = {str(field.value) for field in entry.fields if field.key.lower() == name}
        if len(values) > 1:
            return reject(source, number, f"the field '{name}' stands there twice", raw)
    return _record(_values(entry, strings), entry.key, source, number, raw)


def _record(values: Mapping[str, str], key: str, source: str, number: int, raw: str) -> Record:
    fields: dict[str, object] = {
        ours: (_address if ours in _ADDRESSES else _plain)(
            next((values[name] for name in theirs if values.get(name)), "")
        )
        for ours, theirs in _FIELDS.items()
    }
    if values.get("subtitle") and fields["title"]:
        fields["title"] = f"{fields['title']}: {_plain(values['subtitle'])}"
    kind = (values.get("archiveprefix") or values.get("eprinttype") or "").lower()
    eprint = values.get("eprint", "")
    if kind == "arxiv" or (not kind and arxiv_id(eprint)):
        fields["arxiv_id"] = eprint
    elif kind in ("pubmed", "pmid"):
        fields["pmid"] = eprint
    fields["authors"] = [_name(name) for name in _authors(values.get("author", "").strip())]
    record = make_paper(fields, source, number, raw)
    used = [f"@string{{{n} = {{{t}}}}}" for n, t in _used(raw, values)]
    return (
        replace(record, head="\n".join(used))
        if isinstance(record, Rejected)
        else replace(record, key=key[:500] or None)
    )


def _used(raw: str, values: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Names of strings in an entry, which it cannot be read again without."""
    for match in re.finditer(r"([\w-]+)\s*=\s*([A-Za-z][\w:.-]*)\s*[,}\n]", raw[:100_000]):
        value = values.get(match[1].lower(), "")
        if match[2].lower() not in _MONTHS and value.lower() != match[2].lower():
            yield match[2], value


def _authors(text: str) -> list[str]:
    """Names are parted by ` and `, but not inside the braces of an organisation's."""
    guarded = _BRACED.sub(lambda braced: _AND.sub("\0", braced.group()), text)
    return [name.replace("\0", " and ") for name in _AND.split(guarded)]


def _name(name: str) -> str:
    """`Byron, Ada` or `family=Byron, given=Ada` -> `Ada Byron`; braces hold an organisation."""
    name = " ".join(name.split())
    if name.lower() == "others":
        return ""
    parts = [part.strip() for part in name.split(",")]
    named = {m[1]: m[2].strip('"') for m in map(_NAMED_PART.fullmatch, parts) if m}
    if "family" in named:  # as BibLaTeX has it, and Zotero writes it for a name with a `von`
        order = ("given", "prefix", "family", "suffix")
        return _plain(" ".join(named[part] for part in order if part in named))
    if name.startswith("{") or len(parts) > 3:
        return _plain(name)
    # last, first; or last, junior, first
    ordered = [parts[-1], *parts[:-1]] if len(parts) > 1 else parts
    return _plain(" ".join(filter(None, ordered)))


def _plain(text: str) -> str:
    return without_braces(from_latex(text)) if text else ""


def _address(text: str) -> str:
    """An address or a DOI, where `--` is no dash and `~` no blank."""
    return re.sub(r"\\url(?=\{)|(?<!\\)[{}]|\\(?=[^A-Za-z])", "", text)


def _joined(value: str, strings: Mapping[str, str]) -> str:
    """`{a} # name # "b"` -> `a`, what the name stands for, and `b`."""
    if "#" not in value:
        return _unwrapped(value, strings)
    parts, depth, quoted, start = [], 0, False, 0
    for at, sign in enumerate(value):
        depth += (sign == "{") - (sign == "}")
        if sign == '"' and depth == 0:
            quoted = not quoted
        elif sign == "#" and depth == 0 and not quoted:
            parts.append(value[start:at])
            start = at + 1
    return "".join(_unwrapped(part.strip(), strings) for part in [*parts, value[start:]])


def _unwrapped(value: str, strings: Mapping[str, str]) -> str:
    if value[:1] + value[-1:] in ("{}", '""') and len(value) > 1:
        return value[1:-1]
    return strings.get(value.lower(), value)
