"""The sample papers are about real papers, in our own words."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from rag.library import normalised_title
from rag.sources import open_source
from rag.types import Paper
from tests.conftest import SAMPLE

RECORDS = [json.loads(line) for line in SAMPLE.read_text(encoding="utf-8").splitlines()]
RUN = 8  # words in a row that count as copied


def words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def runs(text: str) -> set[tuple[str, ...]]:
    found = words(text)
    return {tuple(found[i : i + RUN]) for i in range(len(found) - RUN + 1)}


def test_seventy_papers_with_a_title_each() -> None:
    assert len({normalised_title(record["title"]) for record in RECORDS}) == len(RECORDS) == 70


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record["title"][:40])
def test_an_abstract_has_80_to_150_words(record: dict[str, str]) -> None:
    assert 80 <= len(record["abstract"].split()) <= 150
    assert set(record) <= {"title", "abstract", "url"}


def test_our_own_reader_takes_all_of_them(sample_papers: list[Paper]) -> None:
    assert [(p.title, p.abstract) for p in sample_papers] == [
        (record["title"], record["abstract"]) for record in RECORDS
    ]
    assert all(p.url and p.url.startswith("https://") for p in sample_papers if p.url)


def test_the_titles_are_those_of_the_seed(seed_page: Path) -> None:
    seed = [record for record in open_source(str(seed_page)) if isinstance(record, Paper)]
    assert sorted(paper.title for paper in seed) == sorted(r["title"] for r in RECORDS)


def test_no_run_of_eight_words_is_copied(seed_page: Path) -> None:
    seed = [record for record in open_source(str(seed_page)) if isinstance(record, Paper)]
    theirs = set().union(*(runs(paper.abstract) for paper in seed))
    assert theirs
    copied = {r["title"]: runs(r["abstract"]) & theirs for r in RECORDS}
    assert {title: found for title, found in copied.items() if found} == {}
