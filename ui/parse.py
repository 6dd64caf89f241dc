"""Filters that are written in a question: "since 2023", "by Lewis", "in cs.IR"."""

from __future__ import annotations

import re
from argparse import ArgumentTypeError
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

from rag._cli_parser import years as typed_years
from rag.errors import ConfigError
from rag.library import fold
from rag.types import Filters

_YEAR = r"((?:19|20)\d{2})"
_RANGES: tuple[
    tuple[re.Pattern[str], Callable[[list[int]], tuple[int | None, int | None]]], ...
] = (
    (
        re.compile(rf"\b(?:between|from) {_YEAR} (?:and|to|until) {_YEAR}\b", re.IGNORECASE),
        lambda found: (min(found), max(found)),
    ),
    (
        re.compile(rf"\b(?:since|from) {_YEAR}(?: on(?:wards?)?)?\b", re.IGNORECASE),
        lambda found: (found[0], None),
    ),
    (re.compile(rf"\bafter {_YEAR}\b", re.IGNORECASE), lambda found: (found[0] + 1, None)),
    (re.compile(rf"\b(?:until|up to) {_YEAR}\b", re.IGNORECASE), lambda found: (None, found[0])),
    (re.compile(rf"\bbefore {_YEAR}\b", re.IGNORECASE), lambda found: (None, found[0] - 1)),
    (
        re.compile(rf"\b(?:published )?in {_YEAR}\b", re.IGNORECASE),
        lambda found: (found[0], found[0]),
    ),
)
_NAME = r"[A-ZÀ-ÖØ-ÞĀ-Ž][\w'’.-]*"
_AUTHOR = re.compile(rf"\bby ({_NAME}(?: {_NAME}){{0,2}})(?: et al\.?)?(?=[\s,.;:?!]|$)")
_PLACE = re.compile(r"\b(?:in|at) (?:category |the )?([A-Za-z][\w.-]+)")


@dataclass(frozen=True, slots=True)
class Known:
    """What the collection has, folded: a name that is not in it is no filter but a word."""

    authors: Collection[str] = ()
    venues: Collection[str] = ()
    categories: Collection[str] = ()


def read_filters(question: str, known: Known) -> tuple[str, Filters]:
    """The question without the filters written in it, and these. Nothing is lost where none is."""
    rest, filters = _years(question, Filters())
    rest, filters = _author(rest, filters, known)
    rest, filters = _place(rest, filters, known)
    tidy = re.sub(r"\s+(?=[,.;:?!])", "", " ".join(rest.split()))
    return (tidy, filters) if filters and re.search(r"\w", tidy) else (question, Filters())


def years(text: str) -> tuple[int | None, int | None] | None:
    """`2020-2024`, `2020-`, `-2024` or `2023`; None for nothing. Raises ConfigError."""
    wanted = re.sub(r"\s*[-–]\s*", "-", text.strip())
    try:
        return typed_years(wanted) if wanted else None
    except ArgumentTypeError as error:
        raise ConfigError(str(error)) from None


def chips(filters: Filters | None) -> list[str]:
    """Each filter in words."""
    if not filters:
        return []
    low, high = filters.year or (None, None)
    years = {
        (True, True): f"{low} to {high}" if low != high else f"{low}",
        (True, False): f"since {low}",
        (False, True): f"until {high}",
    }.get((low is not None, high is not None))
    named = (
        ("year", years), ("author", filters.author), ("venue", filters.venue),
        ("category", filters.category),
    )  # fmt: skip
    return [f"{name}: {value}" for name, value in named if value]


def merged(chosen: Filters, written: Filters) -> Filters:
    """What is written in the question goes before what was chosen beside it."""
    return Filters(
        written.year or chosen.year,
        written.venue or chosen.venue,
        written.author or chosen.author,
        written.category or chosen.category,
    )


def _years(question: str, filters: Filters) -> tuple[str, Filters]:
    for pattern, read in _RANGES:
        match = pattern.search(question)
        if match:
            year = read([int(group) for group in match.groups()])
            return _without(question, match), replace(filters, year=year)
    return question, filters


def _author(question: str, filters: Filters, known: Known) -> tuple[str, Filters]:
    for match in _AUTHOR.finditer(question):
        words = match[1].removesuffix("'s").split(" ")
        for count in range(len(words), 0, -1):  # as much of the name as some author has
            name = " ".join(words[:count])
            wanted = re.compile(rf"\b{re.escape(fold(name))}\b")
            if any(wanted.search(author) for author in known.authors):
                end = match.start(1) + len(name) if count < len(words) else match.end()
                rest = question[: match.start()] + question[end:]
                return rest, replace(filters, author=name)
    return question, filters


def _place(question: str, filters: Filters, known: Known) -> tuple[str, Filters]:
    for match in _PLACE.finditer(question):
        wanted = fold(match[1].rstrip("."))
        if wanted in known.categories:
            return _without(question, match), replace(filters, category=match[1].rstrip("."))
        if wanted in known.venues:
            return _without(question, match), replace(filters, venue=match[1].rstrip("."))
    return question, filters


def _without(question: str, match: re.Match[str]) -> str:
    return question[: match.start()] + question[match.end() :]
