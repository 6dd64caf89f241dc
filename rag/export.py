"""Papers -> a file that other programs read: BibTeX, RIS, JSONL or CSV, one piece a paper.

What the readers of `rag.sources` make of it are the same papers again.
"""

from __future__ import annotations

import csv
import io
import json
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields
from typing import Any, NamedTuple

from rag._kinds import Kind
from rag.errors import ConfigError
from rag.types import Paper

_COLUMNS = tuple(f.name for f in fields(Paper) if f.name != "raw")
_BAD_IN_KEY = re.compile(r"[^\w:.+/-]+")
_MATH = re.compile(r"(?<!\\)\$[^$\s](?:[^$]{0,298}[^$\s\\])?\$(?!\d)")
_WORD = re.compile(r"[a-z0-9]{3,}")
_DULL = frozenset(
    "and for from into its not our the their this towards toward using via with".split()
)
_MEETING = re.compile(r"\b(?:proc(?:eedings|\.)?|conference|workshop|symposium)\b", re.IGNORECASE)
_INITIALS = re.compile(r"(?:[A-Z]\.?-?){1,3}")
_LATEX = {
    "\\": r"\textbackslash{}", "{": r"\textbraceleft{}", "}": r"\textbraceright{}",
    "$": r"\$", "&": r"\&", "%": r"\%", "#": r"\#", "_": r"\_",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
}  # fmt: skip
_ESCAPE = str.maketrans(_LATEX)
_HYPHENS = re.compile(r"-(?=-)")  # two of them would be printed, and read, as a dash


class About(NamedTuple):
    """What is known of papers, by their ids, that is no part of them."""

    same_as: Mapping[str, Iterable[str]]
    kinds: Mapping[str, Kind]


def write(
    papers: Iterable[Paper],
    format: str,
    same_as: Mapping[str, Iterable[str]] | None = None,
    kinds: Mapping[str, Kind] | None = None,
) -> Iterator[str]:
    """Text of the export in pieces, each ended by a line feed.

    `same_as` holds the other ids of papers that are one work with another; JSONL tells them.
    `kinds` holds what the sources of papers said that they are; BibTeX and RIS tell it, and go by
    the venue where it is not known. Raises ConfigError for a format that is not in FORMATS.
    """
    if format not in FORMATS:
        known = ", ".join(FORMATS)
        raise ConfigError(f"no export is called '{format}'. Use --format with one of: {known}.")
    return FORMATS[format](papers, About(same_as or {}, kinds or {}))


def citation_keys(papers: Iterable[Paper]) -> Iterator[tuple[str, Paper]]:
    """Each paper with its key: the user's own where it can be one, else `byron2021sparse`.

    No two are alike, not even but for case, which BibTeX does not tell apart.
    """
    used: set[str] = set()
    for paper in papers:
        wanted = key = _BAD_IN_KEY.sub("", paper.key or "") or _made_key(paper)
        number = 1
        while key.casefold() in used:
            number += 1
            key = f"{wanted}-{number}"
        used.add(key.casefold())
        yield key, paper


def _made_key(paper: Paper) -> str:
    name = paper.authors[0] if paper.authors else ""
    family = name.partition(",")[0] if "," in name else _split_name(name)[0]
    words = [w for w in _WORD.findall(_plain(paper.title)) if w not in _DULL]
    parts = ("".join(_WORD.findall(_plain(family))), str(paper.year or ""), *words[:1])
    return "".join(parts) or "paper"


def _plain(text: str) -> str:
    """Letters without accents, in lower case."""
    return unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()


def _bibtex(papers: Iterable[Paper], about: About) -> Iterator[str]:
    for key, paper in citation_keys(papers):
        kind = _kind(paper, about)
        values = {
            "title": "{" + _latex(paper.title) + "}",  # keeps its capitals in every style
            "author": " and ".join(map(_bibtex_name, paper.authors)),
            "year": str(paper.year or ""),
            kind.venue_field: _latex(paper.venue or ""),
            "doi": paper.doi,
            "eprint": paper.arxiv_id,
            "archiveprefix": "arXiv" if paper.arxiv_id else "",
            "pmid": paper.pmid,
            "url": _bare(paper.url or ""),
            "keywords": _latex(", ".join(paper.categories)),
            "langid": _latex(paper.language or ""),
            "license": _latex(paper.license or ""),
            "abstract": _latex(paper.abstract),
        }
        lines = [f"  {name} = {{{value}}}" for name, value in values.items() if value]
        yield "@%s{%s,\n%s\n}\n\n" % (kind.bibtex, key, ",\n".join(lines))  # noqa: UP031 - braces


def _kind(paper: Paper, about: About) -> Kind:
    """What its source said that it is; else what its venue tells."""
    given = about.kinds.get(paper.id)
    if given and not (given.is_weak and (paper.venue or given.bibtex == "misc")):
        return given
    if not paper.venue:
        return Kind("misc", "UNPB" if paper.arxiv_id else "GEN")
    if _MEETING.search(paper.venue):
        return Kind("inproceedings", "CPAPER")
    return Kind("article", "JOUR")


def _latex(text: str) -> str:
    """Escaped for LaTeX, apart from whole formulas, which are LaTeX already."""
    text = " ".join(text.split())
    out, end = [], 0
    for match in _MATH.finditer(text):
        if _balanced(match.group()):
            out += [_escaped(text[end : match.start()]), match.group()]
            end = match.end()
    return "".join([*out, _escaped(text[end:])])


def _escaped(text: str) -> str:
    return _HYPHENS.sub("-{}", text.translate(_ESCAPE))


def _balanced(text: str) -> bool:
    """Whether its braces match; also escaped ones, which BibTeX counts like any other."""
    depth = 0
    for sign in text:
        depth += (sign == "{") - (sign == "}")
        if depth < 0:
            return False
    return depth == 0


def _bare(url: str) -> str:
    """An address as it is, unless it would end the field."""
    return "" if "{" in url or "}" in url else " ".join(url.split())


def _bibtex_name(name: str) -> str:
    escaped = _latex(name)
    return f"{{{escaped}}}" if " and " in f" {name.casefold()} " else escaped


def _ris(papers: Iterable[Paper], about: About) -> Iterator[str]:
    for key, paper in citation_keys(papers):
        kind = _kind(paper, about)
        lines = [
            ("TY", kind.ris),
            ("ID", key),
            ("TI", paper.title),
            *(("AU", _ris_name(name)) for name in paper.authors),
            ("PY", str(paper.year or "")),
            (kind.venue_tag, paper.venue or ""),
            ("AB", paper.abstract),
            ("DO", paper.doi or ""),
            ("UR", paper.url or ""),
            ("UR", f"https://arxiv.org/abs/{paper.arxiv_id}" if paper.arxiv_id else ""),
            ("AN", paper.pmid or ""),
            ("DB", "PubMed" if paper.pmid else ""),
            *(("KW", category) for category in paper.categories),
            ("LA", paper.language or ""),
        ]
        kept = dict.fromkeys((tag, " ".join(value.split())) for tag, value in lines)
        yield "".join(f"{tag}  - {value}\n" for tag, value in kept if value) + "ER  - \n\n"


def _ris_name(name: str) -> str:
    family, given = _split_name(name)
    return f"{family}, {given}" if given and "," not in name else name


def _split_name(name: str) -> tuple[str, str]:
    """Family and given names; what ends in initials ("Curie M") is left whole."""
    words = name.split()
    if len(words) < 2 or _INITIALS.fullmatch(words[-1]):
        return name, ""
    return words[-1], " ".join(words[:-1])


def _jsonl(papers: Iterable[Paper], about: About) -> Iterator[str]:
    for paper in papers:
        values: dict[str, Any] = {name: getattr(paper, name) for name in _COLUMNS}
        values["same_as"] = list(about.same_as.get(paper.id, ()))
        kept = {name: v for name, v in values.items() if v not in (None, (), [], "")}
        yield json.dumps(kept, ensure_ascii=False) + "\n"


def _csv(papers: Iterable[Paper], _: About) -> Iterator[str]:
    yield _csv_line(_COLUMNS)
    for paper in papers:
        yield _csv_line([_cell(getattr(paper, name)) for name in _COLUMNS])


def _csv_line(values: Iterable[str]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerow(values)
    return buffer.getvalue()


def _cell(value: object) -> str:
    if isinstance(value, tuple):
        return "; ".join(value)
    return "" if value is None else str(value)


FORMATS: dict[str, Callable[[Iterable[Paper], About], Iterator[str]]] = {
    "bibtex": _bibtex,
    "ris": _ris,
    "jsonl": _jsonl,
    "csv": _csv,
}
