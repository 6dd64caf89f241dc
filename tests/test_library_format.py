"""The file from an older and from a newer Footnoted, copies of it, and how fast filters are."""

from __future__ import annotations

import json
import sqlite3
import time
from pathlib import Path

import numpy as np
import pytest

from rag.chatbot import Chatbot
from rag.doctor import repair_library
from rag.errors import LibraryError
from rag.library import FORMAT, Library, paper_id
from rag.types import Filters, Paper
from tests.conftest import make_papers

# The tables as format 1 had them.
OLD = """
CREATE TABLE papers (
    id TEXT PRIMARY KEY, title TEXT NOT NULL, abstract TEXT NOT NULL, authors TEXT NOT NULL,
    year INTEGER, venue TEXT, url TEXT, categories TEXT NOT NULL, doi TEXT, arxiv_id TEXT,
    content_hash TEXT NOT NULL, source TEXT NOT NULL, added_at TEXT NOT NULL,
    updated_at TEXT NOT NULL
) STRICT;
CREATE INDEX papers_year ON papers (year);
CREATE TABLE vectors (
    text_hash BLOB NOT NULL, model TEXT NOT NULL, vector BLOB NOT NULL,
    PRIMARY KEY (text_hash, model)
) STRICT, WITHOUT ROWID;
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
INSERT INTO facts VALUES ('revision', '7');
INSERT INTO vectors VALUES (x'61', 'm', x'0000803f');
PRAGMA user_version = 1;
"""
PAPERS = [
    Paper("By its DOI", "One.", "doi:10.1/x", ("Ann Lee",), 2020, "V", None, ("cs.IR",), "10.1/x"),
    Paper("By its number", "Two.", "own-1", ("Jörg Müller",)),
    Paper("By its title", "Three.", paper_id(Paper("By its title", ""))),
    Paper("By arXiv", "Four.", "arxiv:2101.00001", arxiv_id="2101.00001"),
]


@pytest.fixture
def old(tmp_path: Path) -> Path:
    path = tmp_path / "library.sqlite"
    db = sqlite3.connect(path)
    db.executescript(OLD)
    for p in PAPERS:
        row = (
            p.id, p.title, p.abstract, json.dumps(p.authors), p.year, p.venue, p.url,
            json.dumps(p.categories), p.doi, p.arxiv_id, "hash", "old.jsonl", "then", "then",
        )  # fmt: skip
        db.execute(f"INSERT INTO papers VALUES ({','.join('?' * len(row))})", row)
    db.commit()
    db.close()
    return path


def test_an_old_library_is_brought_up_to_date_in_place(old: Path) -> None:
    assert not Library.is_current(old)
    library = Library(old)
    assert Library.is_current(old)
    assert list(library.papers()) == PAPERS
    assert library.revision() == 7
    assert library.cached_vectors([b"a"], "m")[b"a"].tolist() == [1.0]
    assert library.select(Filters(author="MÜLLER")) == {"own-1"}
    assert library.upsert([(p, "old.jsonl") for p in PAPERS]) == ["unchanged"] * 4
    assert library.upsert([(p, "new.jsonl") for p in PAPERS]) == ["unchanged"] * 4
    assert library.count() == 4
    assert library.upsert([(Paper("A fifth", "Five."), "new.jsonl")]) == ["ingested"]
    library.close()


def test_a_copy_of_the_old_file_is_kept(old: Path) -> None:
    Library(old).close()
    copy = sqlite3.connect(old.with_name("library.sqlite.format-1"))
    assert copy.execute("PRAGMA user_version").fetchone() == (1,)
    assert copy.execute("SELECT count(*) FROM papers").fetchone() == (4,)
    copy.close()


@pytest.fixture
def unfolded(tmp_path: Path) -> Path:
    """A file whose filters know case alone, as all did before accents were folded."""
    path = tmp_path / "library.sqlite"
    library = Library(path)
    library.upsert([(paper, "old.jsonl") for paper in PAPERS])
    library.close()
    db = sqlite3.connect(path)
    db.execute("UPDATE facets SET authors = 'jörg müller' WHERE number = 2")
    db.execute("DELETE FROM facts WHERE name = 'folding'")
    db.commit()
    db.close()
    return path


def test_a_reader_asks_an_unfolded_file_in_its_own_way(unfolded: Path) -> None:
    library = Library(unfolded, read_only=True)
    assert not library.is_folded()
    assert library.select(Filters(author="MÜLLER")) == {"own-1"}
    assert library.rows(Filters(author="MÜLLER")).tolist() == [2]
    library.close()


def test_authors_are_found_in_an_unfolded_file(unfolded: Path) -> None:
    library = Library(unfolded, read_only=True)
    assert library.written_by("J. MÜLLER").tolist() == [2]
    assert library.written_by("Bo Müller").tolist() == []
    library.close()


def test_a_damaged_paper_is_told_of_where_a_file_is_to_be_folded(unfolded: Path) -> None:
    db = sqlite3.connect(unfolded)
    db.execute("UPDATE papers SET authors = '[\"no JSON' WHERE number = 1")
    db.commit()
    db.close()
    with pytest.raises(LibraryError, match=r"damaged.*doctor --repair"):
        Library(unfolded)
    assert repair_library(unfolded.parent)[0].startswith("saved 3 papers")
    library = Library(unfolded)
    assert library.is_folded()
    assert library.written_by("muller").tolist() == [2]
    library.close()


def test_a_damaged_paper_of_a_folded_file_is_left_out_by_a_repair(unfolded: Path) -> None:
    Library(unfolded).close()
    db = sqlite3.connect(unfolded)
    db.execute("UPDATE papers SET authors = '5' WHERE number = 1")
    db.commit()
    db.close()
    assert repair_library(unfolded.parent)[0].startswith("saved 3 papers")


def test_a_home_is_folded_when_it_is_opened(unfolded: Path) -> None:
    reader = Library(unfolded, read_only=True)
    assert reader.rows(Filters(author="muller")).tolist() == []
    before = reader.revision()
    bot = Chatbot.open(unfolded.parent)
    assert [paper.id for paper in bot._collection.library().by_row([2]).values()] == ["own-1"]
    assert "own-1" in "".join(bot.export("jsonl", filters=Filters(author="muller")))
    bot.close()
    assert reader.rows(Filters(author="muller")).tolist() == [2]
    assert reader.revision() == before  # no index has to be made anew
    reader.close()


def test_a_migration_that_fails_leaves_the_old_file(old: Path) -> None:
    db = sqlite3.connect(old)
    db.execute("UPDATE papers SET authors = 'no JSON' WHERE id = 'own-1'")
    db.commit()
    db.close()
    with pytest.raises(ValueError, match="Expecting value"):
        Library(old)
    db = sqlite3.connect(old)
    assert db.execute("PRAGMA user_version").fetchone() == (1,)
    assert db.execute("SELECT count(*) FROM papers").fetchone() == (4,)
    db.close()


def test_a_reader_migrates_nothing(old: Path) -> None:
    before = old.read_bytes()
    with pytest.raises(LibraryError, match=r"of format 1.*Run: footnoted ingest"):
        Library(old, read_only=True)
    assert old.read_bytes() == before


def test_a_newer_file_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "library.sqlite"
    Library(path).close()
    db = sqlite3.connect(path)
    db.execute(f"PRAGMA user_version = {FORMAT + 1}")
    db.close()
    for read_only in (True, False):
        with pytest.raises(LibraryError, match=r"newer Footnoted.*Upgrade"):
            Library(path, read_only=read_only)


def test_a_copy_is_whole_while_others_write(tmp_path: Path) -> None:
    path = tmp_path / "library.sqlite"
    library = Library(path)
    library.upsert([(paper, "a") for paper in make_papers(50)])
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    other.execute("DELETE FROM papers")
    Library.copy(path, tmp_path / "copy.sqlite")
    other.close()
    copy = Library(tmp_path / "copy.sqlite")
    assert list(copy.papers()) == list(library.papers())
    copy.close()
    library.close()


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (Filters(), range(100)),
        (Filters(year=(2024, None)), range(24, 100, 25)),
        (Filters(author="author 3"), range(3, 100, 7)),
        (Filters(venue="VENUE 1", category="cs.2"), (n for n in range(100) if n % 12 == 10)),
        (Filters(author="nobody"), ()),
    ],
)
def test_rows_select_what_select_does(tmp_path: Path, filters: Filters, expected) -> None:
    library = Library(tmp_path / "library.sqlite")
    library.upsert([(paper, "a") for paper in make_papers(100)])
    rows = library.rows(filters)
    assert rows.dtype == np.int64
    assert (rows - 1).tolist() == list(expected)
    assert {p.id for p in library.by_row(rows).values()} == library.select(filters)
    library.close()


@pytest.mark.soak
def test_filters_are_fast_at_75_000_papers(tmp_path: Path) -> None:
    library = Library(tmp_path / "library.sqlite")
    library.upsert([(paper, "a") for paper in make_papers(75_000, sentences=1)])
    for filters in (Filters(year=(2020, None)), Filters(author="author 3"), Filters(category="s.")):
        library.rows(filters)
        began = time.perf_counter()
        assert len(library.rows(filters))
        assert time.perf_counter() - began < 0.05  # 15 ms on a machine that does nothing else
    library.close()
