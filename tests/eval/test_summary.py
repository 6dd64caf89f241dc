"""What `eval run` prints, and what it says while it runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from eval import run, stats
from eval.report import Report
from eval.summary import one_line, summary_text, where_text, worst_text
from rag import Chatbot, cli
from rag.config import Settings

FAST: dict[str, Any] = {
    "embedding.name": "hashing", "store.name": "memory", "answer.refuse_below": 0.0,
}  # fmt: skip
PAPERS = [
    {"id": "p1", "title": "Lantern", "abstract": "Lantern reads tapes. It answers in 45 seconds."},
    {"id": "p2", "title": "Whales", "abstract": "A detector counts whales. It finds 87% of them."},
]
LONG = "Of all the things that one could ask about a tape, what does Lantern do with it, and when?"
QUESTIONS = [
    {"id": "good", "question": "How long does Lantern take to answer?", "gold_papers": ["p1"],
     "key_facts": [["45 seconds"]]},
    {"id": "poor", "question": LONG, "gold_papers": ["p2"], "key_facts": [["nothing"]]},
    {"id": "none", "question": "What do bakers in Lyon earn?", "answerable": False},
]  # fmt: skip


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stats, "RESAMPLES", 40)
    monkeypatch.setattr(stats, "FEW", 20)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    for name, rows in (("papers", PAPERS), ("questions", QUESTIONS)):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    with Chatbot.open(tmp_path / "home", Settings.load(None, FAST, {})) as bot:
        bot.ingest(tmp_path / "papers.jsonl")
    return tmp_path


@pytest.fixture
def report(place: Path) -> Report:
    settings = Settings.load(None, FAST, {})
    return run(place / "questions.jsonl", place / "home", place / "out", settings)


def command(place: Path, *more: str) -> list[str]:
    settings = [word for key, value in FAST.items() for word in ("--set", f"{key}={value}")]
    base = ["eval", "run", str(place / "questions.jsonl"), "--home", str(place / "home")]
    return [*base, "--out", str(place / "out"), *settings, *more]


def test_the_main_figures_fit_a_narrow_terminal(report: Report) -> None:
    text = summary_text({"": report}, 80)
    assert ": 3 questions in " in text.splitlines()[0]
    assert "right" in text and "seconds_p95" in text and "token_f1" not in text
    assert len(text.splitlines()) < 18


@pytest.mark.parametrize("width", [60, 80, 200])
def test_what_went_wrong_is_a_line_each_with_the_worst_first(report: Report, width: int) -> None:
    head, *lines = worst_text(report, width).splitlines()
    assert head == "2 of 3 questions went wrong, the worst first:"
    assert [line.split()[0] for line in lines] == ["poor", "none"]
    assert lines[1].endswith("- answered what cannot be answered")
    assert "cites none of the right papers" in lines[0]
    assert (LONG in lines[0]) is (width == 200)
    assert width == 60 or max(map(len, lines)) <= width


def test_a_run_without_a_fault_says_so(report: Report) -> None:
    assert worst_text(Report(report.data, report.rows[:1])) == "no question went wrong"


def test_where_everything_lies_is_told(report: Report) -> None:
    assert where_text(report).startswith(f"all figures and answers: {report.folder}/report.html")
    assert where_text(Report(report.data, report.rows)) == ""


def test_the_command_prints_the_summary_and_on_request_everything(place: Path, capsys) -> None:
    assert cli.main(command(place)) == 0
    out, _ = capsys.readouterr()
    assert "went wrong, the worst first:" in out and "token_f1" not in out
    assert out.rstrip().endswith("report.html (report.json, answers.jsonl)")
    assert cli.main(command(place, "--full")) == 0
    out, _ = capsys.readouterr()
    assert "citation_recall" in out and "went wrong, the worst first:" in out


def test_each_question_is_shown_as_it_is_asked_and_told_when_it_fails(
    place: Path, capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rag._cli_progress._EVERY", 0.0)
    (place / "home" / "footnoted.toml").write_text(
        '[backend]\nname = "scripted"\nllm_kwargs = {replies = ["It takes 45 seconds. [1]"]}\n'
    )
    assert cli.main(command(place)) == 0
    out, err = capsys.readouterr()
    assert "asking: 0 of 3 questions" in err and "now: Of all the things" in err
    assert "footnoted: poor failed: " in err and "footnoted: none failed: " in err
    assert "  poor " in out and " - failed: " in out
    assert cli.main(command(place, "--quiet")) == 0
    assert "failed: " not in capsys.readouterr().err


def test_a_line_is_cut_to_its_room() -> None:
    assert one_line("a\n b", 10) == "a b"
    assert one_line("abcdef ghij", 8) == "abcdef…"
