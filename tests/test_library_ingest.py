"""The contract of an ingest: counts that add up, pruning, a rehearsal that writes nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag import ingest
from rag.ingest import address, rehearse, silent, store_records
from rag.library import Library
from rag.types import IngestReport, Paper, Record, Rejected
from tests.conftest import make_papers

PAPERS = make_papers(20)
BAD = Rejected("a.bib", 3, "no abstract", "@article{x, title = {A mangled title of mine}}")


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    with closing(Library(tmp_path / "library.sqlite")) as opened:
        yield opened


def store(library: Library, *records: Record, source: str = "a.bib", prune: bool = False):
    rejects = library.path.with_name("rejected.jsonl")
    return store_records(library, [(source, r) for r in records], rejects, prune=prune)


def ids(library: Library) -> list[str]:
    return [paper.id for paper in library.papers()]


RECORDS = st.lists(st.sampled_from([*PAPERS[:6], BAD, *make_papers(6, seed=8)]), max_size=30)


@given(RECORDS, RECORDS)
@settings(max_examples=25)
def test_the_counts_are_the_records(
    tmp_path_factory: pytest.TempPathFactory, first: list[Record], second: list[Record]
) -> None:
    with closing(Library(tmp_path_factory.mktemp("n") / "library.sqlite")) as library:
        for records in (first, second):
            before = library.count()
            report = store(library, *records)
            assert report.seen == len(records)
            assert library.count() == before + report.ingested
            assert report.rejected == records.count(BAD)


def test_what_is_gone_from_its_source_is_pruned(library: Library) -> None:
    store(library, *PAPERS[:5])
    store(library, PAPERS[1], PAPERS[2], source="b.bib")
    report = store(library, PAPERS[0], PAPERS[1], prune=True)
    assert report == IngestReport(unchanged=2, removed=2)
    assert ids(library) == ["p0", "p1", "p2"]
    assert library.sources("p2") == ["b.bib"]
    assert store(library, PAPERS[0], PAPERS[1], prune=True).removed == 0


def test_without_prune_all_stay(library: Library) -> None:
    store(library, *PAPERS[:5])
    assert store(library, PAPERS[0]).removed == 0
    assert library.count() == 5


def test_a_record_that_can_no_longer_be_read_is_not_gone(library: Library) -> None:
    mine = Paper("A mangled title of mine", "It was well once.", "mine")
    store(library, mine, *PAPERS[:3])
    assert store(library, BAD, PAPERS[0], prune=True).removed == 2
    assert ids(library) == ["mine", "p0"]


def test_a_source_that_ends_early_prunes_nothing(library: Library) -> None:
    store(library, *PAPERS[:5])
    torn = Rejected("a.bib", 9, "nothing could be read from here on", "")
    assert store(library, PAPERS[0], torn, prune=True).removed == 0
    assert store(library, PAPERS[0], source="-", prune=True).removed == 0
    assert library.count() == 5


def test_a_rehearsal_reports_and_writes_nothing(library: Library, tmp_path: Path) -> None:
    store(library, *PAPERS[:5])
    library.close()
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    records = [("a.bib", r) for r in (PAPERS[0], PAPERS[9], BAD)]
    report, rejects = rehearse(tmp_path, records, silent, prune=True)
    assert report == IngestReport(ingested=1, unchanged=1, rejected=1, removed=4)
    assert rejects == [BAD]
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before
    report, _ = rehearse(tmp_path / "absent", records, silent, prune=False)
    assert report == IngestReport(ingested=2, rejected=1)
    assert not (tmp_path / "absent").exists()


def test_a_slow_source_is_safe_early(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingest, "_PATIENCE", 0.0)
    told: list[int] = []

    def slow() -> Iterator[tuple[str, Record]]:
        for number, paper in enumerate(PAPERS):
            assert library.count() == number
            yield "arxiv:cat:cs.IR", paper

    rejects = library.path.with_name("rejected.jsonl")
    store_records(library, slow(), rejects, lambda stage, n, _: told.append(n))
    assert told[:3] == [1, 2, 3]


def test_rejects_are_kept_with_their_place(library: Library) -> None:
    store(library, PAPERS[0], BAD)
    written = library.path.with_name("rejected.jsonl").read_text().splitlines()
    assert [json.loads(line)["line"] for line in written] == [3]


def test_a_file_has_one_name_from_everywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own.bib").touch()
    monkeypatch.chdir(tmp_path)
    assert address("own.bib") == address(f"{tmp_path}/./own.bib") == str(tmp_path / "own.bib")
    assert address("arxiv:cat:cs.IR") == "arxiv:cat:cs.IR"
    assert address("-") == "-"
