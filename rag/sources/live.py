"""Live queries: `arxiv:QUERY` and its like, answered over HTTP page by page.

A connector is one file and one line in `CONNECTORS`. It asks for a page, says what state would
ask for the next one, and leaves the rest to `LiveSource`: what was given out before is left out,
the state is kept once the records are stored, and a failure keeps the cursor for the next run.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Self

from rag.errors import SourceError
from rag.registry import lookup
from rag.sources._desk import Cursor, Desk
from rag.sources._find import exists
from rag.sources._http import Http, Patience
from rag.sources._service import Service
from rag.types import Paper, Record, Rejected, Source

if TYPE_CHECKING:
    from rag.config import ConnectorSettings

__all__ = ["CONNECTORS", "Desk", "Live", "LiveSource", "Page", "open_live"]

CONNECTORS: dict[str, str] = {
    "arxiv": "rag.sources.arxiv_api:ArxivApi",
    "hf": "rag.sources.hf_daily:HfDaily",
    "openalex": "rag.sources.openalex_api:OpenAlexApi",
    "pubmed": "rag.sources.pubmed_api:PubMedApi",
}
_REMEMBERED = 20_000  # papers: what a shifting list repeats, it repeats within a few pages


@dataclass(frozen=True, slots=True)
class Live:
    """What a reader is made with that talks to a server: settings, what is new, and the desk."""

    settings: ConnectorSettings
    since: date | None = None
    desk: Desk = field(default_factory=Desk)


def open_live(address: str, live: Live) -> Iterator[Record] | None:
    """Stream the records of `arxiv:QUERY` and its like; None where the address is no such query.

    Raises SourceUnreadable for a query that cannot be meant; nothing is asked for until the first
    record is wanted.
    """
    name, colon, query = address.partition(":")
    if not colon or name not in CONNECTORS or exists(address):
        return None
    cls = lookup("source", name, CONNECTORS)
    source: Source = cls.from_settings(live.settings, since=live.since, desk=live.desk)
    return source.read(query)


@dataclass(frozen=True, slots=True)
class Page:
    """Records, how many there are in all (None: not told), and the state behind this page."""

    records: Sequence[Record]
    state: dict[str, Any]
    total: int | None = None


class LiveSource(ABC):
    """A query to a server, as a source of papers. Subclasses say whom to ask, and for what."""

    name: ClassVar[str]
    format: ClassVar[str]  # that reads the text of one record again, once it is mended

    def __init__(
        self, settings: ConnectorSettings, since: date | None = None, desk: Desk | None = None
    ) -> None:
        self.settings = settings
        self.since = since
        self._desk = desk or Desk()

    @classmethod
    def from_settings(cls, settings: ConnectorSettings, **resources: Any) -> Self:
        return cls(settings, **resources)

    @abstractmethod
    def service(self) -> Service: ...

    @abstractmethod
    def pages(self, http: Http, query: str, state: dict[str, Any]) -> Iterator[Page]:
        """Ask page by page, from where `state` says ({}: from the beginning)."""

    def check(self, query: str) -> str:
        """The query as it is asked. Raises SourceUnreadable where it cannot be meant."""
        return query.strip()

    def read(self, address: str) -> Iterator[Record]:
        """Stream the records of a query. Raises SourceError; what is stored until then stays."""
        query = self.check(address)
        service = self.service()
        key = {"source": self.name, "query": query, "address": service.address}
        if self.since:
            key["since"] = self.since.isoformat()
        cursor, state = self._desk.open(key)
        return self._read(query, service, cursor, state)

    def _read(
        self, query: str, service: Service, cursor: Cursor, state: dict[str, Any]
    ) -> Iterator[Record]:
        settings, seen = self.settings, _Seen()
        patience = Patience(settings.timeout, settings.patience, settings.retries)
        cursor.began = True
        try:
            with Http(service, patience) as http:
                for page in self.pages(http, query, state):
                    self._desk.expect(cursor, page.total)
                    for record in page.records:
                        if seen.is_new(record):
                            cursor.done += 1
                            yield self._noted(record)
                    self._desk.after(partial(cursor.save, page.state, cursor.done))
        except SourceError:
            cursor.failed = True
            raise
        self._desk.after(cursor.clear)

    def _noted(self, record: Record) -> Record:
        if isinstance(record, Rejected) and not record.format:
            return replace(record, format=self.format)
        return record


class _Seen:
    """The papers given out of late: a list that grows while it is read repeats its records."""

    def __init__(self) -> None:
        self._names: OrderedDict[str, None] = OrderedDict()

    def is_new(self, record: Record) -> bool:
        name = identity(record)
        if not name:
            return True
        new = name not in self._names
        self._names[name] = None
        self._names.move_to_end(name)
        if len(self._names) > _REMEMBERED:
            self._names.popitem(last=False)
        return new


def identity(record: Record) -> str:
    """The id that the server knows a record by, empty where there is none."""
    if not isinstance(record, Paper):
        return ""
    return record.openalex_id or record.pmid or record.arxiv_id or record.doi or record.id
