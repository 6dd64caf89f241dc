"""`footnoted eval run`: what is asked again, what is left out, and the figures."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET

import pytest

from eval import _inside, stats
from eval.asking import ask_all, read_rows
from eval.datasets import Question, load_questions
from eval.errors import EvalError
from eval.judging import Judge, judge_for, judged
from eval.labelling import label, save_correction
from eval.measures import Case, measures, right
from eval.outputs import failures, junit, markdown
from eval.record import measured_record
from eval.report import Report
from eval.runner import question_of, run, run_matrix
from eval.text import report_text
from rag import Chatbot, Settings, cli
from rag.ground import Judgement
from rag.ingest import silent
from rag.types import Paper

FAST = {"embedding.name": "hashing", "store.name": "memory"}
PAPERS = [
    ("Lantern search", "Lantern searches tapes by cluster. It answers a query in 45 seconds."),
    ("Counting whales", "We train a detector on 1,900 images. It finds 87% of the whales."),
]


def papers():
    return [Paper(title, text, id=f"p{i}") for i, (title, text) in enumerate(PAPERS, 1)]


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Intervals from few resamples: these tests are about other things."""
    monkeypatch.setattr(stats, "RESAMPLES", 40)
    monkeypatch.setattr(stats, "FEW", 20)


@pytest.fixture
def small(tmp_path):
    """A home of two papers, and questions of every kind of trouble."""
    source = tmp_path / "papers.jsonl"
    rows = [{"id": p.id, "title": p.title, "abstract": p.abstract} for p in papers()]
    source.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with Chatbot.open(tmp_path / "home", Settings.load(None, FAST, {})) as bot:
        bot.ingest(source)
    questions = [
        {"id": "a", "question": "How long does Lantern take to answer a query?", "type": "number",
         "gold_papers": ["p1"], "key_facts": [["45 seconds"]]},
        {"id": "b", "question": "How many whales does the detector find?", "type": "number",
         "gold_titles": ["Counting whales"], "key_facts": [["87%"], ["not said"]]},
        {"id": "c", "question": "What do bakers in Lyon earn?", "answerable": False,
         "type": "other_field"},
        {"id": "a", "question": "Once more?"},
        {"id": "d", "question": "Where is it?", "gold_papers": ["p9"]},
        {"id": "e", "question": "What is Lantern?"},
    ]  # fmt: skip
    path = tmp_path / "questions.jsonl"
    path.write_text("".join(json.dumps(q) + "\n" for q in questions) + "broken\n")
    return path


def go(small, out="out", **options):
    settings = options.pop(
        "settings", Settings.load(None, {**FAST, **options.pop("flags", {})}, {})
    )
    return run(small, small.parent / "home", small.parent / out, settings, **options)


def says(*replies):
    return {"backend.name": "scripted", "backend.llm_kwargs": {"replies": list(replies)}}


ANSWER_ALL = {"answer.refuse_below": 0.0}


# --- a run


def test_a_run_leaves_three_files_and_says_what_was_left_out(small):
    report = go(small)
    folder = small.parent / "out"
    assert {p.name for p in folder.iterdir()} == {"report.json", "answers.jsonl", "report.html"}
    data = json.loads((folder / "report.json").read_text())
    assert {"dataset", "n", "settings", "metrics", "by_type"} <= data.keys()
    assert data["n"] == 4
    assert set(data["metrics"]["right"]) == {"value", "low", "high", "n"}
    assert [(item["id"], item["line"]) for item in data["left_out"]] == [
        ("a", 4),
        ("", 7),
        ("d", 5),
    ]
    assert "not in the collection: p9" in data["left_out"][2]["why"]
    assert any("1 questions have no gold" in note for note in data["notes"])
    # What was measured of this judge was measured with another encoder than this home's.
    assert data["judge"] == {"name": "embedding", "record": {}}
    assert {"check-covid", "scifact"} <= measured_record("embedding", Settings()).keys()
    assert Report.load(folder).data == report.data
    assert len(Report.load(folder).rows) == 4


def test_figures_by_hand(small):
    """Said are: the first sentence of p1, the second of p2, nothing (refused), the first of p1."""
    replies = [
        PAPERS[0][1],
        "It finds 87% of the whales. [2]",
        "NOT IN THE SOURCES",
        "Lantern. [1]",
    ]
    report = go(small, flags={**says(*replies), **ANSWER_ALL})
    value = {name: found["value"] for name, found in report.data["metrics"].items()}
    assert value["cites_gold"] == 1.0
    assert value["key_facts"] == 0.75
    assert value["all_key_facts"] == value["right"] == 0.5
    assert value["refusal_precision"] == value["refusal_recall"] == 1.0
    assert value["quote_exactness"] == 1.0
    assert value["token_f1"] is None
    assert report.data["by_type"]["number"]["n"] == 2
    assert report.data["by_type"]["number"]["metrics"]["right"]["value"] == 0.5
    assert report.data["by_type"]["other_field"]["metrics"]["right"]["n"] == 0


def test_run_again_asks_only_what_changed(small):
    first = go(small, flags=ANSWER_ALL)
    again = go(small, flags=ANSWER_ALL)
    assert any("4 answers were there" in note for note in again.data["notes"])
    assert [r["answer"] for r in again.rows] == [r["answer"] for r in first.rows]
    drop = ("created", "seconds", "notes")
    assert {k: v for k, v in again.data.items() if k not in drop} == {
        k: v for k, v in first.data.items() if k not in drop
    }
    small.write_text(small.read_text().replace("How long does", "How quickly does"))
    changed = go(small, flags=ANSWER_ALL)
    assert any("3 answers were there" in note for note in changed.data["notes"])
    other = go(small, flags={**ANSWER_ALL, "retrieval.k": 1})
    assert not any("were there" in note for note in other.data["notes"])


def test_a_killed_run_goes_on_where_it_stopped(small):
    go(small)
    path = small.parent / "out" / "answers.jsonl"
    lines = path.read_text().splitlines()
    path.write_text("\n".join(lines[:2]) + "\n" + lines[2][:40])  # cut in mid-line
    assert any("2 answers were there" in note for note in go(small).data["notes"])
    assert len(list(read_rows(path))) == 4


def test_a_failure_is_no_refusal_and_is_asked_again(small):
    flags = {**says("It finds 87% of the whales. [2]"), **ANSWER_ALL}  # one reply, then no more
    report = go(small, flags=flags)
    data = report.data
    assert data["failed"] == 3
    assert data["metrics"]["refusal_precision"]["value"] is None
    assert sum(row["answer"]["refused"] for row in report.rows) == 3
    assert data["metrics"]["seconds_p50"]["n"] == 1
    assert any("3 questions failed" in note for note in data["notes"])
    with Chatbot.open(small.parent / "home", Settings.load(None, {**FAST, **flags}, {})) as bot:
        questions = load_questions(small).questions[:2]
        _, known = ask_all(bot, questions, small.parent / "out", silent)
    assert known == 1


def test_several_at_once_are_the_same_answers(small):
    one = go(small, "one", workers=1)
    four = go(small, "four", workers=4)
    texts = [(row["id"], row["answer"]["text"]) for row in one.rows]
    assert texts == [(row["id"], row["answer"]["text"]) for row in four.rows]


def test_the_confidence_is_the_one_that_refuses(small):
    with Chatbot.open(small.parent / "home", Settings.load(None, FAST, {})) as bot:
        for question in ("How long does Lantern take to answer?", "What do bakers earn?"):
            events = list(bot.stream(question))
            hits = events[0].value
            sure = _inside.confidence(bot, question, hits)
            stricter = Settings.load(None, {**FAST, "answer.refuse_below": min(sure + 0.01, 1)}, {})
            laxer = Settings.load(None, {**FAST, "answer.refuse_below": max(sure - 0.01, 0)}, {})
            for settings, refuses in ((stricter, True), (laxer, False)):
                with Chatbot.open(bot.home, settings) as other:
                    assert other.ask(question).refused is refuses


def test_a_home_that_changes_in_mid_run_is_told(small, monkeypatch):
    from eval import runner

    revisions = iter([1, 2])
    monkeypatch.setattr(runner._inside, "revision", lambda home: next(revisions))
    assert any("the home changed" in note for note in go(small).data["notes"])


def test_what_cannot_be_run_at_all(small, tmp_path):
    settings = Settings.load(None, FAST, {})
    with pytest.raises(EvalError, match=r"has no papers\. Add some: footnoted ingest"):
        run(small, tmp_path / "empty", tmp_path / "x", settings)
    only = tmp_path / "only.jsonl"
    only.write_text('{"id": "1", "question": "Who?", "gold_papers": ["p77"]}\n')
    with pytest.raises(EvalError, match="no question of only has its gold paper"):
        run(only, small.parent / "home", tmp_path / "x", settings)
    dead = Settings.load(None, {**FAST, **says(), **ANSWER_ALL}, {})
    with pytest.raises(EvalError, match=r"every question failed.*nothing to measure"):
        run(small, small.parent / "home", tmp_path / "x", dead)


# --- parts


class Words:
    """Supports what stands in the evidence word for word."""

    def judge(self, claim, evidence, contexts=()):
        held = all(word in " ".join(evidence) for word in claim.split())
        return Judgement("supported" if held else "unsupported", float(held), 0)


def test_sentences_are_judged_by_what_they_cite():
    answer = {
        "sentences": [{"text": "a b", "citations": [1, 2]}, {"text": "b", "citations": [1]},
                      {"text": "a", "citations": []}],
        "citations": [{"marker": 1, "quote": "a", "title": "T"},
                      {"marker": 2, "quote": "b", "title": "U"}],
    }  # fmt: skip
    found = judged(answer, Judge("words", Words()))
    assert [s["verdict"] for s in found["sentences"]] == ["supported", "unsupported", "unsupported"]
    assert found["citation_recall"] == pytest.approx(1 / 3)
    assert found["citation_precision"] == pytest.approx(2 / 3)


def test_a_model_can_judge(small):
    settings = Settings.load(None, {**FAST, **says("SUPPORTED 1")}, {})
    with Chatbot.open(small.parent / "home", settings) as bot:
        found = judge_for(bot, "llm").judge("Whales sing.", ["They were heard."])
    assert found.verdict == "supported"


def case(question, refused=False, text="", cited=()):
    citations = [{"paper_id": p, "quote": "q", "start": 0, "end": 1} for p in cited]
    answer = {"refused": refused, "text": text, "citations": citations, "sentences": []}
    return Case(question, answer, {"sentences": []})


def test_right_means_all_that_is_asked_for():
    asked = Question("1", "x", gold_papers=("p",), key_facts=(("yes",),), answerable=True)
    assert right(case(asked, text="Yes.", cited=["p"])) == 1.0
    assert right(case(asked, text="Yes.", cited=["o"])) == 0.0
    assert right(case(asked, text="No.", cited=["p"])) == 0.0
    assert right(case(asked, refused=True, text="Yes.")) == 0.0
    no = Question("2", "x", answerable=False)
    assert right(case(no, text="Yes.")) == 0.0
    assert right(case(no, refused=True)) is None
    assert right(case(Question("3", "x"))) is None


def test_a_false_premise_may_be_refused_or_corrected():
    """A question that was made so is right either way; one with a correction must say it."""
    value = {name: measures()[name].of for name in ("premises", "refusal_recall", "right")}
    facts = (("45 s",),)
    made = Question("1", "x", (), ("p",), key_facts=facts, answerable=False, type="false_premise")
    said = case(made, text="It takes 45 s.", cited=["p"])
    assert (value["premises"](said), value["refusal_recall"](said), right(said)) == (1, None, 1)
    assert value["right"](said) is None  # of questions that can be answered
    for wrong in (case(made, text="It is 90 s.", cited=["p"]), case(made, text="45 s", cited="o")):
        assert (value["premises"](wrong), value["refusal_recall"](wrong)) == (0, 0)
    refused = case(made, refused=True)
    assert (value["premises"](refused), value["refusal_recall"](refused)) == (1, 1)

    named = Question("2", "x", (), ("p",), answerable=False, type="false_premise")
    assert value["premises"](case(named, text="P does not build on it.", cited=["p"])) == 1
    assert value["premises"](case(named, text="P is a tape. It is not big.", cited=["p"])) == 0

    written = Question("3", "x", (), ("p",), key_facts=facts, answerable=True,
                       correction="It is faster.", type="false_premise")  # fmt: skip
    assert value["premises"](case(written, text="It takes 45 s.", cited=["p"])) == 1
    assert value["premises"](case(written, refused=True)) == 0
    assert value["premises"](case(Question("4", "x", answerable=True))) is None


def test_questions_with_a_false_premise_are_a_type_of_their_own(small):
    rows = [
        {"id": "f", "question": "Why does Lantern need 90 seconds to answer a query?",
         "type": "false_premise", "correction": "It answers a query in 45 seconds.",
         "gold_papers": ["p1"], "key_facts": [["45 seconds"]], "answerable": True},
        {"id": "g", "question": "How does Counting whales build on Lantern?", "answerable": False,
         "type": "false_premise", "gold_papers": ["p2"]},
    ]  # fmt: skip
    small.write_text("".join(json.dumps(row) + "\n" for row in rows))
    said = [PAPERS[0][1].split(". ")[1] + " [1]", "NOT IN THE SOURCES"]
    report = go(small, flags={**says(*said), **ANSWER_ALL})
    found = report.data["by_type"]["false_premise"]
    assert found["n"] == 2
    assert found["metrics"]["premises"]["value"] == 1.0
    assert report.rows[0]["question"]["correction"] == "It answers a query in 45 seconds."


def test_a_question_is_embedded_once(small):
    """For the answer, and for how sure it was."""
    asked = []
    with Chatbot.open(small.parent / "home", Settings.load(None, FAST, {})) as bot:
        embedder = bot._collection.embedder
        embed = embedder.embed_query
        embedder.embed_query = lambda texts: asked.extend(texts) or embed(texts)
        ask_all(bot, [Question("1", "What is Lantern?")], small.parent / "once", silent)
    assert asked == ["What is Lantern?"]


def test_every_measure_is_registered_and_titled():
    found = measures()
    assert len({m.title for m in found.values()}) == len(found)
    assert {m.group for m in found.values()} >= {"answer", "grounding", "refusals", "cost"}


def test_a_question_comes_back_from_its_row(small):
    question = load_questions(small).questions[1]
    back = question_of({"question": json.loads(json.dumps(question.to_dict()))})
    assert back.to_dict() == question.to_dict()


def test_of_several_judges_the_first_counts_and_agreement_is_shown(small, monkeypatch):
    report = go(small, flags=ANSWER_ALL, judge=["lexical", "eval.floors:AlwaysSupported"])
    (other,) = report.data["judges_beside"]
    assert report.data["judge"]["name"] == "lexical"
    assert (other["supported"], other["same"]) == (1.0, other["n"])
    assert other["kappa"] is None  # quotes, all of which are supported: no chance to disagree
    said = f"gives the same verdict on {other['n']} of {other['n']} sentences"
    assert said in report_text({"": report})
    assert said in markdown({"": report}, [])
    assert said in (report.folder / "report.html").read_text()
    # One that denies every other sentence agrees no more than by chance.
    (small.parent / "grim.py").write_text(
        "from eval.floors import AlwaysSupported\n"
        "from rag.ground import Judgement\n"
        "class Grim(AlwaysSupported):\n"
        "    def judge(self, claim, evidence, contexts=()):\n"
        "        if 'tapes' in claim:\n"
        "            return Judgement('unsupported', 0.1, None)\n"
        "        return super().judge(claim, evidence)\n"
    )
    monkeypatch.syspath_prepend(small.parent)
    apart = go(small, flags=ANSWER_ALL, judge=["lexical", "grim:Grim"])
    (other,) = apart.data["judges_beside"]
    assert 0 < other["same"] < other["n"]
    assert "Cohen's kappa 0.00" in report_text({"": apart})


def test_labels_by_hand_stay_with_a_run_that_is_made_again(small):
    """And with the sentence they were given for: another sentence has none."""
    report = go(small, flags=ANSWER_ALL)
    folder = report.folder
    assert "labelled" not in report.data
    label(folder, 2, 0, lambda _: "u", lambda _: None)
    found = save_correction(folder)
    assert found["labels"] == {"value": 0.0, "n": 2}
    html = (folder / "report.html").read_text()
    assert "By 2 labels by hand, the share of supported sentences is" in html
    assert "It answers a query in 45 seconds" in html
    assert go(small, flags=ANSWER_ALL).data["labelled"]["labels"]["n"] == 2
    other = go(small, flags={**says("Lantern searches by cluster. [1]"), **ANSWER_ALL})
    assert other.data["labelled"]["labels"]["n"] == 0


# --- for machines and notebooks


def test_bars_junit_and_markdown(small):
    reports = {"": go(small, flags=ANSWER_ALL)}
    missed = failures(reports, [("refusal_recall", 0.9), ("quote_exactness", 0.9)], [("aurc", 1.0)])
    assert [text.split(" is ")[0] for text in missed] == ["refusal_recall"]
    tree = ET.fromstring(junit(reports, missed))
    assert tree.get("failures") == "1"
    assert [c.get("name") for c in tree if c.find("failure") is not None] == ["refusal_recall"]
    text = markdown(reports, missed)
    assert "(`cites_gold`) | 1.000 [" in text
    assert "**refusal_recall is 0.000, below 0.9**" in text


def test_a_matrix_is_a_folder_each(small):
    varied = ["retrieval.mode=hybrid,lexical"]
    fixed = ["embedding.name=hashing", "store.name=memory"]
    out = small.parent / "matrix"
    found = run_matrix(small, small.parent / "home", out, fixed=fixed, varied=varied)
    assert list(found) == ["hybrid", "lexical"]
    assert (out / "lexical" / "report.html").is_file()
    text = report_text(found)
    assert "cites_gold" in text
    assert "lexical: 4 questions in " in text


def test_one_run_of_several_that_fails_is_told(small):
    told = []
    fixed = ["embedding.name=hashing", "store.name=memory", "answer.refuse_below=0"]
    varied = ["backend.name=extractive,scripted"]
    options = {"fixed": fixed, "varied": varied}
    out = small.parent / "several"
    found = run_matrix(small, small.parent / "home", out, told=told.append, **options)
    assert list(found) == ["extractive"]
    assert told[0].startswith("scripted: every question failed")
    with pytest.raises(EvalError, match="every question failed"):
        run_matrix(small, small.parent / "home", out, **options)


def test_frames_for_a_notebook(small):
    report = go(small, flags=ANSWER_ALL)
    assert report.metrics().loc["cites_gold", "n"] == 2
    assert report.by_type().loc["number", "cites_gold"] == 1.0
    frame = report.answers()
    assert list(frame.index) == ["a", "b", "c", "e"]
    assert frame.loc["a", "cites_gold"] == 1.0


def test_the_command_and_its_exit_status(small, capsys):
    base = ["eval", "run", str(small), "--home", str(small.parent / "home"), "--quiet"]
    base += ["--out", str(small.parent / "o"), "--set", "embedding.name=hashing"]
    base += ["--set", "store.name=memory"]
    assert cli.main([*base, "--json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["n"] == 4
    assert "left out d line 5: its gold paper is not in the collection: p9" in err
    assert cli.main([*base, "--fail-under", "key_facts=1.0"]) == 1
    assert "below 1" in capsys.readouterr().err
    assert cli.main([*base, "--fail-under", "luck=1.0"]) == 2
