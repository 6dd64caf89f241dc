"""Whether the papers found answer the question at all: a probability, and a refusal below it.

A logistic model over a dozen features of the question and its best hits. Coefficients and
threshold are fitted by `benchmarks/calibrate_refusal.py` and stand in data/refusal.json.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rag.chunking import sentences
from rag.errors import ConfigError
from rag.lexical import LexicalIndex, stem, tokens
from rag.types import Hit, Nearest, Refusal

Embed = Callable[[Sequence[str]], NDArray[np.float32]]

_MODEL = Path(__file__).parent / "data" / "refusal.json"
_RARE = 0.6  # of LexicalIndex.rarity: a word that names something
_ABOUT = 0.45  # cosine similarity from which a named paper counts as the one asked about
_READ = 5  # hits whose sentences are looked at

FEATURES = (
    "sentence", "chunk", "covered", "covered_by_sentence", "unseen", "name_missing", "named",
    "rest_covered", "rest_covered_of_named", "wants_who", "seldom_said", "number_missing",
)  # fmt: skip

# What questions are made of, whatever they are about.
_COMMON = frozenset(
    stem(w)
    for w in """paper papers work works study method methods approach approaches model models data
    dataset datasets system systems way ways use used using give show find found tell know one ones
    make makes many much kind kinds number thing things need want help people good better best
    different new large small get name names called say says mention mentioned authors author
    researchers propose proposed introduce introduced present presented available anything
    something anyone possible really actually please explain describe result results compare
    compared question answer type which case cases instead every per across without
    within""".split()
)
# What abstracts seldom say, and a question asks for all the same.
_SELDOM_SAID = frozenset(
    tokens(
        """gpu gpus tpu tpus hardware hours days learning rate batch size epochs optimizer adam
        parameters billion million cost price dollar dollars funding grant author authors
        university institution affiliation wrote lab company year date published conference venue
        journal license licence seed seeds temperature annotators paid framework pytorch tensorflow
        language version release carbon energy electricity watts inference time latency dropout
        layers dimension budget team"""
    )
)
_NAME = re.compile(r"\b(?:[A-Z][\w-]*[A-Z0-9][\w-]*|[A-Z]{2,}|\w*\d\w*)\b")
_NUMBER = re.compile(
    r"\d|\b(?:two|three|four|five|six|seven|eight|nine|ten|twelve|dozen|hundred|thousand|million|"
    r"billion|trillion|half|double|twice)\b",
    re.IGNORECASE,
)
_WANTS_NUMBER = re.compile(
    r"\bhow (?:many|much|large|big|long|fast|often|far)\b|\bnumber of\b|\bpercent|"
    r"\bwhat (?:number|percentage|share|fraction|size|score|accuracy|rate)\b",
    re.IGNORECASE,
)
_WANTS_WHO = re.compile(
    r"^(?:who|whose|whom|when|where)\b|\bwho\b|\bwhat year\b|"
    r"\bwhich (?:university|company|lab|conference|venue|year)\b",
    re.IGNORECASE,
)


def features(
    question: str,
    vector: NDArray[np.float32],
    hits: Sequence[Hit],
    embed: Embed,
    lexicon: LexicalIndex,
) -> dict[str, float]:
    """What speaks for and against an answer in `hits` (at least one), each mostly in [0, 1]."""
    words = _content_words(question)
    weight = {word: lexicon.rarity(word) for word in words}
    papers = [_words_of(hit) for hit in hits[:_READ]]
    found = sentences(hits[0].paper.abstract) or [hits[0].paper.title]
    similar = embed(found) @ vector
    title = {w for w in tokens(hits[0].paper.title) if lexicon.rarity(w) > _RARE}
    rest = [w for w in words if w not in title]
    named = float(any(w in title for w in tokens(question)))
    rest_covered = _share(rest, weight, papers[0]) if rest else 1.0
    seldom = [w for w in words if w in _SELDOM_SAID and w not in papers[0]]
    nearest = [found[i] for i in np.argsort(-similar)[:3]]
    return {
        "sentence": float(similar.max()),
        "chunk": hits[0].dense if hits[0].dense is not None else float(similar.max()),
        "covered": max(_share(words, weight, paper) for paper in papers),
        "covered_by_sentence": max(
            _share(words, weight, set(tokens(s))) for h in hits[:3] for s in _sentences(h)
        ),
        "unseen": _share([w for w in words if weight[w] >= 1.0], weight, None, words),
        "name_missing": float(any(not set(tokens(n)) & papers[0] for n in _names(question))),
        "named": named,
        "rest_covered": rest_covered,
        "rest_covered_of_named": rest_covered * named,
        "wants_who": float(bool(_WANTS_WHO.search(question))),
        "seldom_said": float(bool(seldom)),
        "number_missing": float(
            bool(_WANTS_NUMBER.search(question)) and not any(_NUMBER.search(s) for s in nearest)
        ),
    }


def probability(found: dict[str, float]) -> float:
    """Probability that the hits answer the question, in [0, 1]."""
    model = _model()
    z = model["intercept"] + sum(model["weights"][name] * x for name, x in found.items())
    return 1.0 / (1.0 + math.exp(-max(-30.0, min(30.0, z))))


def refusal(
    question: str, hits: Sequence[Hit], found: dict[str, float], threshold: float | None = None
) -> Refusal | None:
    """None where an answer may be tried."""
    if probability(found) >= (_model()["threshold"] if threshold is None else threshold):
        return None
    title = set(tokens(hits[0].paper.title))
    by_name = any(set(tokens(name)) & title for name in _names(question))
    if by_name or (found["named"] and found["chunk"] >= _ABOUT):
        return not_stated(hits[0])
    return Refusal(
        "not_in_collection",
        "Nothing in this collection answers that. The nearest papers are listed; "
        "if one of them is what you mean, ask with its name.",
    )


def not_stated(hit: Hit) -> Refusal:
    """The paper is here, its abstract does not say."""
    link = f" The paper itself may: {hit.paper.url}" if hit.paper.url else ""
    return Refusal(
        "not_stated",
        f'"{hit.paper.title}" is in the collection, but its abstract does not say that.{link}',
        hit.paper.id,
    )


def nearest(hits: Sequence[Hit], k: int = 5) -> tuple[Nearest, ...]:
    return tuple(Nearest(h.paper.id, h.paper.title, round(h.score, 6)) for h in hits[:k])


@cache
def _model() -> dict[str, Any]:
    try:
        model: dict[str, Any] = json.loads(_MODEL.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{_MODEL} cannot be read; reinstall footnoted") from error
    if set(model.get("weights", ())) != set(FEATURES):
        raise ConfigError(f"{_MODEL} is of another version; reinstall footnoted")
    return model


def _content_words(question: str) -> list[str]:
    every = list(dict.fromkeys(tokens(question)))
    return [w for w in every if w not in _COMMON] or every


def _share(
    words: Sequence[str],
    weight: dict[str, float],
    covering: set[str] | None,
    of: Sequence[str] | None = None,
) -> float:
    """Share of the words' rarity that `covering` holds (None: all of it), among `of` or words."""
    total = sum(weight[w] for w in (words if of is None else of))
    held = sum(weight[w] for w in words if covering is None or w in covering)
    return held / total if total else 0.0


def _words_of(hit: Hit) -> set[str]:
    return set(tokens(f"{hit.paper.title} {hit.paper.abstract}"))


def _sentences(hit: Hit) -> list[str]:
    return sentences(hit.paper.abstract) or [hit.paper.title]


def _names(question: str) -> list[str]:
    return [name for name in _NAME.findall(question) if tokens(name)]
