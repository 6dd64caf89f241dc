"""The names that files give to the fields of a paper -> ours."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

# In order of preference: a record with `abstract` and `text` means its `abstract`.
ALIASES: Mapping[str, tuple[str, ...]] = {
    "title": ("title",),
    "abstract": ("abstract", "text", "summary", "abstract_text", "abstract_note"),
    "authors": ("authors", "author"),
    "year": (
        "year",
        "publication_year",
        "date",
        "published",
        "publication_date",
        "publishedat",
        "update_date",
    ),
    "venue": (
        "venue",
        "journal",
        "booktitle",
        "journal_ref",
        "publication_title",
        "conference",
    ),
    "url": ("url", "link"),
    "categories": ("categories", "keywords", "subjects", "fields"),
    "doi": ("doi",),
    "arxiv_id": ("arxiv_id", "arxivid", "arxiv"),
    "id": ("_id", "doc_id", "id", "paper_id", "paperid"),
}
_MEANING = {
    alias: (field, rank) for field, aliases in ALIASES.items() for rank, alias in enumerate(aliases)
}


def meaning(name: str) -> tuple[str, int] | None:
    """Our field for a name of theirs, and how far down the order of preference it stands."""
    return _MEANING.get(name.strip().lower().replace(" ", "_").replace("-", "_"))


def known(names: Iterable[str]) -> set[str]:
    """Which of our fields these names cover."""
    return {found[0] for name in names if (found := meaning(name))}


def pick(record: Mapping[str, object]) -> dict[str, object]:
    """Take what we know from a record of theirs, the preferred name where several have a value."""
    best: dict[str, tuple[int, object]] = {}
    for name, value in record.items():
        found = meaning(name)
        if found is None or value is None or value in ("", []):
            continue
        field, rank = found
        if field not in best or rank < best[field][0]:
            best[field] = (rank, value)
    return {field: value for field, (_, value) in best.items()}
