"""Datasets: what is read, and what is left out and told."""

from __future__ import annotations

import gzip
import json

import pytest

from eval.datasets import load_evidence, load_questions, load_retrieval, match_gold
from eval.errors import EvalError
from rag.types import Paper


def lines(path, *records):
    text = "".join(f"{r if isinstance(r, str) else json.dumps(r)}\n" for r in records)
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_text(text, encoding="utf-8")
    return path


# --- questions


def test_the_questions_that_ship_can_all_be_asked(sample_papers):
    found = load_questions("sample:")
    from rag.library import paper_id

    kept, left = match_gold(
        found.questions, [Paper(p.title, p.abstract, id=paper_id(p)) for p in sample_papers]
    )
    assert len(kept) == 494
    assert not found.left_out and not left
    assert all(q.gold_papers for q in kept if q.answerable)


def test_a_bad_line_is_left_out_and_the_rest_is_kept(tmp_path):
    path = lines(
        tmp_path / "q.jsonl",
        {"id": "1", "question": "Why?"},
        "{not json",
        {"id": "1", "question": "Again?"},
        {"id": "2"},
        {"id": "3", "question": "x", "key_facts": "three"},
        [1, 2],
        {"id": 4, "question": "How many?", "key_facts": ["three", ["4", "four"]]},
    )
    found = load_questions(path)
    assert [q.id for q in found.questions] == ["1", "4"]
    assert found.questions[1].key_facts == (("three",), ("4", "four"))
    assert found.questions[1].answerable is True
    assert found.questions[0].answerable is None
    assert [(item.line, item.why[:12]) for item in found.left_out] == [
        (2, "not JSON: Ex"), (3, "the id of li"), (4, "no question "), (5, "key_facts is"),
        (6, "not a JSON o"),
    ]  # fmt: skip


def test_a_conversation_ends_in_its_question(tmp_path):
    turns = ["What is BM25?", {"question": "Who made it?", "answer": "x"}]
    path = lines(tmp_path / "q.jsonl", {"id": "1", "turns": turns})
    (question,) = load_questions(path).questions
    assert question.question == "Who made it?"
    assert question.turns == ("What is BM25?",)


@pytest.mark.parametrize("text", ["\n", "[]\n"])
def test_a_set_without_questions_is_an_error(tmp_path, text):
    path = tmp_path / "q.jsonl"
    path.write_text(text)
    with pytest.raises(EvalError, match=r"holds no question|empty"):
        load_questions(path)


def test_gold_is_found_by_title_and_a_missing_paper_is_told(tmp_path):
    path = lines(
        tmp_path / "q.jsonl",
        {"id": "1", "question": "a", "gold_titles": ["graph  SEARCH!"]},
        {"id": "2", "question": "b", "gold_papers": ["nowhere"]},
        {"id": "3", "question": "c", "gold_papers": ["nowhere"], "answerable": False},
        {"id": "4", "question": "d", "gold_papers": ["nowhere", "p1"]},
    )
    questions = load_questions(path).questions
    kept, left = match_gold(questions, [Paper("Graph Search", "Text.", id="p1")])
    assert {q.id: q.gold_papers for q in kept} == {"1": ("p1",), "3": (), "4": ("p1",)}
    assert [(item.id, item.why) for item in left] == [
        ("2", "its gold paper is not in the collection: nowhere")
    ]


def test_released_sets_of_questions(tmp_path):
    row = {"QUESTION": "Does it?", "LONG_ANSWER": "It does.", "final_decision": "yes"}
    (tmp_path / "ori_pqal_train.json").write_text(json.dumps({"123": row}))
    (one,) = load_questions(f"pubmedqa:{tmp_path}").questions
    assert (one.id, one.gold_papers, one.answer, one.type) == ("123", ("123",), "It does.", "yes")
    bio = {
        "id": "b1", "body": "What is it?", "type": "summary", "ideal_answer": ["A thing."],
        "documents": ["http://www.ncbi.nlm.nih.gov/pubmed/77"], "snippets": [{"text": "It is."}],
    }  # fmt: skip
    (tmp_path / "bio.json").write_text(json.dumps({"questions": [bio]}))
    (one,) = load_questions(f"bioasq:{tmp_path / 'bio.json'}").questions
    assert (one.gold_papers, one.gold_sentences, one.answer) == (("77",), ("It is.",), "A thing.")
    lines(tmp_path / "query.jsonl", {"query": "a paper on x", "corpusids": [5], "query_set": "s"})
    (one,) = load_questions(f"litsearch:{tmp_path}").questions
    assert (one.question, one.gold_papers, one.type) == ("a paper on x", ("5",), "s")
    with pytest.raises(EvalError, match="no such file or folder"):
        load_questions(f"pubmedqa:{tmp_path / 'no'}")


# --- retrieval sets


def beir(root, end=""):
    lines(root / f"corpus.jsonl{end}", {"_id": "d1", "title": "T", "text": "Words."})
    lines(root / f"queries.jsonl{end}", {"_id": "q1", "text": "w"}, {"_id": "q2", "text": "v"})
    for split, query in (("test", "q1"), ("train", "q2")):
        rows = ["query-id\tcorpus-id\tscore", f"{query}\td1\t2", f"{query}\td0\t0"]
        lines(root / "qrels" / f"{split}.tsv{end}", *rows)
    return root


@pytest.mark.parametrize("end", ["", ".gz"])
def test_beir_plain_and_packed(tmp_path, end):
    root = beir(tmp_path / "set", end)
    assert load_retrieval(root).qrels == {"q1": {"d1": 2}}
    assert load_retrieval(root, "train").qrels == {"q2": {"d1": 2}}
    assert load_retrieval(root).name == "set/test"
    with pytest.raises(EvalError, match=r"no qrels called 'dev' \(there: test, train\)"):
        load_retrieval(root, "dev")


def test_scifact_as_it_is_released(tmp_path):
    lines(tmp_path / "corpus.jsonl", {"doc_id": 7, "title": "T", "abstract": ["A.", "B."]})
    lines(tmp_path / "claims_dev.jsonl", {"id": 3, "claim": "A", "cited_doc_ids": [7]})
    found = load_retrieval(tmp_path, "dev")
    assert (found.queries, found.qrels) == ({"3": "A"}, {"3": {"7": 1}})
    assert load_retrieval(tmp_path).qrels == found.qrels


def test_qrels_of_trec_and_of_a_stranger(tmp_path):
    root = beir(tmp_path)
    path = lines(tmp_path / "my.qrels", "q1 0 d1 1", "q9 0 d1 1")
    found = load_retrieval(root, str(path))
    assert found.qrels == {"q1": {"d1": 1}}
    assert [item.id for item in found.left_out] == ["q9"]
    lines(tmp_path / "bad.qrels", "q1 0 d1 1", "q1 0 d1 high")
    with pytest.raises(EvalError, match="line 2: 'high' is no grade"):
        load_retrieval(root, str(tmp_path / "bad.qrels"))


# --- labelled evidence


def test_labelled_evidence(tmp_path):
    path = lines(
        tmp_path / "mine.jsonl",
        {"claim": "a", "evidence": "One. Two.", "label": "supported", "source": "s"},
        {"claim": "b", "evidence": ["One."], "label": "true"},
        {"claim": "c", "evidence": [], "label": "partial"},
    )
    name, examples, left = load_evidence(str(path))
    assert name == "mine"
    assert [(e.claim, e.evidence, e.label) for e in examples] == [
        ("a", ("One.", "Two."), "supported")
    ]
    assert [item.line for item in left] == [2, 3]


@pytest.mark.parametrize(
    ("address", "message"),
    [("nowhere.jsonl", "no such file"), ("psychic:folder", "no loader is called 'psychic'")],
)
def test_what_is_not_there(address, message):
    with pytest.raises(EvalError, match=message):
        load_evidence(address)
