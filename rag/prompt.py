"""Question + Hits -> messages, from the templates in prompts/.

A template is known by the hash of its content: an answer can be traced to the words asked for.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from rag.errors import ConfigError
from rag.types import Hit, Message

FOLDER = Path(__file__).parent.parent / "prompts"
NO_ANSWER = "NOT IN THE SOURCES"

Turn = Mapping[str, Any] | str
"""An earlier question, alone, as {"question": ..., "answer": ...}, or as `Answer.to_dict` is."""

_FOLLOW_UP = re.compile(
    r"\b(it|its|they|them|their|this|these|those|he|she|"
    r"the (first|second|third|last|former|latter|other|same)( one)?)\b"
    # "both A and B", "is there a method" and "a method that" lean on nothing.
    r"|\bboth\b(?! \w+ and\b)|(?<!\bis )(?<!\bare )\bthere\b(?! (?:is|are)\b)"
    r"|(?:^|\b(?:about|of|in|for|than|like|is|does|did|was|do|with|to|on|at|from|by|how|why) )"
    r"that\b",
    re.IGNORECASE,
)
_OPENING = re.compile(r"^\s*(and|but|or|so|what about|how about|why|which one)\b", re.IGNORECASE)
_SHORT = 4  # words below which a question leans on the one before it, unless it asks for a name
_NAMED = re.compile(r"^\s*(?i:what|who|explain|define|describe)\b.*\b[A-Za-z]\w*[A-Z0-9]")
_FOLLOWED = 2  # follow-ups kept between the question that stands alone and the newest


@cache
def template(name: str) -> str:
    path = FOLDER / f"{name}.md"
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ConfigError(f"the prompt {path} cannot be read; reinstall footnoted") from error


def template_hash(name: str) -> str:
    return hashlib.sha256(template(name).encode()).hexdigest()[:12]


def build(question: str, hits: Sequence[Hit], newest: str = "") -> list[Message]:
    """The messages that ask for an answer from these sources, numbered from 1.

    `newest` is what was asked last, without what it leans on: the earlier question found the
    papers, but it must not choose the sentences a second time.
    """
    sources = "\n\n".join(
        f"[{number}] {hit.paper.title}\n{hit.paper.abstract}"
        for number, hit in enumerate(hits, start=1)
    )
    content = f"Sources:\n\n{sources}\n\nQuestion: {question}"
    return [
        Message("system", template("answer")),
        Message("user", content, question=newest or question, sources=tuple(hits)),
    ]


def condense(question: str, history: Sequence[Turn]) -> str:
    """A question that stands alone: one that leans gets those before it that it leans on."""
    if not leans(question):
        return question
    earlier: list[str] = []
    for turn in reversed(history):
        before = (turn if isinstance(turn, str) else turn.get("question", "")).strip()
        earlier.insert(0, before)
        if not leans(before):
            break
    followed = earlier[1:][-_FOLLOWED:]
    return " ".join(part for part in [*earlier[:1], *followed, question.strip()] if part)


def leans(question: str) -> bool:
    short = len(question.split()) < _SHORT and not _NAMED.search(question)
    return bool(short or _FOLLOW_UP.search(question) or _OPENING.match(question))
