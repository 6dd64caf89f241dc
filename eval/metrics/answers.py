"""Does the answer say what it should?"""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
_MARKERS = re.compile(r"\s*\[\d+\]")
_DENIALS = re.compile(
    r"\b(?:not|no|never|none|neither|nor|without|cannot|\w+n't|instead|rather|contrary|otherwise|"
    r"in fact|actually|in truth|premise|incorrect|wrong|mistaken|differs?)\b",
    re.IGNORECASE,
)
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)


def key_facts_found(text: str, facts: Sequence[Sequence[str]]) -> float | None:
    """Share of the facts that the text holds; a fact is any one of its accepted wordings.

    Recall of nuggets by exact matching, after Voorhees (Overview of the TREC 2003 Question
    Answering Track, 2003). None where no facts are given.
    """
    if not facts:
        return None
    lower = text.lower()
    return sum(any(word.lower() in lower for word in group) for group in facts) / len(facts)


def all_key_facts(text: str, facts: Sequence[Sequence[str]]) -> float | None:
    """1 if every fact is in the text, else 0."""
    found = key_facts_found(text, facts)
    return None if found is None else float(found == 1.0)


def token_f1(text: str, reference: str) -> float | None:
    """Harmonic mean of precision and recall of words, articles and punctuation aside.

    Rajpurkar et al., SQuAD: 100,000+ Questions for Machine Comprehension of Text, EMNLP 2016.
    """
    said, wanted = _words(_MARKERS.sub("", text)), _words(reference)
    if not wanted:
        return None
    common = sum((Counter(said) & Counter(wanted)).values())
    if not common:
        return 0.0
    precision, recall = common / len(said), common / len(wanted)
    return 2 * precision * recall / (precision + recall)


def gold_sentence_recall(quotes: Sequence[str], gold: Sequence[str]) -> float | None:
    """Share of the gold sentences that are quoted, whole or as part of a longer quote."""
    if not gold:
        return None
    folded = [_fold(quote) for quote in quotes]
    return sum(any(_same(_fold(wanted), quote) for quote in folded) for wanted in gold) / len(gold)


def denies(text: str) -> bool:
    """Whether the first sentence says that something is not so: what a correction begins with.

    A list of words, no understanding: it tells a correction from an answer that plays along.
    """
    first = re.split(r"(?<=[.!?])\s", text.strip(), maxsplit=1)[0]
    return bool(_DENIALS.search(first))


def answer_relevance(question: NDArray[np.float32], answer: NDArray[np.float32]) -> float:
    """Cosine similarity of the unit vectors of question and answer, at least 0.

    In place of the questions that a model reads out of the answer in Es et al. (RAGAS, EACL
    2024): it needs no model, and sees whether the answer is on the topic, not whether it is right.
    """
    return max(0.0, float(question @ answer))


def _words(text: str) -> list[str]:
    return _ARTICLES.sub(" ", text.lower().translate(_NO_PUNCTUATION)).split()


def _fold(text: str) -> str:
    return " ".join(text.split()).casefold().rstrip(".")


def _same(wanted: str, quote: str) -> bool:
    return bool(quote) and (wanted in quote or (quote in wanted and len(quote) > len(wanted) / 2))
