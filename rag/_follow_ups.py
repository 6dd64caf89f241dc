"""Follow-ups by rules: which questions lean on what was said before, and what they mean alone.

"The second one", "both" and "they" stand for papers that the answer before cited; "what about X?"
asks of X what was asked last; what else leans gets the questions before it that it leans on. A
question that leans on nothing drops the conversation. Small talk is no part of it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from rag import _small_talk
from rag.lexical import tokens

Turn = Mapping[str, Any] | str
"""An earlier question, alone, as {"question": ..., "answer": ...}, or as `Answer.to_dict` is."""

_SHORT = 4  # words below which a question leans on the one before it, unless it asks for a name
_FOLLOWED = 2  # follow-ups kept between the question that stands alone and the newest
_READ = 1000  # characters of a question that the rules look at
_TALKED_OF = 3  # papers that "they" can stand for

_ELLIPSIS = re.compile(r"^\s*(?:at|by|for|from|in|on|to|with) (?:what|which|how)\b", re.IGNORECASE)
_OPENING = re.compile(r"^\s*(and|but|or|so|what about|how about|why|which one)\b", re.IGNORECASE)
_PREPOSITION = r"(?:about|at|by|from|in|like|of|on|over|than|to|under|with)"
_POINTER = re.compile(
    r"\b(this|these|those|he|she|"
    r"the (first|second|third|last|former|latter|other|same|two)( one)?)\b"
    # "both A and B", "is there a method" and "a method that" lean on nothing.
    r"|\b(?:both|n?either)\b(?! \w+ n?(?:and|or)\b)|(?<!\bis )(?<!\bare )\bthere\b(?! (?:is|are)\b)"
    rf"|(?:^|\b(?:{_PREPOSITION}|is|does|did|was|do|for|how|why) )that\b",
    re.IGNORECASE,
)
_PRONOUN = re.compile(r"\b(it|they|them|(its|their))\b", re.IGNORECASE)
# "the method" without saying which; a name before it, or "of ..." after it, says which.
_KNOWN_THING = re.compile(
    r"\bthe (?:algorithm|approach|article|authors?|benchmark|code|data ?sets?|experiments?|"
    r"framework|methods?|models?|papers?|results?|study|studies|system|technique|tool|work)\b"
    r"(?! (?:about|behind|by|called|for|from|in|named|of|on|that|to|which|who|whose|with)\b)",
    re.IGNORECASE,
)
_NO_SECOND = re.compile(r"\b(?:better|compare|differ|faster|slower|worse)\W*$", re.IGNORECASE)
_NAME = re.compile(
    r"(?:\b[A-Z][\w-]*[A-Z0-9][\w-]*|\b[a-z]+\w*[A-Z][\w-]*|(?<=[a-z,] )[A-Z][\w-]+)"
    r"(?: (?:[A-Z][\w-]*|v\d+))*"
)
_PLACED = re.compile(rf"\b{_PREPOSITION} $", re.IGNORECASE)
_SOME_THING = re.compile(
    r"\b(?:an?|any|some|each|every) \w+|\b(?:which|what) (?!(?:is|are|was|were|do|does|did|can|of|"
    r"one|else|about|has|have|will|would|could|should)\b)\w+",
    re.IGNORECASE,
)
_CLAUSE = re.compile(r"[,;:]|\b(?:and|but|if|or|that|when|where|while)\b", re.IGNORECASE)
_WHOLE = re.compile(
    r"^\s*(?:(?:and|but|or|so|why),? )?(?:what|how|which|who|where|when|is|are|was|were|do|does|"
    r"did|can|could)\b(?! (?:about|one)\b)",
    re.IGNORECASE,
)
_NAMED = re.compile(r"^\s*(?i:what|who|explain|define|describe)\b.*\b[A-Za-z]\w*[A-Z0-9]")
# Stems that any paper can be asked about: a question of nothing else is about the one before.
_OF_ANY = frozenset(
    tokens(
        """data sets dataset used code available open source evaluated tested trained experiments
        metrics measured baselines limitations limits published year venue journal conference
        details example summary summarize explain tell show say main contribution conclusion result
        author license many much"""
    )
)

_ORDINALS = "first second third fourth fifth".split()
_NTH = re.compile(
    rf"\bthe ({'|'.join(_ORDINALS)}|last|former|latter|other)"
    r"(?: (?:one|paper|method|work|study))?\b",
    re.IGNORECASE,
)
_ALL = re.compile(
    r"(?P<one>\bwhich one\b)"
    r"|\b(?:(?:both|n?either)(?: of (?:them|these|those))?(?! \w+ n?(?:and|or)\b)"
    r"|the two|them|they|these|those)\b"
    r"(?: (?:papers|methods|works|studies|approaches)\b)?(?! (?:\w+ )?(?:and|that|who)\b)",
    re.IGNORECASE,
)
_ABOUT = re.compile(
    r"^\s*(?:(?:and|but|so|ok(?:ay)?),? )?(?:what|how) about (?P<what>.+)$", re.IGNORECASE
)
_AND = re.compile(r"^\s*and (?P<what>.+)$", re.IGNORECASE)
_NEW_TOPIC = re.compile(
    r"^(?:an?y ?|some ?|the )*(?:articles?|papers?|research|stud(?:y|ies)|thing|works?)\b"
    r" (?:about|for|on|that|which)\b",
    re.IGNORECASE,
)


def leans(question: str) -> bool:
    """Whether a question needs the one before it in order to be understood."""
    question = _small_talk.after(question)[:_READ]
    short = len(question.split()) < _SHORT and not _NAMED.search(question)
    if short or _points(question) or _NO_SECOND.search(question):
        return True
    if _OPENING.match(question):
        return not _stands_alone(question)
    if _ELLIPSIS.match(question) and len(question.split()) <= _SHORT + 1:
        return not _NAME.search(question)
    return set(tokens(question)) <= _OF_ANY


def condense(question: str, history: Sequence[Turn]) -> str:
    """A question that stands alone: one that leans gets those before it that it leans on.

    "The second one" and "both" stand for papers that the answer before cited, where it is known.
    """
    question, history = _small_talk.after(question), asking(history)
    if not history or _small_talk.reply(question) or not leans(question):
        return question if history else question.strip()
    before = question_of(history[-1])
    moved = _asked_of_another(question, before)
    if moved:
        return moved
    named = _with_names(question, _talked_of(history) or _cited_last(history), before)
    if named != question and not _points(named):
        return named
    earlier: list[str] = []
    for turn in reversed(history):
        earlier.insert(0, question_of(turn))
        if not leans(earlier[0]):
            break
    followed = earlier[1:][-_FOLLOWED:]
    return " ".join(part for part in [*earlier[:1], *followed, named.strip()] if part)


def asking(history: Sequence[Turn]) -> list[Turn]:
    """The turns that asked something."""
    return [turn for turn in history if not _small_talk.reply(question_of(turn))]


def question_of(turn: Turn) -> str:
    """What a turn asked; with names where it pointed at papers and these were known."""
    if isinstance(turn, str):
        return _small_talk.after(turn).strip()
    asked = _small_talk.after(turn.get("question") or "").strip()
    alone = (turn.get("standalone_question") or "").strip()
    return asked if not alone or alone.endswith(asked) else alone


def _points(question: str) -> bool:
    """Whether a word points out of the question: at nothing that it names itself."""
    question = question[:_READ]
    if _POINTER.search(question):
        return True
    if any(not _bound(question, match) for match in _PRONOUN.finditer(question)):
        return True
    thing = _KNOWN_THING.search(question)
    return bool(thing and not _names(question[: thing.start()]))


def _bound(question: str, pronoun: re.Match[str]) -> bool:
    """'SPANN keeps its lists', 'a tool, and is it free': what it stands for is in the question."""
    before = question[: pronoun.start()]
    ends = [m.end() for m in _SOME_THING.finditer(before)]
    ends += [m.end() for m in _named(before)]
    if not ends:
        return False
    return bool(pronoun[2] or _CLAUSE.search(before, min(ends)))


def _stands_alone(question: str) -> bool:
    """'And what does MUVERA do?' is a question of its own; 'And on MNIST?' is none."""
    if about := _ABOUT.match(question):
        return bool(_NEW_TOPIC.match(about["what"]))
    if len(question.split()) <= _SHORT or not _WHOLE.match(question):
        return False
    why = question.lstrip().lower().startswith("why")
    return bool(_names(question)) or (why and len(set(tokens(question)) - _OF_ANY) >= _SHORT - 1)


def _named(text: str) -> list[re.Match[str]]:
    """Names that a text speaks of; not those of the place, as in 'on ImageNet'."""
    return [
        m
        for m in _NAME.finditer(text)
        if not _PLACED.search(text[max(m.start() - 8, 0) : m.start()])
    ]


def _names(text: str) -> list[str]:
    return list(dict.fromkeys(m.group() for m in _named(text)))


def _asked_of_another(question: str, before: str) -> str:
    """'What about X?' as the question before with X in place of what it was about; else ''."""
    match, names = _ABOUT.match(question) or _AND.match(question), _names(before[:_READ])
    if not match or len(names) != 1 or len(match["what"].split()) > _SHORT:
        return ""
    other = match["what"].rstrip(" ?.!")
    if not (_NAME.match(other) or other[:1].isupper()) or other == names[0]:
        return ""
    return re.sub(rf"(?<!\w){re.escape(names[0])}(?!\w)", lambda _: other, before)


def _with_names(question: str, titles: Sequence[str], before: str) -> str:
    """The question with what points at papers cited last replaced by their names."""
    if len(titles) > 1:
        every = " and ".join(titles[:_TALKED_OF])
        question = _ALL.sub(lambda m: f"which of {every}" if m["one"] else every, question, count=1)
    if titles:
        question = _NTH.sub(lambda m: _nth(m[1].lower(), titles, before) or m[0], question)
    return question


def _nth(word: str, titles: Sequence[str], before: str) -> str:
    if word == "other":
        rest = [title for title in titles if title not in before]
        return rest[-1] if len(titles) == 2 else ""
    place = {"last": len(titles) - 1, "former": 0, "latter": 1}.get(word)
    place = _ORDINALS.index(word) if place is None else place
    return titles[place] if place < len(titles) else ""


def _talked_of(history: Sequence[Turn]) -> list[str]:
    """The names of the last two questions, where that are two: what "the two" stands for."""
    asked = " ; ".join(question_of(turn)[:_READ] for turn in history[-2:])
    names = _names(asked)
    return names if len(names) == 2 else []


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
