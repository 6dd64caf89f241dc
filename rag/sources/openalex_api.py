"""`openalex:QUERY`: the works of OpenAlex, by cursor.

https://developers.openalex.org/guides/page-through-results. With a key a list has no end; without
one the server may refuse cursors (401), and the list is read by page number, up to 10,000 works.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Generator, Iterator
from typing import Any, NamedTuple
from urllib.parse import unquote, unquote_plus

from rag.errors import SourceUnreachable, SourceUnreadable
from rag.sources._failures import Garbled, Refused
from rag.sources._http import Http
from rag.sources._replies import insisting, json_record, number, parse_json
from rag.sources._service import Service, key_of
from rag.sources._shapes import openalex
from rag.sources.live import LiveSource, Page
from rag.types import Record

PATH = "/works"
PAGE = 100
DEEPEST = 10_000  # works by page number
_EMPTY_TRIES = 4
_RESTARTS = 2
_FIELDS = (
    "id,doi,ids,title,display_name,publication_year,publication_date,language,authorships,"
    "primary_location,best_oa_location,locations,topics,abstract_inverted_index"
)
_FILTERS = re.compile(r"[a-z_.]+:[^\s,][^,]*(?:,[a-z_.]+:[^\s,][^,]*)*")
_PARAMS = ("search", "filter", "sort")


class _List(NamedTuple):
    total: int
    works: list[Any]
    next: str


class OpenAlexApi(LiveSource):
    name = "openalex"
    format = "jsonl"

    def service(self) -> Service:
        settings, key = self.settings, self._key
        return Service(
            "OpenAlex", "connectors.openalex_url", settings.openalex_url, settings.openalex_pause,
            settings.mailto, headers={"Authorization": f"Bearer {key}"} if key else {},
            secrets=(key,) if key else (), key_setting="connectors.openalex_key",
            passing=frozenset({403}),  # "slow down", in OpenAlex's own list of errors
            advice={429: "The allowance of the day may be used up: run the same command again "
                    "tomorrow, it goes on where it stopped; or set connectors.openalex_key "
                    "(free at openalex.org/settings/api)."},
        )  # fmt: skip

    def check(self, query: str) -> str:
        """Words to search for, `field:value,field:value`, or `filter=...&search=...&sort=...`."""
        query = query.strip()
        if not query:
            raise SourceUnreadable(
                "openalex: needs words, or filters such as "
                "'openalex:filter=publication_year:2024,topics.id:T10181&search=retrieval'."
            )
        self._asked(query)
        return query

    def pages(self, http: Http, query: str, state: dict[str, Any]) -> Iterator[Page]:
        if "page" not in state:
            refused = yield from self._by_cursor(http, query, state.get("cursor", "*"))
            if not refused:
                return
        yield from self._by_page(http, query, state.get("page", 1))

    @property
    def _key(self) -> str:
        return key_of(self.settings.openalex_key, "OPENALEX_API_KEY")

    @property
    def _size(self) -> int:
        return min(self.settings.page_size or PAGE, 200)

    def _by_cursor(self, http: Http, query: str, at: str) -> Generator[Page, None, bool]:
        """The whole list; True where the server wants no cursor from us."""
        line, restarts = 0, 0
        while at:
            first = at == "*"
            refusals = () if first and self._key else (401,) if first else (400, 401)
            try:
                found = self._ask(http, query, {"cursor": at}, refusals)
            except Refused:
                if first:
                    return True
                # It has expired: what comes again is left out, or unchanged.
                at, restarts = "*", restarts + 1
                if restarts > _RESTARTS:
                    raise SourceUnreachable(
                        "OpenAlex refuses its own cursor again and again. Run the same command "
                        "again later."
                    ) from None
                continue
            if found.next == at:
                raise SourceUnreachable(
                    "OpenAlex sends the same page again. Run the same command again later."
                )
            at = found.next
            yield Page(self._records(found, query, line), {"cursor": at}, found.total)
            line += len(found.works)
        return False

    def _by_page(self, http: Http, query: str, page: int) -> Iterator[Page]:
        size = self._size
        while True:
            found = self._ask(http, query, {"page": str(page)})
            records = self._records(found, query, (page - 1) * size)
            page += 1
            yield Page(records, {"page": page}, found.total)
            if not records or (page - 1) * size >= found.total:
                return
            if page * size > DEEPEST:
                raise SourceUnreachable(
                    f"OpenAlex gives {(page - 1) * size:,} of {found.total:,} works to those "
                    "without a key. Set connectors.openalex_key (free at "
                    "openalex.org/settings/api) and run the same command again."
                )

    def _ask(
        self, http: Http, query: str, place: dict[str, str], handled: Collection[int] = ()
    ) -> _List:
        params = {**self._asked(query), "per_page": str(self._size), "select": _FIELDS, **place}
        if self.settings.mailto:
            params["mailto"] = self.settings.mailto

        def is_empty(found: _List) -> bool:
            return not found.works and bool(found.next)

        empty = "a page without works in the middle of a list"
        return http.get(PATH, params, insisting(_read, is_empty, empty, _EMPTY_TRIES), handled)

    def _asked(self, query: str) -> dict[str, str]:
        """The query as parameters of the address."""
        if re.match(rf"(?:{'|'.join(_PARAMS)})=", query):
            asked = dict(_pair(part) for part in query.split("&"))
        elif _FILTERS.fullmatch(query):
            asked = {"filter": query}
        else:
            asked = {"search": query}
        if unknown := asked.keys() - _PARAMS:
            raise SourceUnreadable(
                f"openalex: '{min(unknown)}=' is not taken here. Use filter=, search= and sort=, "
                "joined by &."
            )
        if self.since:
            since = f"from_publication_date:{self.since.isoformat()}"
            asked["filter"] = ",".join(filter(None, (asked.get("filter"), since)))
        return asked

    def _records(self, found: _List, query: str, line: int) -> list[Record]:
        source = f"openalex:{query}"
        return [
            json_record(work, openalex, source, line + n) for n, work in enumerate(found.works, 1)
        ]


def _pair(part: str) -> tuple[str, str]:
    """`name=value` as in an address; in a filter, a plus is OpenAlex's own "and"."""
    name, _, value = part.partition("=")
    return name, unquote(value) if name == "filter" else unquote_plus(value)


def _read(body: bytes) -> _List:
    reply = parse_json(body)
    if not isinstance(reply, dict):
        raise Garbled("JSON that is no object")
    if "results" not in reply and (said := reply.get("message") or reply.get("error")):
        raise SourceUnreadable(
            f"OpenAlex does not understand the query ({str(said)[:300]}). Mend it; "
            "docs/connectors.md shows how to write one."
        )
    meta, works = reply.get("meta"), reply.get("results")
    if not isinstance(meta, dict) or not isinstance(works, list):
        raise Garbled("JSON without 'meta' and 'results'")
    return _List(number(str(meta.get("count")), "the number of works found"), works,
                 str(meta.get("next_cursor") or ""))  # fmt: skip
