"""Question + Hits -> messages, from the templates in prompts/.

A template is known by the hash of its content: an answer can be traced to the words asked for.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from rag._follow_ups import Turn, condense, leans, question_of
from rag.errors import ConfigError
from rag.lexical import tokens
from rag.types import Backend, Hit, Message

if TYPE_CHECKING:
    from rag.config import BackendSettings

FOLDER = Path(__file__).parent.parent / "prompts"
NO_ANSWER = "NOT IN THE SOURCES"

_LABEL = re.compile(r"^(?:[-*>]\s*)?(?:(?:standalone |rewritten |last )?question\s*:\s*)", re.I)
_FRAME = 16  # tokens that a chat template may put around a message
_TOLD = 6  # turns that a model is shown
_LONGEST = 300  # characters of a question


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


def fitted(
    question: str, hits: Sequence[Hit], newest: str, writer: Backend, settings: BackendSettings
) -> list[Message]:
    """`build`, with as many of the best sources as the model's window holds, each of them whole.

    The window is that of the settings, else what the writer knows of itself; the answer may take
    `max_tokens` of it. The best source always stays: a model too small for that says so itself.
    """
    messages = build(question, hits, newest)
    kept = len(hits)
    while kept > 1 and not _fits(messages, writer, settings):
        kept -= 1
        messages = build(question, hits[:kept], newest)
    return messages


def _fits(messages: Sequence[Message], writer: Backend, settings: BackendSettings) -> bool:
    limit = settings.window or getattr(writer, "window", None)
    if not limit:
        return True
    count = getattr(writer, "count", None) or _about
    return settings.max_tokens + sum(count(m.content) + _FRAME for m in messages) <= limit


def _about(text: str) -> int:
    """Tokens, where no tokenizer is known: more than the four characters each that are usual."""
    return len(text) // 3 + 8


def condensing(
    question: str,
    history: Sequence[Turn],
    writer: Backend | None = None,
    settings: BackendSettings | None = None,
) -> list[Message]:
    """The messages that ask for `question` in words that need no `history`.

    Of a conversation too long for the model's window the oldest turns are left out, each whole.
    """
    turns = list(history[-_TOLD:])
    messages = _retold(question, turns)
    while writer and settings and len(turns) > 1 and not _fits(messages, writer, settings):
        turns = turns[1:]
        messages = _retold(question, turns)
    return messages


def _retold(question: str, turns: Sequence[Turn]) -> list[Message]:
    told = "\n".join(
        f"Question: {question_of(turn)}\nAnswer: {_answer_of(turn)}".rstrip() for turn in turns
    )
    content = f"{told}\n\nLast question: {question}"
    return [Message("system", template("condense")), Message("user", content, question=question)]


def condensation(said: str, question: str, history: Sequence[Turn]) -> str:
    """The question that a model wrote; empty where it wrote something else."""
    line = next((line.strip() for line in said.splitlines() if line.strip()), "")
    line = _LABEL.sub("", line).strip("\"'“” ")
    told = {w for t in history for w in tokens(f"{question_of(t)} {_answer_of(t)}")}
    words = set(tokens(line))
    # What it made up itself, or an answer, is no question that was asked.
    known = len(words & (told | set(tokens(question)))) >= 0.7 * len(words)
    keeps = set(tokens(question)) - told <= words
    return line if words and known and keeps and 3 <= len(line) <= _LONGEST else ""


def _answer_of(turn: Turn) -> str:
    if isinstance(turn, str):
        return ""
    return str(turn.get("answer") or turn.get("text") or "").strip()


__all__ = [
    "NO_ANSWER",
    "Turn",
    "build",
    "condensation",
    "condense",
    "condensing",
    "fitted",
    "leans",
    "template",
    "template_hash",
]
