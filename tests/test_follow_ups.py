"""Conversations over the sample papers: what each last question means, said alone.

`conversations.jsonl` holds them: turns with the papers they cited, by how their titles begin, then
what is asked, what its standalone form must and must not hold, and the paper that it must find.
"alone" is asked as it stands; "held" was set aside before the rules were written, and not fitted.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.datasets.questions import SAMPLE, load_questions
from rag import prompt
from rag._follow_ups import condense, leans
from rag._leaning import says_what
from rag._small_talk import after
from rag.lexical import LexicalIndex
from rag.types import Paper

LINES = (Path(__file__).parent / "conversations.jsonl").read_text(encoding="utf-8").splitlines()
CONVERSATIONS = [json.loads(line) for line in LINES]
FITTED = [talk for talk in CONVERSATIONS if not talk.get("held")]
HELD = [talk for talk in CONVERSATIONS if talk.get("held")]


@pytest.fixture(scope="module")
def words(sample_papers: list[Paper]) -> LexicalIndex:
    texts = (f"{paper.title}. {paper.abstract}" for paper in sample_papers)
    return LexicalIndex.build([paper.title for paper in sample_papers], texts)


def _history(turns: list, papers: list[Paper]) -> list[dict]:
    def title(start: str) -> str:
        return next(paper.title for paper in papers if paper.title.startswith(start))

    return [
        {"question": asked, "answer": "So [1].", "citations": [{"title": title(t)} for t in cited]}
        for asked, cited in turns
    ]


def _misunderstood(talk: dict, papers: list[Paper], words: LexicalIndex) -> list[str]:
    """What is wrong with how the last question is understood."""
    alone = condense(talk["asked"], _history(talk["turns"], papers))
    wrong = [f"lacks {w}" for w in talk.get("has", ()) if w.lower() not in alone.lower()]
    wrong += [f"has {w}" for w in talk.get("lacks", ()) if w.lower() in alone.lower()]
    if talk.get("alone") and alone != talk["asked"]:
        wrong.append(f"leans: {alone}")
    if "paper" in talk:
        found = [title for title, _ in words.search(alone, 1)]
        wrong += [f"finds {t}" for t in found or ["nothing"] if not t.startswith(talk["paper"])]
    return wrong


@pytest.mark.parametrize("talk", FITTED, ids=lambda talk: talk["asked"])
def test_what_is_asked_last_is_understood(
    talk: dict, sample_papers: list[Paper], words: LexicalIndex
) -> None:
    assert _misunderstood(talk, sample_papers, words) == []


def test_of_conversations_set_aside_nine_in_ten_are_understood(
    sample_papers: list[Paper], words: LexicalIndex
) -> None:
    right = [talk for talk in HELD if not _misunderstood(talk, sample_papers, words)]
    assert len(HELD) >= 20
    assert len(right) >= 0.9 * len(HELD)


def test_there_are_conversations_of_two_turns_to_four() -> None:
    assert len(CONVERSATIONS) >= 40
    assert {len(talk["turns"]) + 1 for talk in CONVERSATIONS} >= {2, 3, 4}


@pytest.mark.parametrize(
    "question",
    [
        "How does SPANN keep its lists short?",
        "Is there a tool that draws treemaps, and is it free?",
        "Which papers select data, and how do they do it?",
        "Why are adversarial samples hard to detect?",
        "And what does MUVERA do?",
        "What about papers on treemaps?",
        "How do the authors of SPANN measure recall?",
        "Does SPANN beat the model?",
        "In which paper is SPANN introduced?",
    ],
)
def test_what_names_its_own_subject_drops_the_conversation(question: str) -> None:
    assert not leans(question)
    assert condense(question, ["What is a penguin?"]) == question


def test_the_questions_of_the_development_set_lean_on_nothing() -> None:
    spann = {
        "question": "What is SPANN?",
        "answer": "SPANN is a memory-disk index: its lists stay on disk, recall is 90%. [1]",
        "citations": [{"title": "SPANN: Highly-efficient Billion-scale Nearest Neighbor Search"}],
    }
    asked = [q.question for q in load_questions(SAMPLE).questions if not q.turns]
    leaning = [question for question in asked if leans(question, [spann])]
    assert len(leaning) <= 0.02 * len(asked), leaning


@pytest.mark.parametrize(
    "question",
    [
        "Does Valentine include it?",
        "Who wrote the paper?",
        "Which data sets were used?",
        "On ImageNet, how good is it?",
        "Is the model better than GPT-4?",
        "And on MNIST with augmentation?",
        "How does DiskANN compare?",
        "Does a small model with it beat a large one?",
    ],
)
def test_what_points_at_something_said_before_leans_on_it(question: str) -> None:
    assert leans(question)
    assert condense(question, ["What is a penguin?"]) == f"What is a penguin? {question}"


def test_of_another_the_same_is_asked() -> None:
    history = ["How much memory does Google Landmarks v2 need?"]
    for asked in ("What about JFT-300M?", "And JFT-300M?", "so how about JFT-300M"):
        assert condense(asked, history) == "How much memory does JFT-300M need?"
    assert condense("What about recall?", history) == f"{history[0]} What about recall?"
    than = ["Is SPANN faster than MUVERA?"]
    assert condense("What about DiskANN?", than) == "Is DiskANN faster than MUVERA?"
    two = ["Do SPANN and MUVERA differ?"]
    assert condense("What about DiskANN?", two) == f"{two[0]} What about DiskANN?"


@given(st.text(max_size=60), st.lists(st.text(max_size=40), min_size=1, max_size=4))
def test_a_standalone_question_is_condensed_to_itself(question: str, history: list[str]) -> None:
    found = condense(question, history)
    if not leans(question, history):
        assert found == after(question).strip()
    assert found == prompt.condense(question, history)


@pytest.mark.parametrize(
    "piece", ["it ", "A1 ", "the model ", "and ", " ", "what about ", "?", "Aa"]
)
def test_a_very_long_question_is_read_in_no_time(piece: str) -> None:
    question = piece * (400_000 // len(piece))
    assert condense(question, [question]).strip()[-1:] == question.strip()[-1:]


@pytest.mark.parametrize(
    ("question", "alone"),
    [
        ("How does that work?", "How does SPANN work?"),
        ("and its latency?", "and SPANN's latency?"),
        ("Is it fast, and is it free?", "Is SPANN fast, and is it free?"),
        ("Is it safe to use it?", "Is it safe to use SPANN?"),
        ("What does the paper say about recall?", "What does SPANN say about recall?"),
        ("Is the code available?", "Is the code available for SPANN?"),
        ("How long did training take?", "How long did training take for SPANN?"),
        ("Is it in this paper?", "What is SPANN? Is it in this paper?"),
        ("Why is that?", "What is SPANN? Why is that?"),
        ("By how much?", "What is SPANN? By how much?"),
    ],
)
def test_the_name_that_was_asked_about_takes_the_place_of_it(question: str, alone: str) -> None:
    assert condense(question, ["What is SPANN?"]) == alone


def test_what_was_resolved_stays_resolved() -> None:
    told = {"question": "And the second one?", "standalone_question": "Tell me of BossNAS"}
    assert condense("What does it cost?", [told]) == "What does BossNAS cost?"


def test_what_about_a_name_in_plain_letters() -> None:
    assert condense("What about Curator?", ["What is SPANN?"]) == "What is Curator?"


@pytest.mark.parametrize(
    ("question", "says"),
    [
        ("why?", False),
        ("Tell me more", False),
        ("Can you explain that in simple words?", False),
        ("latency?", True),
        ("On which data?", True),
        ("How does DiskANN compare?", True),
    ],
)
def test_what_leaves_open_what_it_asks_for(question: str, says: bool) -> None:
    assert says_what(question) is says
