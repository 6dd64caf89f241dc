"""Records as the big collections give them (arXiv, OpenAlex, Semantic Scholar, ...) -> our fields.

A record is known by its keys, so that it is understood wherever it lies: a line, an array, the
answer of a server, a row of a Parquet file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from rag.sources._fields import NONE, mapped, pick

Fields = dict[str, object]


def fields_of(record: Mapping[str, Any], fields: Mapping[str, str] = NONE) -> Fields:
    """Our fields from a record of any known shape; `fields` (ours -> theirs) go before."""
    convert = next((convert for key, convert in _SHAPES.items() if key in record), None)
    if convert is None:
        return pick(record, fields)
    if not fields:
        return convert(record)
    # A record of one's own may have a key of such a shape: what only the names tell counts too.
    shaped = {name: value for name, value in convert(record).items() if value}
    return pick(record) | shaped | mapped(record, fields)


def openalex(work: Mapping[str, Any]) -> Fields:
    """A work of OpenAlex, its abstract put back in order."""
    where = _dict(work.get("primary_location"))
    best = _dict(work.get("best_oa_location"))
    places = [where, best, *filter(_is_dict, _list(work.get("locations")))]
    pages = [str(place.get("landing_page_url") or "") for place in places]
    return {
        "title": work.get("title") or work.get("display_name"),
        "abstract": put_back(work.get("abstract_inverted_index")) or work.get("abstract"),
        "authors": _names(work.get("authorships"), "author", "display_name"),
        "year": work.get("publication_year") or work.get("publication_date"),
        "venue": _dict(where.get("source")).get("display_name"),
        "url": pages[0] or work.get("doi") or work.get("id"),
        "categories": _names(work.get("topics") or work.get("concepts"), "display_name"),
        "doi": work.get("doi"),
        "arxiv_id": next((page for page in pages if "arxiv.org/" in page), None),
        "pmid": _dict(work.get("ids")).get("pmid"),
        "openalex_id": work.get("id"),
        "language": work.get("language"),
        "license": where.get("license") or best.get("license"),
    }


def put_back(index: object) -> str:
    """The text of an inverted index, `{"word": [places]}`."""
    if not isinstance(index, Mapping):
        return ""
    places = [
        (int(place), str(word))
        for word, found in index.items()
        for place in _list(found)
        if str(place).isdecimal() and len(str(place)) < 10
    ]
    return " ".join(word for _, word in sorted(places, key=lambda pair: pair[0]))


def semantic_scholar(paper: Mapping[str, Any]) -> Fields:
    """A paper of Semantic Scholar, from its API or its data sets."""
    low = {str(name).lower(): value for name, value in paper.items()}
    names = {str(k).lower(): v for k, v in _dict(low.get("externalids")).items()}
    return {
        "title": low.get("title"),
        "abstract": low.get("abstract"),
        "authors": _names(low.get("authors"), "name"),
        "year": low.get("year") or low.get("publicationdate"),
        "venue": low.get("venue") or _dict(low.get("journal")).get("name"),
        "url": low.get("url"),
        "categories": low.get("fieldsofstudy") or _names(low.get("s2fieldsofstudy"), "category"),
        "doi": names.get("doi"),
        "arxiv_id": names.get("arxiv"),
        "pmid": names.get("pubmed"),
        "license": _dict(low.get("openaccesspdf")).get("license"),
        "id": _named("s2:", low.get("paperid") or low.get("corpusid") or names.get("corpusid")),
    }


def arxiv_snapshot(record: Mapping[str, Any]) -> Fields:
    """A record of arXiv's metadata snapshot: versions, and names in three parts."""
    versions = [v for v in _list(record.get("versions")) if isinstance(v, Mapping)]
    return {
        "title": record.get("title"),
        "abstract": record.get("abstract"),
        "authors": [
            n[:3] if isinstance(n, list) else n for n in _list(record.get("authors_parsed"))
        ]
        or record.get("authors"),
        "year": versions[0].get("created") if versions else record.get("update_date"),
        "venue": record.get("journal-ref"),
        "url": _named("https://arxiv.org/abs/", record.get("id")),
        "categories": record.get("categories"),
        "doi": record.get("doi"),
        "arxiv_id": record.get("id"),
        "version": versions[-1].get("version") if versions else None,
        "license": record.get("license"),
    }


def hugging_face(record: Mapping[str, Any]) -> Fields:
    """An entry of Hugging Face's daily papers, which holds the paper inside."""
    paper = record.get("paper")
    if not isinstance(paper, Mapping):
        return pick(record)
    return {
        "title": paper.get("title") or record.get("title"),
        "abstract": paper.get("summary") or paper.get("abstract") or record.get("summary"),
        "authors": _names(paper.get("authors"), "name"),
        "year": paper.get("publishedAt") or record.get("publishedAt"),
        "url": _named("https://huggingface.co/papers/", paper.get("id")),
        "categories": paper.get("ai_keywords"),
        "arxiv_id": paper.get("id"),
    }


def _named(prefix: str, name: object) -> str:
    return f"{prefix}{name}" if name else ""


def _names(items: object, *path: str) -> list[object]:
    found = []
    for item in _list(items):
        for key in path:
            item = item.get(key) if isinstance(item, Mapping) else None  # noqa: PLW2901
        if item:
            found.append(item)
    return found


def _dict(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _is_dict(value: object) -> bool:
    return isinstance(value, Mapping)


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


# The key that gives each shape away.
_SHAPES: dict[str, Callable[[Mapping[str, Any]], Fields]] = {
    "abstract_inverted_index": openalex,
    "authorships": openalex,
    "externalIds": semantic_scholar,
    "externalids": semantic_scholar,
    "authors_parsed": arxiv_snapshot,
    "paper": hugging_face,
}

# What else of a record these shapes are made of.
KEYS = frozenset(
    {*_SHAPES, "display_name", "primary_location", "best_oa_location", "locations", "topics"}
    | {"concepts", "ids", "journal", "fieldsOfStudy", "s2FieldsOfStudy", "corpusId", "versions"}
    | {"paperId", "openAccessPdf", "publicationDate", "corpusid", "s2fieldsofstudy"}
)
