from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag import prompt
from rag._small_talk import after
from rag.config import BackendSettings
from rag.errors import ConfigError
from rag.types import Chunk, Hit, Paper


def hit(rank: int, title: str, abstract: str) -> Hit:
    paper = Paper(title, abstract, id=f"p{rank}")
    return Hit(rank, 0.5, paper, Chunk(f"p{rank}#0", f"p{rank}", abstract, 0, len(abstract)))


HITS = [hit(1, "Kestrel", "Kestrel lies on disk."), hit(2, "Lapwing", "Lapwing is small.")]
FIRST = "How much memory does Kestrel need?"


def test_the_template_comes_first_and_the_question_last():
    system, user = prompt.build("Is Kestrel small?", HITS)
    assert (system.role, system.content) == ("system", prompt.template("answer"))
    assert user.role == "user"
    assert user.content.endswith("Question: Is Kestrel small?")
    assert (user.question, user.sources) == ("Is Kestrel small?", tuple(HITS))


def test_sources_are_numbered_in_their_order():
    content = prompt.build("Which?", HITS)[-1].content
    assert "[1] Kestrel\nKestrel lies on disk.\n\n[2] Lapwing\nLapwing is small." in content


def test_without_sources_the_question_is_still_asked():
    _, user = prompt.build("Which?", [])
    assert user.content.endswith("Question: Which?")
    assert user.sources == ()


@pytest.mark.parametrize(
    "text",
    ["{question}", "{0} {", "}} %s %(x)s $y", "See [3] and [1].", "Question: none", "\\1 \\g<0>"],
)
def test_no_text_is_taken_for_a_command_of_the_template(text):
    user = prompt.build(text, [hit(1, text, text), HITS[1]])[-1]
    assert f"[1] {text}\n{text}\n\n[2] Lapwing" in user.content
    assert user.content.endswith(f"Question: {text}")
    assert [h.paper.abstract for h in user.sources] == [text, "Lapwing is small."]


@given(st.text(), st.text())
def test_any_text_stands_in_the_prompt_as_it_is(question, abstract):
    content = prompt.build(question, [hit(1, "T", abstract)])[-1].content
    assert content == f"Sources:\n\n[1] T\n{abstract}\n\nQuestion: {question}"


def test_the_template_tells_the_words_that_mean_no_answer():
    assert prompt.NO_ANSWER in prompt.template("answer")


def test_the_hash_follows_the_words(tmp_path, monkeypatch):
    before = prompt.template_hash("answer")
    assert before == hashlib.sha256(prompt.template("answer").encode()).hexdigest()[:12]
    assert before == prompt.template_hash("answer")
    monkeypatch.setattr(prompt, "FOLDER", tmp_path)
    prompt.template.cache_clear()
    try:
        (tmp_path / "answer.md").write_text("Other words.\n", encoding="utf-8")
        assert prompt.template("answer") == "Other words."
        assert prompt.template_hash("answer") != before
        with pytest.raises(ConfigError, match="reinstall"):
            prompt.template("absent")
    finally:
        prompt.template.cache_clear()


@pytest.mark.parametrize(
    "question",
    [
        "What about recall?",
        "Do they publish their code?",
        "Is that faster than a flat index?",
        "Why does that help?",
        "How large is the second one?",
        "Are both of them open source?",
        "On GPUs?",
        "Why?",
        "Explain more.",
    ],
)
def test_a_follow_up_gets_the_question_before_it(question):
    assert prompt.condense(question, [FIRST]) == f"{FIRST} {question}"


def test_it_is_what_the_question_before_names():
    assert prompt.condense("How fast is it?", [FIRST]) == "How fast is Kestrel?"
    assert prompt.condense("And its recall?", [FIRST]) == "And Kestrel's recall?"


@pytest.mark.parametrize(
    "question",
    [
        "Which index needs the least memory?",
        "What is SPANN?",
        "Explain GPT4",
        "Is there a method to compress vectors?",
        "Which papers show that reranking helps?",
        "What is the name of the index that lives on disk?",
        "Which methods are both fast and accurate?",
    ],
)
def test_a_question_of_its_own_stays_as_it_is(question):
    assert prompt.condense(question, [FIRST]) == question


def test_without_a_history_nothing_is_put_before():
    for question in ("Why?", "What does it do?", "", "  "):
        assert prompt.condense(question, []) == question.strip()


def test_a_turn_may_be_a_question_or_a_pair():
    turn = {"question": FIRST, "answer": "16 GB [1]."}
    assert prompt.condense("And on disk?", [turn]) == f"{FIRST} And on disk?"
    assert prompt.condense("And on disk?", [{"answer": "16 GB"}]) == "And on disk?"


def test_only_the_newest_question_that_stands_alone_is_leant_on():
    history = ["Which papers speak about penguins at all?", FIRST]
    assert prompt.condense("And on disk?", history) == f"{FIRST} And on disk?"


def test_a_follow_up_of_a_follow_up_does_not_lose_the_subject():
    history = [FIRST, "How fast is it?"]
    assert prompt.condense("Why is that?", history) == f"{FIRST} How fast is it? Why is that?"


def test_a_long_chain_keeps_its_subject_and_its_end_and_stays_short():
    history = [
        "What do penguins eat in winter?",
        FIRST,
        *[f"And its {n}th shard?" for n in range(40)],
    ]
    found = prompt.condense("Why is that?", history)
    assert found.startswith(FIRST)
    assert found.endswith("And its 39th shard? Why is that?")
    assert len(found) < 200


@given(st.text(), st.lists(st.text() | st.fixed_dictionaries({"question": st.text()}), max_size=5))
def test_what_was_asked_is_always_kept_at_the_end(question, history):
    assert prompt.condense(question, history).endswith(after(question).strip())


# --- papers cited last

CITED = {
    "question": "Which index is smallest?",
    "answer": "Kestrel [1]. Lapwing [2].",
    "citations": [{"title": "Kestrel: an index on disk"}, {"title": "On small indexes."}],
}


@pytest.mark.parametrize(
    ("question", "whole"),
    [
        (
            "How much memory does the second one need?",
            "How much memory does On small indexes need?",
        ),
        ("Is the first paper open source?", "Is Kestrel open source?"),
        ("Compare both.", "Compare Kestrel and On small indexes."),
        (
            "Which of them is faster on disk?",
            "Which of Kestrel and On small indexes is faster on disk?",
        ),
        ("How large is the last one now?", "How large is On small indexes now?"),
        ("Is the latter faster?", "Is On small indexes faster?"),
    ],
)
def test_what_points_at_a_paper_is_replaced_by_its_name(question, whole):
    assert prompt.condense(question, [CITED, "Thanks for that list of papers"]) == whole


def test_a_paper_that_was_not_cited_has_no_name_to_give():
    found = prompt.condense("How fast is the third one?", [CITED])
    assert found == "Which index is smallest? How fast is the third one?"


# --- condensed by a model


def test_a_model_is_told_the_conversation_and_the_last_question():
    system, user = prompt.condensing("And its recall?", [CITED, "What is SPANN?"])
    assert system.content == prompt.template("condense")
    assert user.content == (
        "Question: Which index is smallest?\nAnswer: Kestrel [1]. Lapwing [2].\n"
        "Question: What is SPANN?\nAnswer:\n\nLast question: And its recall?"
    )


@pytest.mark.parametrize(
    ("said", "taken"),
    [
        ("What is the recall of Kestrel?", "What is the recall of Kestrel?"),
        ('\nQuestion: "What is the recall of Kestrel?"\nMore.', "What is the recall of Kestrel?"),
        ("", ""),
        ("The weather in Paris is fine today.", ""),  # made up
        ("What is Kestrel?", ""),  # lost what was asked
        ("recall " * 100, ""),
    ],
)
def test_only_a_question_that_was_asked_is_taken_from_a_model(said, taken):
    assert prompt.condensation(said, "And its recall?", [CITED]) == taken


# --- the model's window


class Counting:
    window = None

    def count(self, text):
        return len(text.split())


def test_sources_that_do_not_fit_are_left_out_whole():
    hits = [hit(n, f"Paper {n}", "word " * 100) for n in range(1, 6)]
    everything = prompt.fitted("Why?", hits, "", Counting(), BackendSettings())
    assert len(everything[-1].sources) == 5
    fixed = len(prompt.template("answer").split())
    small = BackendSettings(window=fixed + 350, max_tokens=100)
    messages = prompt.fitted("Why?", hits, "", Counting(), small)
    assert [h.rank for h in messages[-1].sources] == [1, 2]
    assert messages[-1].content.count("word") == 200


def test_of_a_long_conversation_the_oldest_turns_are_left_out_whole():
    history = [
        {"question": f"Question {n}?", "text": "word " * 99 + f"end{n}."} for n in range(1, 9)
    ]
    everything = prompt.condensing("And its recall?", history)[-1].content
    assert [n for n in range(1, 9) if f"end{n}." in everything] == [3, 4, 5, 6, 7, 8]
    fixed = len(prompt.template("condense").split())
    small = BackendSettings(window=fixed + 380, max_tokens=100)
    told = prompt.condensing("And its recall?", history, Counting(), small)[-1].content
    assert [n for n in range(1, 9) if f"end{n}." in told] == [7, 8]
    assert told.count("word") == 2 * 99
    tiny = BackendSettings(window=256, max_tokens=200)
    assert "end8." in prompt.condensing("And its recall?", history, Counting(), tiny)[-1].content


def test_the_best_source_always_stays():
    hits = [hit(n, f"Paper {n}", "word " * 1000) for n in range(1, 4)]
    messages = prompt.fitted("Why?", hits, "", object(), BackendSettings(window=256))
    assert len(messages[-1].sources) == 1
