"""Answers without a model: the few sentences of the abstracts that answer the question best.

A sentence is scored by meaning (cosine similarity to the question), by the rare words of the
question that it holds, by the rank of its paper, and by whether it has what the question asks
for: a number, a link, a definition.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from rag.chunking import sentences
from rag.config import BackendSettings
from rag.lexical import tokens
from rag.types import Hit, Message

Embed = Callable[[Sequence[str]], NDArray[np.float32]]
Rarity = Callable[[str], float]

_PAPERS = 5  # sources whose sentences are read
_MOST = 3  # sentences in an answer
# How far below the best score a further sentence may lie: of the same paper; the best one of
# another paper, which is for questions that leave open which is meant; where several were asked.
_CLOSE, _ELSEWHERE, _LISTED = 0.1, 0.5, 0.8
# Weights chosen on the development questions (benchmarks/sample_qa.py). The paper weighs most:
# a fitting sentence of the wrong paper is the worse mistake.
_MEANING, _MEANING_OF_REST, _WORDS, _WORDS_OF_REST, _PAPER = 0.6, 0.4, 0.4, 0.3, 2.0
_NUMBER, _LINK, _DEFINITION = 0.35, 0.3, 0.15
_RARE = 0.6  # of LexicalIndex.rarity: a word that names something
_ECHO = 0.9  # share of common words above which a sentence only says the question again

_ASKS_NUMBER = re.compile(
    r"\bhow (?:many|much|large|big|long|fast|often|far|small)\b|\bpercent|\bnumber of\b|"
    r"\bwhat (?:number|percentage|share|fraction|size|score|accuracy|rate|speedup)\b",
    re.IGNORECASE,
)
_ASKS_LINK = re.compile(
    r"\b(?:code|github|download|open[- ]?source|repository|publicly|released?|available|link|"
    r"website|demo)\b",
    re.IGNORECASE,
)
_ASKS_MEANING = re.compile(r"^\s*what(?: is|'s| are| does)\b|\bexplain\b", re.IGNORECASE)
_ASKS_SEVERAL = re.compile(
    r"\b(?:which|what) (?:papers|works|methods|studies|approaches|systems)\b|\bcompare\b|\bboth\b|"
    r"\bdifference between\b|\blist\b",
    re.IGNORECASE,
)
_HAS_NUMBER = re.compile(
    r"\d|\b(?:two|three|four|five|six|seven|eight|nine|ten|half|double|twice|million|billion)\b",
    re.IGNORECASE,
)
_HAS_LINK = re.compile(
    r"https?://|github|\b(?:available|released?|open[- ]?source|public)", re.IGNORECASE
)
_DEFINES = re.compile(
    r"\b(?:is an?|introduces?|proposes?|presents?|called|named|consists? of|works? by|combines?)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A sentence that may be quoted, the number of its source, its place there, its score."""

    text: str
    source: int
    place: int
    score: float


class ExtractiveBackend:
    """Chooses sentences; writes none of its own."""

    model: str | None = None
    writes = False

    def __init__(self, embed: Embed, rarity: Rarity) -> None:
        self._embed = embed
        self._rarity = rarity

    @classmethod
    def from_settings(cls, settings: BackendSettings, **resources: Any) -> Self:
        return cls(resources["embed"], resources["rarity"])

    def complete(self, messages: Sequence[Message]) -> Iterator[str]:
        asked = messages[-1]
        candidates = self._candidates(asked.question, asked.sources[:_PAPERS])
        for chosen in choose(asked.question, candidates):
            yield f"{chosen.text} [{chosen.source}]\n"

    def _candidates(self, question: str, hits: Sequence[Hit]) -> list[Candidate]:
        cut = [sentences(hit.paper.abstract) for hit in hits]
        texts = [text for part in cut for text in part]
        if not texts:
            return []
        rest = _without(question, self._naming(hits[0]))
        vectors = self._embed([question, rest, *texts])
        similar = iter(vectors[2:] @ (_MEANING * vectors[0] + _MEANING_OF_REST * vectors[1]))
        return [
            Candidate(text, number, place, float(next(similar)) + self._score(question, text, hit))
            for number, (hit, part) in enumerate(zip(hits, cut, strict=True), start=1)
            for place, text in enumerate(part)
        ]

    def _score(self, question: str, text: str, hit: Hit) -> float:
        title, words = set(tokens(hit.paper.title)), set(tokens(text))
        wanted = {word: self._rarity(word) for word in tokens(question)}
        rest = {word: rarity for word, rarity in wanted.items() if word not in title}
        covered = _WORDS * _share(wanted, words | title) + _WORDS_OF_REST * _share(rest, words)
        return covered + _PAPER * hit.score + _fits(question, text)

    def _naming(self, hit: Hit) -> set[str]:
        """Words of a title that tell its paper from others, and so none of its sentences."""
        return {word for word in tokens(hit.paper.title) if self._rarity(word) > _RARE}


def choose(question: str, candidates: Sequence[Candidate]) -> list[Candidate]:
    """The best few, in the order of their papers and of their places there."""
    ranked = sorted(
        (c for c in candidates if not _echoes(question, c.text)), key=lambda c: -c.score
    )
    if not ranked:
        return []
    best = ranked[0]
    chosen = [best]
    several = bool(_ASKS_SEVERAL.search(question))
    for candidate in ranked[1:]:
        same = candidate.source == best.source
        room = _LISTED if several and not same else _CLOSE if same else _ELSEWHERE
        new = candidate.source not in {c.source for c in chosen}
        wanted = new or (same and not several)
        if wanted and best.score - candidate.score <= room and len(chosen) < _MOST:
            chosen.append(candidate)
    first = {c.source: i for i, c in reversed(list(enumerate(chosen)))}
    return sorted(chosen, key=lambda c: (first[c.source], c.place))


def _fits(question: str, text: str) -> float:
    """Rewards for a sentence of the kind that was asked for."""
    reward = 0.0
    if _ASKS_NUMBER.search(question) and _HAS_NUMBER.search(text):
        reward += _NUMBER
    if _ASKS_LINK.search(question) and _HAS_LINK.search(text):
        reward += _LINK
    if _ASKS_MEANING.search(question) and _DEFINES.search(text):
        reward += _DEFINITION
    return reward


def _share(wanted: Mapping[str, float], held: set[str]) -> float:
    """Share of the rarity of the wanted words that `held` has."""
    total = sum(wanted.values())
    return sum(r for word, r in wanted.items() if word in held) / total if total else 0.0


def _without(question: str, naming: set[str]) -> str:
    words = [word for word in question.split() if not naming.intersection(tokens(word))]
    return " ".join(words) or question


def _echoes(question: str, text: str) -> bool:
    asked, said = set(tokens(question)), set(tokens(text))
    return not said or len(said - asked) / len(said) < 1 - _ECHO
