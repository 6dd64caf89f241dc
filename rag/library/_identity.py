"""When two records are one paper, and what that paper then says. Pure functions.

Identity goes by DOI, then arXiv id, PMID, OpenAlex id; then by the source's own id; then by the
normalised title with the first author's family name and the year.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TypeVar

from rag.types import Paper

T = TypeVar("T")

_ARXIV_DOI = "10.48550/arxiv."
_TELLING = 20  # normalised characters from which on a title alone tells papers apart
_MARKUP = re.compile(r"</?[a-z][\w:]*[^<>]*>|&(?:lt|gt|amp|#\d+);|\\[a-z]{2,}\{|\ufffd", re.I)
_CUT_OFF = re.compile(r"(?:\.\.\.|…|\[truncated\])\s*$")
_NO_VENUE = re.compile(r"\W*(?:arxiv|corr|biorxiv|medrxiv|preprint)\b.*", re.I | re.S)
_LONG = 3000  # characters: what is longer is more than an abstract, not a better one
_CLEARLY = 1.1  # by how much an abstract must be better to displace one that may be quoted


def paper_id(paper: Paper) -> str:
    """The stable id: DOI, else arXiv id, else the source's own id, else the title's hash.

    A DOI that arXiv gave is an arXiv id in other words: with and without it is one paper.
    """
    if paper.doi and not (paper.arxiv_id and paper.doi.startswith(_ARXIV_DOI)):
        return f"doi:{paper.doi}"
    if paper.arxiv_id:
        return f"arxiv:{paper.arxiv_id}"
    if paper.id:
        return paper.id
    if paper.pmid:
        return f"pmid:{paper.pmid}"
    if paper.openalex_id:
        return f"openalex:{paper.openalex_id}"
    return "title:" + title_hash(paper.title)


def normalised_title(title: str) -> str:
    """Letters and digits in lower case, so that punctuation and spacing make no new paper."""
    folded = title.lower() if title.isascii() else _folded(title)
    return re.sub(r"[\W_]+", "", folded) or folded


def _folded(title: str) -> str:
    return unicodedata.normalize("NFKC", title).casefold()


def title_hash(title: str) -> str:
    text = normalised_title(title).encode("utf-8", "surrogatepass")
    return hashlib.sha256(text).hexdigest()[:16]


def identifiers(paper: Paper) -> dict[str, str]:
    """The identifiers that the world agrees on, by kind, the strongest first."""
    found = {
        "doi": None if (paper.doi or "").startswith(_ARXIV_DOI) else paper.doi,
        "arxiv": paper.arxiv_id or _arxiv_of(paper.doi),
        "pmid": paper.pmid,
        "openalex": paper.openalex_id,
    }
    return {kind: value for kind, value in found.items() if value}


def names(paper: Paper) -> list[str]:
    """Everything the paper may be recognised by: `doi:...`, ..., `id:...`, `title:...`."""
    found = [f"{kind}:{value}" for kind, value in identifiers(paper).items()]
    if paper.id and paper.id not in found:
        found.append(f"id:{paper.id}")
    found.append(f"title:{title_hash(paper.title)}")
    return found


def crowd_name(paper: Paper) -> str:
    """What tells a paper from the others where very many have its title: all that it says."""
    said = repr((normalised_title(paper.title), family_name(paper), paper.year, paper.abstract))
    digest = hashlib.sha256(said.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return f"crowd:{digest}"


def contradict(a: Paper, b: Paper) -> bool:
    """Whether both bear an identifier of one kind, and not the same."""
    mine, theirs = identifiers(a), identifiers(b)
    return any(mine[kind] != theirs[kind] for kind in mine.keys() & theirs.keys())


def same_work(a: Paper, b: Paper) -> bool:
    """Whether papers of one normalised title are one: by first author and year.

    Where either is unknown, the title must be telling or the abstracts equal.
    """
    if contradict(a, b):
        return False
    first, second = family_name(a), family_name(b)
    if first and second and first != second:
        return False
    if a.year and b.year and a.year != b.year:
        return False
    known = first and second and a.year and b.year
    return bool(known) or len(normalised_title(a.title)) >= _TELLING or a.abstract == b.abstract


def family_name(paper: Paper) -> str:
    """The first author's, without case and accents; empty where there is none."""
    return family(paper.authors[0]) if paper.authors else ""


def family(name: str) -> str:
    """`curie` for "Marie Curie", "Curie, Marie" and "Curie M"; also for "CURIE M."."""
    before, comma, _ = name.partition(",")
    words = before.split()
    if not comma:
        while len(words) > 1 and _initials(words[-1]):
            words.pop()
        words = words[-1:]
    plain = unicodedata.normalize("NFKD", " ".join(words)).casefold()
    return "".join(c for c in plain if c.isalnum())


def _initials(word: str) -> bool:
    letters = word.replace(".", "").replace("-", "")
    return len(letters) <= 2 and letters.isupper()


def merge(records: Sequence[Paper], name: str) -> Paper:
    """One paper from several records of it, in the order in which they came; `name` is its id.

    The latest version speaks first; the better abstract is kept; gaps are filled by the others.
    """
    latest = max((r.version or 0 for r in records), default=0)
    ranked = sorted(records, key=lambda r: latest - (r.version or latest))
    current = [r for r in ranked if (r.version or latest) == latest]
    lead = ranked[0]
    doi = _first(r.doi for r in ranked if not (r.doi or "").startswith(_ARXIV_DOI))
    return replace(
        lead,
        id=name,
        title=_title(current),
        abstract=_abstract(current),
        authors=max((r.authors for r in current), key=_fullness) or _authors(ranked),
        year=_first(r.year for r in ranked),
        venue=_first(r.venue for r in ranked if not _NO_VENUE.fullmatch(r.venue or ""))
        or _first(r.venue for r in ranked),
        url=_first(r.url for r in ranked),
        categories=tuple(dict.fromkeys(c for r in ranked for c in r.categories)),
        doi=doi or _first(r.doi for r in ranked),
        arxiv_id=_first(r.arxiv_id for r in ranked),
        pmid=_first(r.pmid for r in ranked),
        openalex_id=_first(r.openalex_id for r in ranked),
        version=_first(r.version for r in ranked),
        key=_first(r.key for r in records),
        language=_first(r.language for r in ranked),
        license=_first(r.license for r in ranked),
        raw="",
    )


def worth(abstract: str) -> float:
    """How good an abstract is, next to another of the same paper: longer and cleaner."""
    length = float(min(len(abstract), _LONG))
    if _CUT_OFF.search(abstract):
        length *= 0.5
    if _MARKUP.search(abstract):
        length *= 0.7
    return length


def _abstract(records: Sequence[Paper]) -> str:
    best = records[0].abstract
    for record in records[1:]:
        if worth(record.abstract) > _CLEARLY * worth(best):
            best = record.abstract
    return best


def _title(records: Sequence[Paper]) -> str:
    return next((r.title for r in records if not r.title.isupper()), records[0].title)


def _authors(records: Sequence[Paper]) -> tuple[str, ...]:
    return next((r.authors for r in records if r.authors), ())


def _fullness(authors: Sequence[str]) -> tuple[int, int]:
    """More authors, then names written out rather than as initials."""
    return len(authors), sum(len(word) > 2 for name in authors for word in name.split())


def _first(values: Iterable[T | None]) -> T | None:
    return next((value for value in values if value), None)


def _arxiv_of(doi: str | None) -> str | None:
    return doi.removeprefix(_ARXIV_DOI) if doi and doi.startswith(_ARXIV_DOI) else None
