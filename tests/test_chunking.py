from __future__ import annotations

import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.chunking import MAX_SENTENCE, chunks, context_text, sentence_spans, sentences
from rag.types import Paper

# Random letters seldom meet a border: these pieces are what borders are made of.
_WRITTEN = """. ! ? ... , ; : ( ) [ ] " ' ” “ ’ e.g. i.e. et al. Fig. 2 3.5 The We a is Next hrde-1
    mRNA β-amyloid 10.1000/x www.a.org. é 中文。 U.S. A. J. end.Next""".split()
PIECES = st.sampled_from([*_WRITTEN, " ", "  ", "\n", "\t", "\u00a0", "\x1c", "x" * 50])
TEXTS = st.one_of(st.text(max_size=400), st.lists(PIECES, max_size=80).map("".join),
                  st.lists(PIECES, max_size=80).map(" ".join))  # fmt: skip


@given(TEXTS)
def test_spans_are_ordered_disjoint_trimmed_and_lose_nothing(text: str) -> None:
    spans = sentence_spans(text)
    for (_, before), (start, _) in pairwise(spans):
        assert before <= start
    for start, end in spans:
        assert 0 <= start < end <= len(text)
        assert text[start:end] == text[start:end].strip() != ""
    assert "".join("".join(sentences(text)).split()) == "".join(text.split())


@given(TEXTS, st.integers(100, 1500))
def test_chunks_slice_back_and_hold_every_sentence(text: str, max_chars: int) -> None:
    paper = Paper("A title", text, id="p#1")
    found = chunks(paper, max_chars)
    spans = sentence_spans(text)
    assert all(chunk.text == text[chunk.start : chunk.end] for chunk in found)
    assert [c.id for c in found] == [f"p#1#{n}" for n in range(len(found))]
    assert {c.paper_id for c in found} <= {"p#1"}
    inside = [[(s, e) for s, e in spans if c.start <= s and e <= c.end] for c in found]
    assert [span for part in inside for span in part] == spans
    assert all(c.start == part[0][0] and c.end == part[-1][1]
               for c, part in zip(found, inside, strict=True))  # fmt: skip
    assert all(len(c.text) <= max_chars or len(part) == 1
               for c, part in zip(found, inside, strict=True))  # fmt: skip
    assert chunks(paper, max_chars) == found


def test_the_sample_is_cut_into_one_or_two_chunks(sample_papers: list[Paper]) -> None:
    cut = [chunks(paper) for paper in sample_papers]
    assert {len(found) for found in cut} == {1, 2}
    assert min(len(chunk.text) for found in cut for chunk in found) > 200  # no short rest


def test_nothing_to_cut() -> None:
    assert chunks(Paper("A title", " \n\t ")) == []
    assert sentence_spans("") == []


def test_context_text_has_the_title_outside_the_span() -> None:
    paper = Paper("A title", "One sentence. Two sentences.", id="p")
    (chunk,) = chunks(paper)
    assert context_text(paper.title, chunk) == "A title. One sentence. Two sentences."
    assert context_text("", chunk) == chunk.text == paper.abstract


@pytest.mark.parametrize(
    "expected",
    [
        ["It rose by 3.5 points to 0.75.", "The rest fell."],
        ["See Fig. 2 and Eq. 4 for more.", "Then go on."],
        ["We follow Smith et al. (2019) closely.", "It works."],
        ["As shown by Smith et al.", "The method wins."],
        ["We use cues, e.g. Colour and i.e. Shape, in full.", "It works."],
        ["Worms differ.", "hrde-1 silences genes.", "mRNA levels rise.", "β-amyloid does not."],
        ['He said "stop."', "They stopped.", "(See below.)", "[Done.]", "“Quoted.”", "End."],
        ["Is it so?", "Yes!", "It is..."],
        ["The U.S. Government paid.", "It helped."],
        ["J. B. Smith found it.", "We agree."],
        ["It improves accuracy vs. BERT by 2%.", "Code is at https://github.com/a/b.c.", "Enjoy."],
        ["Version 2.0 is out.", "It has approx. 3 B parameters."],
    ],
)
def test_borders_that_abstracts_make_hard(expected: list[str]) -> None:
    assert sentences(" ".join(expected)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It came to an end.Next we go on.", ["It came to an end.", "Next we go on."]),
        ("We use Node.js and os.Path here.", ["We use Node.js and os.Path here."]),
        ("One.\n\n  Two follows.\u00a0 Three.", ["One.", "Two follows.", "Three."]),
    ],
)
def test_missing_and_odd_space(text: str, expected: list[str]) -> None:
    assert sentences(text) == expected


def test_a_table_without_any_border_is_cut_at_spaces() -> None:
    text = "cell " * 2000
    found = sentences(text)
    assert max(map(len, found)) <= MAX_SENTENCE
    assert " ".join(found) == text.strip()


@pytest.mark.parametrize("piece", [".", "?!", ".) ", "et al. ", "A", " ", ".Aa", "(.[", "a. "])
def test_long_texts_take_linear_time(piece: str) -> None:
    size = 2_000_000 if piece == "a. " else 500_000
    text = piece * (size // len(piece)) + "a"
    started = time.perf_counter()
    sentence_spans(text)
    assert time.perf_counter() - started < 20  # 5 s at worst on a busy core; n² takes hours
