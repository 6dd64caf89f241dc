from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag._cli_missing import closest, unknown_ids

KNOWN = [
    ("arxiv:2401.01234", "Kestrel: a graph index that lives on disk"),
    ("doi:10.1000/182", "Lapwing: late interaction with short vectors"),
    ("title:0123456789abcdef", "A survey of reed beds"),
]


@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("2401.01234", 0),
        ("arxiv:2401.01243", 0),
        ("arXiv:2401.01234v2", 0),
        ("10.1000/182", 1),
        ("kestrel", 0),
        ("Lapwing: late interactions with short vector", 1),
        ("title:0123456789abcdeg", 2),
        ("survey reed", 2),
    ],
)
def test_what_is_near_an_id_is_offered(name: str, first: int) -> None:
    assert closest(name, KNOWN)[0] == KNOWN[first]


@pytest.mark.parametrize("name", ["nonsense", "", "e", "arxiv:9912.99999", "doi"])
def test_what_is_near_to_none_is_offered_none(name: str) -> None:
    assert closest(name, KNOWN) == []


def test_the_message_names_the_commands_that_help() -> None:
    said = unknown_ids(["nonsense"], KNOWN, "my papers")
    assert said.splitlines() == [
        "no paper has the id 'nonsense'.",
        "The id of a paper stands below its title: footnoted search WORDS --home 'my papers'",
        "All ids, one paper a line: footnoted export --format csv --home 'my papers'",
    ]
    assert "  arxiv:2401.01234  Kestrel: a graph" in unknown_ids(["kestrel"], KNOWN, None)


def test_of_many_only_some_are_explained() -> None:
    said = unknown_ids([f"nonsense {n}" for n in range(9)], KNOWN, None)
    assert said.count("no paper has") == 3
    assert "and 6 more ids" in said


@given(st.text(max_size=60))
def test_any_text_may_be_given_for_an_id(name: str) -> None:
    assert set(closest(name, KNOWN)) <= set(KNOWN)


@pytest.mark.soak
def test_looking_through_75_000_papers_takes_seconds() -> None:
    many = [(f"title:{n:016x}", f"A paper on the {n}th of many things") for n in range(75_000)]
    began = time.perf_counter()
    closest("title:00000000000x0003", many)
    assert time.perf_counter() - began < 10
