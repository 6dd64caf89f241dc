"""Question + Hits -> messages, from the templates in prompts/.

A template is known by the hash of its content: an answer can be traced to the words asked for.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rag.errors import ConfigError
from rag.lexical import tokens
from rag.types import Backend, Hit, Message

if TYPE_CHECKING:
    from rag.config import BackendSettings

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
_ORDINALS = "first second third fourth fifth".split()
_NTH = re.compile(
    rf"\bthe ({'|'.join(_ORDINALS)}|last|former|latter)(?: (?:one|paper|method|work|study))?\b",
    re.I,
)
_ALL = re.compile(r"\b(?:both(?: of (?:them|these|those))?|them|the two)\b(?! \w+ and\b)", re.I)
_LABEL = re.compile(r"^(?:[-*>]\s*)?(?:(?:standalone |rewritten |last )?question\s*:\s*)", re.I)
_TOLD = 6  # turns that a model is shown
_LONGEST = 300  # characters of a question
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


def fitted(
    question: str, hits: Sequence[Hit], newest: str, writer: Backend, settings: BackendSettings
) -> list[Message]:
    """`build`, with as many of the best sources as the model's window holds, each of them whole.

    The window is that of the settings, else what the writer knows of itself; the answer may take
    `max_tokens` of it. The best source always stays: a model too small for that says so itself.
    """
    limit = settings.window or getattr(writer, "window", None)
    room = settings.max_tokens
    count = getattr(writer, "count", None) or _about
    messages = build(question, hits, newest)
    kept = len(hits)
    while limit and kept > 1 and sum(count(m.content) for m in messages) + room > limit:
        kept -= 1
        messages = build(question, hits[:kept], newest)
    return messages


def _about(text: str) -> int:
    """Tokens, where no tokenizer is known: more than the four characters each that are usual."""
    return len(text) // 3 + 8


def condensing(question: str, history: Sequence[Turn]) -> list[Message]:
    """The messages that ask for `question` in words that need no `history`."""
    told = "\n".join(
        f"Question: {_question_of(turn)}\nAnswer: {_answer_of(turn)}".rstrip()
        for turn in history[-_TOLD:]
    )
    content = f"{told}\n\nLast question: {question}"
    return [Message("system", template("condense")), Message("user", content, question=question)]


def condensation(said: str, question: str, history: Sequence[Turn]) -> str:
    """The question that a model wrote; empty where it wrote something else."""
    line = next((line.strip() for line in said.splitlines() if line.strip()), "")
    line = _LABEL.sub("", line).strip("\"'“” ")
    told = {w for t in history for w in tokens(f"{_question_of(t)} {_answer_of(t)}")}
    words = set(tokens(line))
    # What it made up itself, or an answer, is no question that was asked.
    known = len(words & (told | set(tokens(question)))) >= 0.7 * len(words)
    keeps = set(tokens(question)) - told <= words
    return line if words and known and keeps and 3 <= len(line) <= _LONGEST else ""


def condense(question: str, history: Sequence[Turn]) -> str:
    """A question that stands alone: one that leans gets those before it that it leans on.

    "The second one" and "both" stand for papers that the answer before cited, where it is known.
    """
    if not leans(question):
        return question
    named = _with_names(question, _cited_last(history))
    if named != question and not leans(named):
        return named
    question = named
    earlier: list[str] = []
    for turn in reversed(history):
        before = _question_of(turn)
        earlier.insert(0, before)
        if not leans(before):
            break
    followed = earlier[1:][-_FOLLOWED:]
    return " ".join(part for part in [*earlier[:1], *followed, question.strip()] if part)


def leans(question: str) -> bool:
    short = len(question.split()) < _SHORT and not _NAMED.search(question)
    return bool(short or _FOLLOW_UP.search(question) or _OPENING.match(question))


def _with_names(question: str, titles: Sequence[str]) -> str:
    """The question with what points at papers cited last replaced by their names."""
    if len(titles) > 1:
        question = _ALL.sub(" and ".join(titles[:3]), question, count=1)
    if titles:
        question = _NTH.sub(lambda m: _nth(m[1].lower(), titles) or m[0], question)
    return question


def _nth(word: str, titles: Sequence[str]) -> str:
    place = {"last": len(titles) - 1, "former": 0, "latter": 1}.get(word)
    place = _ORDINALS.index(word) if place is None else place
    return titles[place] if place < len(titles) else ""


def _cited_last(history: Sequence[Turn]) -> list[str]:
    """Names of the papers that the newest answer with footnotes cites, in their order."""
    for turn in reversed(history):
        notes = () if isinstance(turn, str) else turn.get("citations") or ()
        if notes:
            return list(dict.fromkeys(_name(note["title"]) for note in notes))
    return []


def _name(title: str) -> str:
    """What comes before the colon where that names the thing, else the whole title."""
    name = title.partition(":")[0].strip()
    return name if ":" in title and len(name.split()) <= 3 else title.rstrip("?.! ")


def _question_of(turn: Turn) -> str:
    return (turn if isinstance(turn, str) else turn.get("question") or "").strip()


def _answer_of(turn: Turn) -> str:
    if isinstance(turn, str):
        return ""
    return str(turn.get("answer") or turn.get("text") or "").strip()
