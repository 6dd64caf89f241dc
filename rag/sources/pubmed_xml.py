"""PubMed XML: the parts of a structured abstract keep their labels, `METHODS: We ...`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rag.sources._paper import make_paper, reject
from rag.sources._xml import every, find, read_xml, text_of
from rag.types import Record

_NO_LABEL = ("", "UNLABELLED", "UNASSIGNED")


class PubmedXml:
    def read(self, address: str) -> Iterator[Record]:
        for number, text, node, problem in read_xml(address, "PubmedArticle", "PubmedBookArticle"):
            if problem:
                yield reject(address, number, problem, text)
            else:
                yield make_paper(article_fields(node), address, number, text)


def article_fields(node: Any) -> dict[str, object]:
    """Our fields from a `<PubmedArticle>` or a `<PubmedBookArticle>`."""
    book = find(node, "BookDocument")
    citation = find(node, "MedlineCitation") if book is None else book
    if citation is None:
        return {}
    article = citation if book is not None else find(citation, "Article")
    if article is None:
        return {}
    pmid = text_of(find(citation, "PMID"))
    data = find(node, "PubmedData" if book is None else "PubmedBookData")
    return {
        "title": _title(article),
        "abstract": _abstract(article) or _abstract_of(find(citation, "OtherAbstract")),
        "authors": [_name(author) for author in every(article, "AuthorList", "Author")],
        "year": _year(article),
        "venue": text_of(find(article, "Journal", "Title"))
        or text_of(find(article, "Book", "BookTitle")),
        "url": f"https://pubmed.ncbi.nlm.nih.gov/{pmid}/" if pmid else "",
        "categories": [
            *map(text_of, every(citation, "MeshHeadingList", "MeshHeading", "DescriptorName")),
            *map(text_of, every(citation, "KeywordList", "Keyword")),
        ],
        "doi": _doi(article, data),
        "pmid": pmid,
        "language": text_of(find(article, "Language")),
    }


def _title(article: Any) -> str:
    """A title in brackets was translated."""
    title = text_of(find(article, "ArticleTitle")).strip()
    if not title:
        return text_of(find(article, "VernacularTitle")) or text_of(
            find(article, "Book", "BookTitle")
        )
    inner = title.rstrip(".")
    return inner[1:-1] if inner[:1] + inner[-1:] == "[]" else title


def _abstract(article: Any) -> str:
    return _abstract_of(find(article, "Abstract"))


def _abstract_of(node: Any) -> str:
    if node is None:
        return ""
    parts = []
    for part in every(node, "AbstractText"):
        label = (part.get("Label") or "").strip().rstrip(":")
        text = text_of(part).strip()
        if text:
            parts.append(text if label.upper() in _NO_LABEL else f"{label}: {text}")
    return " ".join(parts)


def _name(author: Any) -> str:
    group = text_of(find(author, "CollectiveName"))
    if group:
        return group
    first = text_of(find(author, "ForeName")) or text_of(find(author, "Initials"))
    parts = (first, text_of(find(author, "LastName")), text_of(find(author, "Suffix")))
    return " ".join(filter(None, parts))


def _year(article: Any) -> str:
    dates = [
        find(article, "Journal", "JournalIssue", "PubDate"),
        find(article, "ArticleDate"),
        find(article, "Book", "PubDate"),
        find(article, "ContributionDate"),
    ]
    for date in dates:
        if date is not None:
            year = text_of(find(date, "Year")) or text_of(find(date, "MedlineDate"))
            if year:
                return year
    return ""


def _doi(article: Any, data: Any) -> str:
    """Not one of the references, which have their DOIs further down."""
    listed = every(data, "ArticleIdList", "ArticleId") if data is not None else []
    own = [text_of(i) for i in listed if i.get("IdType") == "doi"]
    located = [text_of(i) for i in every(article, "ELocationID") if i.get("EIdType") == "doi"]
    return next(iter([*own, *located]), "")
