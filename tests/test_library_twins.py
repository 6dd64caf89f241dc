"""One work under two ids: found by title or abstract, linked, and nothing else hidden with it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rag.library import Library
from rag.library._near import KEYS, alike, sketch
from rag.library._twins import candidates, twins
from rag.types import Paper
from tests.conftest import make_papers

WORDS = make_papers(40, seed=3, sentences=9)
PRINT = replace(
    WORDS[0], title="Sparse maps of remembered forests", authors=("Ada Byron", "Alan Turing"),
    year=2021, id="preprint",
)  # fmt: skip
ARTICLE = replace(PRINT, id="article", year=2022, authors=("Byron, A.",))


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    opened = Library(tmp_path / "library.sqlite")
    yield opened
    opened.close()


def edited(abstract: str) -> str:
    """As an editor leaves it: a few words changed."""
    words = abstract.split()
    words[20], words[60] = "indeed", "thus"
    return " ".join(words)


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"abstract": "Rewritten from the first word to the last of it."},
        {"title": "Sparse Maps of Remembered Forests!", "year": 2023},
        {"title": "SPARSE: maps of the remembered forests", "abstract": edited(PRINT.abstract)},
        {"authors": (), "year": None},
    ],
)
def test_these_are_one_work(change: dict) -> None:
    assert twins(PRINT, replace(ARTICLE, **change))
    assert twins(replace(ARTICLE, **change), PRINT)


@pytest.mark.parametrize(
    "change",
    [
        {"year": 2024},
        {"authors": ("Grace Hopper",)},
        {"title": "Correction: Sparse maps of remembered forests"},
        {"title": "Sparse maps of remembered forests II"},
        {"title": "Dense policies for the speech of agents"},  # its abstract was copied
        {"title": "Maps of remembered forests", "abstract": WORDS[1].abstract},
        {"authors": (), "abstract": WORDS[1].abstract},
    ],
)
def test_these_are_not(change: dict) -> None:
    assert not twins(PRINT, replace(ARTICLE, **change))


def test_short_titles_and_short_abstracts_prove_nothing() -> None:
    a = Paper("Editorial", "In this issue.", "1", ("Ada Byron",), 2021)
    assert not twins(a, replace(a, id="2"))


def test_a_library_links_them_once_and_lets_go(library: Library) -> None:
    others = [(paper, "a") for paper in WORDS[1:]]
    library.upsert([(PRINT, "a"), *others])
    assert library.link_twins() == 0
    library.upsert([(replace(ARTICLE, title="Sparse maps of the remembered forests"), "b")])
    assert library.link_twins() == 1
    assert library.link_twins() == 0
    assert library.duplicates() == [("preprint", "article")]
    assert library.same_as(["article", "p1"]) == {"article": ("preprint",)}
    library.upsert([(replace(ARTICLE, title="Wholly other", abstract=WORDS[1].abstract), "b")])
    library.link_twins()
    assert library.duplicates() == []
    library.upsert([(replace(ARTICLE, title=PRINT.title), "b")])
    assert library.link_twins() == 1
    library.delete(["preprint"])
    assert library.duplicates() == []


def test_three_of_one_work_are_one_group(library: Library) -> None:
    talk = replace(ARTICLE, id="talk", year=2020)
    library.upsert([(PRINT, "a"), (ARTICLE, "a"), (talk, "a")])
    library.link_twins()
    assert library.duplicates() == [("preprint", "article", "talk")]
    assert library.same_as(["article"])["article"] == ("preprint", "talk")


def test_ordinary_papers_are_left_apart(library: Library) -> None:
    library.upsert([(paper, "a") for paper in make_papers(400, seed=11)])
    assert library.link_twins() == 0


def test_the_sketch_finds_what_is_alike() -> None:
    texts = [paper.abstract for paper in WORDS]
    keys = sketch([""] * 80, texts + [edited(text) for text in texts])
    keys[:, 0] = np.arange(80)  # by the abstract alone
    pairs = set(candidates(np.arange(80), keys, np.arange(80)))
    assert keys.shape == (80, KEYS)
    assert all(alike(text, edited(text)) > 0.8 for text in texts)
    assert len(pairs & {(n, n + 40) for n in range(40)}) >= 38
    assert len(pairs) < 45


def test_a_key_that_a_crowd_shares_is_no_sign() -> None:
    keys = np.ones((60, KEYS), np.uint64)
    assert list(candidates(np.arange(60), keys, np.arange(60))) == []


@pytest.mark.parametrize("text", ["", "one", "one two", "é ü", "\x00 \ud800", "1 2 3 4"])
def test_any_text_has_shingles(text: str) -> None:
    assert alike(text, text) == 1.0
