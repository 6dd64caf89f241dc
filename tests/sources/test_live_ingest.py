"""Live queries through the chatbot and the command: kills, progress, --since, and what is told."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from datetime import date
from pathlib import Path

import pytest

from rag import Chatbot, Settings, cli, ingest
from rag.errors import SourceUnreachable
from tests.conftest import ROOT
from tests.live_servers import HTML, ArxivServer, OpenAlexServer, hangs, invented, status

ADDRESS = "arxiv:cat:cs.IR"


@pytest.fixture
def server():
    with ArxivServer(invented(400)) as running:
        yield running


def bot_of(home, server, **connectors):
    given = {"arxiv_url": server.url, "openalex_url": server.url, "arxiv_pause": 0.0, **connectors}
    settings = {
        "embedding": {"name": "hashing"}, "store": {"name": "memory"}, "connectors": given
    }  # fmt: skip
    return Chatbot.open(home, Settings.model_validate(settings))


def counts(report):
    return report.ingested, report.unchanged, report.replaced, report.rejected


def test_a_query_is_ingested_and_found(server, tmp_path):
    said = []
    with bot_of(tmp_path, server) as bot:
        report = bot.ingest(ADDRESS, progress=lambda *told: said.append(told))
        assert counts(report) == (400, 0, 0, 0)
        assert bot.search("counting of kites", k=1)[0].paper.arxiv_id
        assert counts(bot.ingest(ADDRESS)) == (0, 400, 0, 0)
    reading = [told for told in said if told[0] == "reading"]
    assert reading[0] == ("reading", 0, 400)
    assert reading[-1] == ("reading", 400, 400)
    assert not list((tmp_path / "cursors").glob("*"))


def test_since_and_limit_reach_the_query(server, tmp_path):
    with bot_of(tmp_path, server) as bot:
        report = bot.ingest(ADDRESS, since=date(2024, 3, 1), limit=50)
        assert counts(report) == (50, 0, 0, 0)
    assert "submittedDate:[202403010000 TO" in server.asked[0].params["search_query"]
    assert len(server.asked) == 1


def test_a_server_that_goes_away_keeps_what_came_and_the_next_run_goes_on(server, tmp_path):
    server.faults = dict.fromkeys(range(4, 99), status(503, "Backend fetch failed"))
    said = []
    with bot_of(tmp_path, server, retries=1) as bot:
        report = bot.ingest(ADDRESS)
        assert counts(report) == (300, 0, 0, 1)
        [reject] = (tmp_path / "rejected.jsonl").read_text().splitlines()
        assert "Run the same command again later" in json.loads(reject)["reason"]
        server.faults = {}
        server.asked.clear()
        report = bot.ingest(ADDRESS, progress=lambda *told: said.append(told))
        assert counts(report) == (100, 0, 0, 0)
        assert len(list(bot.papers())) == 400
    assert server.asked[0].params["start"] == "300"
    assert ("reading", 400, 400) in said


def test_a_server_that_was_never_there_is_an_error(server, tmp_path):
    server.faults = dict.fromkeys(range(1, 99), HTML)
    with bot_of(tmp_path, server, retries=1) as bot, pytest.raises(SourceUnreachable):
        bot.ingest(ADDRESS)


def test_beside_a_file_a_query_that_fails_is_a_reject(server, tmp_path):
    file = tmp_path / "papers.jsonl"
    file.write_text(json.dumps({"title": "Moss", "abstract": "We count moss. It is green."}))
    server.faults = {1: status(404)}
    with bot_of(tmp_path / "home", server) as bot:
        assert counts(bot.ingest(ADDRESS, str(file))) == (1, 0, 0, 1)


def test_a_file_of_that_name_is_a_file(server, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    paper = json.dumps({"title": "Moss", "abstract": "We count moss. It is green."})
    Path("arxiv:moss.jsonl").write_text(paper)
    with bot_of(tmp_path / "home", server) as bot:
        assert counts(bot.ingest("arxiv:moss.jsonl")) == (1, 0, 0, 0)
    assert server.asked == []


def test_the_rejects_of_an_interrupted_run_are_not_lost(server, tmp_path, monkeypatch):
    monkeypatch.setattr(ingest, "_PAPERS", 256)
    home = tmp_path / "home"
    with OpenAlexServer(invented(400)) as works:
        works.items[395] = works.items[395].__class__(396, "No abstract", None, date(2024, 1, 1))
        given = {"openalex_url": works.url, "page_size": 20}

        def stop(stage, done, total):
            if stage == "reading" and done:
                raise KeyboardInterrupt

        with bot_of(home, server, **given) as bot:
            with pytest.raises(KeyboardInterrupt):
                bot.ingest("openalex:moss", progress=stop)
            assert len(list(bot.papers())) == 255
            report = bot.ingest("openalex:moss")
            assert (report.ingested, report.rejected) == (144, 0)
            assert report.seen < 400
    [line] = (home / "rejected.jsonl").read_text().splitlines()
    kept = json.loads(line)
    assert (kept["source"], kept["reason"], kept["format"]) == (
        "openalex:moss", "no abstract", "jsonl",
    )  # fmt: skip


def test_pruning_reads_the_whole_query_and_a_rehearsal_moves_no_cursor(server, tmp_path):
    with bot_of(tmp_path, server, retries=0) as bot:
        assert counts(bot.ingest(ADDRESS)) == (400, 0, 0, 0)
        server.faults = {len(server.asked) + 3: status(503)}
        assert counts(bot.ingest(ADDRESS, prune=True)) == (0, 200, 0, 1)
        assert len(list(bot.papers())) == 400, "half a query prunes nothing"
        [kept] = (tmp_path / "cursors").glob("*")
        before = kept.read_text()
        del server.items[:10]
        report, _ = bot.rehearse(ADDRESS, prune=True)
        assert (report.unchanged, report.removed) == (390, 10)
        assert kept.read_text() == before
        report = bot.ingest(ADDRESS, prune=True)
        assert (report.unchanged, report.removed) == (390, 10)
        assert len(list(bot.papers())) == 390
        assert not kept.exists()


# --- the real command


@pytest.fixture
def environment(server, tmp_path):
    kept = {name: value for name, value in os.environ.items() if not name.startswith("FOOTNOTED_")}
    return {
        **kept,
        "PYTHONPATH": str(ROOT),
        "FOOTNOTED_EMBEDDING_NAME": "hashing",
        "FOOTNOTED_STORE_NAME": "memory",
        "FOOTNOTED_HOME": str(tmp_path / "home"),
        "FOOTNOTED_CONNECTORS_ARXIV_URL": server.url,
        # Longer than a batch waits: each page is stored before the one after the next is asked for.
        "FOOTNOTED_CONNECTORS_ARXIV_PAUSE": "2.5",
        "FOOTNOTED_CONNECTORS_RETRIES": "0",
    }


def command(environment, *words):
    return [sys.executable, "-m", "rag.cli", "ingest", *words], {
        "env": environment, "text": True, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE,
    }  # fmt: skip


def heed_interrupts():
    """A shell starts what runs in its background with interrupts ignored, and so all below it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_command_goes_on_where_it_stopped(server, environment, tmp_path, how):
    server.faults = {4: hangs}
    words, options = command(environment, ADDRESS)
    heeding = {"preexec_fn": heed_interrupts}
    with subprocess.Popen(words, **options, **heeding) as process:
        limit = time.monotonic() + 90
        while len(server.asked) < 4 and time.monotonic() < limit:
            time.sleep(0.02)
        process.send_signal(how)
        err = process.communicate(timeout=90)[1]
    if how == signal.SIGINT:
        assert process.returncode == 130
        assert "to go on, run again: footnoted ingest arxiv:cat:cs.IR" in err
    [kept] = (tmp_path / "home" / "cursors").glob("arxiv-*.json")
    assert json.loads(kept.read_text())["state"]["start"] == 200
    server.faults = {}
    server.asked.clear()
    options["env"]["FOOTNOTED_CONNECTORS_ARXIV_PAUSE"] = "0"
    done = subprocess.run(words, check=False, timeout=60, **options)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "199 ingested, 1 unchanged, 0 replaced, 0 rejected\n"
    assert server.asked[0].params["start"] == "200"
    assert not list((tmp_path / "home" / "cursors").glob("*"))


@pytest.mark.parametrize(
    ("words", "fault", "message"),
    [
        ([ADDRESS], status(503), r"arXiv \(http://127\S+\) refused \(HTTP 503\)\. Run the same"),
        ([ADDRESS], HTML, r"web page \(HTML\) instead of XML\. Check connectors\.arxiv_url"),
        (["arxiv:"], status(503), r"arxiv: needs a query, such as"),
        (["hf:trending"], status(503), r"hf: knows only the daily papers"),
    ],
)
def test_what_fails_is_one_line_that_names_the_fix(
    server, environment, monkeypatch, capsys, words, fault, message
):
    server.faults = dict.fromkeys(range(1, 99), fault)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert cli.main(["ingest", *words]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert re.fullmatch(rf"footnoted: .*{message}.*\n", err), err


def test_a_day_that_is_none_is_wrong_usage(capsys):
    assert cli.main(["ingest", ADDRESS, "--since", "yesterday"]) == 2
    assert "'yesterday' is no day. Write 2026-11-20" in capsys.readouterr().err
