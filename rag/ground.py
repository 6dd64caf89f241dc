"""One written sentence against evidence sentences: is it stated there, and how surely?

Words and meaning give a calibrated probability of support (`benchmarks/calibrate_grounding.py`
fits it). Overlap cannot tell a swapped number or name, a negation or a reversed comparison from
the truth, so these are compared exactly and overrule it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from rag._facts import (
    Facts,
    coverage,
    direction_differs,
    facts_of,
    holds_name,
    holds_number,
    negation_differs,
    number_differs,
    share,
)
from rag.types import Verdict

GROUNDERS: dict[str, str] = {
    "embedding": "rag.ground:EmbeddingGrounder",
    "lexical": "rag.ground:LexicalGrounder",
    "llm": "rag._ground_llm:LLMGrounder",
    "nli": "rag._ground_nli:NliGrounder",
}
SUPPORTED, PARTIAL = 0.5, 0.25  # the least probability of support for each verdict
_CLOSE = 0.6  # share of a claim's words above which a difference is a contradiction

Embed = Callable[[Sequence[str]], NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class Judgement:
    """`score` is the probability of support; `evidence` the index of the best sentence."""

    verdict: Verdict
    score: float
    evidence: int | None


class Grounder(Protocol):
    """Judges a sentence; `contexts[i]` is the title of the paper that `evidence[i]` is from."""

    def judge(
        self, claim: str, evidence: Sequence[str], contexts: Sequence[str] = ()
    ) -> Judgement: ...


class LexicalGrounder:
    """Words, numbers, names and negation alone: no model."""

    _model = "lexical"

    def __init__(self, embed: Embed | None = None) -> None:
        self._embed: Embed | None = None

    @classmethod
    def from_settings(cls, settings: Any, **resources: Any) -> Self:
        """`resources` holds `embed` (texts -> unit vectors), and what other grounders need."""
        return cls(resources["embed"])

    def judge(self, claim: str, evidence: Sequence[str], contexts: Sequence[str] = ()) -> Judgement:
        folded = _fold(claim)
        for index, sentence in enumerate(evidence):
            if folded and _fold(sentence) == folded:
                return Judgement("supported", 1.0, index)
        if not evidence or not facts_of(claim).forms:
            return Judgement("unsupported", 0.0, None)
        match = compare(claim, evidence, contexts, self._embed)
        verdict, score = decide(match, _probability(self._model, match.features))
        return Judgement(verdict, score, match.best)


class EmbeddingGrounder(LexicalGrounder):
    """The same with the cosine of the sentences' vectors; `embed` gives unit vectors."""

    _model = "embedding"

    def __init__(self, embed: Embed) -> None:
        self._embed = embed


class Match(NamedTuple):
    """How a claim compares with its best evidence sentence and with the rest of that paper."""

    best: int
    features: dict[str, float]


def compare(
    claim: str, evidence: Sequence[str], contexts: Sequence[str] = (), embed: Embed | None = None
) -> Match:
    """The features that verdicts are made of; `evidence` must not be empty."""
    cosines = _cosines(claim, evidence, embed)
    stated = facts_of(claim)
    found = [facts_of(sentence) for sentence in evidence]
    titles = list(contexts) or [""] * len(evidence)
    merits = [_merit(stated, f, c) for f, c in zip(found, cosines, strict=True)]
    # Ties are broken by the text, so that the order of the evidence decides nothing.
    best = max(range(len(evidence)), key=lambda i: (merits[i], evidence[i], titles[i]))
    paper = [f for f, title in zip(found, titles, strict=True) if title == titles[best]]
    features = _features(stated, found[best], [*paper, facts_of(titles[best])])
    return Match(best, {"cosine": cosines[best], **features})


def _cosines(claim: str, evidence: Sequence[str], embed: Embed | None) -> list[float]:
    if embed is None:
        return [0.0] * len(evidence)
    vectors = embed([claim, *evidence])
    # Rounded: the last bits depend on which texts were embedded together.
    return [round(float(value), 5) for value in vectors[1:] @ vectors[0]]


def _merit(claim: Facts, sentence: Facts, cosine: float) -> float:
    held = 1.0 - share(claim.numbers, lambda n: not holds_number(sentence, n))
    return cosine + coverage(claim, sentence.words) + 0.2 * held - 0.4 * sentence.asks


def _features(claim: Facts, best: Facts, paper: Sequence[Facts]) -> dict[str, float]:
    words = frozenset().union(*(f.words for f in paper))
    pairs = set(zip(claim.words_in_order, claim.words_in_order[1:], strict=False))
    stated = set(zip(best.words_in_order, best.words_in_order[1:], strict=False))
    return {
        "coverage": coverage(claim, best.words),
        "paper_coverage": coverage(claim, words),
        "bigrams": len(pairs & stated) / len(pairs) if pairs else 0.0,
        "numbers_not_here": share(claim.numbers, lambda n: not holds_number(best, n)),
        "numbers_missing": share(
            claim.numbers, lambda n: not any(holds_number(f, n) for f in paper)
        ),
        "names_not_here": share(claim.names, lambda n: not holds_name(best, n)),
        "names_missing": share(claim.names, lambda n: not any(holds_name(f, n) for f in paper)),
        "number_differs": float(number_differs(claim, best)),
        "negation_differs": float(negation_differs(claim, best)),
        "direction_differs": float(direction_differs(claim, best)),
        "asks": float(best.asks),
    }


def decide(match: Match, probability: float) -> tuple[Verdict, float]:
    """What is compared exactly sets a ceiling on the probability that overlap gives."""
    f = match.features
    close = f["coverage"] >= _CLOSE
    opposed = f["number_differs"] or f["negation_differs"] or f["direction_differs"]
    if close and opposed and not f["names_missing"]:
        return "contradicted", _under(PARTIAL, probability)
    if f["names_missing"] >= 0.5:
        probability = _under(PARTIAL, probability)
    elif f["names_missing"] or f["numbers_missing"] or (close and opposed):
        probability = _under(SUPPORTED, probability)
    if probability >= SUPPORTED:
        return "supported", probability
    return ("partial" if probability >= PARTIAL else "unsupported"), probability


def _under(ceiling: float, probability: float) -> float:
    """Below the ceiling but still in order, so that the score goes on ranking."""
    return min(probability, ceiling - 0.1 * (1.01 - probability))


def _probability(model: str, features: dict[str, float]) -> float:
    fitted = _coefficients()[model]
    logit = fitted["intercept"] + sum(
        weight * features[name] for name, weight in fitted.items() if name != "intercept"
    )
    return 1.0 / (1.0 + math.exp(-logit))


@cache
def _coefficients() -> dict[str, dict[str, float]]:
    path = Path(__file__).parent / "data" / "grounding.json"
    fitted: dict[str, dict[str, float]] = json.loads(path.read_text(encoding="utf-8"))
    return fitted


def _fold(text: str) -> str:
    return " ".join(text.split()).removesuffix(".").rstrip()
