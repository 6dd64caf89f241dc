"""Papers as rows and as small packed records, there and back."""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
import zlib
from collections.abc import Sequence
from typing import Any

from rag.types import Paper

COLUMNS = (
    "id, title, abstract, authors, year, venue, url, categories, doi, arxiv_id, pmid, "
    "openalex_id, version, key, language, license"
)
MARKS = ", ".join("?" * len(COLUMNS.split(", ")))
_SETTING = ", ".join(f"{column} = ?" for column in COLUMNS.split(", "))
UPDATE = f"UPDATE papers SET {_SETTING}, sum = ?, updated_at = ? WHERE number = ?"
FOLDING = 2  # of what `facets` keeps: raise it when `fold` gives other text
# Accents on Latin, Greek and Cyrillic letters; the marks of other scripts make another letter.
_ACCENTS = re.compile("[\u0300-\u036f]+")
_STROKES = str.maketrans(  # letters that Unicode does not take apart
    {"ø": "o", "ł": "l", "đ": "d", "ð": "d", "ħ": "h", "ı": "i", "æ": "ae", "œ": "oe", "þ": "th"}
)
_encode = json.JSONEncoder(ensure_ascii=False).encode  # made once: making it takes longest


def row_of(paper: Paper) -> tuple[Any, ...]:
    """The values of COLUMNS."""
    return (
        paper.id, paper.title, paper.abstract, _encode(paper.authors),
        paper.year, paper.venue, paper.url, _encode(paper.categories),
        paper.doi, paper.arxiv_id, paper.pmid, paper.openalex_id, paper.version, paper.key,
        paper.language, paper.license,
    )  # fmt: skip


def summed(row: Sequence[Any]) -> tuple[Any, ...]:
    """A row and its checksum: SQLite has none, and would give a flipped bit out as text."""
    return (*row, checksum(row))


def checksum(row: Sequence[Any]) -> int:
    return zlib.crc32(repr(tuple(row)).encode("utf-8", "surrogatepass"))


def paper_of(row: Sequence[Any]) -> Paper:
    """A paper from the values of COLUMNS."""
    return Paper(
        id=row[0], title=row[1], abstract=row[2], authors=tuple(json.loads(row[3])), year=row[4],
        venue=row[5], url=row[6], categories=tuple(json.loads(row[7])), doi=row[8],
        arxiv_id=row[9], pmid=row[10], openalex_id=row[11], version=row[12], key=row[13],
        language=row[14], license=row[15],
    )  # fmt: skip


def facets(paper: Paper) -> tuple[Any, ...]:
    """What filters look at: year, and venue, categories and authors folded, one a line."""
    return (
        paper.year,
        fold(paper.venue) if paper.venue is not None else None,
        "\n".join(map(fold, paper.categories)),
        "\n".join(map(fold, paper.authors)),
    )


def fold(text: str) -> str:
    """Letters without case and accents: "muller" of "Müller", "sorensen" of "Sørensen".

    Text that is nothing but accents keeps them: an empty text would be found in every other.
    """
    cased = fold_case(text)
    if cased.isascii():
        return cased
    apart = unicodedata.normalize("NFKD", cased).casefold()  # signs may hold capitals: "㎏", "ᴭ"
    plain = _ACCENTS.sub("", apart).translate(_STROKES)
    return unicodedata.normalize("NFKC", plain) or cased


def fold_case(text: str) -> str:
    """Letters without their case; no NUL, at which SQLite's functions stop reading."""
    return text.casefold().replace("\x00", " ")


def record_hash(row: Sequence[Any]) -> int:
    """64 bits over every field but the raw text, as SQLite's signed integer."""
    text = repr(row)
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


def content_hash(paper: Paper) -> str:
    """Hash of all that a reader sees of a paper."""
    parts = (
        paper.title, paper.abstract, paper.authors, paper.year, paper.venue, paper.url,
        paper.categories,
    )  # fmt: skip
    text = json.dumps(parts, ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def pack(paper: Paper) -> bytes:
    """All fields of a record but the raw text, compressed."""
    return squeeze(_encode(row_of(paper)))


def unpack(data: bytes) -> Paper:
    return paper_of(json.loads(unsqueeze(data)))


def squeeze(text: str) -> bytes:
    return zlib.compress(text.encode("utf-8", "surrogatepass"), 1)


def beginning(data: bytes) -> str:
    """What the first bytes of a squeezed text hold of it."""
    try:
        return zlib.decompressobj().decompress(data).decode("utf-8", "ignore")
    except zlib.error:
        return ""


def storable_text(text: str) -> str:
    """Text without lone surrogates, which no database takes."""
    return text.encode("utf-8", "replace").decode()


def unsqueeze(data: bytes) -> str:
    return zlib.decompress(data).decode("utf-8", "surrogatepass")
