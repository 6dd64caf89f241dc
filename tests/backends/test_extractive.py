from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag.backends.extractive import ExtractiveBackend
from rag.chunking import sentences
from rag.config import BackendSettings
from rag.embedding import HashingEmbedder
from rag.prompt import build
from rag.types import Chunk, Hit, Message, Paper

KESTREL = (
    "Graph indexes outgrow the memory of one machine. Kestrel keeps the edges of its graph on disk "
    "and the entry points in memory. Kestrel needs 16 GB of memory for a billion vectors. "
    "The code is available at https://example.org/kestrel."
)
LAPWING = (
    "Late interaction compares every word of a question with every word of a document. Lapwing "
    "keeps short vectors in memory. The index of Lapwing is far smaller than before."
)
HERON = (
    "Rerankers read a question together with a document. Heron reads each sentence a second time "
    "when it was unsure. Heron spends more memory than others."
)


def hit(rank: int, title: str, abstract: str, score: float) -> Hit:
    paper = Paper(title, abstract, id=f"p{rank}")
    return Hit(rank, score, paper, Chunk(f"p{rank}#0", f"p{rank}", abstract, 0, len(abstract)))


HITS = [
    hit(1, "Kestrel: a graph index on disk", KESTREL, 0.6),
    hit(2, "Lapwing: late interaction with short vectors", LAPWING, 0.55),
    hit(3, "Heron reads sentences twice", HERON, 0.5),
]


def fits(question: str, hits) -> list[np.ndarray]:
    """Cosines of hashed words."""
    embed = HashingEmbedder().embed
    cut = [sentences(h.paper.abstract) for h in hits]
    return [embed(part) @ embed([question])[0] if part else np.zeros(0) for part in cut]


def backend(rarity=lambda word: 0.5, rare=lambda word: False) -> ExtractiveBackend:
    return ExtractiveBackend.from_settings(BackendSettings(), fits=fits, rarity=rarity, rare=rare)


def answer(question: str, hits=HITS) -> list[tuple[str, int]]:
    """Sentences with the number that each names, in their order."""
    draft = "".join(backend().complete(build(question, hits)))
    lines = [re.fullmatch(r"(.+) \[(\d+)\]", line) for line in draft.splitlines()]
    assert all(lines), draft
    return [(line[1], int(line[2])) for line in lines if line]


QUESTIONS = [
    "How much memory does Kestrel need?",
    "What is Lapwing?",
    "Where is the code of Kestrel?",
    "Which papers keep something in memory?",
    "Does Heron read a sentence a second time?",
    "penguins",
    "What is it that they do?",
    "?!",
]


@pytest.mark.parametrize("question", QUESTIONS)
def test_sentences_are_verbatim_few_and_numbered_by_their_source(question):
    found = answer(question)
    assert 1 <= len(found) <= 3
    assert len(set(found)) == len(found)
    for text, number in found:
        assert text in sentences(HITS[number - 1].paper.abstract)


@settings(max_examples=100, deadline=None)
@given(
    st.text(max_size=60),
    st.lists(st.sampled_from([KESTREL, LAPWING, HERON, "", "Yes."]), max_size=7),
)
def test_whatever_is_asked_only_sentences_come_out(question, abstracts):
    hits = [hit(n, f"Paper {n}", text, 1 / n) for n, text in enumerate(abstracts, start=1)]
    found = answer(question, hits)
    assert len(found) <= 3
    assert all(text in sentences(abstracts[number - 1]) for text, number in found)


@pytest.mark.parametrize(
    ("question", "text"),
    [
        ("How much memory does Kestrel need?", "16 GB"),
        ("How large is the memory that Kestrel needs for a billion vectors?", "16 GB"),
        ("Where can the code of Kestrel be downloaded?", "https://"),
        ("Does Heron read a sentence a second time?", "when it was unsure"),
    ],
)
def test_what_was_asked_for_is_among_the_sentences(question, text):
    assert any(text in said for said, _ in answer(question))


def test_a_question_for_a_number_prefers_a_sentence_with_one():
    places = ["memory", "files", "lists", "graphs", "9 GB", "order"]
    abstract = " ".join(f"The index of Plover is stored in {place}." for place in places)
    found = answer("How many things does the index of Plover store?", [hit(1, "P", abstract, 0.5)])
    assert "The index of Plover is stored in 9 GB." in [text for text, _ in found]


@pytest.mark.parametrize(
    "question",
    [
        "Kestrel needs 16 GB of memory for a billion vectors?",
        "How does Lapwing keep short vectors?",
    ],
)
def test_a_sentence_that_only_says_the_question_again_is_never_chosen(question):
    abstract = f"{question.rstrip('?').replace('How does ', '')}. It was measured on a server."
    found = answer(question, [hit(1, "Kestrel and Lapwing", abstract, 0.6)])
    assert [text for text, _ in found] == ["It was measured on a server."]


def test_where_every_sentence_is_an_echo_nothing_is_said():
    assert answer("Kestrel lies on disk?", [hit(1, "Kestrel", "Kestrel lies on disk.", 0.9)]) == []


@pytest.mark.parametrize("question", ["What is it that they do?", "the of and", "", "   ", "?"])
def test_a_question_of_stop_words_only_has_a_defined_answer(question):
    found = answer(question)
    assert found == answer(question)
    assert 1 <= len(found) <= 3


def test_no_sources_and_sources_without_text_give_no_output():
    assert answer("What is Kestrel?", []) == []
    assert answer("What is Kestrel?", [hit(1, "Kestrel", "", 0.9), hit(2, "Other", " ", 0.8)]) == []
    assert list(backend().complete([Message("user", "Hello")])) == []


def test_an_empty_abstract_does_not_shift_the_numbers():
    found = answer("How much memory does Kestrel need?", [hit(1, "Void", "", 0.5), *HITS])
    assert any("16 GB" in text and number == 2 for text, number in found)


def test_papers_are_listed_with_a_sentence_each():
    even = [hit(h.rank, h.paper.title, h.paper.abstract, 0.5) for h in HITS]
    numbers = [number for _, number in answer("Which papers keep something in memory?", even)]
    assert sorted(numbers) == [1, 2, 3]


def test_papers_far_less_relevant_are_not_listed():
    far = [hit(h.rank, h.paper.title, h.paper.abstract, 0.6 / h.rank**2) for h in HITS]
    assert {n for _, n in answer("Which papers keep something in memory?", far)} == {1}


def test_both_are_quoted_where_they_are_compared():
    made = backend(rare=lambda word: True)
    draft = "".join(made.complete(build("Compare Kestrel and Lapwing.", HITS)))
    assert "[1]" in draft
    assert "[2]" in draft


def test_a_name_that_one_abstract_alone_speaks_of_names_its_paper():
    hits = [hit(1, "On disks", "MassiveDS lies on disk. It is large.", 0.5), *HITS[1:]]
    draft = "".join(backend().complete(build("What is MassiveDS?", hits)))
    assert set(re.findall(r"\[\d\]", draft)) == {"[1]"}


def test_one_paper_is_enough_where_the_question_names_it():
    made = backend(rare=lambda word: True)
    draft = "".join(made.complete(build("What does Lapwing keep in memory?", HITS)))
    assert set(re.findall(r"\[\d\]", draft)) == {"[2]"}


def test_sentences_of_one_paper_stand_together_in_their_order():
    for question in QUESTIONS:
        found = answer(question)
        numbers = [number for _, number in found]
        assert numbers == sorted(numbers, key=numbers.index)
        for number in set(numbers):
            own = [text for text, n in found if n == number]
            rest = own[1:] if number == numbers[0] else own  # the best of all stands first
            assert rest == sorted(rest, key=HITS[number - 1].paper.abstract.index)


def test_the_sentence_that_answers_stands_first():
    made = backend(rare=lambda word: True)
    draft = "".join(made.complete(build("Where is the code of Kestrel?", HITS)))
    assert draft.startswith("The code is available at https://example.org/kestrel. [1]")


def test_a_stop_word_shared_is_no_reason_to_choose():
    abstract = "It is what it is and how it does so. Edges of the graph lie on disk."
    found = answer("What is it that is on disk, and how?", [hit(1, "Plover", abstract, 0.5)])
    assert "Edges of the graph lie on disk." in [text for text, _ in found]


def test_only_the_first_sources_are_read():
    calls: list[int] = []

    def counted(question, hits):
        calls.append(len(hits))
        return fits(question, hits)

    many = [hit(n, f"Paper {n}", KESTREL, 1 / n) for n in range(1, 30)]
    made = ExtractiveBackend(counted, lambda word: 0.5, lambda word: True)
    assert list(made.complete(build("How much memory does Kestrel need?", many)))
    assert calls == [5]


def test_a_word_that_was_never_seen_does_not_divide_by_nothing():
    made = backend(rarity=lambda word: 0.0)
    with np.errstate(all="raise"):
        assert list(made.complete(build("zxqv", HITS)))


def reading(answers) -> str:
    made = ExtractiveBackend(fits, lambda word: 0.5, lambda word: False, answers)
    return "".join(made.complete(build("Where does Kestrel keep its graph in memory?", HITS)))


@pytest.mark.parametrize("chosen", sentences(KESTREL)[1:3])
def test_what_is_read_to_answer_is_quoted_first(chosen):
    found = reading(lambda question, title, sentence: 9.0 if sentence == chosen else -9.0)
    assert found.startswith(f"{chosen} [1]")


def test_a_few_sentences_are_read_each_under_its_title():
    read: list[tuple[str, str]] = []

    def answers(question, title, sentence):
        read.append((title, sentence))
        return 0.0

    assert reading(answers)
    assert len(read) == 4
    of = {h.paper.title: h.paper.abstract for h in HITS}
    assert all(sentence in of[title] for title, sentence in read)


def test_where_nobody_can_read_the_choice_is_that_without():
    assert reading(lambda question, title, sentence: None) == reading(None)
