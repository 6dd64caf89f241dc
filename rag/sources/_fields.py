"""The names that files give to the fields of a paper -> ours."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from rag.errors import SourceUnreadable

NONE: Mapping[str, str] = MappingProxyType({})
# In order of preference: a record with `abstract` and `text` means its `abstract`.
ALIASES: Mapping[str, tuple[str, ...]] = {
    "title": ("title", "article_title", "paper_title", "document_title", "primary_title"),
    "abstract": (
        "abstract",
        "text",
        "summary",
        "abstract_text",
        "abstracttext",
        "abstract_note",
        "notes_abstract",
    ),
    "authors": ("authors", "author", "author_names", "creators", "creator"),
    "year": (
        "year",
        "publication_year",
        "publicationyear",
        "pub_year",
        "pubyear",
        "date",
        "published",
        "publication_date",
        "publicationdate",
        "issued",
        "publishedat",
        "update_date",
    ),
    "venue": (
        "venue",
        "journal",
        "booktitle",
        "journal_ref",
        "journaltitle",
        "journal_title",
        "source_title",
        "publication_title",
        "container_title",
        "conference",
    ),
    "url": ("url", "link"),
    "categories": ("categories", "keywords", "author_keywords", "subjects", "subject", "fields"),
    "doi": ("doi",),
    "arxiv_id": ("arxiv_id", "arxivid", "arxiv"),
    "pmid": ("pmid", "pubmed_id", "pubmedid"),
    "openalex_id": ("openalex_id", "openalexid", "openalex"),
    "version": ("version",),
    "key": ("citation_key", "citekey", "bibtex_key", "key"),
    "language": ("language", "lang", "langid"),
    "license": ("license", "licence", "rights"),
    "id": ("_id", "doc_id", "id", "paper_id", "paperid"),
}
_MEANING = {
    alias: (field, rank) for field, aliases in ALIASES.items() for rank, alias in enumerate(aliases)
}


def meaning(name: str) -> tuple[str, int] | None:
    """Our field for a name of theirs, and how far down the order of preference it stands."""
    found = _MEANING.get(name)
    return found or _MEANING.get(name.strip().lower().replace(" ", "_").replace("-", "_"))


def known(names: Iterable[str]) -> set[str]:
    """Which of our fields these names cover."""
    return {found[0] for name in names if (found := meaning(name))}


def check_fields(fields: Mapping[str, str]) -> None:
    """Raise SourceUnreadable where a mapping (ours -> theirs) names a field that no paper has."""
    for name in fields:
        if name not in ALIASES:
            raise SourceUnreadable(
                f"no field of a paper is called '{name}'. Use --map with: {', '.join(ALIASES)}."
            )


def pick(record: Mapping[str, object], fields: Mapping[str, str] = NONE) -> dict[str, object]:
    """Take what we know from a record of theirs, the preferred name where several have a value.

    `fields` is as in `mapped`, which goes before.
    """
    best: dict[str, tuple[int, object]] = {}
    for name, value in record.items():
        found = meaning(name)
        if found is None or value is None or value in ("", []):
            continue
        field, rank = found
        if field not in best or rank < best[field][0]:
            best[field] = (rank, value)
    return {field: value for field, (_, value) in best.items()} | mapped(record, fields)


def mapped(record: Mapping[str, object], fields: Mapping[str, str]) -> dict[str, object]:
    """What `fields` (ours -> theirs) names, also inside: `attributes.summary`, `authors.0.name`."""
    return {field: _dig(record, name) for field, name in fields.items()}


def _dig(record: Mapping[str, object], name: str) -> object:
    if name in record:
        return record[name]
    found: object = record
    for part in name.split("."):
        if isinstance(found, Mapping):
            found = found.get(part)
        elif isinstance(found, (list, tuple)) and part.isdecimal() and int(part) < len(found):
            found = found[int(part)]
        elif isinstance(found, (list, tuple)):
            found = [item.get(part) for item in found if isinstance(item, Mapping)]
        else:
            return None
    return found
