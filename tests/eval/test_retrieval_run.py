"""`footnoted eval retrieval`: ids, ingest, modes side by side."""

from __future__ import annotations

import json

import pytest

from eval.datasets import load_retrieval
from eval.retrieval import run_retrieval
from eval.text import retrieval_text
from eval.variants import variants
from rag import cli
from tests.conftest import make_papers

FAST = ["embedding.name=hashing", "store.name=memory"]


@pytest.fixture
def beir(tmp_path):
    """Twelve papers, two of them named by ids that the library gives other names."""
    root = tmp_path / "tiny"
    (root / "qrels").mkdir(parents=True)
    names = {0: "10.1000/Abc", 1: "2101.00001"}
    docs = [(names.get(i, f"d{i}"), p) for i, p in enumerate(make_papers(12))]
    with (root / "corpus.jsonl").open("w") as file:
        for name, paper in docs:
            record = {"_id": name, "title": paper.title, "text": paper.abstract}
            file.write(json.dumps(record) + "\n")
    with (root / "queries.jsonl").open("w") as file:
        for number, (_, paper) in enumerate(docs):
            file.write(json.dumps({"_id": f"q{number}", "text": paper.title}) + "\n")
    rows = ["query-id\tcorpus-id\tscore", *(f"q{i}\t{n}\t1" for i, (n, _) in enumerate(docs))]
    (root / "qrels" / "test.tsv").write_text("\n".join([*rows, "q3\tmissing\t1"]) + "\n")
    return root


def run(beir, home, **options):
    settings = variants(home, FAST, options.pop("varied", ()))
    return run_retrieval(load_retrieval(beir), home, variants=settings, **options)


def test_papers_are_found_under_the_ids_of_the_corpus(beir, tmp_path):
    home = tmp_path / "home"
    report = run(beir, home)
    hybrid, _, lexical = report.systems
    assert [s.name for s in report.systems] == ["hybrid", "dense", "lexical"]
    assert report.corpus == 12
    # Every title stands in one paper only: by words each is found first, whatever its id is.
    assert set(lexical.values["RR"].values()) == {1.0}
    assert lexical.values["R@100"]["q3"] == 0.5
    assert any("1 right papers are not in the home" in note for note in report.notes)
    assert any("12 ingested" in note for note in report.notes)
    again = run(beir, home)
    assert not any("ingested" in note for note in again.notes)
    assert again.systems[0].values == hybrid.values


def test_a_sample_is_the_same_for_a_seed(beir, tmp_path):
    home = tmp_path / "home"
    first = run(beir, home, modes=["lexical"], limit=5, seed=1)
    assert first.queries == run(beir, home, modes=["lexical"], limit=5, seed=1).queries
    assert len(first.queries) == 5
    assert first.queries != run(beir, home, modes=["lexical"], limit=5, seed=2).queries


def test_settings_side_by_side_and_the_text(beir, tmp_path):
    home = tmp_path / "home"
    report = run(beir, home, modes=["hybrid"], varied=["retrieval.dense_weight=0.0,1.0"])
    assert [s.name for s in report.systems] == [
        "hybrid dense_weight=0.0",
        "hybrid dense_weight=1.0",
    ]
    text = retrieval_text(report)
    assert "tiny/test: 12 queries, 12 papers" in text
    assert "against hybrid dense_weight=0.0" in text
    found = report.to_dict()["systems"]["hybrid dense_weight=1.0"]
    assert found["against"] == "hybrid dense_weight=0.0"
    assert 0 <= found["metrics"]["nDCG@10"]["low"] <= found["metrics"]["nDCG@10"]["value"] <= 1
    assert set(found["differences"]["RR"]) >= {"mean", "p_t", "p_randomisation", "p_t_holm"}


def test_the_command(beir, tmp_path, capsys):
    words = ["eval", "retrieval", str(beir), "--home", str(tmp_path / "h"), "--mode", "lexical"]
    fast = [word for pair in FAST for word in ("--set", pair)]
    assert cli.main([*words, *fast, "--json", "--quiet"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["systems"]["lexical"]["metrics"]["RR"]["value"] == 1.0
    assert "right papers are not in the home" in err
    assert cli.main(["eval", "retrieval", str(tmp_path)]) == 1
    assert "has no corpus.jsonl" in capsys.readouterr().err
    assert cli.main(["eval"]) == 2
