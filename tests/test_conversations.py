"""Conversations: kept with their footnotes, numbered on, one owner's alone, from many threads."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rag._cli_conversations import find
from rag.cite import render
from rag.conversations import Conversations, answer_of, renumber
from rag.errors import ConversationNotFound, LibraryError
from rag.library import Library
from rag.types import Answer, Citation, Nearest, Paper, Refusal, Sentence
from tests.conftest import ROOT

QUOTES = ("It reaches 81 percent.", "It needs 32 GB [of memory].", "It fails on graphs [2].")


def cited(paper: str, quote: str, marker: int = 1) -> Citation:
    return Citation(
        marker, paper, f"Title of {paper}", ("Ada",), 2024, None, "https://x.org/1", quote, 0,
        len(quote), 0.9,
    )  # fmt: skip


def answer(*said: tuple[str, str], question: str = "How good is it?") -> Answer:
    """An answer that says each (paper, quote), its footnotes numbered from 1."""
    numbers = {pair: n for n, pair in enumerate(dict.fromkeys(said), 1)}
    sentences = tuple(Sentence(q, (numbers[p, q],), "supported", 0.9) for p, q in said)
    citations = tuple(cited(p, q, n) for (p, q), n in numbers.items())
    return Answer("a", question, question, render(sentences), sentences, citations)


def refused() -> Answer:
    return Answer(
        "r", "Why?", "Why?", "No.", refusal=Refusal("not_in_collection", "No."),
        nearest=(Nearest("p1", "T", 0.2),),
    )  # fmt: skip


@pytest.fixture
def kept(tmp_path) -> Conversations:
    return Conversations(tmp_path)


def test_a_conversation_is_read_back_as_it_was(kept):
    name = kept.create()
    first, second = kept.append(name, answer(("p1", QUOTES[0]))), kept.append(name, refused())
    turns = Conversations(kept.home).turns(name)
    assert turns == [first.to_dict(), second.to_dict()]
    assert [answer_of(turn) for turn in turns] == [first, second]
    assert [turn["question"] for turn in turns] == ["How good is it?", "Why?"]


def test_a_footnote_keeps_its_number_and_new_ones_count_on(kept):
    name = kept.create()
    kept.append(name, answer(("p1", QUOTES[0]), ("p2", QUOTES[0])))
    found = kept.append(name, answer(("p3", QUOTES[2]), ("p2", QUOTES[0]), ("p1", QUOTES[1])))
    assert [c.marker for c in found.citations] == [3, 2, 4]
    assert [s.citations for s in found.sentences] == [(3,), (2,), (4,)]
    # The brackets of the abstract's own are no markers.
    assert found.text == f"{QUOTES[2]} [3] {QUOTES[0]} [2] {QUOTES[1]} [4]"
    assert kept.turns(name)[1]["text"] == found.text


def test_another_conversation_counts_from_one(kept):
    kept.append(kept.create(), answer(("p1", QUOTES[0]), ("p2", QUOTES[1])))
    assert kept.append(kept.create(), answer(("p9", QUOTES[2]))).citations[0].marker == 1


def test_text_that_somebody_else_wrote_is_renumbered_where_it_has_markers():
    written = replace(answer(("p1", QUOTES[0])), text="So [1], but not [7].")
    assert renumber(written, lambda _: 5).text == "So [5], but not [7]."


pairs = st.tuples(st.sampled_from(["p1", "p2", "p3"]), st.sampled_from(QUOTES))


@given(st.lists(st.lists(pairs, min_size=1, max_size=4), min_size=1, max_size=4))
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_number_means_one_quote_throughout(kept, talk):
    name = kept.create()
    for said in talk:
        kept.append(name, answer(*said))
    meant: dict[int, tuple[str, str]] = {}
    for turn in kept.turns(name):
        for note in turn["citations"]:
            pair = (note["paper_id"], note["quote"])
            assert meant.setdefault(note["marker"], pair) == pair
    assert sorted(meant) == list(range(1, len(set(meant.values())) + 1))


def test_the_list_is_newest_first_with_titles_and_counts(kept):
    assert kept.list() == []
    assert not kept.path.exists(), "looking makes no file"
    first, second = kept.create(), kept.create()
    kept.append(second, refused())
    kept.append(first, answer(("p1", QUOTES[0]), question="How  good\nis it? " + "x" * 200))
    found = kept.list()
    assert [(c.id, c.turns) for c in found] == [(first, 1), (second, 1)]
    assert found[0].title == "How good is it?…"
    assert found[0].created <= found[0].updated
    kept.rename(second, "Graphs")
    assert [c.title for c in kept.list()] == ["How good is it?…", "Graphs"]


def test_what_is_deleted_is_gone_from_the_file(kept):
    name = kept.create()
    kept.append(name, answer(("p1", QUOTES[0]), question="A secret zebra?"))
    assert b"secret zebra" in kept.path.read_bytes()
    kept.delete(name)
    assert kept.list() == []
    assert b"secret zebra" not in kept.path.read_bytes()


@pytest.mark.parametrize(
    "act",
    [
        lambda kept, name: kept.turns(name, "eve"),
        lambda kept, name: kept.append(name, refused(), "eve"),
        lambda kept, name: kept.rename(name, "mine", "eve"),
        lambda kept, name: kept.delete(name, "eve"),
        lambda kept, name: kept.export(name, "json", "eve"),
        lambda kept, name: kept.turns("nothing", "ada"),
        lambda kept, name: kept.turns(name),
    ],
)
def test_what_another_owner_holds_does_not_exist(kept, act):
    name = kept.create("ada")
    kept.append(name, refused(), "ada")
    with pytest.raises(ConversationNotFound, match="footnoted conversations list"):
        act(kept, name)
    assert len(kept.turns(name, "ada")) == 1
    assert kept.list("eve") == kept.list() == []


def test_threads_lose_nothing_and_agree_on_numbers(kept):
    name = kept.create()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: kept.append(name, answer((f"p{n}", "Q"), ("p0", "Q"))), range(40)))
    turns = kept.turns(name)
    assert len(turns) == 40
    assert len({t["citations"][-1]["marker"] for t in turns}) == 1
    assert {c["marker"] for t in turns for c in t["citations"]} == set(range(1, 41))


def test_processes_write_at_once(kept):
    code = (
        "import sys; from pathlib import Path; from rag.conversations import Conversations;"
        "from rag.types import Answer; kept = Conversations(Path(sys.argv[1]));"
        "[kept.append(kept.create(), Answer(str(n), 'Q', 'Q', 'A')) for n in range(10)]"
    )
    started = [
        subprocess.Popen([sys.executable, "-c", code, str(kept.home)], cwd=ROOT) for _ in range(3)
    ]
    assert [process.wait(60) for process in started] == [0, 0, 0]
    assert [listed.turns for listed in kept.list()] == [1] * 30


def test_markdown_has_footnotes_and_nothing_that_loads(kept):
    name = kept.create()
    evil = "See ![x](http://evil/?q=1) <img src=y>."
    kept.append(name, answer(("p1", QUOTES[1]), ("p2", evil)))
    text = kept.export(name, "markdown")
    assert text.startswith("# How good is it?\n\n**How good is it?**\n\n")
    assert "It needs 32 GB \\[of memory\\]. [^1]" in text
    assert "[^2]: Ada. Title of p2 (2024). <https://x.org/1> “See \\!\\[x\\](http://evil" in text
    assert "<img" not in text.replace("\\<img", "")


def test_json_holds_the_turns(kept):
    name = kept.create()
    kept.append(name, answer(("p1", QUOTES[0])))
    found = json.loads(kept.export(name, "json"))
    assert (found["id"], found["title"]) == (name, "How good is it?")
    assert found["turns"] == kept.turns(name)


def test_only_the_papers_cited_are_exported_in_order(kept, monkeypatch):
    library = Library(kept.home / "library.sqlite")
    stored = [
        Paper(f"Stored {n}", "An abstract.", f"p{n}", doi=f"10.1/{n}", raw="@book{x, ...}")
        for n in (1, 2)
    ]
    library.upsert([(paper, "test") for paper in stored])
    ids = [paper.id for paper in library.papers()]
    library.close()
    name = kept.create()
    kept.append(name, answer(("gone", QUOTES[0]), (ids[1], QUOTES[1])))
    papers, said = kept._cited(kept.turns(name))
    assert [(p.id, p.title) for p in papers] == [("gone", "Title of gone"), (ids[1], "Stored 2")]
    assert {name: kind.bibtex for name, kind in said.items()} == {ids[1]: "book"}


@pytest.mark.parametrize(("format", "begins"), [("bibtex", "@"), ("ris", "TY  - ")])
def test_papers_are_exported_for_reference_managers(kept, format, begins):
    name = kept.create()
    kept.append(name, answer(("p1", QUOTES[0]), ("p2", QUOTES[1])))
    text = kept.export(name, format)
    assert text.startswith(begins)
    assert text.count("Title of p") == 2
    assert kept.export(kept.create(), format) == ""


def test_an_unknown_format_names_the_known(kept):
    with pytest.raises(LibraryError, match="markdown, json, bibtex, ris"):
        kept.export(kept.create(), "docx")


def test_a_file_that_is_no_database_says_so(kept):
    kept.path.write_text("not a database, but long enough to be taken for one" * 20)
    with pytest.raises(LibraryError, match="move it away"):
        kept.create()


def test_an_id_may_be_cut_short_but_not_ambiguous(kept):
    with pytest.raises(ConversationNotFound):
        find(kept, "last")
    first, second = kept.create(), kept.create()
    assert find(kept, "last") == second
    assert find(kept, first[:10]) == first
    with pytest.raises(ConversationNotFound, match="several"):
        find(kept, "")
