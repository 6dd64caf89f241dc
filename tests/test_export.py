"""What is written is what other programs, and our own readers, make papers of again."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag._kinds import kind_of, kinds
from rag.chatbot import Chatbot
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


BIB = """
@book{knuth, title = {The Art of Maps}, author = {Knuth, Don}, year = 1997, series = {Classics},
  abstract = {Maps are drawn by hand. They last.}}
@InProceedings{byron, title = {Sparse maps}, author = {Byron, Ada}, year = 2021,
  booktitle = {NeurIPS}, abstract = {Squirrels forget. Forests stand.}}
@phdthesis{lee, title = {On lakes}, author = {Lee, Ann}, year = 2020, school = {ETH Zurich},
  abstract = {Lakes are deep. They freeze.}}
@misc{noor, title = {A note on reeds}, author = {Noor, Imre}, year = 2019,
  abstract = {Reeds bend. They do not break.}}
"""
RIS = """
TY  - CONF
ID  - heron
TI  - Herons at dusk
AU  - Heron, Bo
PY  - 2018
T2  - Wetlands
AB  - Herons wait. They strike.
ER  -

TY  - DATA
TI  - Counts of herons
PY  - 2017
T2  - Archive of birds
AB  - Herons were counted. There were few.
ER  -
"""


@pytest.fixture
def mixed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Chatbot]:
    monkeypatch.setenv("FOOTNOTED_EMBEDDING_NAME", "hashing")
    monkeypatch.setenv("FOOTNOTED_STORE_NAME", "memory")
    for name, content in (("own.bib", BIB), ("own.ris", RIS)):
        (tmp_path / name).write_text(content, encoding="utf-8")
    bot = Chatbot.open(tmp_path / "home")
    bot.ingest(tmp_path / "own.bib", tmp_path / "own.ris")
    yield bot
    bot.close()


def test_a_work_stays_what_its_source_says_that_it_is(mixed: Chatbot) -> None:
    written = "".join(mixed.export("bibtex"))
    assert re.findall(r"^@\w+\{\w*", written, re.MULTILINE) == [
        "@book{knuth", "@inproceedings{byron", "@phdthesis{lee", "@misc{noor",
        "@inproceedings{heron", "@misc{2017counts",
    ]  # fmt: skip
    for field in ("series = {Classics}", "booktitle = {NeurIPS}", "school = {ETH Zurich}"):
        assert field in written
    kinds = re.findall(r"^TY  - (\w+)", "".join(mixed.export("ris")), re.MULTILINE)
    assert kinds == ["BOOK", "CPAPER", "THES", "GEN", "CONF", "DATA"]
    (first,) = list(mixed.export("bibtex", [next(mixed.papers()).id]))
    assert first.startswith("@book{knuth,")


@pytest.mark.parametrize("format", ["bibtex", "ris"])
def test_kinds_and_venues_come_back_from_an_export(mixed: Chatbot, tmp_path, format: str) -> None:
    file = tmp_path / "exported.txt"
    file.write_text("".join(mixed.export(format)), encoding="utf-8")
    found = [record for record in open_source(str(file), format) if isinstance(record, Paper)]
    venues = {paper.title: paper.venue for paper in found}
    assert venues["The Art of Maps"] == "Classics"
    assert venues["On lakes"] == "ETH Zurich"
    assert venues["Herons at dusk"] == "Wetlands"
    again = [kind_of(paper.raw) for paper in found]
    assert [kind.bibtex for kind in again if kind][:3] == ["book", "inproceedings", "phdthesis"]


def test_a_preprint_that_was_published_is_what_it_became() -> None:
    said = kinds([("a", "@unpublished{x,"), ("a", "@inproceedings{x,"), ("a", "@book{x,")])
    assert said["a"].bibtex == "inproceedings"
    assert text("bibtex", replace(PAPER, id="b")).startswith("@article")
    weak = kinds([("b", "@misc{x,"), ("c", "{}"), ("d", "@unpublished{x,")])
    assert set(weak) == {"b", "d"}
    written = write(
        [replace(PAPER, id="b"), replace(PAPER, id="d", venue=None)], "bibtex", {}, weak
    )
    assert [piece.partition("{")[0] for piece in written] == ["@article", "@unpublished"]


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
