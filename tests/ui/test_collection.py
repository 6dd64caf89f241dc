from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from rag.chatbot import Chatbot
from rag.config import Settings
from rag.errors import RagError
from tests.ui.conftest import PAPERS, SETTINGS, make_bot
from ui import collection, render, runs, shelf


def test_example_questions_come_from_the_papers(bot: Chatbot) -> None:
    assert collection.examples(bot, 2) == ["What is SPANN?", "What is DiskANN?"]
    assert len(set(collection.examples(bot, 4))) == 4


def test_what_is_remembered_follows_the_collection(bot: Chatbot) -> None:
    assert "nature" in collection.known(bot).venues
    bot.delete("fold")
    assert "nature" not in collection.known(bot).venues


def test_the_best_sentence_is_the_one_that_speaks_of_it(bot: Chatbot) -> None:
    hit = bot.search("memory for a billion vectors")[0]
    start, end = collection.best_sentence("memory for a billion vectors", hit)
    assert "32 GB of memory" in hit.paper.abstract[start:end]


def test_counts_are_of_all_authors_and_years() -> None:
    groups = dict(collection.counts(PAPERS))
    assert groups["Years"] == {"2019": 1, "2021": 1, "2023": 1}
    assert groups["Authors"]["Ada Lewis"] == 2
    assert "width:100%" in render.facets(groups.items())


def test_names_to_pick_have_their_numbers_the_frequent_first(bot: Chatbot) -> None:
    venues, categories = collection.picks(bot)
    assert venues == [("NeurIPS (2)", "NeurIPS"), ("Nature (1)", "Nature")]
    assert sorted(name for _, name in categories) == ["cs.DB", "cs.IR", "q-bio"]


def test_works_that_are_here_twice_are_listed_until_one_is_gone(tmp_path: Path) -> None:
    again = replace(PAPERS[0], id="spann<again>/2", venue="arXiv")
    with make_bot(tmp_path / "home", [*PAPERS, again]) as bot:
        groups, total = collection.twins(bot, 5)
        assert ([[p.id for p in group] for group in groups], total) == ([["spann", again.id]], 1)
        html = shelf.twins(groups, total, removable=True)
        assert html.count('class="remove"') == 2
        assert '<span class="paper-id">spann%3Cagain%3E%2F2</span>' in html
        assert "remove" not in shelf.twins(groups, total)
        assert "and 3 more" in shelf.twins(groups, 4)
        bot.delete(again.id)
        assert collection.twins(bot, 5) == ([], 0)


def test_an_empty_collection_gives_no_examples(tmp_path: Path) -> None:
    with Chatbot.open(tmp_path / "home", Settings.model_validate(SETTINGS)) as bot:
        assert collection.examples(bot, 4) == []


def run(folder: Path, name: str, value: float, report: str = "") -> None:
    (folder / name).mkdir(parents=True)
    metric = {"value": value, "low": value - 0.1, "high": value + 0.1, "n": 10}
    body = {"dataset": "d", "n": 10, "metrics": {"refusal <b>": metric}}
    (folder / name / "report.json").write_text(json.dumps(body))
    if report:
        (folder / name / "report.html").write_text(report)


def test_runs_stand_side_by_side_and_damaged_ones_aside(tmp_path: Path) -> None:
    run(tmp_path, "first", 0.5, "<h1>first</h1>")
    run(tmp_path, "second", 0.75)
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "report.json").write_text("{")
    html = runs.listed(tmp_path)
    assert "0.500" in html and "0.750" in html and "broken" not in html
    assert "refusal &lt;b&gt;" in html
    assert 'href="/ui/runs/first/report.html"' in html and "runs/second/report" not in html
    assert "No runs yet" in runs.listed(tmp_path / "none")


def test_two_runs_are_compared_by_what_both_have(tmp_path: Path) -> None:
    from rag.cli import main

    questions = tmp_path / "questions.jsonl"
    questions.write_text(
        '{"id": "1", "question": "What needs 32 GB <b>of</b> memory?", "gold_papers": ["spann"]}\n'
        '{"id": "2", "question": "Who folds proteins?", "answerable": false}\n'
    )
    make_bot(tmp_path / "home").close()
    toml = '[embedding]\nname = "hashing"\n[store]\nname = "memory"\n[answer]\nrefuse_below = '
    for name, below in (("a", "0.0"), ("b", "1.0")):
        (tmp_path / "home" / "footnoted.toml").write_text(f"{toml}{below}\n")
        flags = ["--home", str(tmp_path / "home"), "--out", str(tmp_path / name), "--quiet"]
        assert main(["eval", "run", str(questions), *flags]) == 0
    html = runs.compared(tmp_path, "a", "b")
    assert "A: a" in html and "B: b" in html and "cites_gold" in html
    assert "32 GB &lt;b&gt;of" in html and "rightly refused" in html
    run(tmp_path, "bare", 0.5)
    for pair in (("a", "a"), ("a", None), ("a", "../a"), ("a", "none"), ("bare", "a")):
        with pytest.raises(RagError):
            runs.compared(tmp_path, *pair)


@pytest.mark.parametrize("name", ["..", ".", "first/..", "/etc", "none"])
def test_only_a_runs_own_report_is_served(tmp_path: Path, name: str) -> None:
    run(tmp_path, "first", 0.5, "<h1>first</h1>")
    (tmp_path / "report.html").write_text("secret")
    assert runs.report_of(tmp_path, name) is None
    assert runs.report_of(tmp_path, "first") == "<h1>first</h1>"
