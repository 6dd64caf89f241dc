"""The values that flow through Footnoted. Frozen, plain, and free of how they are stored.

A `Paper` comes out of a source, is cut into `Chunk`s, is found again as a `Hit`, and is quoted
by a `Citation` of an `Answer`. Every span is a pair of character offsets into
`Paper.abstract` as stored: `paper.abstract[start:end]` is the quoted text, always.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Protocol

Verdict = Literal["supported", "partial", "unsupported", "contradicted"]
RefusalKind = Literal["not_in_collection", "not_stated", "empty_collection", "backend_failed"]
Mode = Literal["hybrid", "dense", "lexical"]
Policy = Literal["flag", "drop", "keep"]


@dataclass(frozen=True, slots=True)
class Paper:
    """A paper as a source gives it; `id` is empty until the library has named it.

    `version` is that of the arXiv record, `key` the user's own citation key, `language` an ISO 639
    code, `license` a name or address. `raw` is the record as it stood in the source; the library
    keeps it, and leaves it out of what it gives back.
    """

    title: str
    abstract: str
    id: str = ""
    authors: tuple[str, ...] = ()
    year: int | None = None
    venue: str | None = None
    url: str | None = None
    categories: tuple[str, ...] = ()
    doi: str | None = None
    arxiv_id: str | None = None
    pmid: str | None = None
    openalex_id: str | None = None
    version: int | None = None
    key: str | None = None
    language: str | None = None
    license: str | None = None
    raw: str = field(default="", compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Rejected:
    """A record that could not be taken: where it stood (lines count from 1), why, and its text.

    What is left is for reading `raw` again once it is mended: its format, what must stand before
    it (the header of a CSV), and which of its fields (theirs) the user mapped to ours.
    """

    source: str
    line: int
    reason: str
    raw: str
    format: str = ""
    head: str = ""
    fields: tuple[tuple[str, str], ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """A line of `rejected.jsonl`; what is empty of how to read it again is left out."""
        again = ("format", "head", "fields")
        return {k: v for k, v in asdict(self).items() if v or k not in again}


Record = Paper | Rejected


@dataclass(frozen=True, slots=True)
class Chunk:
    """Whole sentences of one abstract: `text == abstract[start:end]`."""

    id: str
    paper_id: str
    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Filters:
    """Which papers may be found. Text matches ignore case and accents.

    `year` is inclusive, None is open.
    """

    year: tuple[int | None, int | None] | None = None
    venue: str | None = None
    author: str | None = None
    category: str | None = None

    def __bool__(self) -> bool:
        return any((self.year, self.venue, self.author, self.category))


@dataclass(frozen=True, slots=True)
class Hit:
    """A paper found for a question, by its best chunk. Scores are higher for better.

    `score` orders the hits (in [0, 1]); `dense` is the cosine similarity, `lexical` the BM25
    score of the abstract, None where it has no vector or shares no word. `same_as` are the ids
    under which the same work is in the collection too, as preprint or published version.
    """

    rank: int
    score: float
    paper: Paper
    chunk: Chunk
    dense: float | None = None
    lexical: float | None = None
    same_as: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """As in `search --json`; `same_as` only where there is something to say."""
        same_as = {"same_as": list(self.same_as)} if self.same_as else {}
        return {
            "rank": self.rank,
            "score": round(self.score, 6),
            "paper_id": self.paper.id,
            "title": self.paper.title,
            "year": self.paper.year,
            "chunk_id": self.chunk.id,
            "text": self.chunk.text,
            "start": self.chunk.start,
            "end": self.chunk.end,
            **same_as,
        }


@dataclass(frozen=True, slots=True)
class Message:
    """One message to a backend. `sources` are the hits that `content` numbers from 1."""

    role: Literal["system", "user", "assistant"]
    content: str
    question: str = ""
    sources: tuple[Hit, ...] = ()


@dataclass(frozen=True, slots=True)
class Citation:
    """A footnote: `quote == abstract[start:end]` of the paper `paper_id`."""

    marker: int
    paper_id: str
    title: str
    authors: tuple[str, ...]
    year: int | None
    venue: str | None
    url: str | None
    quote: str
    start: int
    end: int
    score: float


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence of an answer, without markers, and the verdict on it (score in [0, 1]).

    `against` are the footnotes of other papers that say the opposite of a supported sentence.
    `lead` stands before the text and is no part of it: the title of its paper, "Yes" or "No".
    """

    text: str
    citations: tuple[int, ...]
    verdict: Verdict
    score: float
    against: tuple[int, ...] = ()
    lead: str = ""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why there is no answer, in words for the person who asked."""

    kind: RefusalKind
    message: str
    paper_id: str | None = None

    def to_dict(self) -> dict[str, str]:
        return {k: v for k, v in asdict(self).items() if v is not None}


LISTED = 1.0
"""The score of a paper that is listed because it is what was asked for, as "papers by Lee"."""


@dataclass(frozen=True, slots=True)
class Nearest:
    """A paper that was close, for a reader whose question was refused."""

    paper_id: str
    title: str
    score: float


@dataclass(frozen=True, slots=True)
class Answer:
    """What `ask` returns. `text` carries the markers `[n]`; `seconds` are wall-clock."""

    id: str
    question: str
    standalone_question: str
    text: str
    sentences: tuple[Sentence, ...] = ()
    citations: tuple[Citation, ...] = ()
    refusal: Refusal | None = None
    nearest: tuple[Nearest, ...] = ()
    backend: str = ""
    model: str | None = None
    truncated: bool = False
    seconds: dict[str, float] = field(default_factory=dict)
    tokens: dict[str, int] = field(default_factory=dict)
    prompt: str = ""  # content hash of the template that asked for it

    @property
    def refused(self) -> bool:
        return self.refusal is not None

    def to_dict(self) -> dict[str, Any]:
        """The JSON object of `ask --json`; the order of keys is part of the format."""
        return {
            "id": self.id,
            "question": self.question,
            "standalone_question": self.standalone_question,
            "text": self.text,
            "refused": self.refused,
            "refusal": self.refusal.to_dict() if self.refusal else None,
            "sentences": [
                {**asdict(s), "citations": list(s.citations), "against": list(s.against)}
                for s in self.sentences
            ],
            "citations": [{**asdict(c), "authors": list(c.authors)} for c in self.citations],
            "nearest": [asdict(n) for n in self.nearest],
            "backend": self.backend,
            "model": self.model,
            "truncated": self.truncated,
            "seconds": self.seconds,
            "tokens": self.tokens,
            "prompt": self.prompt,
        }


@dataclass(frozen=True, slots=True)
class Event:
    """One step of an answer in the making.

    `value` is list[Hit] for "retrieval", str for "token", Sentence for "verdict", Answer for
    "answer", which comes last and once.
    """

    kind: Literal["retrieval", "token", "verdict", "answer"]
    value: Any


@dataclass(frozen=True, slots=True)
class IngestReport:
    """What became of each record seen: the four counts add up to the records.

    `removed` are papers that `--prune` took out, for they were gone from their source.
    """

    ingested: int = 0
    unchanged: int = 0
    replaced: int = 0
    rejected: int = 0
    removed: int = 0

    @property
    def seen(self) -> int:
        return self.ingested + self.unchanged + self.replaced + self.rejected

    def __str__(self) -> str:
        return (
            f"{self.ingested} ingested, {self.unchanged} unchanged, "
            f"{self.replaced} replaced, {self.rejected} rejected"
        )


class Source(Protocol):
    """Reads one address (a path or a query) as a stream, never whole."""

    def read(self, address: str) -> Iterator[Record]:
        """Yield each record in order. Raises SourceError only where nothing can be read at all."""
        ...


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens read and written, as whoever wrote the answer counted them; 0 where nobody did."""

    prompt: int = 0
    completion: int = 0


class Backend(Protocol):
    """Writes an answer. Yields text as it arrives; raises BackendError, and nothing else.

    A generator may return a `Usage`. A backend may have `window` (tokens that its model can hold,
    or None) and `count(text)` (how many tokens a text is): sources are then left out until all
    fits. `writes = False` says that it only quotes, and needs no prompt.
    """

    def complete(self, messages: Sequence[Message]) -> Iterator[str]: ...


__all__ = [
    "Answer",
    "Backend",
    "Chunk",
    "Citation",
    "Event",
    "Filters",
    "Hit",
    "IngestReport",
    "Message",
    "Mode",
    "Nearest",
    "Paper",
    "Policy",
    "Record",
    "Refusal",
    "RefusalKind",
    "Rejected",
    "Sentence",
    "Source",
    "Usage",
    "Verdict",
]
