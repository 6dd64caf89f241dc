"""Who wrote what: names as people give them against names as records hold them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

from rag.library._rows import fold

_WORD = re.compile(r"[^\W\d_]+")


def surname(name: str, folded: Callable[[str], str] = fold) -> str:
    """The folded word that a search for a name begins with: the last, or that before a comma."""
    words = _WORD.findall(folded(name.partition(",")[0]))
    return next((word for word in reversed(words) if len(word) > 1), "")


def by_name(rows: Iterable[tuple[int, str]], name: str) -> Iterator[int]:
    """The numbers of rows (number, folded authors, one a line) of which one bears the name.

    The surname must be one of the author's words, the others may be initials, either way: "Lee"
    is not Leeds, "Y. Bengio" is Yoshua Bengio.
    """
    last, wanted = surname(name), _WORD.findall(fold(name))
    whole = re.compile(rf"(?<![^\W\d_]){re.escape(last)}(?![^\W\d_])")
    for number, authors in rows:
        if whole.search(authors) and (len(wanted) == 1 or _one_bears(authors, whole, wanted)):
            yield number


def _one_bears(authors: str, surname: re.Pattern[str], wanted: list[str]) -> bool:
    people = (author for author in authors.split("\n") if surname.search(author))
    return any(_bears(_WORD.findall(person), wanted) for person in people)


def _bears(person: list[str], wanted: list[str]) -> bool:
    return all(any(_same(word, part) for part in person) for word in wanted)


def _same(one: str, other: str) -> bool:
    return one == other or (1 in (len(one), len(other)) and one[0] == other[0])
