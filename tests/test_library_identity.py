"""One paper once: what is recognised as the same, what it then says, what stays as it was."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.library import Library
from rag.library._identity import family, merge, worth
from rag.types import Paper

TITLE = "Sparse maps of remembered forests"
PAPER = Paper(TITLE, "Squirrels forget. Forests stand.", authors=("Ada Byron",), year=2021)


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    opened = Library(tmp_path / "library.sqlite")
    yield opened
    opened.close()


def put(library: Library, *papers: Paper, source: str = "a.bib") -> list[str]:
    return list(library.upsert([(paper, source) for paper in papers]))


def only(library: Library) -> Paper:
    found = list(library.papers())
    assert len(found) == 1
    return found[0]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"doi": "10.1/x"}, {"doi": "10.1/x", "title": "Retitled"}),
        ({"arxiv_id": "2101.00001"}, {"arxiv_id": "2101.00001", "year": 2022}),
        ({"doi": "10.48550/arxiv.2101.00001"}, {"arxiv_id": "2101.00001", "title": "Retitled"}),
        ({"pmid": "77"}, {"pmid": "77", "title": "Retitled"}),
        ({"openalex_id": "W1"}, {"openalex_id": "W1", "title": "Retitled"}),
        ({"doi": "10.1/x", "pmid": "7"}, {"pmid": "7", "title": "Retitled", "authors": ()}),
        ({"doi": "10.1/x"}, {"arxiv_id": "2101.00001"}),
        ({"doi": "10.1/x"}, {"authors": ("Byron, A.",), "title": TITLE.upper()}),
        ({"arxiv_id": "2101.00001"}, {"authors": (), "year": None}),
        ({"id": "own-1"}, {"id": "another-numbering-7"}),
    ],
)
def test_two_sources_give_one_paper(library: Library, first: dict, second: dict) -> None:
    assert put(library, replace(PAPER, **first)) == ["ingested"]
    name = only(library).id
    assert put(library, replace(PAPER, **second), source="b.ris")[0] != "ingested"
    assert only(library).id == name
    assert library.sources(name) == ["a.bib", "b.ris"]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({}, {"authors": ("Grace Hopper",)}),
        ({}, {"year": 2023}),
        ({"doi": "10.1/x"}, {"doi": "10.1/y"}),
        ({"pmid": "1"}, {"pmid": "2"}),
        ({"id": "1"}, {"id": "1", "title": "Another thing", "abstract": "Wholly different."}),
        ({"title": "Editorial", "year": None}, {"title": "Editorial", "abstract": "Other."}),
    ],
)
def test_what_differs_stays_two(library: Library, first: dict, second: dict) -> None:
    put(library, replace(PAPER, **first))
    assert put(library, replace(PAPER, **second), source="b.ris") == ["ingested"]
    ids = [paper.id for paper in library.papers()]
    assert len(set(ids)) == 2
    assert all(library.get([i])[i].id == i for i in ids)


def test_one_source_numbers_its_papers(library: Library) -> None:
    one, other = replace(PAPER, id="1"), replace(PAPER, id="2")
    assert put(library, one, other) == ["ingested", "ingested"]
    assert put(library, one, other) == ["unchanged", "unchanged"]


def test_what_one_lacks_the_other_gives(library: Library) -> None:
    poor = replace(PAPER, doi="10.1/x", key="byron21", authors=("A. Byron",), abstract="Short ...")
    rich = replace(
        PAPER, doi="10.1/x", arxiv_id="2101.00001", pmid="77", venue="Woods", key="other",
        categories=("cs.IR",), authors=("Ada Byron", "Grace Hopper"), url="https://a.org",
    )  # fmt: skip
    put(library, poor)
    assert put(library, rich, source="b.ris") == ["replaced"]
    merged = only(library)
    assert merged == replace(rich, id="doi:10.1/x", key="byron21")
    assert put(library, poor) == put(library, rich, source="b.ris") == ["unchanged"]
    assert only(library) == merged


def test_the_same_source_may_take_back_what_it_said(library: Library) -> None:
    put(library, replace(PAPER, doi="10.1/x", venue="Woods", key="mine"))
    shorter = replace(PAPER, doi="10.1/x", abstract="Squirrels.")
    assert put(library, shorter) == ["replaced"]
    assert only(library) == replace(shorter, id="doi:10.1/x", key="mine")


def test_a_file_with_a_paper_twice_is_unchanged_when_read_again(library: Library) -> None:
    first = replace(PAPER, doi="10.1/x", year=None)
    second = replace(PAPER, doi="10.1/x", abstract=PAPER.abstract * 3)
    assert put(library, first, second) == ["ingested", "replaced"]
    merged = only(library)
    assert (merged.year, merged.abstract) == (2021, second.abstract)
    assert put(library, first, second) == ["unchanged", "unchanged"]
    assert only(library) == merged


def test_a_later_version_replaces_an_earlier_one_and_never_the_reverse(library: Library) -> None:
    versions = [
        replace(PAPER, arxiv_id="2101.00001", version=n, abstract=f"Draft {n}. " * (5 - n))
        for n in (1, 2, 3)
    ]
    assert put(library, versions[1]) == ["ingested"]
    assert put(library, versions[0], source="old.jsonl") == ["unchanged"]
    assert put(library, versions[0]) == ["unchanged"]
    assert only(library).abstract == versions[1].abstract
    assert put(library, versions[2], source="new.jsonl") == ["replaced"]
    assert only(library).abstract == versions[2].abstract
    assert only(library).version == 3


def test_an_identifier_that_came_later_is_known_from_then_on(library: Library) -> None:
    put(library, replace(PAPER, arxiv_id="2101.00001"))
    put(library, replace(PAPER, arxiv_id="2101.00001", doi="10.1/x"), source="b.ris")
    assert only(library).id == "arxiv:2101.00001"  # as it was cited
    assert put(library, Paper("Retitled", "x", doi="10.1/x"), source="c") != ["ingested"]
    assert library.count() == 1


def test_a_corrected_identifier_is_free_again(library: Library) -> None:
    put(library, replace(PAPER, doi="10.1/wrong", id="own"))
    assert put(library, replace(PAPER, doi="10.1/right", id="own")) == ["replaced"]
    assert put(library, Paper("The true owner of it", "Words.", doi="10.1/wrong")) == ["ingested"]
    assert [p.doi for p in library.papers()] == ["10.1/right", "10.1/wrong"]
    ids = [p.id for p in library.papers()]
    assert ids[0] == "doi:10.1/wrong"
    assert ids[1].startswith("doi:10.1/wrong~")


def test_the_raw_record_is_kept_and_not_given_out(library: Library) -> None:
    raw = "@article{x, title = {Sparse maps}}\ud800"
    put(library, replace(PAPER, raw=raw, id="own"))
    assert library.raw("own") == [raw]
    assert only(library).raw == ""


def test_pruning_takes_one_source_off_a_paper(library: Library) -> None:
    only_a, both = replace(PAPER, doi="10.1/a"), replace(PAPER, doi="10.1/b", venue=None)
    put(library, only_a, both)
    put(library, replace(both, venue="Woods"), source="b.ris")
    run = library.begin_run()
    gone = library.missing("a.bib", run)
    assert [p.id for p in gone] == ["doi:10.1/a", "doi:10.1/b"]
    assert library.forget([p.id for p in gone], "a.bib") == 1
    assert only(library).id == "doi:10.1/b"
    assert library.sources("doi:10.1/b") == ["b.ris"]
    assert library.by_source() == {"b.ris": 1}


def test_numbers_are_never_given_twice(library: Library) -> None:
    put(library, replace(PAPER, id="1"), replace(PAPER, id="2", title="Another title"))
    first = library.row_ids()[0]
    library.delete(["2"])
    put(library, replace(PAPER, id="3", title="A third title of these"))
    assert library.rows()[-1] > first[-1]
    assert library.row_ids()[1] == [p.id for p in library.papers()] == ["1", "3"]
    assert {n: p.id for n, p in library.by_row(library.rows()).items()} == dict(
        zip(library.rows().tolist(), ["1", "3"], strict=True)
    )


def test_a_crowd_of_one_title_is_told_apart_in_good_time(library: Library) -> None:
    crowd = [Paper("Editorial", f"In issue {n} we begin.", year=2000 + n % 9) for n in range(300)]
    assert put(library, *crowd) == ["ingested"] * 300
    assert put(library, *crowd) == ["unchanged"] * 300
    assert put(library, *crowd[100:], source="b.ris") == ["unchanged"] * 200
    assert library.count() == 300
    library.link_twins()
    assert library.duplicates() == []


def test_what_no_database_takes_is_stored_without_it(library: Library) -> None:
    odd = replace(PAPER, key="by\ud800ron", authors=("A\udfff",), version=10**30, id="odd\ud800")
    assert put(library, odd, replace(PAPER, id="2")) == ["ingested", "ingested"]
    first = next(library.papers())
    assert (first.id, first.key, first.authors, first.version) == ("odd?", "by?ron", ("A?",), None)
    assert put(library, odd) == ["unchanged"]


@pytest.mark.parametrize(
    "name", ["Marie Curie", "Curie, Marie", "Curie M", "M. Curie", "CURIE M.", "Marie Ćurie"]
)
def test_family_names(name: str) -> None:
    assert family(name) == "curie"


def test_the_better_abstract_is_longer_and_cleaner() -> None:
    whole = "We show that forests remember. They do so for a long time indeed."
    assert worth(whole) > worth(whole[:30])
    assert worth(whole) > worth(whole[:-10] + " ...")
    assert worth(whole) > worth("<jats:p>" + whole + "</jats:p>")
    assert worth("word " * 600) == worth("word " * 60_000)  # a full text is no better abstract


FIELDS = st.builds(
    Paper,
    title=st.sampled_from(["A title", "A TITLE"]),
    abstract=st.text("ab .", min_size=1, max_size=9),
    authors=st.lists(st.sampled_from(["Ada Byron", "A. B."]), max_size=2).map(tuple),
    year=st.none() | st.integers(2000, 2003),
    venue=st.sampled_from([None, "arXiv", "Woods"]),
    version=st.none() | st.integers(1, 3),
    categories=st.lists(st.sampled_from("xyz"), max_size=2, unique=True).map(tuple),
)


@given(st.lists(FIELDS, min_size=1, max_size=4))
def test_a_merge_invents_nothing_and_settles(records: list[Paper]) -> None:
    merged = merge(records, "n")
    assert merged.abstract in {r.abstract for r in records}
    assert merged.year is None or merged.year in {r.year for r in records}
    assert set(merged.categories) == {c for r in records for c in r.categories}
    assert merged.version == max((r.version for r in records if r.version), default=None)
    assert merge([merged, *records], "n") == merge([merged, merged], "n") == merged


@given(st.lists(FIELDS, min_size=1, max_size=3), st.integers(1, 3))
def test_nothing_is_lost_however_often_it_is_read(
    tmp_path_factory: pytest.TempPathFactory, records: list[Paper], times: int
) -> None:
    library = Library(tmp_path_factory.mktemp("law") / "library.sqlite")
    try:
        pairs = [(replace(r, doi="10.1/x"), "a") for r in records]
        outcomes = library.upsert(pairs)
        assert outcomes[0] == "ingested"
        assert len(outcomes) == len(pairs)
        once = only(library)
        for _ in range(times):
            assert library.upsert(pairs) == ["unchanged"] * len(pairs)
        assert only(library) == once
    finally:
        library.close()
