"""Follow-ups by rules: which questions lean on what was said before, and what they mean alone.

"The second one", "both" and "they" stand for papers that the answer before cited; "what about X?"
asks of X what was asked last; "it" is what the question before names. What else leans gets the
questions before it that it leans on. A question that leans on nothing drops the conversation.
Small talk is no part of it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from rag import _small_talk
from rag._leaning import (
    ABOUT,
    ALONE,
    NAME,
    READ,
    SHORT,
    named_so,
    names_in,
    needs,
    points,
    says_what,
)
from rag._record_questions import read_all
from rag.lexical import tokens
from rag.types import LISTED

Turn = Mapping[str, Any] | str
"""An earlier question, alone, as {"question": ..., "answer": ...}, or as `Answer.to_dict` is."""

_TOLD = 4000  # characters of an answer whose words are heard
_HEARD = 2  # turns whose words a question can speak of without pointing at them
_FOLLOWED = 2  # follow-ups kept between the question that stands alone and the newest
_TALKED_OF = 3  # papers that "they" can stand for

_ORDINALS = "first second third fourth fifth".split()
_NTH = re.compile(
    rf"(?:\bthe |^\W*(?:and )?)({'|'.join(_ORDINALS)}|last|former|latter|other)\b{ALONE}"
    r"(?: (?:one|paper|method|work|study)\b)?",
    re.IGNORECASE,
)
_SOME = re.compile(
    r"\bthe (first|last) (two|three)(?: (?:papers|methods|works|studies|ones))?\b", re.IGNORECASE
)
_ALL = re.compile(
    r"(?P<one>\bwhich one\b)"
    r"|\b(?:(?:both|n?either)(?: of (?:them|these|those))?(?! \w+ n?(?:and|or)\b)"
    r"|the two|all three|them|they|these|those)\b"
    r"(?: (?:papers|methods|works|studies|approaches)\b)?(?! (?:\w+ )?(?:and|that|who)\b)",
    re.IGNORECASE,
)
_AND = re.compile(r"^\s*and (?P<what>.+)$", re.IGNORECASE)


def leans(question: str, history: Sequence[Turn] = ()) -> bool:
    """Whether a question needs what was said before in order to be understood."""
    return needs(_small_talk.after(question), _said(asking(history)[-_HEARD:]))


def condense(question: str, history: Sequence[Turn]) -> str:
    """A question that stands alone: one that leans gets those before it that it leans on.

    "The second one" and "both" stand for papers that the answer before cited, where it is known.
    """
    question, history = _small_talk.after(question).strip(), asking(history)
    if not history or _small_talk.reply(question) or not leans(question, history):
        return question
    followed = _followed(_of_papers(history) or history)
    for earlier in reversed(followed):
        if moved := _asked_of_another(question, earlier):
            return moved
    before = question_of(history[-1])
    named = _with_names(question, _talked_of(history) or _cited_last(history), before)
    if named != question and not points(named):
        return named
    subjects = names_in(followed[0][:READ])
    known = len(subjects) == 1 and subjects[0] not in question and len(question) <= READ
    if known and (alone := named_so(named, subjects[0])):
        return alone
    said = [earlier for earlier in followed[1:] if says_what(earlier)][-_FOLLOWED:]
    return " ".join(part for part in [followed[0], *said, named] if part)


def _of_papers(history: Sequence[Turn]) -> list[Turn]:
    """The turns that asked of papers, and not of the collection: "how many are there?"."""
    read = read_all([question_of(turn) for turn in history])
    asked = zip(history, read, strict=True)
    return [turn for turn, of in asked if of is None or of.kind == "record"]


def _followed(history: Sequence[Turn]) -> list[str]:
    """The newest question that stands alone, and those that followed it."""
    earlier: list[str] = []
    for place in reversed(range(len(history))):
        earlier.insert(0, question_of(history[place]))
        if not leans(earlier[0], history[:place]):
            break
    return earlier


def asking(history: Sequence[Turn]) -> list[Turn]:
    """The turns that asked something."""
    return [turn for turn in history if not _small_talk.reply(question_of(turn))]


def _said(history: Sequence[Turn]) -> set[str]:
    """Stems of what was asked and answered, and of the papers that were cited."""
    texts = [question_of(turn)[:READ] for turn in history]
    for turn in history:
        if not isinstance(turn, str):
            texts.append(str(turn.get("answer") or turn.get("text") or "")[:_TOLD])
            texts += [note["title"] for note in turn.get("citations") or ()]
    return set(tokens(" ".join(texts)))


def question_of(turn: Turn) -> str:
    """What a turn asked; with names where it pointed at papers and these were known."""
    if isinstance(turn, str):
        return _small_talk.after(turn).strip()
    asked = _small_talk.after(turn.get("question") or "").strip()
    alone = (turn.get("standalone_question") or "").strip()
    return asked if not alone or alone.endswith(asked) else alone


def _asked_of_another(question: str, before: str) -> str:
    """'What about X?' as the question before with X in place of what it was about; else ''."""
    match, names = ABOUT.match(question) or _AND.match(question), names_in(before[:READ])
    if not match or len(names) != 1 or len(match["what"].split()) > SHORT:
        return ""
    other = match["what"].rstrip(" ?.!")
    if not (NAME.match(other) or other[:1].isupper()) or other == names[0]:
        return ""
    return re.sub(rf"(?<!\w){re.escape(names[0])}(?!\w)", lambda _: other, before)


def _with_names(question: str, titles: Sequence[str], before: str) -> str:
    """The question with what points at papers cited last replaced by their names."""
    if len(titles) > 1:
        question = _SOME.sub(lambda m: _some(m[1], m[2], titles), question)
        every = " and ".join(titles[:_TALKED_OF])
        question = _ALL.sub(lambda m: f"which of {every}" if m["one"] else every, question, count=1)
    if titles:
        question = _NTH.sub(lambda m: _nth(m[1].lower(), titles, before) or m[0], question)
    return question


def _some(end: str, count: str, titles: Sequence[str]) -> str:
    """'The first two' of these papers by their names."""
    number = {"two": 2, "three": 3}[count.lower()]
    return " and ".join(titles[:number] if end.lower() == "first" else titles[-number:])


def _nth(word: str, titles: Sequence[str], before: str) -> str:
    if word == "other":
        rest = [title for title in titles if title not in before]
        return rest[-1] if len(titles) == 2 else ""
    place = {"last": len(titles) - 1, "former": 0, "latter": 1}.get(word)
    place = _ORDINALS.index(word) if place is None else place
    return titles[place] if place < len(titles) else ""


def _talked_of(history: Sequence[Turn]) -> list[str]:
    """The names of the last two questions, where that are two: what "the two" stands for."""
    asked = " ; ".join(question_of(turn)[:READ] for turn in history[-2:])
    names = names_in(asked)
    return names if len(names) == 2 else []


def _cited_last(history: Sequence[Turn]) -> list[str]:
    """Names of the papers that the newest answer about any speaks of, in their order."""
    found = next(filter(None, map(spoken_of, reversed(history))), {})
    return [_name(title) for title in found]


def spoken_of(turn: Turn) -> dict[str, str]:
    """Title -> id, "" where it is not known, of the papers that an answer cites, or lists."""
    if isinstance(turn, str):
        return {}
    notes = turn.get("citations") or ()
    if not notes and (refusal := turn.get("refusal")):
        named = refusal.get("paper_id")
        near = turn.get("nearest") or ()
        notes = [n for n in near if n["paper_id"] == named or (not named and n["score"] == LISTED)]
    return {note["title"]: note.get("paper_id", "") for note in notes}


def _name(title: str) -> str:
    """What comes before the colon where that names the thing, else the whole title."""
    name = title.partition(":")[0].strip()
    return name if ":" in title and len(name.split()) <= 3 else title.rstrip("?.! ")
