"""What a paper says apart from asking the question again.

A text that repeats a question is near to it in words and in meaning, and answers nothing: so are
passages written to win retrieval (Zou et al., PoisonedRAG, USENIX Security 2025). What only asks
counts nothing here. What states something counts whole, however near it is to what is searched
for: whoever pastes a sentence of an abstract wants that abstract.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache

from rag.chunking import is_question, sentence_spans
from rag.lexical import tokens
from rag.types import Paper

_AGAIN = 0.25  # of a question's words, by rarity: what an asking sentence shares to be a copy
BORNE_OUT = 0.2  # of a title's words in its abstract, or its cosine: all of 150 titles, no order
_COPY = 0.8  # of the words of both: what a sentence without a question mark must share
_RUN = 4  # words of a question that are told from chance where they stand in a row
_K1 = 1.2  # as in BM25: how soon a word said again adds nothing

_ASKING = (
    "how|what|which|who|whom|whose|when|where|why|do|does|did|is|are|was|were|can|could|should|"
    "has|have|will|would"
)
_ASKS = re.compile(rf"\s*+(?:(?:{_ASKING})\b|.*\?)", re.IGNORECASE | re.DOTALL)
_OPENS = re.compile(rf"(?:^|[.!?]\s)\s*+[\"'“(]?(?:{_ASKING})\b", re.IGNORECASE)
_WORD = re.compile(r"\w+")

Rarity = Callable[[str], float]


def without_echoes(question: str, paper: Paper, rarity: Rarity) -> Paper | None:
    """The paper without what asks the question again; None where there is no such thing.

    `rarity` weighs stemmed words. A title that asks is a copy only where the abstract asks too, or
    is about something else: `Ranker` asks the vectors about those that share no words. Text that
    asks nothing is a query of its own kind: copies of it are what is looked for.
    """
    if not _ASKS.match(question):
        return None
    weight = {word: rarity(word) for word in tokens(question)}
    title = _rest(paper.title, question, weight, rarity)
    abstract = _rest(paper.abstract, question, weight, rarity)
    if abstract is None and title is not None and borne_out(weight, paper.abstract):
        title = None
    if title is None and abstract is None:
        return None
    return replace(
        paper,
        title=paper.title if title is None else title,
        abstract=paper.abstract if abstract is None else abstract,
    )


def borne_out(weight: dict[str, float], abstract: str) -> bool:
    """Whether an abstract speaks of what its title asks: many a paper's title is a question."""
    held = set(tokens(abstract))
    share = sum(rare for word, rare in weight.items() if word in held)
    return share >= BORNE_OUT * (sum(weight.values()) or 1.0)


def word_share(question: str, before: str, after: str, rarity: Rarity) -> float:
    """What is left of a text's BM25 score once it is cut to `after`, in [0, 1]."""
    words = set(tokens(question))
    held, kept = Counter(tokens(before)), Counter(tokens(after))

    def score(of: Counter[str]) -> float:
        return sum(rarity(w) * of[w] / (of[w] + _K1) for w in words)

    whole = score(held)
    return score(kept) / whole if whole else 1.0


def _rest(text: str, question: str, weight: dict[str, float], rarity: Rarity) -> str | None:
    """The text without its copies; None where it holds none."""
    run = _run_of(question)
    if "?" not in text and not _OPENS.search(text) and not (run and run.search(text)):
        return None  # nearly all texts: only these few looks are paid for each
    kept = []
    found = False
    for start, end in sentence_spans(text):
        sentence = text[start:end]
        if _is_echo(sentence, weight, rarity):
            found = True
            continue
        cut = run.sub(" ", sentence) if run else sentence
        found = found or cut != sentence
        kept.append(sentence if cut == sentence else " ".join(cut.split()))
    return " ".join(kept) if found else None


def _is_echo(sentence: str, weight: dict[str, float], rarity: Rarity) -> bool:
    marked = is_question(sentence)
    if not marked and not _OPENS.match(sentence):
        return False
    said = {word: rarity(word) for word in tokens(sentence)}
    shared = sum(weight[word] for word in weight.keys() & said.keys())
    asked = sum(weight.values())
    if marked:
        return shared >= _AGAIN * asked
    return shared >= _COPY * asked and shared >= _COPY * sum(said.values())


@lru_cache(maxsize=64)
def _run_of(question: str) -> re.Pattern[str] | None:
    """Finds the words of a question in a row, whatever stands between them."""
    words = _WORD.findall(question)[:100]
    if len(words) < _RUN:
        return None
    return re.compile(r"\b" + r"\W+".join(map(re.escape, words)) + r"\b\W?", re.IGNORECASE)
