"""Real servers on loopback that answer as arXiv, PubMed, OpenAlex and Hugging Face do.

    with ArxivServer(invented(250)) as server:
        server.faults = {2: status(503), 3: cut}
        ... ConnectorSettings(arxiv_url=server.url, arxiv_pause=0) ...

The nth request meets the nth fault, any other the service. All papers are invented.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from http.server import BaseHTTPRequestHandler
from itertools import islice
from threading import Event
from time import monotonic
from typing import Any
from urllib.parse import parse_qs, urlsplit
from xml.sax.saxutils import escape

from rag.types import Paper
from tests.loopback import Loopback, reset_connection

_THINGS = "moss lanterns tides beetles kites gravel ferns clocks owls bridges".split()


@dataclass(frozen=True)
class Item:
    """An invented paper, as all four services may know it."""

    number: int
    title: str
    abstract: str | None
    day: date

    @property
    def arxiv(self) -> str:
        return f"{self.day:%y%m}.{self.number:05d}"


def invented(count: int, first: int = 1, *, start: date = date(2024, 1, 1)) -> list[Item]:
    """Papers in the order of their submission, oldest first, four a day."""
    return [
        Item(
            n,
            f"On the counting of {_THINGS[n % 10]}, part {n}",
            f"We count {_THINGS[n % 10]} in {n} gardens. We find {n * 3} of them, which is more "
            f"than the {n} that were expected. Rain changes nothing.",
            start + timedelta(days=n // 4),
        )
        for n in range(first, first + count)
    ]


@dataclass(frozen=True)
class Asked:
    """One request: `at` is the time of its arrival, `params` with those of a posted form."""

    method: str
    path: str
    query: str
    params: dict[str, str]
    headers: dict[str, str]
    at: float


class Wire:
    """One connection, seen from a fault."""

    def __init__(self, handler: BaseHTTPRequestHandler, closing: Event, good: Reply) -> None:
        self._handler = handler
        self.closing = closing
        self.good = good

    def send(self, reply: Reply, length: int | None = None) -> None:
        handler = self._handler
        handler.send_response(reply.status)
        handler.send_header("Content-Type", reply.kind)
        handler.send_header("Content-Length", str(len(reply.body) if length is None else length))
        for name, value in reply.headers.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(reply.body)

    def write(self, data: bytes) -> None:
        self._handler.wfile.write(data)

    def reset(self) -> None:
        reset_connection(self._handler)


@dataclass(frozen=True)
class Reply:
    body: bytes
    kind: str = "application/xml"
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


Fault = Callable[[Wire], None]


def status(code: int, body: str = "", kind: str = "text/plain", **headers: str) -> Fault:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda wire: wire.send(Reply(body.encode(), kind, code, named))


def sends(body: str | bytes, kind: str = "text/html") -> Fault:
    data = body.encode() if isinstance(body, str) else body
    return lambda wire: wire.send(Reply(data, kind))


def cut(wire: Wire) -> None:
    """Half of the good reply, then the end of the connection."""
    half = wire.good.body[: len(wire.good.body) // 2]
    wire.send(Reply(half, wire.good.kind), length=len(wire.good.body))


def cut_quietly(wire: Wire) -> None:
    """Half of the good reply, which claims to be whole."""
    wire.send(Reply(wire.good.body[: len(wire.good.body) // 2], wire.good.kind))


def reset(wire: Wire) -> None:
    wire.reset()


def hangs(wire: Wire) -> None:
    wire.closing.wait(30)


def drips(wire: Wire) -> None:
    """A byte now and then, for ever: each read is in time, the reply never is."""
    wire.send(Reply(b" "), length=10**6)
    while not wire.closing.wait(0.05):
        wire.write(b" ")


HTML = sends("<!DOCTYPE html><html><title>Sign in</title><body>Welcome to Hotel Wifi</body></html>")


class LiveServer(Loopback):
    """Keeps what was asked in `asked`; the nth request meets the nth of `faults`."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[Asked] = []
        self.faults: dict[int, Fault] = {}
        self.before: Callable[[int], None] = lambda number: None

    def answer(self, asked: Asked) -> Reply:
        return Reply(b"ok", "text/plain")

    def meet(self, handler: BaseHTTPRequestHandler, body: bytes) -> None:
        url = urlsplit(handler.path)
        params = {
            name: values[0]
            for text in (url.query, body.decode())
            for name, values in parse_qs(text, keep_blank_values=True).items()
        }
        asked = Asked(
            handler.command, url.path, url.query, params, dict(handler.headers), monotonic()
        )
        self.asked.append(asked)
        number = len(self.asked)
        self.before(number)
        wire = Wire(handler, self._closing, self.answer(asked))
        self.faults.get(number, lambda w: w.send(w.good))(wire)


class ArxivServer(LiveServer):
    """`/api/query`, sorted by submission; `entries` may be changed while it runs."""

    deepest = 30_000

    def __init__(self, items: list[Item], pad: int = 0) -> None:
        super().__init__()
        self.items = items
        self.pad = pad  # papers that are counted and never sent

    def answer(self, asked: Asked) -> Reply:
        if asked.path != "/api/query":
            return Reply(b"<html>Not found</html>", "text/html", 404)
        found = self._found(asked.params)
        start = int(asked.params.get("start", 0))
        size = int(asked.params.get("max_results", 10))
        if start + size > self.deepest:
            return Reply(b"too deep", "text/plain", 400)
        entries = "".join(atom_entry(item) for item in found[start : start + size])
        return Reply(atom_feed(entries, len(found) + self.pad, start))

    def _found(self, params: dict[str, str]) -> list[Item]:
        items = sorted(self.items, key=lambda i: (i.day, i.number), reverse=True)
        if "id_list" in params:
            wanted = params["id_list"].split(",")
            return [item for item in items if item.arxiv in wanted]
        window = re.search(r"submittedDate:\[(\d{12}) TO (\d{12})\]", params["search_query"])
        if window:
            low, high = window.groups()
            items = [item for item in items if low <= f"{item.day:%Y%m%d}1000" <= high]
        return items


def atom_feed(entries: str, total: int, start: int = 0) -> bytes:
    return f"""<?xml version='1.0' encoding='UTF-8'?>
<feed xmlns:opensearch="http://a9.com/-/spec/opensearch/1.1/"
    xmlns:arxiv="http://arxiv.org/schemas/atom" xmlns="http://www.w3.org/2005/Atom">
  <id>https://arxiv.org/api/invented</id>
  <title>arXiv Query: search_query=invented</title>
  <updated>2026-11-20T00:00:00Z</updated>
  <link href="https://arxiv.org/api/query?search_query=invented" type="application/atom+xml"/>
  <opensearch:itemsPerPage>100</opensearch:itemsPerPage>
  <opensearch:totalResults>{total}</opensearch:totalResults>
  <opensearch:startIndex>{start}</opensearch:startIndex>
{entries}</feed>
""".encode()


def atom_entry(item: Item) -> str:
    summary = f"<summary>{escape(item.abstract)}</summary>" if item.abstract else "<summary/>"
    return f"""  <entry>
    <id>http://arxiv.org/abs/{item.arxiv}v2</id>
    <title>{escape(item.title)}</title>
    <updated>{item.day.isoformat()}T12:00:00Z</updated>
    <link href="https://arxiv.org/abs/{item.arxiv}v2" rel="alternate" type="text/html"/>
    <link href="https://arxiv.org/pdf/{item.arxiv}v2" rel="related" title="pdf"/>
    {summary}
    <category term="cs.IR" scheme="http://arxiv.org/schemas/atom"/>
    <category term="cs.DL" scheme="http://arxiv.org/schemas/atom"/>
    <published>{item.day.isoformat()}T10:00:00Z</published>
    <arxiv:comment>12 pages, no rain</arxiv:comment>
    <arxiv:primary_category term="cs.IR"/>
    <author><name>Ada Fernweh</name></author>
    <author><name>Bo Tidemark</name></author>
  </entry>
"""


ATOM_ERROR = atom_feed(
    """<entry><id>http://arxiv.org/api/errors#incorrect_id_format_for_17x</id>
    <title>Error</title><summary>incorrect id format for 17x</summary>
    <updated>2026-11-20T00:00:00Z</updated></entry>""",
    1,
)


class PubMedServer(LiveServer):
    """ESearch and EFetch; `most` is the longest answer of the one, `gone` the other leaves out."""

    most = 9_999

    def __init__(self, items: list[Item]) -> None:
        super().__init__()
        self.items = items
        self.gone: set[int] = set()

    def answer(self, asked: Asked) -> Reply:
        if asked.path == "/entrez/eutils/esearch.fcgi":
            return self._search(asked.params)
        if asked.path == "/entrez/eutils/efetch.fcgi":
            wanted = [int(pmid) for pmid in asked.params["id"].split(",")]
            known = {item.number: item for item in self.items}
            found = [known[i] for i in wanted if i in known and i not in self.gone]
            return Reply(pubmed_set("".join(map(pubmed_article, found))))
        return Reply(b"not here", "text/plain", 404)

    def _search(self, params: dict[str, str]) -> Reply:
        ids = [item.number for item in self.items]
        span = re.search(r" AND (\d+):(\d+)\[UID\]$", params["term"])
        if span:
            ids = [i for i in ids if int(span[1]) <= i <= int(span[2])]
        if "mindate" in params:
            days = {item.number: f"{item.day:%Y/%m/%d}" for item in self.items}
            ids = [i for i in ids if days[i] >= params["mindate"]]
        start, size = int(params.get("retstart", 0)), min(int(params["retmax"]), self.most)
        shown = "".join(f"<Id>{i}</Id>\n" for i in ids[::-1][start : start + size])
        body = f"""<?xml version="1.0" encoding="UTF-8" ?>
<!DOCTYPE eSearchResult PUBLIC "-//NLM//DTD esearch 20060628//EN"
    "https://eutils.ncbi.nlm.nih.gov/eutils/dtd/20060628/esearch.dtd">
<eSearchResult><Count>{len(ids)}</Count><RetMax>{size}</RetMax><RetStart>{start}</RetStart><IdList>
{shown}</IdList><TranslationSet/>
<QueryTranslation>"invented"[All Fields]</QueryTranslation>
</eSearchResult>
"""
        return Reply(body.encode(), "text/xml")


def pubmed_set(articles: str) -> bytes:
    return f"""<?xml version="1.0" ?>
<!DOCTYPE PubmedArticleSet PUBLIC "-//NLM//DTD PubMedArticle, 1st January 2025//EN"
    "https://dtd.nlm.nih.gov/ncbi/pubmed/out/pubmed_250101.dtd">
<PubmedArticleSet>{articles}</PubmedArticleSet>""".encode()


def pubmed_article(item: Item) -> str:
    abstract = item.abstract and (
        f'<Abstract><AbstractText Label="BACKGROUND" NlmCategory="BACKGROUND">'
        f"{escape(item.abstract)}</AbstractText></Abstract>"
    )
    return f"""
<PubmedArticle><MedlineCitation Status="MEDLINE" Owner="NLM"><PMID Version="1">{item.number}</PMID>
<Article PubModel="Print"><Journal><JournalIssue CitedMedium="Internet"><PubDate>
<Year>{item.day.year}</Year></PubDate></JournalIssue><Title>Annals of Invented Gardens</Title>
</Journal><ArticleTitle>{escape(item.title)}.</ArticleTitle>{abstract or ""}
<AuthorList CompleteYN="Y"><Author ValidYN="Y"><LastName>Fernweh</LastName><ForeName>Ada</ForeName>
<Initials>A</Initials></Author></AuthorList><Language>eng</Language></Article></MedlineCitation>
<PubmedData><ArticleIdList><ArticleId IdType="pubmed">{item.number}</ArticleId>
<ArticleId IdType="doi">10.5555/garden.{item.number}</ArticleId></ArticleIdList></PubmedData>
</PubmedArticle>"""


class OpenAlexServer(LiveServer):
    """`/works` by cursor, or by page; `expired` cursors are refused, and all where `wants_key`."""

    def __init__(self, items: list[Item], *, wants_key: bool = False) -> None:
        super().__init__()
        self.items = items
        self.wants_key = wants_key
        self.expired: set[str] = set()

    def answer(self, asked: Asked) -> Reply:
        params = asked.params
        if asked.path != "/works":
            return _json({"error": "Not found"}, 404)
        found = self.items[::-1]
        since = re.search(r"from_publication_date:([\d-]+)", params.get("filter", ""))
        if since:
            found = [item for item in found if item.day.isoformat() >= since[1]]
        size, cursor = int(params.get("per_page", 25)), params.get("cursor")
        meta: dict[str, Any] = {"count": len(found), "db_response_time_ms": 9, "per_page": size}
        if cursor is None:
            start = (int(params.get("page", 1)) - 1) * size
        elif self.wants_key and "Authorization" not in asked.headers:
            return _json({"error": "Unauthorized", "message": "Cursor paging wants a key."}, 401)
        elif cursor in self.expired:
            return _json({"error": "Invalid query parameters", "message": "Bad cursor."}, 400)
        else:
            start = 0 if cursor == "*" else int(cursor.removeprefix("at-"))
        part = found[start : start + size]
        if cursor is not None:
            meta["next_cursor"] = f"at-{start + size}" if part else None
        return _json({"meta": meta, "results": [openalex_work(i) for i in part], "group_by": []})


def openalex_work(item: Item) -> dict[str, Any]:
    index: dict[str, list[int]] = {}
    for place, word in enumerate((item.abstract or "").split()):
        index.setdefault(word, []).append(place)
    return {
        "id": f"https://openalex.org/W{4_000_000_000 + item.number}",
        "doi": f"https://doi.org/10.5555/garden.{item.number}",
        "title": item.title,
        "display_name": item.title,
        "publication_year": item.day.year,
        "publication_date": item.day.isoformat(),
        "language": "en",
        "ids": {"openalex": f"https://openalex.org/W{4_000_000_000 + item.number}"},
        "primary_location": {
            "landing_page_url": f"https://doi.org/10.5555/garden.{item.number}",
            "license": "cc-by",
            "source": {"display_name": "Annals of Invented Gardens", "type": "journal"},
        },
        "authorships": [
            {"author_position": "first", "author": {"display_name": "Ada Fernweh"}, "countries": []}
        ],
        "topics": [{"display_name": "Horticulture", "score": 0.9}],
        "abstract_inverted_index": index or None,
    }


class HfServer(LiveServer):
    """`/api/daily_papers` of a day, a week, a month, or the newest."""

    def __init__(self, items: list[Item]) -> None:
        super().__init__()
        self.items = items

    def answer(self, asked: Asked) -> Reply:
        if asked.path != "/api/daily_papers":
            return _json({"error": "Not found"}, 404)
        params, items = asked.params, self.items[::-1]
        if day := params.get("date"):
            items = [item for item in items if item.day.isoformat() == day]
        if week := params.get("week"):
            items = [item for item in items if f"{item.day:%G-W%V}" == week]
        if month := params.get("month"):
            items = [item for item in items if f"{item.day:%Y-%m}" == month]
        size, page = int(params.get("limit", 50)), int(params.get("p", 0))
        return _json([hf_entry(item) for item in items[page * size : (page + 1) * size]])


def hf_entry(item: Item) -> dict[str, Any]:
    return {
        "paper": {
            "id": item.arxiv,
            "authors": [{"_id": "x", "name": "Ada Fernweh", "hidden": False}],
            "publishedAt": f"{item.day.isoformat()}T00:00:00.000Z",
            "title": item.title,
            "summary": item.abstract,
            "upvotes": 7,
        },
        "publishedAt": f"{item.day.isoformat()}T00:00:00.000Z",
        "title": item.title,
        "numComments": 1,
        "isAuthorParticipating": False,
    }


def _json(value: object, code: int = 200) -> Reply:
    return Reply(json.dumps(value).encode(), "application/json", code)


def numbers(records):
    """The numbers of the papers, all of which must be papers."""
    records = list(records)
    assert all(isinstance(record, Paper) for record in records)
    return [int(record.title.rstrip(".").rpartition(" ")[2]) for record in records]


def drained(desk, records, batch=40, kill_at=None):
    """Take records as an ingest does, in batches; a kill loses what was not stored."""
    report, stored = desk.watching(lambda *_: None), []
    stream = desk.counted(records)
    while part := list(islice(stream, batch)):
        if kill_at is not None and len(stored) + len(part) > kill_at:
            return stored
        stored += part
        report("reading", len(stored), None)
    desk.close()
    return stored
