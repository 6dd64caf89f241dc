"""`arxiv:QUERY` against a real server: paging, what arXiv does badly, and going on after a kill."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from itertools import islice

import pytest

from rag.config import ConnectorSettings
from rag.errors import SourceUnreachable, SourceUnreadable
from rag.sources import arxiv_api
from rag.sources._desk import Desk
from rag.sources.live import Live, open_live
from rag.types import Rejected
from tests.live_servers import (
    ATOM_ERROR,
    HTML,
    ArxivServer,
    atom_feed,
    cut,
    cut_quietly,
    drained,
    invented,
    numbers,
    reset,
    sends,
    status,
)


@pytest.fixture
def server():
    with ArxivServer(invented(250)) as running:
        yield running


def read(server, query="cat:cs.IR", desk=None, since=None, **settings):
    values = {"arxiv_url": server.url, "arxiv_pause": 0.0, **settings}
    live = Live(ConnectorSettings(**values), since, desk or Desk())
    return open_live(f"arxiv:{query}", live)


def test_every_paper_comes_once_newest_first(server):
    records = list(read(server))
    assert numbers(records) == list(range(250, 0, -1))
    assert [a.params["start"] for a in server.asked] == ["0", "100", "200"]
    first = server.asked[0].params
    assert first["search_query"] == "cat:cs.IR"
    assert (first["sortBy"], first["sortOrder"]) == ("submittedDate", "descending")
    paper, item = records[0], server.items[-1]
    assert (paper.title, paper.abstract) == (item.title, item.abstract)
    assert (paper.arxiv_id, paper.year) == (item.arxiv, 2024)
    assert paper.authors == ("Ada Fernweh", "Bo Tidemark")
    assert paper.categories == ("cs.IR", "cs.DL")


def test_nothing_found_is_no_error(server):
    server.items = []
    assert list(read(server)) == []
    assert len(server.asked) == 1


def test_ids_are_asked_for_as_ids(server):
    wanted = [server.items[3].arxiv, server.items[7].arxiv]
    assert numbers(read(server, " ".join(wanted))) == [8, 4]
    assert server.asked[0].params["id_list"] == ",".join(wanted)


def test_since_goes_into_the_query(server):
    records = list(read(server, "cat:cs.IR OR cat:cs.CL", since=date(2024, 2, 20)))
    asked = server.asked[0].params["search_query"]
    assert asked.startswith("(cat:cs.IR OR cat:cs.CL) AND submittedDate:[202402200000 TO ")
    assert numbers(records) == [n for n in range(250, 0, -1) if n // 4 >= 50]


@pytest.mark.parametrize(
    "fault", [status(429, Retry_After="1"), status(503), cut, cut_quietly, HTML, reset, sends(b"")]
)
def test_a_page_that_fails_twice_is_read_the_third_time(server, fault):
    server.faults = {2: fault, 3: fault}
    assert numbers(read(server)) == list(range(250, 0, -1))
    assert [a.params["start"] for a in server.asked] == ["0", "100", "100", "100", "200"]


def test_an_empty_page_in_the_middle_is_asked_for_again(server):
    server.faults = {2: sends(atom_feed("", 250, 100)), 3: sends(atom_feed("", 0))}
    assert numbers(read(server)) == list(range(250, 0, -1))


def test_a_page_that_stays_empty_is_named_and_the_cursor_kept(server, tmp_path):
    server.faults = dict.fromkeys(range(2, 99), sends(atom_feed("", 250, 100)))
    desk = Desk(tmp_path)
    records = desk.counted(read(server, desk=desk))
    stored = list(islice(records, 100))
    with pytest.raises(SourceUnreachable, match=r"nothing from paper 101 of 250 on.*goes on where"):
        next(records)
    desk.stored(100)
    desk.close()
    server.faults = {}
    again = Desk(tmp_path)
    assert numbers(stored + drained(again, read(server, desk=again))) == list(range(250, 0, -1))


def test_papers_that_are_counted_and_never_sent_become_one_reject(server):
    server.pad = 3
    *papers, lost = read(server)
    assert len(papers) == 250
    assert isinstance(lost, Rejected)
    assert lost.reason == "arXiv counts 253 papers, and sends 250"


def test_a_list_that_grows_while_it_is_read_loses_and_repeats_nothing(server):
    new = invented(3, 251)
    server.before = lambda number: server.items.extend(new) if number == 2 else None
    found = numbers(read(server))
    assert found == [*range(250, 0, -1), 253, 252, 251]
    assert len(found) == len(set(found))


def test_a_list_that_shrinks_comes_to_an_end(server):
    def shrink(number):
        if number == 3:
            del server.items[:60]

    server.before = shrink
    assert numbers(read(server)) == list(range(250, 50, -1))


def test_the_same_paper_on_two_pages_is_given_out_once(server):
    server.items += [replace(server.items[n]) for n in (40, 200)]
    assert sorted(numbers(read(server))) == list(range(1, 251))


def test_deeper_than_a_list_goes_the_day_of_submission_is_asked_for(server, monkeypatch):
    monkeypatch.setattr(arxiv_api, "DEEPEST", 100)
    server.deepest = 100
    found = numbers(read(server, page_size=40))
    assert sorted(found) == list(range(1, 251))
    assert len(found) == 250
    assert "submittedDate" not in server.asked[0].params["search_query"]
    assert "submittedDate" in server.asked[-1].params["search_query"]


@pytest.mark.parametrize("kill_at", [0, 40, 100, 101, 160, 200, 239, 249])
@pytest.mark.parametrize("deepest", [30_000, 100])
def test_a_killed_run_goes_on_where_it_stopped(server, tmp_path, monkeypatch, kill_at, deepest):
    monkeypatch.setattr(arxiv_api, "DEEPEST", deepest)
    server.deepest = deepest
    first = Desk(tmp_path)
    stored = drained(first, read(server, desk=first, page_size=50), kill_at=kill_at)
    server.asked.clear()
    second = Desk(tmp_path)
    rest = drained(second, read(server, desk=second, page_size=50))
    assert set(numbers(stored) + numbers(rest)) == set(range(1, 251))
    assert len(stored) + len(rest) - 250 < 50, "no more than a page is read twice"
    assert len(stored) - 51 < second.skipped <= len(stored)
    assert list(tmp_path.iterdir()) == []


def test_what_came_meanwhile_is_read_when_a_run_goes_on(server, tmp_path):
    first = Desk(tmp_path)
    stored = drained(first, read(server, desk=first), kill_at=120)
    server.items += invented(30, 251)
    second = Desk(tmp_path)
    rest = drained(second, read(server, desk=second))
    assert set(numbers(stored) + numbers(rest)) == set(range(1, 281))


def test_a_finished_run_starts_anew(server, tmp_path):
    for _ in range(2):
        desk = Desk(tmp_path)
        assert len(drained(desk, read(server, desk=desk))) == 250
        assert not desk.resumed


def test_a_limit_asks_for_no_page_too_many_and_keeps_no_cursor(server, tmp_path):
    desk = Desk(tmp_path, limit=100)
    assert numbers(drained(desk, read(server, desk=desk))) == list(range(250, 150, -1))
    assert len(server.asked) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_cursor_that_somebody_changed_starts_the_query_anew(server, tmp_path):
    first = Desk(tmp_path)
    drained(first, read(server, desk=first), kill_at=120)
    [kept] = tmp_path.iterdir()
    kept.write_text(kept.read_text().replace('"start": 100', '"start": 180'))
    again = Desk(tmp_path)
    assert sorted(numbers(drained(again, read(server, desk=again)))) == list(range(1, 251))


def test_a_bad_query_names_the_fix(server):
    server.faults = {1: sends(ATOM_ERROR), 2: status(400, ATOM_ERROR.decode())}
    for _ in range(2):
        with pytest.raises(SourceUnreadable, match=r"incorrect id format for 17x.*Mend"):
            list(read(server, "17x"))
    assert len(server.asked) == 2


def test_without_a_query_there_is_an_example(server):
    with pytest.raises(SourceUnreadable, match=r"arxiv:cat:cs\.IR"):
        read(server, " ")


def test_a_record_without_an_abstract_is_rejected_where_it_stands(server):
    server.items[100] = replace(server.items[100], abstract=None)
    records = list(read(server))
    assert len(records) == 250
    [bad] = [record for record in records if isinstance(record, Rejected)]
    assert (bad.source, bad.line, bad.reason) == ("arxiv:cat:cs.IR", 150, "no abstract")
    assert server.items[100].title in bad.raw


def test_three_seconds_lie_between_two_requests_unless_it_is_said(server):
    assert ConnectorSettings().arxiv_pause == 3.0
    list(read(server, arxiv_pause=0.3))
    gaps = [b.at - a.at for a, b in zip(server.asked, server.asked[1:], strict=False)]
    assert len(gaps) == 2
    assert min(gaps) > 0.29
