"""`hf:daily[:DATE]`: the daily papers of Hugging Face.

https://huggingface.co/docs/hub/api#get-apidailypapers. DATE is a day, a week (2026-W47) or a month
(2026-11); without it come the newest 100. The server tells no total, so that there is one only
once the last page of a single list was read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

from rag.errors import SourceUnreadable
from rag.sources._failures import Garbled
from rag.sources._http import Http
from rag.sources._replies import json_record, parse_json
from rag.sources._service import Service
from rag.sources._shapes import hugging_face
from rag.sources.live import LiveSource, Page

PATH = "/api/daily_papers"
PAGE = 100
_USAGE = (
    "Write hf:daily, hf:daily:2026-11-20 (a day), hf:daily:2026-W47 (a week) or hf:daily:2026-11 "
    "(a month)."
)
_SPANS = {"date": r"\d{4}-\d\d-\d\d", "week": r"\d{4}-W\d\d", "month": r"\d{4}-\d\d"}


class HfDaily(LiveSource):
    name = "hf"
    format = "jsonl"

    def service(self) -> Service:
        settings = self.settings
        return Service(
            "Hugging Face", "connectors.hf_url", settings.hf_url, settings.hf_pause, settings.mailto
        )

    def check(self, query: str) -> str:
        kind, _, when = query.strip().partition(":")
        if kind != "daily":
            raise SourceUnreadable(f"hf: knows only the daily papers. {_USAGE}")
        if ":" in query and not _span(when):
            raise SourceUnreadable(f"hf: '{when}' is no day, week or month. {_USAGE}")
        if when and self.since:
            raise SourceUnreadable(
                "hf:daily takes either a date or --since: with --since it reads each day from "
                "then until today."
            )
        return query.strip()

    def pages(self, http: Http, query: str, state: dict[str, Any]) -> Iterator[Page]:
        when = query.partition(":")[2]
        spans = [_span(when)] if not self.since else list(_days(self.since, state.get("date")))
        page, line = int(state.get("page", 0)), 0
        for span in spans:
            more = True
            while more:
                found = self._ask(http, span, page)
                records = [
                    json_record(entry, hugging_face, f"hf:{query}", line + n)
                    for n, entry in enumerate(found, 1)
                ]
                line, page = line + len(found), page + 1
                more = len(found) >= self._size and bool(span)
                total = line if len(spans) == 1 and not more and not state else None
                yield Page(records, {**span, "page": page} if more else _behind(span), total)
            page = 0

    @property
    def _size(self) -> int:
        return min(self.settings.page_size or PAGE, PAGE)

    def _ask(self, http: Http, span: dict[str, str], page: int) -> list[Any]:
        params = {**span, "limit": str(self._size), "p": str(page)}
        return http.get(PATH, params, _read)


def _span(when: str) -> dict[str, str]:
    """`{"date": "2026-11-20"}`, or week or month; {} where it is none of them."""
    for name, pattern in _SPANS.items():
        if re.fullmatch(pattern, when) and (name != "date" or _is_day(when)):
            return {name: when}
    return {}


def _is_day(text: str) -> bool:
    try:
        return bool(date.fromisoformat(text))
    except ValueError:
        return False


def _days(since: date, kept: str | None) -> Iterator[dict[str, str]]:
    day = max(since, date.fromisoformat(kept)) if kept else since
    while day <= datetime.now(UTC).date():
        yield {"date": day.isoformat()}
        day += timedelta(days=1)


def _behind(span: dict[str, str]) -> dict[str, Any]:
    """The state after the last page of a day: the first page of the next."""
    if "date" not in span:
        return {}
    return {"date": (date.fromisoformat(span["date"]) + timedelta(days=1)).isoformat(), "page": 0}


def _read(body: bytes) -> list[Any]:
    reply = parse_json(body)
    if isinstance(reply, dict) and reply.get("error"):
        raise SourceUnreadable(f"Hugging Face says: {str(reply['error'])[:300]}. {_USAGE}")
    if not isinstance(reply, list):
        raise Garbled("JSON that is no list of papers")
    return reply
