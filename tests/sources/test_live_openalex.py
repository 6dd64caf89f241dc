"""`openalex:QUERY` against a real server: cursors, keys, and queries of three kinds."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from rag.config import ConnectorSettings
from rag.errors import SourceUnreachable, SourceUnreadable
from rag.sources import openalex_api
from rag.sources._desk import Desk
from rag.sources.live import Live, open_live
from rag.types import Rejected
from tests.live_servers import (
    HTML,
    OpenAlexServer,
    cut,
    cut_quietly,
    drained,
    invented,
    numbers,
    sends,
    status,
)

KEY = "openalex-key-nobody-may-see"
EMPTY = sends('{"meta": {"count": 250, "next_cursor": "at-200"}, "results": []}')


@pytest.fixture
def server():
    with OpenAlexServer(invented(250)) as running:
        yield running


def read(server, query="moss", desk=None, since=None, **settings):
    values = {"openalex_url": server.url, "openalex_pause": 0.0, **settings}
    return open_live(f"openalex:{query}", Live(ConnectorSettings(**values), since, desk or Desk()))


def test_every_work_comes_once(server):
    records = list(read(server, mailto="ada@example.org"))
    assert numbers(records) == list(range(250, 0, -1))
    assert [a.params["cursor"] for a in server.asked] == ["*", "at-100", "at-200", "at-300"]
    first = server.asked[0].params
    assert (first["search"], first["per_page"], first["mailto"]) == (
        "moss",
        "100",
        "ada@example.org",
    )
    paper, item = records[0], server.items[-1]
    assert paper.abstract == item.abstract
    assert (paper.openalex_id, paper.doi) == ("W4000000250", "10.5555/garden.250")
    assert (paper.language, paper.license) == ("en", "cc-by")


@pytest.mark.parametrize(
    ("query", "asked"),
    [
        ("moss in wet forests", {"search": "moss in wet forests"}),
        ("what is C: a language?", {"search": "what is C: a language?"}),
        ("publication_year:2024", {"filter": "publication_year:2024"}),
        ("topics.id:T1,is_oa:true", {"filter": "topics.id:T1,is_oa:true"}),
        ("filter=type:article&search=moss+clock&sort=cited_by_count:desc",
         {"filter": "type:article", "search": "moss clock", "sort": "cited_by_count:desc"}),
        ("search=a%26b", {"search": "a&b"}),
        ("filter=country:fr+gb", {"filter": "country:fr+gb"}),
    ],
)  # fmt: skip
def test_words_filters_and_parameters(server, query, asked):
    server.items = []
    list(read(server, query))
    found = server.asked[0].params
    assert {name: found[name] for name in ("search", "filter", "sort") if name in found} == asked


def test_since_joins_the_filters(server):
    records = list(read(server, "filter=type:article", since=date(2024, 2, 20)))
    assert server.asked[0].params["filter"] == "type:article,from_publication_date:2024-02-20"
    assert numbers(records) == [n for n in range(250, 0, -1) if n // 4 >= 50]


@pytest.mark.parametrize(
    "fault", [status(429), status(403), status(503), cut, cut_quietly, HTML, EMPTY, sends("[]")]
)
def test_a_page_that_fails_twice_is_read_the_third_time(server, fault):
    server.faults = {2: fault, 3: fault}
    assert numbers(read(server)) == list(range(250, 0, -1))


def test_works_without_an_abstract_are_rejected(server):
    server.items[9] = replace(server.items[9], abstract=None)
    records = list(read(server))
    assert len(records) == 250
    [bad] = [record for record in records if isinstance(record, Rejected)]
    assert (bad.line, bad.reason) == (241, "no abstract")


@pytest.mark.parametrize("kill_at", [40, 120, 249])
def test_a_killed_run_goes_on_where_it_stopped(server, tmp_path, kill_at):
    first = Desk(tmp_path)
    stored = drained(first, read(server, desk=first, page_size=50), kill_at=kill_at)
    server.asked.clear()
    second = Desk(tmp_path)
    rest = drained(second, read(server, desk=second, page_size=50))
    assert set(numbers([*stored, *rest])) == set(range(1, 251))
    assert len(stored) + len(rest) - 250 < 50
    assert server.asked[0].params["cursor"] == (
        f"at-{len(stored) // 50 * 50}" if stored[49:] else "*"
    )


def test_a_cursor_that_is_refused_starts_the_list_anew(server, tmp_path):
    first = Desk(tmp_path)
    stored = drained(first, read(server, desk=first), kill_at=120)
    server.expired = {"at-100"}
    server.before = lambda number: server.expired.clear() if number > 4 else None
    second = Desk(tmp_path)
    rest = drained(second, read(server, desk=second))
    assert len(stored) == 120
    assert numbers(rest) == list(range(250, 0, -1))


def test_a_cursor_that_expires_while_it_is_read_repeats_nothing(server):
    server.faults = {3: status(400, '{"message": "cursor expired"}')}
    assert numbers(read(server)) == list(range(250, 0, -1))


def test_a_cursor_that_is_refused_for_ever_comes_to_an_end(server):
    server.expired = {"at-100"}
    with pytest.raises(SourceUnreachable, match="refuses its own cursor"):
        list(read(server))
    assert len(server.asked) < 20


def test_a_cursor_that_leads_to_itself_comes_to_an_end(server):
    page = '{"meta": {"count": 250, "next_cursor": "at-100"}, "results": [{"title": "x"}]}'
    server.faults = dict.fromkeys(range(1, 99), sends(page))
    with pytest.raises(SourceUnreachable, match="same page again"):
        list(read(server))
    assert len(server.asked) == 2


def test_without_a_key_a_server_that_wants_one_is_read_by_page(server, tmp_path):
    server.wants_key = True
    first = Desk(tmp_path)
    stored = drained(first, read(server, desk=first), kill_at=120)
    second = Desk(tmp_path)
    rest = drained(second, read(server, desk=second))
    assert set(numbers([*stored, *rest])) == set(range(1, 251))
    assert [a.params.get("page") for a in server.asked] == [None, "1", "2", "2", "3"]


def test_by_page_there_is_an_end_that_names_the_key(server, monkeypatch):
    monkeypatch.setattr(openalex_api, "DEEPEST", 200)
    server.wants_key = True
    records = read(server)
    assert numbers(next(records) for _ in range(200)) == list(range(250, 50, -1))
    with pytest.raises(SourceUnreachable, match=r"200 of 250 works.*connectors\.openalex_key"):
        next(records)


def test_a_key_is_a_header_and_in_no_address(server):
    server.wants_key = True
    assert len(list(read(server, openalex_key=KEY))) == 250
    assert {a.headers["Authorization"] for a in server.asked} == {f"Bearer {KEY}"}
    assert not any(KEY in a.query for a in server.asked)


def test_a_spent_allowance_names_the_key(server):
    server.faults = {1: status(429, '{"message": "Daily limit"}', Retry_After="40000")}
    with pytest.raises(SourceUnreachable, match=r"40000 s.*connectors\.openalex_key"):
        list(read(server))


def test_a_wrong_filter_is_told_in_the_server_s_words(server):
    server.faults = {1: status(400, '{"error": "Invalid", "message": "colour is no field"}')}
    with pytest.raises(SourceUnreadable, match=r"colour is no field.*connectors\.md"):
        list(read(server, "colour:red"))


@pytest.mark.parametrize("query", ["", "search=x&api_key=secret"])
def test_what_cannot_be_meant_is_told_at_once(server, query):
    with pytest.raises(SourceUnreadable, match="openalex: "):
        read(server, query)
