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
    negation_differs,
)
from rag.types import Citation, Sentence

Rare = Callable[[str], bool]

_VERB = r"(?:is|are|was|were|does|do|did|can|could|must|should|will|has|have)"
_YES_NO = re.compile(rf"(?:^\W*|[,:;.]\s+){_VERB}\b(?! there\b)(?!.*\bor\b)", re.IGNORECASE)
_TAKES_FOR_GRANTED = re.compile(
    r"^\W*(?:why|how (?:much|many|come)|by (?:how|what)|what makes)\b", re.IGNORECASE
)
_ASKING = re.compile(rf"(?:{_TAKES_FOR_GRANTED.pattern}|^)(?:\W*{_VERB}\b)?|\?\s*$", re.IGNORECASE)
_LISTED = ("papers", "paper", "comparison")  # of which the title is a part of the answer
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
        lead = ": ".join(filter(None, (verdict, "" if named or title == last else title)))
        out.append(replace(sentence, lead=lead))
        last = title
    return out


def _verdict(question: str, text: str, title: str) -> str:
    """Whether the sentence says that it is not so; empty where it does not say so plainly.

    On the development questions: none of its words was wrong, most false premises go unnoticed.
    """
    asks, grants = _YES_NO.search(question), _TAKES_FOR_GRANTED.search(question)
    if not (asks or grants):
        return ""
    claim, said = facts_of(_ASKING.sub(" ", question).strip()), facts_of(text)
    known = coverage(claim, said.words | facts_of(title).words)
    turned = _turned(claim, said) and (asks or direction_differs(claim, said))
    if known >= _SPEAKS_OF and (turned or negation_differs(claim, said)):
        return "No" if asks else "Not so"
    return ""


def _turned(claim: Facts, said: Facts) -> bool:
    """One speaks of more, faster or better where the other speaks only of the opposite."""
    asked, told = (
        {turn for pole in facts.directions.poles for turn in pole.axes.items()}
        for facts in (claim, said)
    )
    return any((axis, -sign) in told for axis, sign in asked - told)
