from __future__ import annotations

import json
from pathlib import Path

import pytest

from rag.chatbot import Chatbot
from rag.config import Settings
from tests.ui.conftest import PAPERS, SETTINGS
from ui import collection, render, runs


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


@pytest.mark.parametrize("name", ["..", ".", "first/..", "/etc", "none"])
def test_only_a_runs_own_report_is_served(tmp_path: Path, name: str) -> None:
    run(tmp_path, "first", 0.5, "<h1>first</h1>")
    (tmp_path / "report.html").write_text("secret")
    assert runs.report_of(tmp_path, name) is None
    assert runs.report_of(tmp_path, "first") == "<h1>first</h1>"
