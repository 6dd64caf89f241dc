"""`pubmed:QUERY`: NCBI's E-utilities, highest PMID (about the newest) first.

https://www.ncbi.nlm.nih.gov/books/NBK25499/. ESearch names the PMIDs, EFetch gives the records, so
that one which EFetch leaves out is noticed. ESearch names 9,999 at most: a longer answer is cut
into ranges of PMIDs, which, unlike days, can be halved until they fit. A PMID once read is never
asked for again, so that the cursor is two numbers and no history on the server can expire.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from rag.errors import SourceUnreadable
from rag.sources._failures import Garbled
from rag.sources._http import Http
from rag.sources._paper import make_paper, reject
from rag.sources._replies import as_xml, insisting, number, parse_xml
from rag.sources._service import Service, key_of
from rag.sources.live import LiveSource, Page
from rag.sources.pubmed_xml import article_fields
from rag.types import Record

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

SEARCH, FETCH = "/entrez/eutils/esearch.fcgi", "/entrez/eutils/efetch.fcgi"
MOST = 9_999  # PMIDs in one answer of ESearch
HIGHEST = 99_999_999
_ALL = range(1, HIGHEST + 1)
PAGE = 200
PAUSE, PAUSE_WITH_KEY = 0.34, 0.1  # three requests a second, ten with a key
_MISSING_TRIES = 2


class _Found(NamedTuple):
    total: int
    ids: list[int]


class _Done(NamedTuple):
    """Every PMID of the answer from `low` to `high` is behind us."""

    low: int
    high: int


class PubMedApi(LiveSource):
    name = "pubmed"
    format = "pubmed_xml"

    def service(self) -> Service:
        settings = self.settings
        key = key_of(settings.ncbi_key, "NCBI_API_KEY")
        pause = settings.pubmed_pause
        if pause is None:
            pause = PAUSE_WITH_KEY if key else PAUSE
        return Service(
            "PubMed", "connectors.pubmed_url", settings.pubmed_url, pause, settings.mailto,
            form={"api_key": key} if key else {}, secrets=(key,) if key else (),
            key_setting="connectors.ncbi_key",
            advice={429: "Run the same command again: it goes on where it stopped. With a key "
                    "(connectors.ncbi_key, free at ncbi.nlm.nih.gov/account) it may ask more."},
        )  # fmt: skip

    def check(self, query: str) -> str:
        if not query.strip():
            raise SourceUnreadable(
                "pubmed: needs a query as PubMed takes it, such as "
                "'pubmed:crispr[Title] AND 2024[dp]'."
            )
        return query.strip()

    def pages(self, http: Http, query: str, state: dict[str, Any]) -> Iterator[Page]:
        whole = self._search(http, query, _ALL)
        done = _Done(**state) if state else None
        ids = self._wanted(http, query, whole, done)
        line = 0
        while batch := list(islice(ids, self.settings.page_size or PAGE)):
            records = self._fetch(http, query, batch, line)
            line += len(batch)
            known = [*batch, *(done or ())]
            done = _Done(min(known), max(known))
            yield Page(records, done._asdict(), whole.total)

    def _wanted(self, http: Http, query: str, whole: _Found, done: _Done | None) -> Iterator[int]:
        """First down to the end; then what is new since, upwards, so that no gap is ever left."""
        low, high = done or (HIGHEST + 1, HIGHEST)
        yield from self._ids(http, query, _ALL, whole, range(1, low))
        yield from sorted(self._ids(http, query, _ALL, whole, range(high + 1, HIGHEST + 1)))

    def _ids(
        self, http: Http, query: str, span: range, found: _Found, wanted: range
    ) -> Iterator[int]:
        """The PMIDs of a span that are wanted, the highest first."""
        if found.total <= MOST or len(span) == 1:
            yield from (pmid for pmid in sorted(found.ids, reverse=True) if pmid in wanted)
            return
        middle = (span.start + span.stop) // 2
        for half in (range(middle, span.stop), range(span.start, middle)):
            if max(half.start, wanted.start) < min(half.stop, wanted.stop):
                inside = self._search(http, query, half)
                yield from self._ids(http, query, half, inside, wanted)

    def _search(self, http: Http, query: str, span: range) -> _Found:
        term = query if span == _ALL else f"({query}) AND {span.start}:{span.stop - 1}[UID]"
        params = {"db": "pubmed", "retmode": "xml", "retmax": str(MOST), "term": term}
        params.update(self._who())
        if self.since:
            params |= {"datetype": "edat", "mindate": f"{self.since:%Y/%m/%d}", "maxdate": "3000"}
        ids: dict[int, None] = {}
        while True:
            place = {**params, "retstart": str(len(ids))}
            found = http.get(SEARCH, place, _read_search)
            new = found.ids and not ids.keys() >= set(found.ids)
            ids.update(dict.fromkeys(found.ids))
            if found.total > MOST or len(ids) >= found.total or not new:
                return _Found(found.total, list(ids))

    def _fetch(self, http: Http, query: str, ids: list[int], line: int) -> list[Record]:
        params = {"db": "pubmed", "retmode": "xml", "id": ",".join(map(str, ids))}

        def misses_some(found: dict[int, Element]) -> bool:
            return not found.keys() >= set(ids)

        fewer = "fewer records than were asked for"
        read = insisting(_read_articles, misses_some, fewer, _MISSING_TRIES)
        found = http.get(FETCH, {**params, **self._who()}, read)
        source = f"pubmed:{query}"
        return [
            _record(found[pmid], source, line + n)
            if pmid in found
            else reject(source, line + n, f"PubMed names PMID {pmid} and has no record", "")
            for n, pmid in enumerate(ids, 1)
        ]

    def _who(self) -> dict[str, str]:
        """NCBI wants to know which program asks, and whom to write to before it blocks one."""
        mail = self.settings.mailto
        return {"tool": "footnoted", **({"email": mail} if mail else {})}


def _read_search(body: bytes) -> _Found:
    root = parse_xml(body, "eSearchResult")
    error = root.findtext("ERROR")
    if error and root.find("Count") is None:
        raise Garbled(f"an error ({' '.join(error.split())[:200]})")
    ids = [number(e.text, "PMIDs") for e in root.findall("IdList/Id")]
    return _Found(number(root.findtext("Count"), "the number of papers found"), ids)


def _read_articles(body: bytes) -> dict[int, Element]:
    root = parse_xml(body, "PubmedArticleSet")
    found = {}
    for element in root:
        pmid = element.findtext("MedlineCitation/PMID") or element.findtext("BookDocument/PMID")
        if pmid and pmid.strip().isdecimal():
            found[int(pmid)] = element
    return found


def _record(article: Element, source: str, line: int) -> Record:
    return make_paper(article_fields(article), source, line, as_xml(article))
