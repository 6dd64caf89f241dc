"""One written sentence against evidence sentences: is it stated there, and how surely?

Words and meaning give a calibrated probability of support (`benchmarks/calibrate_grounding.py`
fits it). Overlap cannot tell a swapped number or name, a negation or a reversed comparison from
the truth, so these are compared exactly and overrule it.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from rag import _alignment, _directions, _polarity
from rag._alignment import EmbedTokens
from rag._facts import (
    Facts,
    closeness,
    coverage,
    direction_differs,
    facts_of,
    holds_name,
    holds_number,
    negation_differs,
    number_differs,
    share,
)
from rag._reader import Read
from rag.types import Verdict

GROUNDERS: dict[str, str] = {
    "embedding": "rag.ground:EmbeddingGrounder",
    "lexical": "rag.ground:LexicalGrounder",
    "llm": "rag._ground_llm:LLMGrounder",
    "nli": "rag._ground_nli:NliGrounder",
}
SUPPORTED, PARTIAL = 0.5, 0.25  # the least probability of support for each verdict
_READ = 3  # sentences of a paper, its best ones, that are read closely
_ADDS = 0.25  # share of a claim's words that makes a second sentence worth quoting
_MOST_NAMES = 0.5  # share of a claim's names from which on it speaks of something else
_READINGS = ("read_supported", "read_contradicted", "read_neither")
_REFERENCE = re.compile(r"\s*+\[\s*\d[\d\s,;–-]*\]")
_CLOSE = 0.6  # share of a claim's words above which a difference is a contradiction

Embed = Callable[[Sequence[str]], NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class Judgement:
    """`score` is the probability of support; `evidence` the index of the best sentence, `more`
    that of a second one where a claim rests on two.
    """

    verdict: Verdict
    score: float
    evidence: int | None
    more: int | None = None


class Grounder(Protocol):
    """Judges a sentence; `contexts[i]` is the title of the paper that `evidence[i]` is from."""

    def judge(
        self, claim: str, evidence: Sequence[str], contexts: Sequence[str] = ()
    ) -> Judgement: ...


class LexicalGrounder:
    """Words, numbers, names and negation alone: no model."""

    _model = "lexical"
    _embed: Embed | None = None
    _embed_tokens: EmbedTokens | None = None
    _read: Read | None = None

    @classmethod
    def from_settings(cls, settings: Any, **resources: Any) -> Self:
        """`resources` holds `embed` (texts -> unit vectors), and what other grounders need."""
        return cls()

    def judge(self, claim: str, evidence: Sequence[str], contexts: Sequence[str] = ()) -> Judgement:
        folded = _fold(claim)
        for index, sentence in enumerate(evidence):
            if folded and _fold(sentence) == folded:
                return Judgement("supported", 1.0, index)
        if not evidence or not facts_of(claim).forms:
            return Judgement("unsupported", 0.0, None)
        match = compare(
            claim, evidence, contexts,
            embed=self._embed, embed_tokens=self._embed_tokens, read=self._read,
        )  # fmt: skip
        verdict, score = decide(match, _probability(self._model, match.features))
        more = match.second if verdict in ("supported", "partial") else None
        return Judgement(verdict, score, match.best, more)


class EmbeddingGrounder(LexicalGrounder):
    """The same with the encoder: `embed` gives unit vectors of texts, `embed_tokens` of words.

    `read` reads the statement together with the best sentence.
    """

    def __init__(
        self, embed: Embed, embed_tokens: EmbedTokens | None = None, read: Read | None = None
    ) -> None:
        self._embed = embed
        self._embed_tokens = embed_tokens
        self._read = read if embed_tokens else None
        self._model = "embedding" if embed_tokens is None else "aligned" if read is None else "read"

    @classmethod
    def from_settings(cls, settings: Any, **resources: Any) -> Self:
        """`embed_tokens` is left out where the embedder has no vectors of words, `reader` where
        there is none for it.
        """
        reader = resources.get("reader")
        read = reader.supports if reader else None
        return cls(resources["embed"], resources.get("embed_tokens"), read)


class Match(NamedTuple):
    """How a claim compares with its best evidence sentence and with the rest of that paper.

    `second` is another sentence that states what the best one leaves out, None where none does.
    """

    best: int
    features: dict[str, float]
    second: int | None = None


def compare(
    claim: str,
    evidence: Sequence[str],
    contexts: Sequence[str] = (),
    *,
    embed: Embed | None = None,
    embed_tokens: EmbedTokens | None = None,
    read: Read | None = None,
) -> Match:
    """The features that verdicts are made of; `evidence` must not be empty."""
    cosines = _cosines(claim, evidence, embed)
    stated = facts_of(claim)
    found = [facts_of(sentence) for sentence in evidence]
    titles = list(contexts) or [""] * len(evidence)
    merits = [_merit(stated, f, c) for f, c in zip(found, cosines, strict=True)]
    # Ties are broken by the text, so that the order of the evidence decides nothing.
    order = sorted(range(len(evidence)), key=lambda i: (-merits[i], evidence[i], titles[i]))
    best = order[0]
    paper = [f for f, title in zip(found, titles, strict=True) if title == titles[best]]
    near = [i for i in order if titles[i] == titles[best]][:_READ]
    texts = [evidence[i] for i in near]
    weights = [cosines[i] if embed else coverage(stated, found[i].words) for i in near]
    features = {
        "cosine": cosines[best],
        "cosine_most": max(cosines),
        **_features(stated, found[best], [*paper, facts_of(titles[best])]),
        "near_coverage": coverage(stated, frozenset().union(*(found[i].words for i in near))),
        **_polarity.features(claim, texts, weights),
        **_directions.features(stated.directions, [found[i].directions for i in near], weights),
    }
    if embed_tokens is not None:
        features |= _alignment.features(claim, texts, embed_tokens)
    if read is not None:
        features |= _read_together(claim, evidence[best], read)
    return Match(best, features, _second(stated, found, near, facts_of(titles[best])))


def _read_together(claim: str, best: str, read: Read) -> dict[str, float]:
    """Log-probabilities of support, contradiction and neither."""
    logits = read(claim, best)
    logits = logits - np.logaddexp.reduce(logits)
    # Rounded: the last bits depend on the machine's arithmetic.
    return dict(zip(_READINGS, (round(float(x), 4) for x in logits), strict=True))


def _second(stated: Facts, found: Sequence[Facts], near: Sequence[int], title: Facts) -> int | None:
    """The sentence that adds most to the best one of what a claim states.

    One that adds no more than a name, which the paper's title says, is not worth a quote.
    """
    first = found[near[0]]
    held = coverage(stated, first.words)
    adding = [i for i in near[1:] if stated.words & found[i].words - first.words - title.words]
    gains = {i: coverage(stated, first.words | found[i].words) - held for i in adding}
    most = max(gains, key=lambda i: gains[i], default=None)
    return most if most is not None and gains[most] >= _ADDS else None


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
        "close": closeness(claim, best),
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
    close = f["close"] >= _CLOSE
    opposed = f["number_differs"] or f["negation_differs"] or f["direction_differs"]
    if close and opposed and not f["names_missing"]:
        return "contradicted", _under(PARTIAL, probability)
    if f["names_missing"] or f["numbers_missing"] or (close and opposed):
        probability = _under(SUPPORTED, probability)
    if probability >= SUPPORTED:
        return "supported", probability
    # Of a sentence about something else, all that is there does not make a part.
    known = probability >= PARTIAL and f["names_missing"] < _MOST_NAMES
    return ("partial" if known else "unsupported"), probability


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
    """What makes no other sentence of it: spaces, a last stop, references like "[2, 3]"."""
    return " ".join(_REFERENCE.sub("", text).split()).removesuffix(".").rstrip()
