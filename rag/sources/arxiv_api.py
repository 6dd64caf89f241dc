"""`arxiv:QUERY`: arXiv's API, newest submissions first.

https://info.arxiv.org/help/api/user-manual.html. A list that is sorted by submission grows at its
top while it is read: what is pushed down is met twice and given out once, and the new top is read
at the end. A list goes to 30,000 only; what lies deeper is asked for by date of submission.
arXiv now and then sends an empty page in the middle, and the same page in full a moment later.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from rag.errors import SourceUnreachable, SourceUnreadable
from rag.sources._http import Http
from rag.sources._identifiers import arxiv_id
from rag.sources._paper import make_paper, reject
from rag.sources._replies import as_xml, insisting, number, parse_xml
from rag.sources._service import Service
from rag.sources.arxiv_atom import entry_fields
from rag.sources.live import LiveSource, Page
from rag.types import Record

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

PATH = "/api/query"
DEEPEST = 30_000  # records of one list, says the manual
PAGE = 100
EMPTY_TRIES = 4  # of a page that comes empty
_TOP_UPS = 3
_ATOM = "{http://www.w3.org/2005/Atom}"
_TOTAL = "{http://a9.com/-/spec/opensearch/1.1/}totalResults"
_FIRST, _LAST = "199101010000", "209912312359"


class _Feed(NamedTuple):
    total: int
    entries: list[Element]


class ArxivApi(LiveSource):
    name = "arxiv"
    format = "arxiv_atom"

    def service(self) -> Service:
        settings = self.settings
        return Service(
            "arXiv", "connectors.arxiv_url", settings.arxiv_url, settings.arxiv_pause,
            settings.mailto,
        )  # fmt: skip

    def check(self, query: str) -> str:
        if not query.strip():
            raise SourceUnreadable(
                "arxiv: needs a query, such as 'arxiv:cat:cs.IR AND abs:\"dense retrieval\"', "
                "or arXiv ids: arxiv:2401.01234,2401.05678."
            )
        return query.strip()

    def pages(self, http: Http, query: str, state: dict[str, Any]) -> Iterator[Page]:
        where = _Where(**state)
        while not where.done:
            feed = self._feed(http, query, where)
            if not feed.entries and feed.total > where.start:
                if feed.total - where.start >= self._size:
                    raise _stuck(where.start, feed.total)
                yield Page([_short_of(query, where, feed.total)], where.next(feed, self._size))
                return
            records = [
                _record(entry, f"arxiv:{query}", where.base + where.start + number)
                for number, entry in enumerate(feed.entries, 1)
            ]
            total = where.base + feed.total
            where = _Where(**where.next(feed, self._size))
            yield Page(records, where._asdict(), total)

    @property
    def _size(self) -> int:
        return self.settings.page_size or PAGE

    def _feed(self, http: Http, query: str, where: _Where) -> _Feed:
        def is_empty(feed: _Feed) -> bool:
            inside = feed.total > where.start or (where.start > 0 and not feed.total)
            return inside and not feed.entries

        empty = "a page without papers in the middle of a list"
        read = insisting(_read, is_empty, empty, EMPTY_TRIES)
        return http.get(PATH, self._params(query, where), read)

    def _params(self, query: str, where: _Where) -> dict[str, str]:
        paging = {
            "start": str(where.start),
            "max_results": str(min(self._size, DEEPEST - where.start)),
            "sortBy": "submittedDate",
            "sortOrder": "descending",
        }
        ids = query.replace(",", " ").split()
        if all(arxiv_id(name) for name in ids):
            return {"id_list": ",".join(ids), **paging}
        if self.since or where.until:
            first = f"{self.since:%Y%m%d}0000" if self.since else _FIRST
            query = f"({query}) AND submittedDate:[{first} TO {where.until or _LAST}]"
        return {"search_query": query, **paging}


class _Where(NamedTuple):
    """Where in which list: `start` of what was submitted up to `until`, `base` records before.

    `total` is that of the list when it was begun; `end` is set while its new top is read.
    """

    start: int = 0
    until: str = ""
    base: int = 0
    total: int = 0
    end: int | None = None
    top_ups: int = 0
    done: bool = False

    def next(self, feed: _Feed, size: int) -> dict[str, Any]:
        """Where the page after this one begins, as what can be kept."""
        start = self.start + len(feed.entries)
        total = self.total or feed.total
        if feed.entries and start < (feed.total if self.end is None else self.end):
            if start < DEEPEST:
                return self._replace(start=start, total=total)._asdict()
            until = _minute(feed.entries[-1])
            if until and until != self.until:
                deeper = _Where(0, until, self.base + start, total)
                return deeper._asdict()
        grown = feed.total - total
        if grown > 0 and not self.until and self.top_ups < _TOP_UPS:
            return _Where(0, "", 0, feed.total, grown, self.top_ups + 1)._asdict()
        return self._replace(start=start, total=total, done=True)._asdict()


def _read(body: bytes) -> _Feed:
    root = parse_xml(body, "feed")
    entries = root.findall(f"{_ATOM}entry")
    for entry in entries:
        if "/api/errors" in _text(entry, f"{_ATOM}id"):
            said = " ".join(_text(entry, f"{_ATOM}summary").split())[:300]
            raise SourceUnreadable(
                f"arXiv does not understand the query ({said}). Mend it; docs/connectors.md "
                "shows how to write one."
            )
    return _Feed(number(root.findtext(_TOTAL), "the number of papers found"), entries)


def _minute(entry: Element) -> str:
    """`202401021020`, the minute of submission, as the API takes dates."""
    found = re.match(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d)", _text(entry, f"{_ATOM}published"))
    return "".join(found.groups()) if found else ""


def _text(element: Element, path: str) -> str:
    return (element.findtext(path) or "").strip()


def _record(entry: Element, source: str, line: int) -> Record:
    return make_paper(entry_fields(entry), source, line, as_xml(entry))


def _stuck(start: int, total: int) -> SourceUnreachable:
    return SourceUnreachable(
        f"arXiv sends nothing from paper {start + 1} of {total} on, though asked {EMPTY_TRIES} "
        "times. Run the same command again later: it goes on where it stopped."
    )


def _short_of(query: str, where: _Where, total: int) -> Record:
    reason = f"arXiv counts {total} papers, and sends {where.start}"
    return reject(f"arxiv:{query}", where.base + where.start + 1, reason, "")
