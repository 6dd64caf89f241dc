"""Whether the papers found answer the question at all: a probability, and a refusal below it.

A logistic model over some features of the question and its best hits. Coefficients and thresholds
are fitted by `benchmarks/calibrate_refusal.py` and stand in data/refusal.json: those of the "read"
model where a cross-encoder has read the best sentences with the question, of the "plain" one else.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rag._asked import names
from rag.chunking import sentences
from rag.errors import ConfigError
from rag.lexical import LexicalIndex, stem, tokens
from rag.types import Hit, Nearest, Refusal

_MODEL = Path(__file__).parent / "data" / "refusal.json"
_ABOUT = 0.45  # cosine similarity from which a named paper counts as the one asked about
_FAR = 0.3  # fit of the best sentence below which a question is about something else
READ = 3  # hits whose sentences are looked at
_SURE = 6.0  # log-odds beyond which one reading is as sure as another
# Score from which a paper is worth naming to someone whose question was refused. Of the refused
# development questions, 38 of 44 about other fields have nothing above it (all listed five papers
# before), 38 of 43 near misses have some, as has each that wrongly found no answer in its paper.
NEAR = 0.16
_FEW = 3  # content words
_LONG = 20  # content words of a question, beyond which more of them say nothing

FEATURES = (
    "fit", "far", "named", "unnamed_length", "unseen", "name_missing", "name_unseen",
    "number_missing", "seldom_said", "wants_record",
)  # fmt: skip
READ_FEATURES = (*FEATURES, "answered")

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
    r"\d|\b(?:two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|dozens?|hundreds?|"
    r"thousands?|millions?|billions?|trillions?|half|double|twice)\b",
    re.IGNORECASE,
)
_COUNTS = re.compile(
    r"\b(?:how many|number of)\s+(?!times\b|per ?cent|points\b)((?:[\w-]+\s*){1,3})", re.IGNORECASE
)
_WANTS_NUMBER = re.compile(
    r"\bhow (?:many|much|large|big|long|fast|often|far|high|deep|wide)\b|\bnumber of\b|\bpercent|"
    r"\b(?:what|which|exact)\b.*\b(?:number|percentage|share|fraction|size|scores?|accuracy|rate|"
    r"figures?|psnr|ssim|auroc|auc|f1|map|ndcg|recall|bleu|perplexity|fid|iou)\b|"
    r"\baccuracy\b.*\bfigure\b",
    re.IGNORECASE,
)
# What stands in the record of a paper and hardly ever in its abstract.
_WANTS_RECORD = re.compile(
    r"\bwho (?:wrote|published|made|developed|funded|paid|is the author|are the authors)|"
    r"\b(?:which|what) (?:university|company|lab|laborator\w+|conference|venue|journal|institut\w+|"
    r"year)\b|\bwhen (?:was|were)\b|\baffiliat|\bhow many (?:pages|authors|citations)\b|"
    r"\bfund(?:ed|ing)\b|\blicen[sc]e|\bpaid\b",
    re.IGNORECASE,
)
_NEAR_MISS = (
    "Nothing in this collection answers that. The nearest papers are listed; "
    "if one of them is what you mean, ask with its name."
)
_NOTHING_NEAR = "Nothing in this collection is near that."
_NEAR = 6  # words between a number and what it counts, at most


def features(
    question: str,
    hits: Sequence[Hit],
    fits: Sequence[NDArray[np.float32]],
    lexicon: LexicalIndex,
) -> dict[str, float]:
    """What speaks for and against an answer in `hits` (at least one), each mostly in [0, 1].

    `fits` says of each hit how well its sentences fit the question (`rag._sentences`).
    """
    words = _content_words(question)
    weight = {word: lexicon.rarity(word) for word in words}
    paper = set(tokens(f"{hits[0].paper.title} {hits[0].paper.abstract}"))
    seldom = [w for w in words if w in _SELDOM_SAID and w not in paper]
    total = sum(weight.values())
    named = names(question, hits[0].paper.title, lexicon.names)
    spoken = [set(tokens(name)) for name in _names(question)]
    fit = max((float(f.max()) for f in fits[:READ] if len(f)), default=0.0)
    return {
        "fit": fit,
        "far": max(0.0, _FAR - fit),
        "named": float(named),
        "unnamed_length": 0.0 if named else min(len(words), _LONG) / _LONG,
        "unseen": sum(r for r in weight.values() if r >= 1.0) / total if total else 0.0,
        "name_missing": float(any(not name & paper for name in spoken)),
        "name_unseen": float(any(all(lexicon.rarity(w) >= 1.0 for w in name) for name in spoken)),
        "number_missing": _number_missing(question, hits[0], fits[0]),
        "seldom_said": float(bool(seldom)),
        "wants_record": float(bool(_WANTS_RECORD.search(question))),
    }


def read(found: dict[str, float], odds: float) -> dict[str, float]:
    """With what a cross-encoder read: the log-odds that a sentence of the first hit answers."""
    return {**found, "answered": min(max(odds, -_SURE), _SURE)}


def _number_missing(question: str, hit: Hit, fits: NDArray[np.float32]) -> float:
    """How much speaks against the number that is asked for being there, in [0, 1].

    How much worse the best sentence with a number fits than the best of all, and whether one
    stands near the name of what is counted.
    """
    counted = _COUNTS.search(question)
    if not len(fits) or not (counted or _WANTS_NUMBER.search(question)):
        return 0.0
    found = sentences(hit.paper.abstract)
    best = [float(fit) for fit, s in zip(fits, found, strict=True) if _NUMBER.search(s)]
    lost = min(1.0, 3 * (float(fits.max()) - max(best))) if best else 1.0
    what = set(tokens(counted[1])) - set(tokens(hit.paper.title)) if counted else set()
    uncounted = 1.0 - max(_count_of(what, sentence) for sentence in found) if what else 0.0
    return (lost + uncounted) / 2


def _count_of(what: set[str], sentence: str) -> float:
    """1 where a number stands shortly before a word of these, a half where it follows, else 0."""
    words = re.findall(r"[\w.,%-]+", sentence)
    numbers = [i for i, word in enumerate(words) if _NUMBER.search(word)]
    named = [i for i, word in enumerate(words) if what.intersection(tokens(word))]
    gaps = [n - i for n in named for i in numbers if abs(n - i) <= _NEAR]
    return 1.0 if any(gap >= 0 for gap in gaps) else 0.5 if gaps else 0.0


def probability(found: dict[str, float]) -> float:
    """Probability that the hits answer the question, in [0, 1].

    None for a few words that no paper here has, for there is nothing to go by.
    """
    if found["unseen"] >= 1.0 and 0.0 < found["unnamed_length"] <= _FEW / _LONG:
        return 0.0
    model = _model(found)
    z = model["intercept"] + sum(model["weights"][name] * x for name, x in found.items())
    return 1.0 / (1.0 + math.exp(-max(-30.0, min(30.0, z))))


def refusal(
    question: str,
    hits: Sequence[Hit],
    found: dict[str, float],
    lexicon: LexicalIndex,
    *,
    odds: Iterable[float] | None = None,
    threshold: float | None = None,
) -> Refusal | None:
    """None where an answer may be tried.

    `odds` reads the first hit (see `read`), a sentence at each step.
    """
    if _answers(found, odds, threshold):
        return None
    title = set(tokens(hits[0].paper.title))
    by_name = any(set(tokens(name)) & title for name in _names(question))
    named = names(question, hits[0].paper.title, lexicon.names)
    about = (named or found["wants_record"]) and (hits[0].dense or 0.0) >= _ABOUT
    if by_name or about:
        return not_stated(hits[0], record=bool(found["wants_record"]))
    return Refusal("not_in_collection", _NEAR_MISS if nearest(hits) else _NOTHING_NEAR)


def _answers(
    found: dict[str, float], odds: Iterable[float] | None, threshold: float | None
) -> bool:
    if odds is None:
        return _passes(found, threshold)
    best = -_SURE
    if _passes(read(found, best), threshold):
        return True
    for one in odds:  # no further than it takes to know: reading is what costs time
        best = max(best, one)
        if _passes(read(found, best), threshold):
            return True
    return False


def _passes(found: dict[str, float], threshold: float | None) -> bool:
    return probability(found) >= (_model(found)["threshold"] if threshold is None else threshold)


def not_stated(hit: Hit, *, record: bool = False) -> Refusal:
    """The paper is here, its abstract does not say; `record` adds what its record has instead."""
    paper = hit.paper
    link = f" The paper itself may: {paper.url}" if paper.url else ""
    parts = (", ".join(paper.authors), str(paper.year or ""), paper.venue or "")
    known = "; ".join(part for part in parts if part) if record else ""
    kept = f" Its record has: {known}." if known else ""
    return Refusal(
        "not_stated",
        f'"{paper.title}" is in the collection, but its abstract does not say that.{kept}{link}',
        hit.paper.id,
    )


def nearest(hits: Sequence[Hit], k: int = 5, named: str | None = None) -> tuple[Nearest, ...]:
    """The first k that are near at all; the paper that the refusal names is."""
    near = [hit for hit in hits if hit.score >= NEAR or hit.paper.id == named][:k]
    return tuple(Nearest(h.paper.id, h.paper.title, round(h.score, 6)) for h in near)


def _model(found: Mapping[str, float]) -> dict[str, Any]:
    return _models()["read" if "answered" in found else "plain"]


@cache
def _models() -> dict[str, dict[str, Any]]:
    try:
        models: dict[str, dict[str, Any]] = json.loads(_MODEL.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{_MODEL} cannot be read; reinstall footnoted") from error
    for name, wanted in (("read", READ_FEATURES), ("plain", FEATURES)):
        if set(models.get(name, {}).get("weights", ())) != set(wanted):
            raise ConfigError(f"{_MODEL} is of another version; reinstall footnoted")
    return models


def _content_words(question: str) -> list[str]:
    every = list(dict.fromkeys(tokens(question)))
    return [w for w in every if w not in _COMMON] or every


def _names(question: str) -> list[str]:
    return [name for name in _NAME.findall(question) if tokens(name)]
