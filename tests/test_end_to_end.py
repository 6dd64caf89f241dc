"""The real command in processes of its own, on one home, with the real model and Chroma."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys

import pytest

from rag import Chatbot, Settings
from tests.conftest import ROOT
from tests.servers import ChatServer, closed_port, says

KEY = "sk-never-to-be-seen-0123456789"
PAPERS = [
    {
        "title": "LanternDB: Searching Vectors on Tape",
        "abstract": "Vector search on magnetic tape is slow. LanternDB orders the tape by cluster, "
        "so that a query winds it only once. It answers a query in 45 seconds over 3 billion "
        "vectors and needs 12GB of memory.",
        "year": 2021,
        "authors": ["Mira Holt"],
    },
    {
        "title": "Counting Whales from Orbit",
        "abstract": "Aerial surveys of whales are costly. We train a detector on 1,900 satellite "
        "images of the Southern Ocean. The detector finds 87% of the whales that ships report.",
        "year": 2023,
    },
    {
        "title": "Porridge: Distilling Large Language Models at Breakfast",
        "abstract": "Distillation of a language model takes weeks. Porridge distils a student of "
        "400 million parameters overnight from cached logits. The student keeps 96% of the "
        "accuracy of its teacher on reading comprehension.",
        "year": 2024,
    },
    {
        "title": "A Grammar of Bridges",
        "abstract": "Inspecting bridges needs experts. We describe cracks in concrete by a grammar "
        "of 14 rules. An inspector agreed with the parser on 212 of 240 photographs.",
        "year": 2020,
    },
]
QUESTION = "How much memory does LanternDB need?"
NOT_HERE = "Which yeast makes the best sourdough bread?"


@pytest.fixture(scope="module")
def environment():
    """What a user has: no settings, no key, and no path to this repository's own files."""
    ours = ("FOOTNOTED_", "OPENAI_")
    plain = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return {**plain, "PYTHONPATH": str(ROOT), "COLUMNS": "100"}


@pytest.fixture(scope="module")
def place(tmp_path_factory, environment):
    """A folder with a home in `.footnoted`, made by the first command of this file."""
    folder = tmp_path_factory.mktemp("work")
    lines = [json.dumps(paper) for paper in PAPERS]
    lines.insert(2, '{"title": "Half a record", "abstr')
    (folder / "papers.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    done = footnoted(environment, folder, "ingest", "papers.jsonl")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "4 ingested, 0 unchanged, 0 replaced, 1 rejected\n"
    assert "papers.jsonl, line 3: " in done.stderr
    return folder


@pytest.fixture
def run(environment, place):
    def command(*words, **variables):
        return footnoted({**environment, **variables}, place, *words)

    return command


def footnoted(environment, folder, *words):
    done = subprocess.run(
        [sys.executable, "-m", "rag.cli", *words],
        env=environment, cwd=folder, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert "Traceback" not in done.stderr
    assert KEY not in done.stdout + done.stderr
    return done


def test_what_was_rejected_is_kept_with_its_reason(place):
    kept = (place / ".footnoted" / "rejected.jsonl").read_text(encoding="utf-8")
    (rejected,) = map(json.loads, kept.splitlines())
    assert set(rejected) == {"source", "line", "reason", "raw", "format"}
    assert (rejected["line"], rejected["raw"]) == (3, '{"title": "Half a record", "abstr')
    assert "JSON" in rejected["reason"]


def test_ingesting_again_changes_nothing_and_strict_exits_3(run):
    done = run("ingest", "papers.jsonl", "--strict")
    assert (done.returncode, done.stdout) == (
        3,
        "0 ingested, 4 unchanged, 0 replaced, 1 rejected\n",
    )


def test_search_finds_the_paper(run):
    done = run("search", "finding sea mammals from space", "-k", "2", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    assert list(found) == ["query", "mode", "hits", "seconds"]
    assert (found["query"], found["mode"]) == ("finding sea mammals from space", "hybrid")
    assert [hit["rank"] for hit in found["hits"]] == [1, 2]
    first = found["hits"][0]
    assert (first["title"], first["year"]) == (PAPERS[1]["title"], 2023)
    assert PAPERS[1]["abstract"][first["start"] : first["end"]] == first["text"]


def test_ask_answers_with_a_footnote(run):
    done = run("ask", QUESTION, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    assert (found["question"], found["refused"], found["refusal"]) == (QUESTION, False, None)
    assert "12GB" in found["text"]
    assert all(s["verdict"] == "supported" for s in found["sentences"])
    exact(found)
    assert "12GB" in " ".join(c["quote"] for c in found["citations"])
    assert set(found["seconds"]) == {
        "retrieve",
        "rank",
        "first_token",
        "generate",
        "verify",
        "total",
    }


def test_a_batch_is_answered_in_order_with_a_conversation_and_a_refusal(run, place):
    asked = [
        {"id": "a", "question": "How many rules has the grammar of cracks in bridges?"},
        {
            "id": "b",
            "question": "And how long does it take for a query?",
            "turns": [{"question": QUESTION}],
        },
        {"id": "c", "question": NOT_HERE},
    ]
    (place / "questions.jsonl").write_text("\n".join(map(json.dumps, asked)))
    done = run("ask", "--batch", "questions.jsonl", "--fail-on-refusal", "--quiet")
    assert (done.returncode, done.stderr) == (4, "")
    first, second, third = map(json.loads, done.stdout.splitlines())
    assert [first["id"], second["id"], third["id"]] == ["a", "b", "c"]
    assert "14 rules" in first["text"]
    assert second["standalone_question"] == "how long does LanternDB take for a query?"
    assert second["citations"][0]["title"] == PAPERS[0]["title"]
    assert third["refusal"]["kind"] == "not_in_collection"
    assert third["citations"] == []
    assert third["nearest"] == []


def test_a_refusal_can_fail_a_script(run):
    done = run("ask", NOT_HERE, "--fail-on-refusal")
    assert done.returncode == 4
    assert done.stdout == "Nothing in this collection is near that.\n"


# --- a model behind a server


def numbered(messages, title):
    """The number under which a request gives a paper, and what it gives of it."""
    found = re.search(rf"^\[(\d+)\] {re.escape(title)}\n(.+)$", messages[-1]["content"], re.M)
    return int(found[1]), found[2]


def reply(wire):
    """One sentence that is right, one with another number, one of a source that nobody gave."""
    number, _ = numbered(wire.request.body["messages"], PAPERS[0]["title"])
    says(
        "LanternDB needs 12GB of mem",
        f"ory [{number}]. It answers a query in 54 seconds over 3 billion vectors [{number}].",
        " It was written in Norway [9].",
    )(wire)


@pytest.fixture
def served(run):
    """Ask the model behind a server: what was printed, and what the server was asked."""

    def ask(*words):
        with ChatServer(reply) as server:
            variables = {"OPENAI_BASE_URL": server.url, "OPENAI_API_KEY": KEY}
            done = run("ask", QUESTION, "--backend", "openai", "--model", "m", *words, **variables)
        assert done.returncode == 0, done.stderr
        (request,) = server.requests
        return done, request

    return ask


def test_what_a_model_writes_is_checked_sentence_by_sentence(served):
    done, request = served("--json")
    found = json.loads(done.stdout)
    right, swapped, stranger = found["sentences"]
    assert (right["text"], right["verdict"]) == ("LanternDB needs 12GB of memory.", "supported")
    assert right["citations"] == [1]
    assert swapped["verdict"] in ("contradicted", "unsupported")
    assert swapped["score"] < right["score"]
    assert (stranger["verdict"], stranger["citations"]) == ("unsupported", [])
    assert "[9]" not in found["text"]
    exact(found)
    assert "12GB" in found["citations"][0]["quote"]
    assert {c["title"] for c in found["citations"]} == {PAPERS[0]["title"]}
    assert (found["backend"], found["model"], found["truncated"]) == ("openai", "m", False)
    assert request.headers["Authorization"] == f"Bearer {KEY}"
    assert request.body["model"] == "m"
    holds_the_numbered_sources(*request.body["messages"])


def test_a_reader_sees_which_sentences_hold(served):
    done, _ = served()
    text, notes = " ".join(done.stdout.split("\n\n")[0].split()), done.stdout.split("\n\n")[1]
    assert re.match(r"LanternDB needs 12GB of memory[.\[\]1 ]+It answers", text)
    assert re.search(r"3 billion vectors[^(]*\((contradicted by the source|not supported)\)", text)
    assert text.endswith("It was written in Norway. (not supported)")
    assert re.match(rf"\[1\] {PAPERS[0]['title']} \(2021\)\.\n +“.*12GB of memory", notes, re.S)
    assert re.fullmatch(r"openai, m, \d+\.\d\d s\n", done.stderr)


def test_a_server_that_is_not_there_is_told_with_the_fix(run):
    with closed_port() as url:
        where = {"OPENAI_BASE_URL": url, "OPENAI_API_KEY": KEY, "FOOTNOTED_BACKEND_RETRIES": "0"}
        done = run("ask", QUESTION, "--backend", "openai", "--model", "m", **where)
    assert (done.returncode, done.stdout) == (1, "")
    told = rf"footnoted: .*{re.escape(url)}.*Start the server, or set --base-url.*\n"
    assert re.fullmatch(told, done.stderr)


def holds_the_numbered_sources(system, asked):
    assert (system["role"], asked["role"]) == ("system", "user")
    numbers = [numbered([asked], paper["title"]) for paper in PAPERS]
    assert sorted(number for number, _ in numbers) == [1, 2, 3, 4]
    assert [abstract for _, abstract in numbers] == [paper["abstract"] for paper in PAPERS]
    assert asked["content"].endswith(f"Question: {QUESTION}")


def exact(found):
    """Each footnote is what stands in the paper, and each is used by a marker in the text."""
    abstracts = {paper["title"]: paper["abstract"] for paper in PAPERS}
    for cited in found["citations"]:
        assert abstracts[cited["title"]][cited["start"] : cited["end"]] == cited["quote"]
    markers = list(dict.fromkeys(int(n) for n in re.findall(r"\[(\d+)\]", found["text"])))
    assert markers == [cited["marker"] for cited in found["citations"]]
    assert markers == list(range(1, len(markers) + 1))


# --- the page that it all began with


def test_each_paper_of_the_page_is_found_first_by_its_title(seed_page, tmp_path):
    with Chatbot.open(tmp_path / "home", Settings()) as bot:
        # In parts: so few texts at a time are embedded without torch, which takes long to load.
        parts = [bot.ingest(seed_page, limit=limit) for limit in (25, 50, None)]
        assert [part.ingested for part in parts] == [25, 25, 20]
        assert [part.rejected for part in parts] == [0, 0, 0]
        assert parts[-1].unchanged == 50
        papers = list(bot.papers())
        missed = [p.title for p in papers if bot.search(p.title, k=1)[0].paper.id != p.id]
    assert (len(papers), missed) == (70, [])
