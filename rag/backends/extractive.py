"""Answers without a model: the few sentences of the abstracts that answer the question best.

A sentence is scored by how it fits the question (late interaction), by the rare words of the
question that it holds, by the rank of its paper, and by whether it has what the question asks
for: a number, a link, data sets, a definition. The few best of these are then read together with
the question, by the cross-encoder where there is one. How many are chosen, and of how many papers,
depends on what is asked.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from rag._asked import Kind, kind_of, names, names_alone
from rag.chunking import is_question, sentences
from rag.config import BackendSettings
from rag.lexical import tokens
from rag.types import Hit, Message

Fits = Callable[[str, Sequence[Hit]], Sequence[NDArray[np.float32]]]
"""(question, hits) -> for each hit, how each of its sentences fits, about in [0, 1]."""
Answers = Callable[[str, str, str], float | None]
"""(question, title of the paper, sentence) -> log-odds that it answers; None: nobody can tell."""
Rarity = Callable[[str], float]
Rare = Callable[[str], bool]

_PAPERS = 5  # sources whose sentences are read
_MOST = 3  # sentences in an answer that lists no papers
_ENOUGH = 2  # where one will do: the next best is there in case the fact is in that one
# Relevance of a further paper, as a share of the best one's: to be listed; to be quoted beside it
# where the question leaves open which is meant.
_LISTED, _ELSEWHERE = 0.5, 0.6
# Weights chosen on the development questions (benchmarks/sample_qa.py). The paper weighs most:
# a fitting sentence of the wrong paper is the worse mistake.
_FIT, _WORDS, _WORDS_OF_REST, _PAPER = 2.0, 0.4, 0.3, 2.0
_READ = 4  # sentences that the cross-encoder reads
_ANSWERS, _SURE = 0.4, 3.0  # weight of what it finds; log-odds beyond which it finds no more
_ECHO = 0.9  # share of common words above which a sentence only says the question again

_DEFINES = re.compile(
    r"\b(?:is an?|introduces?|proposes?|presents?|called|named|consists? of|works? by|combines?)\b",
    re.IGNORECASE,
)
_HAS: dict[Kind, tuple[float, re.Pattern[str]]] = {
    "number": (
        0.35,
        re.compile(
            r"\d|\b(?:two|three|four|five|six|seven|eight|nine|ten|half|double|twice|dozens|"
            r"hundreds|thousands|millions?|billions?)\b",
            re.IGNORECASE,
        ),
    ),
    "link": (
        0.3,
        re.compile(r"https?://|github|\b(?:available|released?|open[- ]?source|public)", re.I),
    ),
    "dataset": (
        0.3,
        re.compile(r"(?i:\b(?:data ?sets?|benchmarks?|corpus|on|tested)\b).*\b\w*[A-Z]\w*[A-Z0-9]"),
    ),
    "meaning": (0.15, _DEFINES),
    "paper": (0.15, _DEFINES),
    "papers": (0.15, _DEFINES),
}
_ADDRESS = re.compile(r"https?://|\bgithub\.com|\bwww\.", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A sentence that may be quoted, the number of its source, its place there, its score.

    `relevance` is that of the paper, `named` whether the question names it.
    """

    text: str
    source: int
    place: int
    score: float
    relevance: float = 1.0
    named: bool = False


class ExtractiveBackend:
    """Chooses sentences; writes none of its own."""

    model: str | None = None
    writes = False

    def __init__(
        self, fits: Fits, rarity: Rarity, rare: Rare, answers: Answers | None = None
    ) -> None:
        self._fits = fits
        self._rarity = rarity
        self._rare = rare
        self._answers = answers

    @classmethod
    def from_settings(cls, settings: BackendSettings, **resources: Any) -> Self:
        answers = resources.get("answers")
        return cls(resources["fits"], resources["rarity"], resources["rare"], answers)

    def complete(self, messages: Sequence[Message]) -> Iterator[str]:
        asked = messages[-1]
        candidates = self._candidates(asked.question, asked.sources[:_PAPERS])
        for chosen in choose(asked.question, candidates):
            yield f"{chosen.text} [{chosen.source}]\n"

    def _candidates(self, question: str, hits: Sequence[Hit]) -> list[Candidate]:
        out: list[Candidate] = []
        kind, titles = kind_of(question), [hit.paper.title for hit in hits]
        wanted = {word: self._rarity(word) for word in dict.fromkeys(tokens(question))}
        alone = names_alone(question, [f"{h.paper.title} {h.paper.abstract}" for h in hits])
        fitting = zip(hits, self._fits(question, hits), alone, strict=True)
        for number, (hit, fits, alone_here) in enumerate(fitting, start=1):
            named = alone_here or names(question, hit.paper.title, self._rare, titles)
            title = set(tokens(hit.paper.title))
            for place, (text, fit) in enumerate(
                zip(sentences(hit.paper.abstract), fits, strict=True)
            ):
                covered = _covered(wanted, title, set(tokens(text)))
                score = _FIT * float(fit) + covered + _PAPER * hit.score + _reward(kind, text)
                out.append(Candidate(text, number, place, score, hit.score, named))
        return self._read(question, titles, out)

    def _read(
        self, question: str, titles: Sequence[str], candidates: list[Candidate]
    ) -> list[Candidate]:
        """The candidates, those best so far scored anew."""
        ranked = sorted(candidates, key=lambda c: -c.score)
        if self._answers is None:
            return ranked
        for i, candidate in enumerate(ranked[:_READ]):
            odds = self._answers(question, titles[candidate.source - 1], candidate.text)
            if odds is None:
                break
            gain = _ANSWERS * (1 + max(-1.0, min(odds / _SURE, 1.0)))
            ranked[i] = replace(candidate, score=candidate.score + gain)
        return ranked


def _covered(wanted: Mapping[str, float], title: set[str], words: set[str]) -> float:
    """What a sentence of these words, under this title, holds of those of the question."""
    rest = {word: rarity for word, rarity in wanted.items() if word not in title}
    return _WORDS * _share(wanted, words | title) + _WORDS_OF_REST * _share(rest, words)


def choose(question: str, candidates: Sequence[Candidate]) -> list[Candidate]:
    """The best few: the best one first, what follows of each paper in the order of the abstract."""
    told = (c for c in candidates if not (_echoes(question, c.text) or is_question(c.text)))
    ranked = sorted(told, key=lambda c: -c.score)
    if not ranked:
        return []
    chosen = _chosen(kind_of(question), ranked)
    first = {c.source: i for i, c in reversed(list(enumerate(chosen)))}
    return sorted(chosen, key=lambda c: (first[c.source], c is not ranked[0], c.place))


def _chosen(kind: Kind, ranked: Sequence[Candidate]) -> list[Candidate]:
    best = ranked[0]
    one_each = list({c.source: c for c in reversed(ranked)}.values())[::-1]
    others = [c for c in one_each if c.source != best.source]
    same = [c for c in ranked if c.source == best.source]
    if kind == "papers" or (kind == "paper" and not best.named):
        listed = [best, *(c for c in others if c.relevance >= _LISTED * best.relevance)]
        return listed[: _PAPERS if kind == "papers" else _MOST]
    if kind == "comparison" and best.named and any(c.named for c in others):
        return [*same[:2], next(c for c in others if c.named)]
    if kind == "number":
        same = [best, *(c for c in same[1:] if _HAS["number"][1].search(c.text))]
    most = _ENOUGH if kind in ("number", "yes_no") else _MOST
    if best.named:
        return same[:most]
    close = [c for c in others if c.relevance >= _ELSEWHERE * best.relevance]
    own = same[:2]
    return [*own, *close[: _MOST - len(own)]]


def _reward(kind: Kind, text: str) -> float:
    """For a sentence of the kind that was asked for; twice for an address where one was."""
    if kind not in _HAS or not _HAS[kind][1].search(text):
        return 0.0
    return _HAS[kind][0] * (2 if kind == "link" and _ADDRESS.search(text) else 1)


def _share(wanted: Mapping[str, float], held: set[str]) -> float:
    """Share of the rarity of the wanted words that `held` has."""
    total = sum(wanted.values())
    return sum(r for word, r in wanted.items() if word in held) / total if total else 0.0


def _echoes(question: str, text: str) -> bool:
    asked, said = set(tokens(question)), set(tokens(text))
    return not said or len(said - asked) / len(said) < 1 - _ECHO
