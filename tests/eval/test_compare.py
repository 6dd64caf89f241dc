"""`footnoted eval compare`: pairs, directions, flips and the verdict."""

from __future__ import annotations

import json

import pytest

from eval import compare, stats
from eval.errors import EvalError
from eval.report import Report
from eval.text import comparison_text
from rag import cli


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(stats, "RESAMPLES", 200)


def row(name, right, seconds=1.0, refused=False, answerable=True, words="", failed=False):
    said_no = refused or failed
    refusal = {"kind": "backend_failed" if failed else "not_stated"} if said_no else None
    rows = {} if failed else {"right": [right], "seconds_p50": [seconds]}
    if not failed:
        rows["refusal_precision"] = [float(refused), float(answerable)]
    return {
        "id": name,
        "key": name,
        "question": {"id": name, "question": f"{words}{name}?", "answerable": answerable},
        "answer": {"refused": said_no, "refusal": refusal},
        "rows": rows,
    }


def report(rows, judge="embedding"):
    return Report({"judge": {"name": judge}, "metrics": {}}, rows)


def test_a_clear_gain_is_better_and_slower_is_worse():
    a = report([row(f"q{i}", float(i % 4 == 0), 1.0 + i / 100) for i in range(40)])
    b = report([row(f"q{i}", float(i % 4 != 3), 2.0 + i / 50) for i in range(40)])
    found = compare(a, b)
    assert found.metrics["right"].difference.mean == pytest.approx(0.5)
    assert found.metrics["right"].verdict == "better"
    assert found.metrics["seconds_p50"].verdict == "worse"
    assert found.verdict.startswith("B (B) is better than A (A) in right: 0.250 against 0.750")
    assert compare(b, a).metrics["right"].verdict == "worse"
    assert found.frame().loc["right", "verdict"] == "better"


def test_the_verdict_does_not_pay_for_the_figures_beside_it():
    """Six of thirty gained: p is 0.01 for the figure asked about, twice that beside another."""
    last = row("no", 1.0, refused=True, answerable=False)
    a = report([*(row(f"q{i}", float(i >= 6)) for i in range(29)), last])
    b = report([*(row(f"q{i}", 1.0) for i in range(29)), last])
    found = compare(a, b)
    right = found.metrics["right"]
    assert right.p == right.difference.p_t < 0.05
    assert right.verdict == "better"
    aside = compare(a, b, primary="seconds_p50").metrics["right"]
    assert aside.p > aside.difference.p_t


def test_the_same_run_twice_shows_no_difference():
    a = report([row(f"q{i}", float(i % 2)) for i in range(10)])
    found = compare(a, a)
    assert {one.verdict for one in found.metrics.values()} == {"no difference to be seen"}
    assert found.flipped == []
    assert found.verdict.startswith("no difference to be seen in right")


def test_flips_are_listed_worse_first():
    a = report([row("x", 0.0), row("y", 1.0), row("z", 0.0, refused=True), row("s", 1.0)])
    b = report([row("x", 1.0), row("y", 0.0), row("z", 0.0), row("s", 1.0)])
    found = compare(a, b)
    assert [(f["id"], f["a"], f["b"], f["change"]) for f in found.flipped] == [
        ("y", "right", "wrong", "worse"), ("z", "refused", "wrong", "worse"),
        ("x", "wrong", "right", "better"),
    ]  # fmt: skip
    assert "flipped: 1 for the better, 2 for the worse" in comparison_text(found)


def test_only_the_same_questions_are_compared_and_the_rest_is_told():
    a = report([row("x", 1.0), row("y", 1.0), row("z", 1.0), row("only", 1.0)])
    b = report(
        [row("x", 1.0), row("y", 1.0, words="other "), row("z", 1.0, failed=True)], "lexical"
    )
    found = compare(a, b)
    assert found.n == 1
    assert [note.split(" ", 1)[1][:22] for note in found.notes] == [
        "questions are in one r", "questions have the sam", "questions failed in on",
        "runs were judged by di",
    ]  # fmt: skip


def test_what_cannot_be_compared():
    with pytest.raises(EvalError, match="no question in common"):
        compare(report([row("x", 1.0)]), report([row("y", 1.0)]))
    with pytest.raises(EvalError, match="'token_f1' was not measured"):
        compare(report([row("x", 1.0)]), report([row("x", 1.0)]), primary="token_f1")


def test_the_command(tmp_path, capsys):
    for name, values in (("a", [1.0] * 9 + [0.0]), ("b", [0.0] * 9 + [1.0])):
        rows = [row(f"q{i}", value) for i, value in enumerate(values)]
        report(rows).save(tmp_path / name)
    words = ["eval", "compare", str(tmp_path / "a"), str(tmp_path / "b")]
    assert cli.main([*words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["metrics"]["right"]["verdict"] == "worse"
    assert cli.main([*words, "--fail-if-worse"]) == 1
    assert "B (b) is worse than A (a)" in capsys.readouterr().out
    assert cli.main(["eval", "compare", str(tmp_path), str(tmp_path / "b")]) == 1
    assert "holds no report. Make one: footnoted eval run" in capsys.readouterr().err
