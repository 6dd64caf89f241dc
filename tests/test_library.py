from __future__ import annotations

import sqlite3
import unicodedata
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rag.errors import LibraryError
from rag.library import FORMAT, Library, fold, normalised_title, paper_id
from rag.types import Filters, Paper

PAPER = Paper("Sparse Maps", "Squirrels forget. Forests stand.", id="own-1")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "library.sqlite"


@pytest.fixture
def library(path: Path) -> Iterator[Library]:
    opened = Library(path)
    yield opened
    opened.close()


def put(library: Library, *papers: Paper) -> list[str]:
    return list(library.upsert([(paper, "test") for paper in papers]))


def test_each_record_has_its_outcome(library: Library) -> None:
    longer = replace(PAPER, abstract=PAPER.abstract + " So do we.")
    assert put(library, PAPER, PAPER, longer) == ["ingested", "unchanged", "replaced"]
    assert library.get(["own-1", "absent"]) == {"own-1": longer}
    assert library.count() == 1


@pytest.mark.parametrize(
    "change",
    [{"title": "Other"}, {"authors": ("Ada",)}, {"year": 2020}, {"venue": "V"},
     {"url": "https://a.org"}, {"categories": ("cs.IR",)}],
)  # fmt: skip
def test_a_change_of_anything_shown_replaces(library: Library, change: dict[str, object]) -> None:
    put(library, PAPER)
    assert put(library, replace(PAPER, **change)) == ["replaced"]  # type: ignore[arg-type]


WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
PAPERS = st.lists(
    st.builds(
        Paper, title=WORDS, abstract=WORDS, id=st.sampled_from(["", "a", "b", "c"]),
        authors=st.lists(WORDS, max_size=2).map(tuple), year=st.none() | st.integers(1900, 2030),
        venue=st.none() | WORDS,
    ),
    max_size=12,
    # One paper under an id of its own and under its title is one paper: merged, not ingested twice.
    unique_by=(paper_id, lambda paper: paper_id(replace(paper, id=""))),
)  # fmt: skip


@given(PAPERS)
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_twice_is_the_same_as_once(tmp_path: Path, papers: list[Paper]) -> None:
    path = tmp_path / "twice.sqlite"
    path.unlink(missing_ok=True)
    library = Library(path)
    try:
        assert put(library, *papers) == ["ingested"] * len(papers)
        once, revision = list(library.papers()), library.revision()
        assert put(library, *papers) == ["unchanged"] * len(papers)
        assert (list(library.papers()), library.revision()) == (once, revision)
        assert once == [replace(p, id=paper_id(p)) for p in papers]
    finally:
        library.close()


def test_ids_prefer_the_doi_then_arxiv_then_the_source_then_the_title() -> None:
    paper = replace(PAPER, doi="10.1/x", arxiv_id="2401.00001")
    assert paper_id(paper) == "doi:10.1/x"
    assert paper_id(replace(paper, doi=None)) == "arxiv:2401.00001"
    assert paper_id(PAPER) == "own-1"
    assert paper_id(replace(PAPER, id="")).startswith("title:")


@pytest.mark.parametrize("same", ["sparse maps!", "SPARSE-MAPS", "Sparse  Maps", "Ｓparse Maps"])
def test_a_title_means_the_same_paper_however_it_is_set(same: str) -> None:
    nameless = replace(PAPER, id="")
    assert paper_id(replace(nameless, title=same)) == paper_id(nameless)


def test_titles_of_signs_only_are_told_apart() -> None:
    assert normalised_title("???") != normalised_title("!!!") != ""


MANY = (
    Paper("Old", "x", "old", ("Ann Lee", "Jörg Müller"), 1999, "NeurIPS 2024", None, ("cs.IR",)),
    Paper("New", "x", "new", ("Bo Li",), 2024, "100% Science_Week", None, ("cs.CL", "stat.ML")),
    Paper("Undated", "x", "undated", ("O'Neil \\ Sons",), None, None, None, ()),
)


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        (Filters(), {"old", "new", "undated"}),
        (Filters(year=(1999, 1999)), {"old"}),
        (Filters(year=(2000, None)), {"new"}),
        (Filters(year=(None, 2000)), {"old"}),
        (Filters(year=(None, None)), {"old", "new", "undated"}),
        (Filters(year=(2025, 2020)), set()),
        (Filters(venue="neurips"), {"old"}),
        (Filters(venue="%"), {"new"}),
        (Filters(venue="e_w"), {"new"}),
        (Filters(venue="s_"), set()),
        (Filters(author="LEE"), {"old"}),
        (Filters(author="MÜLLER"), {"old"}),
        (Filters(author="muller"), {"old"}),
        (Filters(author="Jorg Mu\u0308ller"), {"old"}),
        (Filters(author="ann lèe"), {"old"}),
        (Filters(author="\u0308"), set()),
        (Filters(author="\\"), {"undated"}),
        (Filters(author="'; DROP TABLE papers; --"), set()),
        (Filters(category="CS."), {"old", "new"}),
        (Filters(category="stat.ml", year=(2020, None)), {"new"}),
        (Filters(author="lee", venue="science"), set()),
    ],
)  # fmt: skip
def test_filters(library: Library, filters: Filters, found: set[str]) -> None:
    put(library, *MANY)
    assert library.select(filters) == found


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("Müller", "muller"), ("Søren Sørensen", "soren sorensen"), ("Łukasz Đặng", "lukasz dang"),
        ("Weiß", "weiss"), ("Işık", "isik"), ("Ægir Þór", "aegir thor"), ("Νίκος", "νικοσ"),
        ("김민준", "김민준"), ("がくと", "がくと"), ("\u0308", "\u0308"),
    ],
)  # fmt: skip
def test_names_are_folded(name: str, wanted: str) -> None:
    assert fold(name) == wanted
    assert fold(unicodedata.normalize("NFD", name)) == wanted


@given(st.text(max_size=30))
def test_folding_again_changes_nothing(text: str) -> None:
    folded = fold(text)
    assert fold(folded) == folded
    assert bool(folded) == bool(text)


def test_papers_come_back_in_the_order_they_came(library: Library) -> None:
    put(library, *MANY)
    put(library, replace(MANY[0], year=2000))
    assert [paper.id for paper in library.papers()] == ["old", "new", "undated"]


def test_more_ids_than_sqlite_binds_at_once(library: Library) -> None:
    papers = [Paper(f"T{n}", "x", f"id{n}") for n in range(1200)]
    put(library, *papers)
    assert library.get([p.id for p in papers]) == {p.id: p for p in papers}


def test_revision_rises_with_changes_only(library: Library) -> None:
    seen = [library.revision()]
    for step in (
        lambda: put(library, PAPER),
        lambda: put(library, PAPER),
        lambda: library.delete(["absent"]),
        lambda: library.delete(["own-1"]),
    ):
        step()
        seen.append(library.revision())
    assert seen == [0, 1, 1, 1, 2]
    assert library.count() == 0


def test_vectors_are_kept_by_text_and_model(library: Library) -> None:
    vectors = np.eye(3, dtype=np.float32)
    library.cache_vectors([b"a", b"b", b"c"], vectors, "one")
    library.cache_vectors([b"a"], -vectors[:1], "two")
    found = library.cached_vectors([b"a", b"c", b"absent"], "one")
    assert {key: value.tolist() for key, value in found.items()} == {
        b"a": [1, 0, 0], b"c": [0, 0, 1],
    }  # fmt: skip
    assert library.known_hashes("two") == {b"a"}
    assert library.cached_vectors([b"b"], "two") == {}


def test_what_was_not_committed_is_gone_and_the_rest_is_there(path: Path) -> None:
    library = Library(path)
    put(library, PAPER)
    with pytest.raises(KeyboardInterrupt):
        library.upsert(_interrupted())  # type: ignore[arg-type]
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    other.execute("DELETE FROM papers")
    other.close()  # without a commit: what a kill leaves
    library.close()
    again = Library(path)
    assert list(again.papers()) == [PAPER]
    assert put(again, MANY[0]) == ["ingested"]
    again.close()


def _interrupted() -> Iterator[tuple[Paper, str]]:
    yield MANY[0], "test"
    raise KeyboardInterrupt


def test_a_reader_sees_what_a_writer_committed(path: Path, library: Library) -> None:
    reader = Library(path, read_only=True)
    assert reader.count() == 0
    put(library, PAPER)
    assert reader.count() == 1
    with pytest.raises(LibraryError, match="may be written"):
        put(reader, MANY[0])
    reader.close()


def test_no_library_yet(path: Path) -> None:
    with pytest.raises(LibraryError, match="Run: footnoted ingest"):
        Library(path, read_only=True)
    path.touch()  # what a kill during the very first command leaves
    with pytest.raises(LibraryError, match="Run: footnoted ingest"):
        Library(path, read_only=True)


def test_a_newer_format_says_what_to_do(path: Path, library: Library) -> None:
    other = sqlite3.connect(path)
    other.execute(f"PRAGMA user_version = {FORMAT + 1}")
    other.close()
    with pytest.raises(LibraryError, match="Upgrade Footnoted"):
        Library(path)


def test_a_file_that_is_no_database(path: Path) -> None:
    path.write_bytes(b"not a database at all " * 500)
    with pytest.raises(LibraryError, match="damaged: move it away"):
        Library(path)


def test_damage_inside_the_file_is_our_error_whenever_it_shows(path: Path) -> None:
    library = Library(path)
    put(library, *(Paper(f"T{n}", "word " * 200, f"id{n}") for n in range(300)))
    library.close()
    data = bytearray(path.read_bytes())
    data[8192:-8192] = b"\xff" * (len(data) - 16384)
    path.write_bytes(data)
    with pytest.raises(LibraryError, match="move it away and ingest again"):
        _read_everything(path)


def _read_everything(path: Path) -> None:
    library = Library(path)
    try:
        list(library.papers())
        library.select(Filters(year=(2000, None)))
    finally:
        library.close()


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(LibraryError, match="choose another --home"):
        Library(tmp_path / "absent" / "library.sqlite")


def test_another_writer_is_waited_for_then_named(path: Path, library: Library) -> None:
    library._db.execute("PRAGMA busy_timeout = 10")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(LibraryError, match="Another process is writing"):
        put(library, PAPER)
    other.close()
    assert put(library, PAPER) == ["ingested"]


def test_a_doi_of_arxiv_makes_no_second_paper():
    with_doi = Paper("T", "A.", arxiv_id="1812.06145", doi="10.48550/arxiv.1812.06145")
    assert paper_id(with_doi) == paper_id(Paper("T", "A.", arxiv_id="1812.06145"))
