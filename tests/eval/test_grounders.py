"""`footnoted eval grounders`, and the released sets that it reads."""

from __future__ import annotations

import json

import numpy as np
import pytest

from eval import grounders, stats
from eval.datasets import Labelled, load_evidence
from eval.errors import EvalError
from eval.floors import AlwaysSupported, TokenCoverage
from eval.text import grounders_text
from rag import cli
from rag.embedding import HashingEmbedder
from tests.conftest import ROOT

DATA = ROOT.parent / "shared" / "data"


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(stats, "RESAMPLES", 40)


def examples():
    true = [(f"cats eat {n} fish", f"All cats eat {n} fish.", "supported") for n in "abcdef"]
    false = [(f"dogs drive {n} cars", "Cats eat fish.", "unsupported") for n in "abcdef"]
    return [Labelled(claim, (text,), label, "s") for claim, text, label in true + false]


def test_floors():
    assert TokenCoverage().judge("big cats eat", ["Cats eat fish."]).score == pytest.approx(2 / 3)
    assert TokenCoverage().judge("", ["x"]).verdict == "unsupported"
    assert AlwaysSupported().judge("x", []).verdict == "supported"


def test_every_grounder_is_measured_against_the_floors():
    embed = HashingEmbedder().embed
    judged = grounders.judge_all({"mine": examples()}, embed)
    found = grounders.to_dict(judged)
    assert {"embedding", "lexical", "token coverage", "always supported"} <= set(found)
    assert found["token coverage"]["mine"]["auroc"]["value"] == 1.0
    assert found["always supported"]["mine"]["auroc"]["value"] == 0.5
    assert found["always supported"]["mine"]["balanced_accuracy"]["value"] == 0.5
    assert found["always supported"]["mine"]["calibration_error"]["value"] == 0.5
    assert found["lexical"]["mine"]["seconds"] > 0
    kappas = grounders.agreement(judged)
    assert "embedding, lexical" in kappas["mine"]
    text = grounders_text(judged, kappas)
    assert "12 claims: 6 supported, 6 unsupported" in text
    assert "kappa of embedding, lexical" in text


def test_what_is_embedded_once_is_what_the_embedder_gives():
    embed = HashingEmbedder().embed
    some = examples()[:3]
    look = grounders.remember(some, embed, lambda *_: None)
    texts = [some[1].claim, "never seen", some[0].evidence[0]]
    assert np.allclose(look(texts), embed(texts))


def test_records_are_added_to(tmp_path):
    path = tmp_path / "judges.json"
    for name in ("one", "two"):
        sets = {name: examples()}
        grounders.record(grounders.judge_all(sets, HashingEmbedder().embed, ["lexical"]), path)
    assert set(json.loads(path.read_text())["lexical"]) == {"one", "two"}


def test_the_command(tmp_path, capsys):
    path = tmp_path / "mine.jsonl"
    rows = [{"claim": e.claim, "evidence": list(e.evidence), "label": e.label} for e in examples()]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows) + "{}\n")
    words = ["eval", "grounders", str(path), "--grounder", "lexical", "token coverage", "--quiet"]
    assert cli.main([*words, "--json", "--home", str(tmp_path)]) == 0
    out, err = capsys.readouterr()
    assert set(json.loads(out)["grounders"]) == {"lexical", "token coverage"}
    assert "left out line 13: no claim, or no evidence" in err
    assert cli.main([*words[:4], "psychic"]) == 1
    assert "no grounder is called 'psychic'" in capsys.readouterr().err


# --- released sets


def write(path, *rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_scifact(tmp_path):
    write(tmp_path / "corpus.jsonl", {"doc_id": 1, "title": "T", "abstract": ["A.", "B."]})
    evidence = {"1": [{"sentences": [0], "label": "CONTRADICT"}]}
    write(
        tmp_path / "claims_train.jsonl",
        {"id": 5, "claim": "a", "evidence": evidence, "cited_doc_ids": [1]},
        {"id": 6, "claim": "b", "evidence": {}, "cited_doc_ids": [1, 2]},
    )
    name, found, _ = load_evidence(f"scifact:{tmp_path}")
    assert name == "scifact"
    assert [(e.claim, e.label) for e in found] == [("a", "contradicted"), ("b", "unsupported")]
    assert (found[0].evidence, found[0].context) == (("A.", "B."), "T")


def test_check_covid_and_attributionbench(tmp_path):
    write(tmp_path / "corpus.json", {"cord_id": "x", "title": "T", "abstract": ["A."]})
    write(
        tmp_path / "Check-COVID_all.json",
        {"id": "g_0", "claim": "a", "cord_id": "x", "label": "SUPPORT"},
        {"id": "g_1", "claim": "b", "cord_id": "x", "label": "NOTENOUGHINFO"},
    )
    found = load_evidence(f"check-covid:{tmp_path}")[1]
    assert [(e.label, e.group) for e in found] == [
        ("supported", "check-covid g"), ("unsupported", "check-covid g"),
    ]  # fmt: skip
    row = {"question": "q", "claim": "a", "references": ["One. Two."], "src_dataset": "LFQA"}
    write(tmp_path / "dev.jsonl", {**row, "attribution_label": "attributable"})
    (one,) = load_evidence(f"attributionbench:{tmp_path / 'dev.jsonl'}")[1]
    assert (one.label, one.evidence, one.source) == ("supported", ("One.", "Two."), "LFQA")


def test_ragtruth_marks_sentences_by_spans(tmp_path):
    info = {"question": "q", "passages": "Passage one. Passage two."}
    write(
        tmp_path / "source_info.jsonl",
        {"source_id": 1, "task_type": "QA", "source_info": info},
    )
    labels = [
        {"start": 10, "end": 14, "label_type": "Evident Conflict"},
        {"start": 25, "end": 30, "label_type": "Subtle Baseless Info"},
    ]
    response = "It is so. It is not. It was there. Fine."
    write(tmp_path / "response.jsonl", {"source_id": 1, "response": response, "labels": labels})
    found = load_evidence(f"ragtruth:{tmp_path}")[1]
    assert [e.label for e in found] == ["supported", "contradicted", "unsupported", "supported"]
    assert found[0].evidence == ("Passage one.", "Passage two.")


def test_aggrefact_and_scihal(tmp_path):
    row = {"dataset": "d", "doc": "A doc. More.", "claim": "c"}
    write(tmp_path / "test.jsonl", {**row, "label": 1}, {**row, "label": 0})
    found = load_evidence(f"llm-aggrefact:{tmp_path}")[1]
    assert [e.label for e in found] == ["supported", "unsupported"]
    (tmp_path / "s.csv").write_text(
        "claim,reference,label\nx,One. Two.,entailment\ny,One.,contradiction\nz,One.,whatever\n"
    )
    found = load_evidence(f"scihal:{tmp_path / 's.csv'}")[1]
    assert [e.label for e in found] == ["supported", "contradicted"]


def test_a_folder_without_the_files(tmp_path):
    with pytest.raises(EvalError, match=r"has none of corpus.jsonl|has none of claims"):
        load_evidence(f"scifact:{tmp_path}")


@pytest.mark.parametrize(
    ("name", "count", "supported"), [("check-covid", 1504, 505), ("attributionbench", 1198, 599)]
)
def test_the_real_sets_are_read_whole(name, count, supported):
    if not (DATA / name).is_dir():
        pytest.skip(f"{name} is not on this machine")
    found = load_evidence(f"{name}:{DATA / name}")[1]
    assert len(found) == pytest.approx(count, abs=5)
    assert sum(e.label == "supported" for e in found) == pytest.approx(supported, abs=5)
