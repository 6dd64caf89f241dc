"""Answers from the records of the papers: who wrote what, when and where it came out, how many.

No abstract states these, so there is nothing to cite: the answer comes in the form of a refusal,
whose message says what the records hold, with the papers it speaks of as the nearest.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import reduce
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rag import _record_questions, _small_talk
from rag._follow_ups import Turn, asking, question_of, spoken_of
from rag._record_questions import Wanted
from rag.lexical import LexicalIndex, tokens
from rag.library import Library
from rag.types import LISTED, Filters, Nearest, Paper, Refusal

Rows = NDArray[np.int64]

_INITIAL = r"[^\W\d_](?:\.|(?![^\W\d_]))"
_AND = re.compile(  # "Lee, J. and Bengio, Y." are two
    rf",? (?:and|&) |, (?!{_INITIAL}(?:[ -]?{_INITIAL})*(?=$|,| (?:and|&) ))"
)
_SHOWN = 10  # papers that are listed
_SORTED = 500  # papers up to which they are listed by year
_SEARCHED = 30  # papers among which one is looked for by its name
_NAMES = 3  # words by which a paper is known, though none of them is rare


class Told(NamedTuple):
    """What the records say, the papers it is about, and the question as it was understood."""

    refusal: Refusal
    nearest: tuple[Nearest, ...]
    asked: str


class Records:
    """The records of one collection; `index` finds papers by the words of their titles."""

    def __init__(self, library: Library, index: LexicalIndex, filters: Filters | None) -> None:
        self._library = library
        self._index = index
        self._filters = filters

    def tell(self, question: str, alone: str, history: Sequence[Turn]) -> Told | None:
        """What the records answer; None where the question is not one for them.

        `alone` is the question as it stands without the conversation.
        """
        history, question = asking(history), _small_talk.after(question)
        before = [question_of(turn) for turn in history]
        for asked, wanted in (
            (alone, _record_questions.read(alone)),
            (question, _record_questions.read_all([*before, question])[-1]),
        ):
            if wanted and (told := self._told(wanted, asked, history)):
                return told
        return None

    def _told(self, wanted: Wanted, asked: str, history: Sequence[Turn]) -> Told | None:
        if wanted.kind == "record":
            return self._record(wanted, asked, history)
        if wanted.kind in ("newest", "oldest"):
            return self._extreme(wanted, asked)
        found = self._rows(wanted)
        return found and self._chosen(wanted, *found, asked)

    def _record(self, wanted: Wanted, asked: str, history: Sequence[Turn]) -> Told | None:
        if wanted.of:
            papers = [paper for paper in [self._called(wanted.of)] if paper]
        else:
            spoken = next(filter(None, map(spoken_of, reversed(history))), {})
            papers = self._papers(list(spoken.values()))
        if not papers:
            return None
        shown = papers[:_SHOWN]
        text = " ".join(_says(paper, wanted.field) for paper in shown)
        if len(shown) > 1:
            return Told(Refusal("not_stated", text), _listed(shown), asked)
        may = "" if _known(shown[0], wanted.field) else " The paper itself may:"
        link = f"{may} {shown[0].url}" if shown[0].url else ""
        return Told(Refusal("not_stated", text + link, shown[0].id), _listed(shown), asked)

    def _papers(self, ids: Sequence[str]) -> list[Paper]:
        found = self._library.get(ids)
        return [found[name] for name in ids if name in found]

    def _called(self, name: str) -> Paper | None:
        """The one paper of this name: its title, what stands before its colon, or a part of it."""
        words = set(tokens(name))
        near = self._index.search(name, _SEARCHED)
        papers = self._library.get([found for found, _ in near]).values()
        exact = [p for p in papers if words in (_head(p.title), set(tokens(p.title)))]
        telling = len(words) >= _NAMES or any(self._index.names(word) for word in words)
        part = [p for p in papers if telling and words <= set(tokens(p.title))]
        for found in (exact, part):
            if len({frozenset(tokens(paper.title)) for paper in found}) == 1:  # a copy is no other
                return found[0]
        return None

    def _rows(self, wanted: Wanted) -> tuple[Rows, list[str]] | None:
        """The papers wanted, and in words what they have in common; None where these are none."""
        parts, words, who = list[Rows](), list[str](), wanted.author
        if self._filters:
            parts.append(self._library.rows(self._filters))
        if wanted.years != (None, None):
            parts.append(self._library.rows(Filters(year=wanted.years)))
            words.append(_span(*wanted.years))
        if wanted.place:
            at = self._at(wanted.place)
            if at is not None:
                parts.append(at)
                words.append(f"in {wanted.place}")
            else:  # "papers from Lee"
                who = who or wanted.place
        if who:
            by = self._by(who, sure=not wanted.place)
            if by is None:
                return None
            parts.append(by)
            words.append(f"by {who}")
        if wanted.topic:
            held = self._index.holding(wanted.topic)
            parts.append(self._numbers(held) if parts else held)
        return reduce(_both, parts) if parts else self._library.rows(), words

    def _at(self, place: str) -> Rows | None:
        """The papers of a venue; None where none is called that."""
        rows = self._library.published_in(place)
        return rows if len(rows) else None

    def _by(self, name: str, *, sure: bool) -> Rows | None:
        """The papers of an author; None where that is no author, but a word of the abstracts.

        `sure`: the question calls it an author.
        """
        each = [self._library.written_by(one) for one in _AND.split(name)]
        rows, words = reduce(_both, each), tokens(name)
        sure = sure and (name[:1].isupper() or " " not in name)  # "works by gradient descent"
        if len(rows) or (sure and words and all(self._index.rarity(word) >= 1.0 for word in words)):
            return rows
        return None

    def _numbers(self, held: Rows) -> Rows:
        """Row numbers of the library for those of the index."""
        numbers, names = self._library.row_ids()
        if names == self._index.ids:
            return np.asarray(numbers[held], np.int64)
        ids = {self._index.ids[row] for row in held}
        return np.asarray(numbers[[name in ids for name in names]], np.int64)

    def _extreme(self, wanted: Wanted, asked: str) -> Told | None:
        found = self._rows(wanted)
        if found is None:
            return None
        rows, words = found
        if not len(rows) and words:
            return self._chosen(wanted, rows, words, asked)
        numbers, years = self._library.years()
        here = np.isin(numbers, rows)
        which = " ".join([f"{len(rows):,} papers here", *words])
        if not here.any():
            text = f"None of the {which} has its year on record."
            if not len(years):
                text = "No paper here has a year on record."
            return Told(Refusal("not_in_collection", text), (), asked)
        year = int((max if wanted.kind == "newest" else min)(years[here]))
        rows = numbers[here & (years == year)]
        many = len(rows)
        which = " ".join([f"The {wanted.kind} paper{'s' * (many > 1)} here", *words])
        text = f"{which} is from {year}."
        if many > 1:
            text = f"{which} are from {year}; there are {many:,} of them."
        return Told(Refusal("not_stated", text), self._shown(rows), asked)

    def _chosen(self, wanted: Wanted, rows: Rows, words: list[str], asked: str) -> Told:
        count = len(rows)
        verb = ("is", "has") if count <= 1 else ("are", "have")
        parts = [f"{verb[0]} {' and '.join(words)}"] if words else []
        if wanted.topic:
            parts.append(f'{verb[1]} "{wanted.topic}" in title or abstract')
        if not parts:
            nearest = self._shown(rows) if wanted.kind == "list" else ()
            return Told(Refusal("not_stated", self._whole(count)), nearest, asked)
        text = f"{f'{count:,}' if count else 'None'} of {self._total()} {' and '.join(parts)}."
        text += self._unknown(wanted)
        if not count:
            return Told(Refusal("not_in_collection", text), (), asked)
        if wanted.topic and not (self._filters or words):
            best = self._index.best(self._index.scores(wanted.topic), _SHOWN, rows)
            nearest = _listed(self._papers([self._index.ids[row] for row in best]))
        else:
            nearest = self._shown(rows)
        if count > len(nearest):
            text += f" Listed are {len(nearest)} of them."
        return Told(Refusal("not_stated", text), nearest, asked)

    def _whole(self, count: int) -> str:
        if self._filters:
            return f"{count:,} of the {self._library.count():,} papers here pass the filters."
        return f"There are {count:,} papers here. To have a list of all: footnoted export"

    def _total(self) -> str:
        if self._filters:
            return f"the {len(self._library.rows(self._filters)):,} papers that pass the filters"
        return f"the {self._library.count():,} papers here"

    def _unknown(self, wanted: Wanted) -> str:
        """How many papers have nothing on record that could be compared."""
        if self._filters:  # which papers lack it is known of all papers alone
            return ""
        lacking = self._library.lacking()
        asked = {
            "year": wanted.years != (None, None),
            "venue": bool(wanted.place),
            "authors": bool(wanted.author),
        }
        missing = {k: lacking[k] for k, here in asked.items() if here and lacking[k]}
        for name, count in missing.items():
            if count == self._library.count():
                return f" No paper here has its {name} on record."
        parts = [f"{count:,} without {name}" for name, count in missing.items()]
        return f" ({', '.join(parts)} on record.)" if parts else ""

    def _shown(self, rows: Rows) -> tuple[Nearest, ...]:
        """The newest of these papers, or the first of very many."""
        few = len(rows) <= _SORTED
        papers = list(self._library.by_row(rows if few else rows[:_SHOWN]).values())
        papers.sort(key=lambda paper: -(paper.year or 0) if few else 0)
        return _listed(papers[:_SHOWN])


def _listed(papers: Sequence[Paper]) -> tuple[Nearest, ...]:
    return tuple(Nearest(paper.id, paper.title, LISTED) for paper in papers)


def _says(paper: Paper, field: str) -> str:
    """What a record says of one thing, in a sentence."""
    title, known = paper.title.rstrip("."), _known(paper, field)
    if known:
        return f'By its record, "{title}" {known}.'
    return f'"{title}" is in the collection, but its record does not say that.'


def _known(paper: Paper, field: str) -> str:
    return {
        "authors": f"is by {', '.join(paper.authors)}" if paper.authors else "",
        "year": f"is from {paper.year}" if paper.year else "",
        "venue": f"came out in {paper.venue.rstrip('.')}" if paper.venue else "",
        "doi": f"has the DOI {paper.doi}" if paper.doi else "",
    }[field]


def _head(title: str) -> set[str]:
    return set(tokens(title.partition(":")[0])) if ":" in title else set()


def _span(first: int | None, last: int | None) -> str:
    if first == last:
        return f"from {first}"
    if first is None:
        return f"from {last} or earlier"
    return f"from {first} or later" if last is None else f"from {first} to {last}"


def _both(rows: Rows, others: Rows) -> Rows:
    return np.intersect1d(rows, others, assume_unique=True)


__all__ = ["Records", "Told"]
