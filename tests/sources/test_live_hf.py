"""`hf:daily[:DATE]` against a real server."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from rag.config import ConnectorSettings
from rag.errors import SourceUnreadable
from rag.sources._desk import Desk
from rag.sources.live import Live, open_live
from tests.live_servers import HTML, HfServer, cut, cut_quietly, drained, invented, numbers, status

TODAY = datetime.now(UTC).date()


@pytest.fixture
def server():
    with HfServer(invented(40, start=TODAY - timedelta(days=10))) as running:
        yield running


def read(server, query="daily", desk=None, since=None, **settings):
    values = {"hf_url": server.url, "hf_pause": 0.0, **settings}
    return open_live(f"hf:{query}", Live(ConnectorSettings(**values), since, desk or Desk()))


def test_the_newest(server):
    records = list(read(server))
    assert numbers(records) == list(range(40, 0, -1))
    assert server.asked[0].params == {"limit": "100", "p": "0"}
    assert records[0].arxiv_id == server.items[-1].arxiv
    assert records[0].abstract == server.items[-1].abstract
    assert len(list(read(server, page_size=10))) == 10, "the newest page is one page"


@pytest.mark.parametrize("size", [2, 3, 4, 100])
def test_a_day_over_several_pages(server, size):
    day = server.items[20].day
    records = read(server, f"daily:{day.isoformat()}", page_size=size)
    assert sorted(numbers(records)) == [i.number for i in server.items if i.day == day]


def test_a_week_and_a_month(server):
    day = server.items[20].day
    for name, span in (("week", f"{day:%G-W%V}"), ("month", f"{day:%Y-%m}")):
        server.asked.clear()
        assert 21 in numbers(read(server, f"daily:{span}"))
        assert server.asked[0].params[name] == span


def test_since_reads_every_day_until_today(server, tmp_path):
    since = TODAY - timedelta(days=5)
    records = list(read(server, since=since))
    assert sorted(numbers(records)) == [i.number for i in server.items if i.day >= since]
    assert [a.params["date"] for a in server.asked] == [
        (since + timedelta(days=n)).isoformat() for n in range(6)
    ]


@pytest.mark.parametrize("kill_at", [1, 4, 7, 13, 20])
def test_a_killed_run_goes_on_at_the_day_where_it_stopped(server, tmp_path, kill_at):
    since = TODAY - timedelta(days=8)
    first = Desk(tmp_path)
    stored = drained(first, read(server, desk=first, since=since, page_size=3), 2, kill_at)
    second = Desk(tmp_path)
    rest = drained(second, read(server, desk=second, since=since, page_size=3))
    wanted = {item.number for item in server.items if item.day >= since}
    assert set(numbers([*stored, *rest])) == wanted
    assert len(stored) + len(rest) - len(wanted) <= 3


@pytest.mark.parametrize("fault", [status(429), status(503), cut, cut_quietly, HTML])
def test_a_reply_that_fails_twice_is_read_the_third_time(server, fault):
    server.faults = {1: fault, 2: fault}
    assert len(list(read(server))) == 40


@pytest.mark.parametrize(
    "query", ["weekly", "", "daily:", "daily:yesterday", "daily:2026-02-30", "daily:2026-1-1"]
)
def test_what_cannot_be_meant_shows_what_can(server, query):
    with pytest.raises(SourceUnreadable, match=r"hf:.*hf:daily:2026-11-20"):
        read(server, query)


def test_a_date_and_since_exclude_each_other(server):
    with pytest.raises(SourceUnreadable, match="either a date or --since"):
        read(server, "daily:2026-11-20", since=date(2026, 11, 1))


def test_a_day_that_is_refused_is_told_in_the_server_s_words(server):
    server.faults = {1: status(400, '{"error": "date must not be in the future"}')}
    with pytest.raises(SourceUnreadable, match="must not be in the future"):
        list(read(server, "daily:2099-01-01"))
