"""Answers without a model: the few sentences of the abstracts that answer the question best.

A sentence is scored by meaning (cosine similarity to the question), by the rare words of the
question that it holds, by the rank of its paper, and by whether it has what the question asks
for: a number, a link, a definition.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
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
_CLOSE = 0.93  # of the best score: what a further sentence of the best paper needs
_ELSEWHERE = 0.82  # the same for the best of another paper: where it is open which paper is meant
_LISTED = 0.7  # the same where several papers were asked for
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
        vectors = self._embed([question, *texts])
        similar = iter((vectors[1:] @ vectors[0]).tolist())
        return [
            Candidate(text, number, place, self._score(question, text, hit, next(similar)))
            for number, (hit, part) in enumerate(zip(hits, cut, strict=True), start=1)
            for place, text in enumerate(part)
        ]

    def _score(self, question: str, text: str, hit: Hit, similar: float) -> float:
        title = set(tokens(hit.paper.title))
        held = set(tokens(text)) | title
        wanted = {word: self._rarity(word) for word in tokens(question)}
        total = sum(wanted.values()) or 1.0
        covered = sum(rarity for word, rarity in wanted.items() if word in held) / total
        return similar + 0.5 * covered + 0.6 * hit.score + _fits(question, text)


def choose(question: str, candidates: Sequence[Candidate]) -> list[Candidate]:
    """The best few, in the order of their papers and of their places there."""
    ranked = sorted(
        (c for c in candidates if not _echoes(question, c.text)), key=lambda c: -c.score
    )
    if not ranked:
        return []
    best = ranked[0]
    several = bool(_ASKS_SEVERAL.search(question))
    chosen = [best]
    for candidate in ranked[1:]:
        same = candidate.source == best.source
        bar = _LISTED if several and not same else _CLOSE if same else _ELSEWHERE
        taken = (several or not same) and any(candidate.source == c.source for c in chosen)
        if candidate.score >= bar * best.score and not taken and len(chosen) < _MOST:
            chosen.append(candidate)
    first = {c.source: i for i, c in reversed(list(enumerate(chosen)))}
    return sorted(chosen, key=lambda c: (first[c.source], c.place))


def _fits(question: str, text: str) -> float:
    """Small rewards for a sentence of the kind that was asked for."""
    reward = 0.0
    if _ASKS_NUMBER.search(question) and _HAS_NUMBER.search(text):
        reward += 0.12
    if _ASKS_LINK.search(question) and _HAS_LINK.search(text):
        reward += 0.2
    if _ASKS_MEANING.search(question) and _DEFINES.search(text):
        reward += 0.08
    return reward


def _echoes(question: str, text: str) -> bool:
    asked, said = set(tokens(question)), set(tokens(text))
    return not said or len(said - asked) / len(said) < 1 - _ECHO
