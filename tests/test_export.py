"""What is written is what other programs, and our own readers, make papers of again."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag.errors import ConfigError
from rag.export import FORMATS, citation_keys, write
from rag.sources import SOURCES, open_source
from rag.sources._tidy import tidy, tidy_abstract
from rag.types import Paper, Rejected

PAPER = Paper(
    "Sparse maps of 50% {remembered} forests & more_so", "Costs $5. We use $x^{2}$, ~3 #1 \\ C^n.",
    "doi:10.1000/abc",
    ("Ada Byron", "Curie, Marie", "Müller-Lee J", "Centre for Woods and Lakes"), 2021, "Woods",
    "https://a.org/b_c?d=1&e=2", ("cs.IR", "cs.CL"), "10.1000/abc", "2101.00001", "77",
    key="byron21", language="en",
)  # fmt: skip
TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=40)
PAPERS = st.lists(
    st.builds(
        Paper,
        title=TEXT,
        abstract=TEXT,
        authors=st.lists(TEXT, max_size=3).map(tuple),
        year=st.none() | st.integers(1900, 2030),
        venue=st.none() | TEXT,
        key=st.none() | TEXT,
    ),
    max_size=6,
)


def text(format: str, *papers: Paper) -> str:
    return "".join(write(papers, format))


@pytest.mark.parametrize("format", FORMATS)
def test_nothing_gives_no_paper(format: str) -> None:
    assert "Sparse" not in text(format)


def test_an_unknown_format_is_told_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="bibtex, ris, jsonl, csv"):
        write([PAPER], "word")


def test_bibtex_is_escaped_where_it_is_no_formula() -> None:
    written = text("bibtex", PAPER)
    assert written.startswith("@article{byron21,\n")
    assert r"50\% \textbraceleft{}remembered\textbraceright{} forests \& more\_so" in written
    assert r"Costs \$5. We use $x^{2}$, \textasciitilde{}3 \#1 \textbackslash{}" in written
    names = "Ada Byron and Curie, Marie and Müller-Lee J and {Centre for Woods and Lakes}"
    assert f"author = {{{names}}}" in written


def test_hyphens_in_bibtex_come_back_as_hyphens(tmp_path: Path) -> None:
    paper = replace(PAPER, title="Landmarks v2 -- A Benchmark", abstract="Two --- or --flag. So.")
    (tmp_path / "p.bib").write_text(text("bibtex", paper), encoding="utf-8")
    (found,) = open_source(str(tmp_path / "p.bib"))
    assert isinstance(found, Paper)
    assert (found.title, found.abstract) == (paper.title, paper.abstract)


@given(PAPERS)
def test_bibtex_is_always_balanced_and_one_entry_a_paper(papers: list[Paper]) -> None:
    written = text("bibtex", *papers)
    depth = 0
    for sign in written:
        depth += (sign == "{") - (sign == "}")
        assert depth >= 0
    assert depth == 0
    assert len(re.findall(r"^@\w+\{[^\s{},]+,$", written, re.MULTILINE)) == len(papers)


@given(PAPERS)
def test_keys_are_valid_and_never_alike(papers: list[Paper]) -> None:
    keys = [key for key, _ in citation_keys(papers)]
    assert len({key.casefold() for key in keys}) == len(keys) == len(papers)
    assert all(re.fullmatch(r"[\w:.+/-]+", key) for key in keys)


def test_own_keys_are_kept_and_others_made() -> None:
    papers = [PAPER, replace(PAPER, key="BYRON21"), replace(PAPER, key=None), Paper("!", "x")]
    made = [key for key, _ in citation_keys(papers)]
    assert made == ["byron21", "BYRON21-2", "byron2021sparse", "paper"]


@given(PAPERS)
def test_ris_has_a_beginning_and_an_end_for_each(papers: list[Paper]) -> None:
    lines = text("ris", *papers).split("\n")
    assert sum(line.startswith("TY  - ") for line in lines) == len(papers)
    assert sum(line == "ER  - " for line in lines) == len(papers)
    assert all(not line or re.match(r"[A-Z][A-Z0-9]  - ", line) for line in lines)


def test_ris_turns_names_round() -> None:
    written = text("ris", PAPER)
    assert "AU  - Byron, Ada\nAU  - Curie, Marie\nAU  - Müller-Lee J\n" in written
    assert "UR  - https://a.org/b_c?d=1&e=2\nUR  - https://arxiv.org/abs/2101.00001\n" in written


def test_jsonl_leaves_out_what_is_not_there_and_names_the_twin() -> None:
    lines = "".join(write([PAPER, Paper("T", "A", "x")], "jsonl", {"x": ["y"]})).splitlines()
    assert json.loads(lines[0])["authors"] == list(PAPER.authors)
    assert json.loads(lines[1]) == {"title": "T", "abstract": "A", "id": "x", "same_as": ["y"]}


@given(PAPERS)
def test_csv_holds_every_field(papers: list[Paper]) -> None:
    rows = list(csv.DictReader(io.StringIO(text("csv", *papers))))
    assert [row["title"] for row in rows] == [paper.title for paper in papers]
    assert [row["year"] for row in rows] == [str(paper.year or "") for paper in papers]


@pytest.mark.parametrize(
    ("format", "fields"),
    [
        ("jsonl", "title abstract authors year venue url categories doi arxiv_id"),
        ("csv", "title abstract authors year venue url categories doi arxiv_id"),
        ("bibtex", "title abstract authors year venue url doi arxiv_id key"),
        ("ris", "title abstract authors year venue url doi categories key"),
    ],
)
def test_our_readers_make_the_same_paper_of_it(tmp_path: Path, format: str, fields: str) -> None:
    if format not in SOURCES:
        pytest.skip(f"there is no reader of {format} yet")
    names = ("Ada Byron", "Centre for Woods and Lakes")
    paper = replace(  # as it looks once a reader has cleaned it
        PAPER,
        title="Sparse maps of 50% remembered forests & more_so",
        abstract="Costs $5. We use x², 3 #1 and C_n.",
        authors=names if format == "bibtex" else names[:1],
    )
    file = tmp_path / "papers.txt"
    file.write_text(text(format, paper, replace(PAPER, title="Another one")), encoding="utf-8")
    first, second = open_source(str(file), format)
    assert isinstance(first, Paper)
    assert isinstance(second, Paper)
    assert {n: getattr(first, n) for n in fields.split()} == {
        n: getattr(paper, n) for n in fields.split()
    }


@given(papers=PAPERS)
@settings(max_examples=30)
def test_jsonl_comes_back_whatever_is_in_it(
    tmp_path_factory: pytest.TempPathFactory, papers: list[Paper]
) -> None:
    papers = [p for p in papers if tidy(p.title) == p.title and any(map(str.isalpha, p.abstract))]
    if not papers:
        return
    file = tmp_path_factory.mktemp("export") / "papers.jsonl"
    file.write_text(text("jsonl", *papers), encoding="utf-8")
    found = list(open_source(str(file)))
    assert len(found) == len(papers)
    for record, paper in zip(found, papers, strict=True):
        if not isinstance(record, Rejected):
            assert (record.title, record.abstract) == (paper.title, tidy_abstract(paper.abstract))
