"""What stands before a quoted sentence so that it reads as an answer.

An extractive answer is sentences of abstracts as they stand. The title of its paper goes before
a sentence where the question does not name that paper; "No" or "Not so" before the first one
that says the opposite of what was asked, or taken for granted. Both are found by the system;
neither is part of the sentence that is verified. There is no "Yes": that a sentence holds the
words of a question says too little.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace

from rag._asked import kind_of, names
from rag._facts import (
    Facts,
    coverage,
    direction_differs,
    facts_of,
)
from rag.types import Citation, Sentence

Rare = Callable[[str], bool]

_VERB = r"(?:is|are|was|were|does|do|did|must|should|will|has|have)"
_YES_NO = re.compile(
    rf"(?:^\W*|[,:;.]\s+){_VERB}\b(?! there\b)(?!.*\bor\b)", re.IGNORECASE | re.DOTALL
)
_TAKES_FOR_GRANTED = re.compile(
    r"^\W*(?:why|how (?:much|many|come)|by (?:how|what)|what makes)\b", re.IGNORECASE
)
_ASKING = re.compile(rf"(?:{_TAKES_FOR_GRANTED.pattern}|^)(?:\W*{_VERB}\b)?|\?\s*$", re.IGNORECASE)
_COMPARES = re.compile(r"\b(?:\w+er|more|less|worse)\b.*\bthan\b", re.IGNORECASE)
_NEEDS = re.compile(r"\b(?:needs?|requires?|must|(?:have|has) to)\b(.+)", re.IGNORECASE)
# With one of these a denial may well be a yes.
_DENIES = re.compile(
    r"\b(?:not?|none|nothing|never|neither|nor|cannot|without|lack\w*|avoid\w*|fail\w*|free of|"
    r"unable|prevent\w*|hurt\w*|harm\w*|struggl\w*|refus\w*|miss\w*|at all)\b|n['\u2019]t\b",
    re.IGNORECASE,
)
_LISTED = ("papers", "paper", "comparison")  # of which the title is a part of the answer
_READ = 1000  # characters of a question that the rules look at
_SPEAKS_OF = 0.6  # share of the question's words that paper and sentence must hold


def led(
    question: str, sentences: Sequence[Sentence], citations: Sequence[Citation], rare: Rare
) -> list[Sentence]:
    """The sentences with what goes before them."""
    titles = {citation.marker: citation.title for citation in citations}
    listed = kind_of(question) in _LISTED
    out: list[Sentence] = []
    last, said = "", False
    for sentence in sentences:
        title = next((titles[m] for m in sentence.citations), "")
        named = not listed and names(question, title, rare, titles.values())
        verdict = "" if said else _verdict(question, sentence.text, title)
        said = said or bool(verdict)
        lead = verdict or ("" if named or title == last else title)
        out.append(replace(sentence, lead=lead))
        last = title
    return out


def _verdict(question: str, text: str, title: str) -> str:
    """Whether the sentence says that it is not so; empty where it does not say so plainly.

    A wrong word here is worse than none, so only two kinds of denial count: the opposite of a
    comparison, and that something asked for is not needed.
    """
    question = question[:_READ]
    asks = _YES_NO.search(question)
    if _DENIES.search(question) or not (asks or _TAKES_FOR_GRANTED.search(question)):
        return ""
    claim, said = facts_of(_ASKING.sub(" ", question).strip()), facts_of(text)
    if coverage(claim, said.words | facts_of(title).words) < _SPEAKS_OF:
        return ""
    compares = _COMPARES.search(question) and direction_differs(claim, said)
    if (compares and _turned(claim, said)) or (asks and _needless(question, said)):
        return "No" if asks else "Not so"
    return ""


def _needless(question: str, said: Facts) -> bool:
    """What is asked to be needed stands under a negation."""
    needed = _NEEDS.search(question)
    return bool(needed and facts_of(needed[1]).words & said.negated)


def _turned(claim: Facts, said: Facts) -> bool:
    """One speaks of more, faster or better where the other speaks only of the opposite."""
    asked, told = (
        {turn for pole in facts.directions.poles for turn in pole.axes.items()}
        for facts in (claim, said)
    )
    return any((axis, -sign) in told for axis, sign in asked - told)
