"""Known sets by name alone: what ir_datasets and datasets give is read as a released folder is."""

from __future__ import annotations

import json
import os
import sys
from types import ModuleType, SimpleNamespace

import pytest

from eval.datasets import load_evidence, load_questions, load_retrieval
from eval.errors import EvalError
from rag import cli


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "ir_datasets", None)
    monkeypatch.setitem(sys.modules, "datasets", None)


def hub(monkeypatch, **sets):
    """A fake `datasets`: repository and config -> rows; what was asked for."""
    asked = []

    def load_dataset(repository, config=None, *, split):
        asked.append((repository, config, split, os.environ.get("HF_HUB_OFFLINE")))
        return sets[config or "none"]

    module = ModuleType("datasets")
    module.load_dataset = load_dataset
    monkeypatch.setitem(sys.modules, "datasets", module)
    return asked


def beir(monkeypatch, *names):
    """A fake `ir_datasets` that knows these sets, each of two papers."""

    def load(name):
        if name not in names:
            raise KeyError(name)
        docs = [SimpleNamespace(doc_id="d1", title="T", text="A paper."),
                SimpleNamespace(doc_id="d2", text="Without a title.")]  # fmt: skip
        return SimpleNamespace(
            has_docs=lambda: True, has_queries=lambda: True, has_qrels=lambda: True,
            docs_iter=lambda: iter(docs),
            queries_iter=lambda: iter([SimpleNamespace(query_id="q", text="which paper?")]),
            qrels_iter=lambda: iter([SimpleNamespace(query_id="q", doc_id="d1", relevance=1)]),
        )  # fmt: skip

    module = ModuleType("ir_datasets")
    module.load = load
    monkeypatch.setitem(sys.modules, "ir_datasets", module)


@pytest.mark.parametrize(
    ("load", "name", "package"),
    [
        (load_retrieval, "nfcorpus", "pip install ir-datasets"),
        (load_questions, "pubmedqa", "pip install datasets"),
        (load_questions, "litsearch:", "pip install datasets"),
        (load_evidence, "attributionbench", "pip install datasets"),
    ],
)
def test_without_the_library_the_error_names_both_ways(load, name, package, tmp_path):
    with pytest.raises(EvalError, match=package) as caught:
        load(name)
    assert "Or name what you have on disk" in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_what_no_library_has_says_where_it_is():
    with pytest.raises(EvalError, match=r"bioasq\.org.*bioasq:PATH"):
        load_questions("bioasq")
    with pytest.raises(EvalError, match=r"github\.com/allenai/scifact.*scifact:PATH"):
        load_evidence("scifact")


@pytest.mark.parametrize("name", ["nfcorpus", "beir/nfcorpus", "beir:NFCorpus"])
def test_a_beir_set(name, monkeypatch):
    beir(monkeypatch, "beir/nfcorpus/test")
    found = load_retrieval(name)
    assert (found.queries, found.qrels) == ({"q": "which paper?"}, {"q": {"d1": 1}})
    papers = [json.loads(line) for line in found.corpus.read_text().splitlines()]
    assert [p["title"] for p in papers] == ["T", "Without a title."]
    monkeypatch.setitem(sys.modules, "ir_datasets", None)
    assert load_retrieval(name).qrels == found.qrels  # kept: not fetched again


def test_a_beir_set_without_splits_and_one_that_is_not_there(monkeypatch):
    beir(monkeypatch, "beir/arguana")
    assert load_retrieval("arguana").queries
    with pytest.raises(EvalError, match="knows no set beir/hens"):
        load_retrieval("hens")


def test_a_folder_comes_before_a_name(tmp_path):
    (tmp_path / "nfcorpus").mkdir()
    with pytest.raises(EvalError, match=r"has no corpus\.jsonl"):
        load_retrieval("nfcorpus")
    with pytest.raises(EvalError, match=r"has no corpus\.jsonl"):
        load_retrieval(tmp_path / "no-such")


def test_pubmedqa_with_its_papers(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    row = {"pubid": 7, "question": "Is it?", "context": {"contexts": ["One.", "Two."]},
           "long_answer": "It is.", "final_decision": "yes"}  # fmt: skip
    asked = hub(monkeypatch, pqa_labeled=[row])
    found = load_questions("pubmedqa")
    assert [(q.id, q.gold_papers, q.answer) for q in found.questions] == [("7", ("7",), "It is.")]
    assert asked == [("qiaojin/PubMedQA", "pqa_labeled", "train", None)]
    assert os.environ["HF_HUB_OFFLINE"] == "1"
    corpus = tmp_path / ".footnoted-eval" / "data" / "pubmedqa" / "corpus.jsonl"
    assert json.loads(corpus.read_text())["text"] == "One. Two."


def test_litsearch_and_labelled_claims(monkeypatch):
    query = {"query": "Which?", "corpusids": [3], "query_set": "inline"}
    paper = {"corpusid": 3, "title": "T", "abstract": "A."}
    hub(monkeypatch, query=[query], corpus_clean=[paper])
    assert load_questions("litsearch").questions[0].gold_papers == ("3",)
    claim = {"question": "q", "claim": "c", "references": ["One."], "src_dataset": "s",
             "attribution_label": "attributable"}  # fmt: skip
    hub(monkeypatch, subset_balanced=[claim], none=[{"dataset": "d", "doc": "A.", "claim": "c",
                                                     "label": 0}])  # fmt: skip
    name, found, _ = load_evidence("AttributionBench:")
    assert (name, found[0].label) == ("attributionbench-test", "supported")
    assert load_evidence("llm-aggrefact")[1][0].label == "unsupported"


def test_no_network_is_told(monkeypatch, capsys):
    module = ModuleType("datasets")

    def load_dataset(*_, **__):
        raise ConnectionError("no route to host\nand more")

    module.load_dataset = load_dataset
    monkeypatch.setitem(sys.modules, "datasets", module)
    assert cli.main(["eval", "grounders", "attributionbench", "--grounder", "lexical"]) == 1
    error = capsys.readouterr().err
    assert "could not be fetched (no route to host)" in error
    assert "attributionbench:PATH" in error
