"""A library that was damaged on disk: noticed, saved as far as it can be read, told."""

from __future__ import annotations

import random
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from rag.errors import LibraryError
from rag.library import Library
from rag.types import Filters, Paper
from tests.conftest import make_papers

PAPERS = make_papers(300)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "library.sqlite"
    with closing(Library(path)) as library:
        library.upsert([(paper, "a.bib") for paper in PAPERS])
        library.cache_vectors([b"a", b"b"], np.eye(2, dtype=np.float32), "m")
        library.link_twins()
    return path


def run(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as db:
        for statement in statements:
            db.execute(statement)
        db.commit()


def problems(path: Path) -> list[str]:
    with closing(Library(path, read_only=True)) as library:
        return library.check()


def stored(path: Path) -> dict[str, Paper]:
    with closing(Library(path)) as library:
        return {paper.id: paper for paper in library.papers()}


def test_a_sound_library_has_no_problem(path: Path) -> None:
    assert problems(path) == []


def test_a_text_that_changed_by_itself_is_noticed_and_read_again(path: Path) -> None:
    run(path, "UPDATE papers SET abstract = replace(abstract, 'a', 'b') WHERE id = 'p7'")
    assert problems(path) == ["1 papers are not as they were stored: p7"]
    with closing(Library(path)) as library:
        assert library.mend() == ["p7"]
        outcomes = library.upsert([(paper, "a.bib") for paper in PAPERS])
        assert outcomes.count("replaced") == 1
        assert outcomes.count("unchanged") == 299
    assert problems(path) == []
    assert stored(path) == {paper.id: paper for paper in PAPERS}


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("DELETE FROM facets WHERE number % 2", "the filters of 150 papers are missing"),
        ("DELETE FROM names", "the identifiers of 300 papers are missing"),
    ],
)
def test_what_is_derived_is_made_anew(path: Path, statement: str, told: str) -> None:
    run(path, statement)
    assert problems(path) == [told]
    with closing(Library(path)) as library:
        before = library.revision()
        library.mend()
        assert library.revision() > before
        assert len(library.select(Filters(author="author 3"))) == 43
    assert problems(path) == []


def test_a_damaged_page_loses_what_was_on_it_and_no_more(path: Path) -> None:
    data = bytearray(path.read_bytes())
    at = data.index(PAPERS[150].abstract.encode())
    page = at // 4096 * 4096
    data[page : page + 4096] = random.Random(1).randbytes(4096)
    path.write_bytes(data)
    assert problems(path)[0].startswith("the file is damaged")
    saved = Library.salvage(path)
    assert saved.papers + saved.lost == 300
    assert 280 <= saved.papers < 300
    assert saved.damaged.read_bytes() == bytes(data)
    assert problems(path) == []
    kept = stored(path)
    assert all(kept[i] == paper for paper in PAPERS if (i := paper.id) in kept)
    with closing(Library(path)) as library:
        assert library.cached_vectors([b"a"], "m")[b"a"].tolist() == [1.0, 0.0]
        outcomes = library.upsert([(paper, "a.bib") for paper in PAPERS])
        assert outcomes.count("ingested") == saved.lost
        assert outcomes.count("unchanged") == saved.papers
    assert stored(path) == {paper.id: paper for paper in PAPERS}


def test_a_flipped_byte_anywhere_is_noticed_or_harmless(path: Path) -> None:
    whole = path.read_bytes()
    rng = random.Random(5)
    lost = []
    for at in sorted(rng.sample(range(len(whole)), 40)):
        for suffix in ("-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
        path.write_bytes(
            whole[:at] + bytes([whole[at] ^ (1 << rng.randrange(8))]) + whole[at + 1 :]
        )
        try:
            found = problems(path)
            if not found:  # a free page, or a byte that nothing reads
                assert stored(path) == {paper.id: paper for paper in PAPERS}
                continue
            if "damaged" not in found[0]:
                continue
        except LibraryError:
            pass
        saved = Library.salvage(path)
        lost.append(saved.lost)
        assert saved.papers >= 250
        assert problems(path) == []
        saved.damaged.unlink()
    assert len(lost) < 40


def test_a_first_page_without_its_mark_gets_it_back(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(b"\x00" * 16 + data[16:])
    with pytest.raises(LibraryError, match="not a database"):
        Library(path)
    assert Library.salvage(path).papers == 300
    assert stored(path) == {paper.id: paper for paper in PAPERS}


def test_nothing_can_be_saved_of_what_was_no_library(tmp_path: Path) -> None:
    path = tmp_path / "library.sqlite"
    path.write_bytes(b"not a database at all " * 500)
    try:
        assert Library.salvage(path).papers == 0
    except LibraryError as error:
        assert "nothing can be saved" in str(error)
    with pytest.raises(LibraryError, match="nothing can be saved"):
        Library.salvage(tmp_path / "absent.sqlite")
