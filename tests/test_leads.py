"""What stands before a quoted sentence: the title of its paper, or that it is not so."""

from __future__ import annotations

import pytest

from rag._leads import led
from rag.cite import render
from rag.types import Citation, Sentence

TITLES = {1: "Kestrel: a graph index that lives on disk", 2: "Short vectors for every word"}


def leads(question: str, *sentences: tuple[str, int]) -> list[str]:
    said = [Sentence(text, (marker,), "supported", 1.0) for text, marker in sentences]
    cited = [
        Citation(marker, f"p{marker}", title, (), None, None, None, "", 0, 0, 1.0)
        for marker, title in TITLES.items()
    ]
    return [s.lead for s in led(question, said, cited, lambda word: True)]


FAST = ("Kestrel is faster than Lapwing on a large disk.", 1)
SMALL = ("Vectors of 32 dimensions are enough.", 2)


def test_the_title_stands_once_before_the_sentences_of_its_paper():
    assert leads("Is there anything for slow storage?", FAST, FAST, SMALL) == [
        TITLES[1], "", TITLES[2],
    ]  # fmt: skip


def test_a_paper_that_the_question_names_needs_no_title():
    assert leads("What is Kestrel?", FAST) == [""]


def test_papers_that_are_listed_keep_their_titles():
    assert leads("Which papers are about Kestrel?", FAST) == [TITLES[1]]


@pytest.mark.parametrize(
    ("question", "lead"),
    [
        ("How much slower than Lapwing is Kestrel on a large disk?", "Not so"),
        ("Why is Kestrel slower than Lapwing on a large disk?", "Not so"),
        ("Is Kestrel slower than Lapwing on a large disk?", "No"),
        ("Is Kestrel faster than Lapwing?", ""),
        ("How much faster is Kestrel than Lapwing?", ""),
        ("What makes penguins slower in winter than Kestrel?", ""),
        ("Is Kestrel faster or slower than Lapwing?", ""),
        ("Is Kestrel not slower than Lapwing?", ""),
        ("Why is Kestrel never slower than Lapwing on a large disk?", ""),
        ("Can Kestrel be slower than Lapwing on a large disk?", ""),
    ],
)
def test_a_premise_that_the_paper_denies_is_corrected(question, lead):
    assert leads(question, FAST) == [lead]


def test_it_is_said_once_and_takes_the_place_of_the_title():
    question = "Is an index slower than Lapwing on a large disk?"
    assert leads(question, FAST, SMALL) == ["No", TITLES[2]]


@pytest.mark.parametrize(
    ("question", "lead"),
    [
        ("Does Kestrel need labels?", "No"),
        ("Must one have labels for Kestrel?", "No"),
        ("Does Kestrel need a disk?", ""),
        ("Does Kestrel avoid labels?", ""),
        ("Does learning without labels need Kestrel?", ""),
        ("What does Kestrel need?", ""),
    ],
)
def test_what_is_not_needed_is_denied(question, lead):
    assert leads(question, ("Kestrel learns from a disk and needs no labels.", 1)) == [lead]


def test_a_lead_is_shown_and_is_no_part_of_the_sentence():
    said = [
        Sentence("It is small.", (1,), "supported", 1.0),
        Sentence("It is quick.", (2,), "supported", 1.0, lead="Kestrel"),
    ]
    assert render(said) == "It is small. [1]\nKestrel: It is quick. [2]"


@pytest.mark.parametrize(
    ("question", "text"),
    [
        ("Does Kestrel accelerate search?", "Kestrel reduces search time by half."),
        ("Does Kestrel increase accuracy?", "Kestrel reduces error and so improves accuracy."),
        ("Does Kestrel support survival?", "Kestrel prevents death and improves survival."),
    ],
)
def test_an_opposite_of_something_else_denies_nothing(question, text):
    assert leads(question, (text, 1)) == [""]
