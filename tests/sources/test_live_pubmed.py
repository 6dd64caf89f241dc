"""`pubmed:QUERY` against a real server that speaks ESearch and EFetch."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date

import pytest

from rag.config import ConnectorSettings
from rag.errors import SourceError, SourceUnreachable, SourceUnreadable
from rag.sources import pubmed_api
from rag.sources._desk import Desk
from rag.sources.live import Live, open_live
from rag.types import Paper, Rejected
from tests.live_servers import (
    HTML,
    PubMedServer,
    cut,
    cut_quietly,
    drained,
    invented,
    numbers,
    pubmed_set,
    sends,
    status,
)

KEY = "0123456789abcdef-ncbi"


@pytest.fixture
def server():
    with PubMedServer(invented(450)) as running:
        yield running


def read(server, desk=None, since=None, query="moss[Title]", **settings):
    values = {"pubmed_url": server.url, "pubmed_pause": 0.0, **settings}
    return open_live(f"pubmed:{query}", Live(ConnectorSettings(**values), since, desk or Desk()))


def test_every_paper_comes_once_newest_first(server):
    records = list(read(server, mailto="ada@example.org"))
    assert [int(paper.pmid) for paper in records] == list(range(450, 0, -1))
    paths = [asked.path.rpartition("/")[2] for asked in server.asked]
    assert paths == ["esearch.fcgi", "efetch.fcgi", "efetch.fcgi", "efetch.fcgi"]
    first = server.asked[0].params
    assert (first["db"], first["term"], first["tool"]) == ("pubmed", "moss[Title]", "footnoted")
    assert first["email"] == "ada@example.org"
    paper, item = records[0], server.items[-1]
    assert paper.title.rstrip(".") == item.title
    assert item.abstract in paper.abstract
    assert paper.doi == "10.5555/garden.450"
    assert (paper.year, paper.venue) == (2024, "Annals of Invented Gardens")
    assert paper.authors == ("Ada Fernweh",)


def test_since_means_added_to_pubmed_since(server):
    records = list(read(server, since=date(2024, 4, 1)))
    asked = server.asked[0].params
    assert (asked["datetype"], asked["mindate"], asked["maxdate"]) == ("edat", "2024/04/01", "3000")
    assert len(records) == sum(item.day >= date(2024, 4, 1) for item in server.items)


def test_nothing_found_is_no_error(server):
    server.items = []
    assert list(read(server)) == []


@pytest.mark.parametrize("fault", [status(429), status(503), cut, cut_quietly, HTML, sends(b"")])
@pytest.mark.parametrize("at", [1, 3])
def test_a_reply_that_fails_twice_is_read_the_third_time(server, fault, at):
    server.faults = {at: fault, at + 1: fault}
    assert numbers(read(server)) == list(range(450, 0, -1))


def test_a_server_that_names_few_ids_at_a_time_is_asked_on(server):
    server.most = 90
    assert numbers(read(server)) == list(range(450, 0, -1))
    assert [a.params.get("retstart") for a in server.asked[:5]] == ["0", "90", "180", "270", "360"]


def test_more_than_one_answer_holds_is_cut_into_ranges_of_pmids(server, monkeypatch):
    monkeypatch.setattr(pubmed_api, "MOST", 100)
    server.most = 100
    assert numbers(read(server)) == list(range(450, 0, -1))
    terms = [a.params["term"] for a in server.asked if "term" in a.params]
    assert terms[0] == "moss[Title]"
    assert all(re.fullmatch(r"\(moss\[Title\]\) AND \d+:\d+\[UID\]", term) for term in terms[1:])


def test_a_record_that_efetch_leaves_out_is_rejected(server):
    server.gone = {77, 300}
    records = list(read(server))
    assert len(records) == 450
    bad = [record for record in records if isinstance(record, Rejected)]
    assert [record.line for record in bad] == [151, 374]
    assert bad[0].reason == "PubMed names PMID 300 and has no record"


def test_a_record_without_an_abstract_is_rejected(server):
    server.items[9] = replace(server.items[9], abstract=None)
    records = list(read(server))
    assert len(records) == 450
    [bad] = [record for record in records if isinstance(record, Rejected)]
    assert bad.reason == "no abstract"
    assert "<PMID" in bad.raw


def test_an_empty_set_is_asked_for_again(server):
    server.faults = {3: sends(pubmed_set(""))}
    assert numbers(read(server)) == list(range(450, 0, -1))


@pytest.mark.parametrize(
    ("most", "kill_at"), [(9_999, 40), (9_999, 50), (9_999, 333), (9_999, 449), (100, 190)]
)
def test_a_killed_run_goes_on_where_it_stopped(server, tmp_path, monkeypatch, kill_at, most):
    monkeypatch.setattr(pubmed_api, "MOST", most)
    server.most = most
    first = Desk(tmp_path)
    stored = drained(first, read(server, first, page_size=50), kill_at=kill_at)
    server.items += invented(120, 451)  # added meanwhile
    desks = [Desk(tmp_path) for _ in range(2)]
    part = drained(desks[0], read(server, desks[0], page_size=50), kill_at=90)
    rest = drained(desks[1], read(server, desks[1], page_size=50))
    found = numbers([*stored, *part, *rest])
    assert set(found) == set(range(1, 571))
    assert len(found) - 570 < 2 * 50
    assert list(tmp_path.iterdir()) == []


def test_a_key_is_posted_and_doubles_the_pace(server, monkeypatch):
    monkeypatch.setenv("NCBI_API_KEY", KEY)
    assert len(list(read(server))) == 450
    assert {asked.method for asked in server.asked} == {"POST"}
    assert all(asked.params["api_key"] == KEY for asked in server.asked)
    assert not any(KEY in asked.query for asked in server.asked)
    paces = [
        pubmed_api.PubMedApi(ConnectorSettings(**keyed)).service().pause
        for keyed in ({}, {"ncbi_key": KEY})
    ]
    monkeypatch.delenv("NCBI_API_KEY")
    assert pubmed_api.PubMedApi(ConnectorSettings()).service().pause > 1 / 3
    assert paces[1] >= 0.1


def test_a_wrong_key_is_named_by_its_setting_and_not_shown(server):
    body = f'{{"error":"API key invalid","api-key":"{KEY}","type":"ip","status":"unknown"}}'
    server.faults = {1: status(400, body, "application/json")}
    with pytest.raises(SourceError, match=r"Set connectors\.ncbi_key to a key") as failed:
        list(read(server, ncbi_key=KEY))
    assert KEY not in str(failed.value)


def test_too_many_requests_name_the_key(server):
    body = '{"error":"API rate limit exceeded","count":"4","limit":"3"}'
    server.faults = dict.fromkeys(range(1, 20), status(429, body, Retry_After="900"))
    with pytest.raises(SourceUnreachable, match=r"rate limit exceeded.*connectors\.ncbi_key"):
        list(read(server))


def test_without_a_query_there_is_an_example(server):
    with pytest.raises(SourceUnreadable, match=r"crispr\[Title\]"):
        read(server, query="")


def test_structured_abstracts_keep_their_labels(server):
    assert all(isinstance(r, Paper) and "BACKGROUND" in r.abstract.upper() for r in read(server))
