"""`footnoted eval make`, `from-feedback` and `label`."""

from __future__ import annotations

import json
import random
import re

import pytest

from eval import stats
from eval.datasets import load_questions, match_gold
from eval.feedback import from_feedback
from eval.labelling import corrected, items, label, labels, save_correction
from eval.making import make, unanswerable
from eval.making.by_model import read
from eval.making.make import near
from eval.making.rules import Draft, accepted, drafts, gives_away, name_of
from eval.report import Report
from rag import Chatbot, Settings, cli
from rag.backends.scripted import ScriptedBackend
from rag.ground import Judgement
from rag.types import Paper

FAST = {"embedding.name": "hashing", "store.name": "memory"}
LANTERN = Paper(
    "LanternDB: Searching Vectors on Tape",
    "We present LanternDB, a database that keeps vectors on tape. LanternDB contains 1,900 "
    "clusters of vectors. It improves search latency by 45%. To address the slow start of tapes, "
    "we propose a second reader. Our method outperforms DiskANN by 12.5%. The code is at "
    "https://example.org/lantern. LanternDB achieves 91.5% recall on SIFT.",
    id="lantern",
)


def made_of(paper):
    return {d.question: d for d in drafts(paper)}


def test_rules_make_sound_questions():
    found = made_of(LANTERN)
    assert {q: [g[0] for g in d.facts] for q, d in found.items()} == {
        "What is LanternDB?": ["database"],
        "How many clusters does LanternDB contain?": ["1,900"],
        "By how much does LanternDB improve search latency?": ["45 %"],
        "What is proposed to address the slow start of tapes?": [],
        "By how much does LanternDB outperform DiskANN?": ["12.5 %"],
        "Where can the code or the data of LanternDB be found?": ["https://example.org/lantern"],
        "What recall does LanternDB reach on SIFT?": ["91.5 %"],
    }
    for draft in found.values():
        assert draft.sentence in LANTERN.abstract
        assert any(
            all(any(f in draft.sentence.lower() for f in g) for g in draft.facts) for _ in "x"
        )


def test_a_question_never_holds_its_answer():
    assert gives_away(Draft("Is it 45%?", "number", LANTERN, "x", (("45%",),)))
    assert not any(gives_away(d) for d in drafts(LANTERN))
    assert accepted("1,900") == ("1,900", "1900")
    assert "45 percent" in accepted("45%")
    assert name_of(Paper("A plain title", "x")) == '"A plain title"'


def test_what_is_not_stated_is_not_in_the_abstract():
    paper = Paper(
        "X1: a title", "Trained on 8 GPUs with a grant. Seeds and cost are given.", id="p"
    )
    for seed in range(10):
        (trap,) = unanswerable.not_stated([paper], random.Random(seed))
        assert "GPU" not in trap.question
        assert "funded" not in trap.question
        assert trap.to_dict("t")["answerable"] is False


def test_a_false_premise_carries_what_is_so_instead():
    (trap, *_) = unanswerable.false_premise(list(drafts(LANTERN)), random.Random(1))
    row = trap.to_dict("t")
    assert row["answerable"] is False
    assert row["gold_papers"] == [LANTERN.id]
    assert row["correction"] in LANTERN.abstract
    assert any(fact in row["correction"].lower() for fact in row["key_facts"][0])
    assert "gold_papers" not in unanswerable.Trap("q?", "not_stated", LANTERN).to_dict("t")


def test_a_false_premise_names_a_number_that_is_not_there():
    some = list(drafts(LANTERN))
    traps = list(unanswerable.false_premise(some, random.Random(1)))
    assert traps
    for trap in traps:
        number = trap.question.rpartition("why is it ")[2].rstrip("?")
        assert number not in LANTERN.abstract


@pytest.mark.parametrize("number", ["2%", "83.0%", "100 percent", "340%", "7"])
def test_a_swapped_share_stays_one(number):
    draft = Draft("How many cats?", "number", LANTERN, "x", ((number,),), number)
    for seed in range(8):
        for trap in unanswerable._swapped_number(draft, random.Random(seed)):
            wrong = float(re.search(r"why is it ([\d.]+)", trap.question)[1])
            assert wrong < 100 or float(re.match(r"[\d.]+", number)[0]) > 100


@pytest.fixture
def home(tmp_path):
    source = tmp_path / "papers.jsonl"
    rows = [
        {
            "id": f"p{i}",
            "title": f"{name}: Work on {topic}",
            "abstract": f"We present {name}, a system for {topic}. {name} contains {17 + i} "
            f"modules of {topic}. Nothing else is said about {topic} here.",
        }
        for i, (name, topic) in enumerate(
            [("TapeDB", "vector tapes"), ("WhaleNet", "counting whales"), ("OvenAI", "porridge")]
        )
    ]
    source.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with Chatbot.open(tmp_path / "home", Settings.load(None, FAST, {})) as bot:
        bot.ingest(source)
        yield bot


def test_a_set_is_made_and_can_be_run(home, tmp_path):
    made = make(home, 10, seed=3)
    assert [q["id"] for q in made.questions] == [
        f"made-{i + 1}" for i in range(len(made.questions))
    ]
    kinds = {q["type"] for q in made.questions if not q["answerable"]}
    assert kinds == set(unanswerable.KINDS)
    assert make(home, 10, seed=3).questions == made.questions
    made.save(tmp_path / "q.jsonl")
    kept, left = match_gold(load_questions(tmp_path / "q.jsonl").questions, home.papers())
    assert len(kept) == len(made.questions)
    assert not left
    for question in kept:
        for gold in question.gold_sentences:
            assert gold in home.paper(question.gold_papers[0]).abstract


def test_a_model_is_kept_to_what_stands_there(home):
    reply = (
        "How many modules does TapeDB hold? | 17\nIs it 17 modules that TapeDB has? | 17 modules\n"
        "What is the colour of TapeDB? | green\nNo bar here\n- What is TapeDB for? | vector tapes."
    )
    paper = home.paper("p0")
    assert [d.question for d in read(reply, paper)] == [
        "How many modules does TapeDB hold?", "What is TapeDB for?",
    ]  # fmt: skip
    made = make(home, 4, model=ScriptedBackend(reply))
    assert {q["gold_papers"][0] for q in made.questions if q["answerable"]} == {"p0"}
    assert sum(q["answerable"] for q in made.questions) == 2


def test_what_a_model_asks_must_be_grounded(home, monkeypatch):
    """Its answer stands in the abstract, but not as an answer to that."""
    reply = "How many modules does TapeDB hold? | 17"
    monkeypatch.setattr(
        "rag.ground.LexicalGrounder.judge", lambda *_: Judgement("contradicted", 0.1, None)
    )
    made = make(home, 4, model=ScriptedBackend(reply))
    assert made.dropped["its paper does not support the answer"] == 1
    assert not any(q["answerable"] for q in made.questions)


def test_nearness():
    assert near("How many modules does TapeDB hold?", ["How many modules does TapeDB hold now?"])
    assert not near("How many modules does TapeDB hold?", ["What is WhaleNet?"])


def test_the_command_makes_a_file(home, tmp_path, capsys, monkeypatch):
    (home.home / "footnoted.toml").write_text(
        '[embedding]\nname = "hashing"\n[store]\nname = "memory"\n'
    )
    out = tmp_path / "made.jsonl"
    words = ["eval", "make", "--home", str(home.home), "-n", "6", "--out", str(out), "--quiet"]
    assert cli.main(words) == 0
    whole = len(out.read_text().splitlines())
    replies = iter(["n", "y"])
    monkeypatch.setattr("builtins.input", lambda: next(replies))
    assert cli.main([*words, "--review", "2"]) == 0
    assert len(out.read_text().splitlines()) == whole - 1
    assert f"{whole - 1} questions -> {out}" in capsys.readouterr().out


# --- feedback


def test_thumbs_down_become_questions_once(tmp_path, capsys):
    rows = [
        {"answer": "1", "question": "Why is it so?", "good": False, "reason": "wrong paper"},
        {"answer": "2", "question": "Why is it so?", "good": False},
        {"answer": "3", "question": "Fine?", "good": True},
        {"answer": "4", "question": "", "good": False},
    ]
    (tmp_path / "feedback.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows) + "{x\n")
    out = tmp_path / "hard.jsonl"
    added, known, left = from_feedback(tmp_path, out)
    assert (added, known, len(left)) == (1, 0, 1)
    assert from_feedback(tmp_path, out)[:2] == (0, 1)
    (question,) = load_questions(out).questions
    assert (question.question, question.answerable) == ("Why is it so?", None)
    assert cli.main(["eval", "from-feedback", str(tmp_path), "--out", str(out)]) == 0
    assert "0 questions added to the 1 of" in capsys.readouterr().out
    assert cli.main(["eval", "from-feedback", str(tmp_path / "no"), "--out", str(out)]) == 1


# --- labels by hand


def run_folder(tmp_path, n=30):
    rows = [
        {
            "id": f"q{i}",
            "key": f"q{i}",
            "question": {"id": f"q{i}", "question": f"What of {i}?"},
            "answer": {
                "sentences": [{"text": f"It is {i}.", "citations": [1]}],
                "citations": [{"marker": 1, "quote": f"Indeed {i}."}],
            },
            "judged": {"sentences": [{"verdict": "supported" if i % 3 else "partial"}]},
            "rows": {},
        }
        for i in range(n)
    ]
    Report({"judge": {"name": "x"}}, rows).save(tmp_path / "run")
    return tmp_path / "run"


def test_labels_are_kept_one_by_one_and_not_asked_again(tmp_path):
    folder = run_folder(tmp_path)
    replies = iter(["s", "what?", "u", "", "q"])
    shown = []
    assert label(folder, 10, 0, lambda _: next(replies), shown.append) == 2
    assert sorted(labels(folder).values()) == ["supported", "unsupported"]
    assert "Does this support it?" in shown[0]
    assert "partial" not in shown[0]  # the judge's verdict would sway the person

    def end(_):
        raise EOFError

    assert label(folder, 30, 0, end, shown.append) == 0
    again = []
    label(folder, 30, 0, lambda _: "", again.append)
    assert len(again) == 28


def test_labels_correct_the_judge(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(stats, "RESAMPLES", 40)
    folder = run_folder(tmp_path)
    assert corrected(folder)["corrected"]["value"] is None
    said = [item.verdict == "supported" for item in items(Report.load(folder))]
    asked = iter(range(100))

    def person(_):
        return "s" if next(asked) % 4 else "u"

    label(folder, 16, 1, person, lambda _: None)
    found = save_correction(folder)
    assert found["judge"]["value"] == pytest.approx(sum(said) / 30)
    assert found["labels"] == {"value": 0.75, "n": 16}
    assert found["corrected"]["low"] < found["corrected"]["value"] < found["corrected"]["high"]
    assert Report.load(folder).data["labelled"] == found
    monkeypatch.setattr("builtins.input", lambda: "q")
    assert cli.main(["eval", "label", str(folder)]) == 0
    assert "corrected by both:" in capsys.readouterr().out
