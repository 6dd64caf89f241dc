"""Conversations over the sample papers: what each last question means, said alone.

`conversations.jsonl` holds them: turns with the papers they cited, by how their titles begin, then
what is asked, what its standalone form must and must not hold, and the paper that it must find.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag import prompt
from rag._follow_ups import condense, leans
from rag.lexical import LexicalIndex
from rag.types import Paper

LINES = (Path(__file__).parent / "conversations.jsonl").read_text(encoding="utf-8").splitlines()
CONVERSATIONS = [json.loads(line) for line in LINES]


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


@pytest.mark.parametrize("talk", CONVERSATIONS, ids=lambda talk: talk["asked"])
def test_what_is_asked_last_is_understood(
    talk: dict, sample_papers: list[Paper], words: LexicalIndex
) -> None:
    alone = condense(talk["asked"], _history(talk["turns"], sample_papers))
    assert [w for w in talk.get("has", ()) if w.lower() not in alone.lower()] == []
    assert [w for w in talk.get("lacks", ()) if w.lower() in alone.lower()] == []
    if "paper" in talk:
        [(title, _)] = words.search(alone, 1)
        assert title.startswith(talk["paper"])


def test_there_are_conversations_of_two_turns_to_four() -> None:
    assert len(CONVERSATIONS) >= 40
    assert {len(talk["turns"]) + 1 for talk in CONVERSATIONS} == {2, 3, 4}


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
    if not leans(question):
        assert found == question
    assert found == prompt.condense(question, history)


@pytest.mark.parametrize(
    "piece", ["it ", "A1 ", "the model ", "and ", " ", "what about ", "?", "Aa"]
)
def test_a_very_long_question_is_read_in_no_time(piece: str) -> None:
    question = piece * (400_000 // len(piece))
    assert condense(question, [question]).strip()[-1:] == question.strip()[-1:]


def test_what_was_resolved_stays_resolved() -> None:
    told = {"question": "And the second one?", "standalone_question": "Tell me of BossNAS"}
    assert condense("What does it cost?", [told]) == "Tell me of BossNAS What does it cost?"


def test_what_about_a_name_in_plain_letters() -> None:
    assert condense("What about Curator?", ["What is SPANN?"]) == "What is Curator?"
