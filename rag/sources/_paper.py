"""Fields as a file gives them -> a `Paper`, or a `Rejected` that says in plain words why not."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from rag.sources._identifiers import (
    arxiv_id,
    arxiv_version,
    arxiv_year,
    doi,
    openalex_id,
    pmid,
    web_address,
)
from rag.sources._languages import language
from rag.sources._text import clean, is_rubbish
from rag.sources._tidy import tidy, tidy_abstract
from rag.types import Paper, Record, Rejected

MAX_ABSTRACT = 50_000
MAX_TITLE = 2_000
MAX_RAW = 100_000  # characters: what is longer is cut, and cannot be read again
_MAX_VALUE = 500  # a name, venue or address that is longer is something else
# Letters of ASCII between single blanks, and no sign of markup or LaTeX: most names are such.
_CLEAN = re.compile(r"[!-#%'-;=?-\[\]-_a-~]+(?: [!-#%'-;=?-\[\]-_a-~]+)*")
_VERSION = re.compile(r"v?([1-9][0-9]{0,2})")
_YEAR = re.compile(r"(?<![0-9])(1[5-9][0-9]{2}|20[0-9]{2}|2100)(?=(?:[0-9]{4})?(?![0-9]))")


class _Unfit(Exception):
    """Why these fields make no paper."""


def reject(source: str, line: int, reason: str, raw: str) -> Rejected:
    """Build a `Rejected`; its raw text is cut, for it may be a file's worth."""
    return Rejected(source, line, reason, raw[:MAX_RAW])


def make_paper(
    fields: Mapping[str, object], source: str, line: int, raw: str, *, keep_id: bool = False
) -> Record:
    """Clean and check the fields of one record, named as in `Paper`.

    An `id` that is a DOI or an arXiv id becomes `doi` or `arxiv_id`, any other stays. With
    `keep_id` it stays in any case, because another file refers to it.
    """
    try:
        title = _title(fields.get("title"))
        abstract = _abstract(fields.get("abstract"))
    except _Unfit as unfit:
        return reject(source, line, str(unfit), raw)
    url = _value(fields.get("url"))
    foreign = _value(fields.get("id"))
    own_doi = doi(_value(fields.get("doi"))) or doi(foreign)
    own_arxiv, version = _first_arxiv(_value(fields.get("arxiv_id")), foreign, own_doi or "", url)
    version = _version(fields.get("version")) or version
    named_openalex = openalex_id(_value(fields.get("openalex_id")) or foreign)
    named = doi(foreign) or arxiv_id(foreign) or named_openalex == foreign.rpartition("/")[2]
    return Paper(
        title=title,
        abstract=abstract,
        id=foreign if keep_id or not named else "",
        authors=_authors(fields.get("authors")),
        year=_year(fields.get("year")) or arxiv_year(own_arxiv),
        venue=_value(fields.get("venue"), tidy) or None,
        url=web_address(url),
        categories=_categories(fields.get("categories")),
        doi=own_doi,
        arxiv_id=own_arxiv,
        openalex_id=named_openalex,
        version=version,
        raw=raw[:MAX_RAW],
        **_more(fields),
    )


def _more(fields: Mapping[str, object]) -> dict[str, Any]:
    """What few sources give; hardly any time is spent on it where they do not."""
    found = {name: make(fields[name]) for name, make in _RARE.items() if name in fields}
    return {name: value for name, value in found.items() if value}


def _first_arxiv(*places: str) -> tuple[str, int | None] | tuple[None, None]:
    found = (arxiv_version(place) for place in places if place)
    return next(filter(None, found), (None, None))


def _optional(make: Callable[[str], str | None]) -> Callable[[object], str | None]:
    return lambda value: make(_value(value))


def _version(value: object) -> int | None:
    match = _VERSION.fullmatch(_value(value)) if value else None
    return int(match[1]) if match else None


def _title(value: object) -> str:
    title = tidy(_bounded(_as_text(value, "title"), "title", MAX_TITLE))
    if not title:
        raise _Unfit("no title")
    if is_rubbish(title):
        raise _Unfit("the title is not readable text. Save the file as UTF-8")
    return title


def _abstract(value: object) -> str:
    abstract = tidy_abstract(_bounded(_as_text(value, "abstract"), "abstract", MAX_ABSTRACT))
    if not abstract:
        raise _Unfit("no abstract")
    if is_rubbish(abstract):
        raise _Unfit("the abstract is not readable text. Save the file as UTF-8")
    if not any(map(str.isalpha, abstract)):
        raise _Unfit("no words in the abstract")
    return abstract


def _bounded(text: str, name: str, limit: int) -> str:
    """Checked before cleaning, which should not have to work on megabytes."""
    if len(text) > limit and len(text := " ".join(text.split())) > limit:
        raise _Unfit(f"{name} of {len(text):,} characters; the limit is {limit:,}")
    return text


def _as_text(value: object, name: str) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, (list, tuple)) and all(isinstance(part, str) for part in value):
        return " ".join(value)
    raise _Unfit(f"the {name} is not text")


def _value(value: object, make: Callable[[str], str] = clean) -> str:
    """A short optional field as clean text, empty where there is none."""
    if isinstance(value, (list, tuple)) and value:
        value = value[0]
    if isinstance(value, str):
        if len(value) <= _MAX_VALUE and _CLEAN.fullmatch(value):
            return value
        text = value
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        text = str(value)
    else:
        return ""
    return make(text) if len(text) <= _MAX_VALUE else ""


def _values(parts: Iterable[object]) -> tuple[str, ...]:
    return tuple(text for part in parts if (text := _value(part, tidy)))


def _authors(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        return _values(_split_names(value))
    if isinstance(value, Mapping):
        value = [value]
    if isinstance(value, (list, tuple)):
        return _values(_name(part) for part in value)
    return ()


def _name(author: object) -> object:
    """A name, also from `{"name": ...}`, `{"first": ..., "last": ...}` or arXiv's three parts."""
    if isinstance(author, str):
        return author
    if isinstance(author, (list, tuple)):
        parts = [_value(part) for part in author[:3]]
        return " ".join(filter(None, [*parts[1:2], *parts[:1], *parts[2:]]))
    if not isinstance(author, Mapping):
        return author
    first = author.get("first") or author.get("given")
    last = author.get("last") or author.get("family")
    return author.get("name") or author.get("literal") or f"{_value(first)} {_value(last)}"


def _split_names(text: str) -> list[str]:
    if ";" in text:
        return text.split(";")
    parts = " ".join(text.split()).replace(", and ", " and ").split(" and ")
    names = [name.strip() for part in parts for name in part.split(",")]
    # "Ada Byron, Alan Turing and Grace Hopper" is a list, "Byron, Ada and Turing, Alan" is not.
    listed = len(names) > 2 and all(" " in name for name in names)
    return names if listed else parts


def _categories(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        value = re.split(r"[;,]", value) if re.search(r"[;,]", value) else value.split()
    return tuple(dict.fromkeys(_values(value))) if isinstance(value, (list, tuple)) else ()


def _year(value: object) -> int | None:
    while isinstance(value, (list, tuple, Mapping)) and value:  # {"date-parts": [[2020, 5]]}
        if isinstance(value, Mapping):
            value = value.get("date-parts") or value.get("year") or value.get("raw")
        else:
            value = value[0]
    match = _YEAR.search(_value(value))
    return int(match[1]) if match else None


_RARE: Mapping[str, Callable[[object], str | int | None]] = {
    "pmid": _optional(pmid),
    "key": _value,
    "language": _optional(language),
    "license": _value,
}
