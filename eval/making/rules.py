"""Sentences of abstracts turned into questions by rule: definitions, numbers, comparisons.

Few rules that make sound questions, rather than many that make odd ones: most sentences give
none. A question never holds its own answer.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from rag.chunking import sentences
from rag.types import Paper

_NAME = r"[A-Z][\w-]*[A-Z0-9][\w-]*|[A-Z]{2,}[\w-]*|[A-Z][a-z]+(?:[A-Z]\w*)+"
_NUMBER = r"\d[\d,]*(?:\.\d+)?(?:\s?%|\s?percent|x|×)?"
_TITLE_NAME = re.compile(rf"^((?:{_NAME}|[A-Z][\w-]{{2,}}))\s*:")
_DEFINED = re.compile(
    rf"\b(?:introduce|present|propose|develop|describe|call(?:ed)?)\s+({_NAME})\b"
    rf"(?:\s*\([^)]*\))?,?\s+(?:an?|the)\s+(\w[^,.;]{{8,}})"
)
_IS = re.compile(rf"^({_NAME})\s+is\s+(?:an?|the)\s+(\w[^,.;]{{8,}})")
_CALLED = re.compile(rf"\b(?:called|named|dubbed|termed)\s+({_NAME})\b")
_COMMA = re.compile(rf"\b({_NAME})(?:\s*\([^)]*\))?,\s+(?:an?|the first)\s+(\w[^,.;]{{8,}})")
_HOLDS = re.compile(
    rf"\b({_NAME}|[Ww]e|[Tt]he (?:dataset|benchmark|corpus|model|suite))\s+(?:\w+ly\s+)?"
    rf"(contains?|comprises?|includes?|covers?|spans?|collect(?:s|ed)?|provides?)\s+"
    rf"(?:over|about|around|more than|nearly|up to|approximately)?\s*({_NUMBER})\s+"
    rf"((?:[a-z][\w-]*\s){{0,2}}?[a-z][\w-]*s)\b"
)
_METRIC = (
    r"(?:[\w@-]+\s){0,2}(?:accuracy|recall|precision|score|F1|BLEU|mAP|AUC|AUROC|speed-?up|"
    r"throughput|improvement|reduction|success rate|win rate|error)"
)
_REACHES = re.compile(
    rf"\b({_NAME}|[Ww]e|[Oo]ur (?:method|model|approach|system))\s+(?:\w+ly\s+)?"
    rf"(achieves?|reach(?:es)?|attains?|obtains?)\s+(?:an?\s+)?(?:\w+\s)?(?:of\s)?({_NUMBER})\s+"
    rf"({_METRIC})\b((?:\son\s(?:the\s)?[A-Z][\w-]*)?)"
)
_CHANGES = re.compile(
    rf"\b(reduc|improv|increas|lower|boost|rais|cut|decreas)(?:es|ed|s|ing|e)?\s+"
    rf"((?:the\s)?[a-z][\w-]*(?:\s[a-z][\w-]*){{0,3}}?)\s+by\s+"
    rf"(?:up to\s|over\s|about\s|more than\s|as much as\s|an average of\s)?({_NUMBER})"
)
_LEMMA = {"reduc": "reduce", "improv": "improve", "increas": "increase", "rais": "raise",
          "decreas": "decrease"}  # fmt: skip
_ACROSS = re.compile(
    r"\b(?:across|on|over|from|with|of|into|in)\s+(?:about\s|over\s|more than\s)?"
    rf"({_NUMBER}|two|three|four|five|six|seven|eight|nine|ten|twelve)\s+"
    r"((?:[a-z][\w-]*\s){0,2}(?:datasets|benchmarks|tasks|languages|models|domains|papers|images|"
    r"videos|users|patients|experiments|environments|problems|parameters|tokens|queries|sequences))\b"
)
_LINK = re.compile(r"https?://[^\s)\]}>,;]+[\w/]")
_TO_SOLVE = re.compile(
    r"^To (address|tackle|overcome|solve|mitigate|alleviate|bridge) "
    r"(?!this|these|that|such|it\b)([^,]{12,90}), (?:we|this (?:paper|work|article))\b"
)
_BEATS = re.compile(
    rf"\b({_NAME}|[Ww]e|[Oo]ur (?:method|model|approach|system))\s+(?:\w+ly\s+)?"
    rf"(?:outperforms?|surpass(?:es)?|exceeds?|improves? (?:on|over|upon))\s+"
    rf"([^,.;]{{4,60}}?)\s+by\s+(?:up to\s|over\s|about\s)?({_NUMBER})"
)

Match = re.Match[str]


@dataclass(frozen=True, slots=True)
class Draft:
    """A question and where its answer stands."""

    question: str
    type: str
    paper: Paper
    sentence: str
    facts: tuple[tuple[str, ...], ...] = ()
    number: str = ""

    def to_dict(self, name: str) -> dict[str, Any]:
        return {
            "id": name,
            "question": self.question,
            "gold_papers": [self.paper.id],
            "gold_sentences": [self.sentence],
            "key_facts": [list(group) for group in self.facts],
            "answerable": True,
            "type": self.type,
        }


def drafts(paper: Paper) -> Iterator[Draft]:
    """Every question that a rule makes of this abstract; none that gives its answer away."""
    for sentence in sentences(paper.abstract):
        for patterns, rule in _RULES:
            match = next(filter(None, (p.search(sentence) for p in patterns)), None)
            draft = rule(paper, sentence, match) if match else None
            if draft and not gives_away(draft):
                yield draft


def gives_away(draft: Draft) -> bool:
    """Whether the question already holds a fact that it asks for."""
    lower = draft.question.lower()
    return any(fact.lower().strip() in lower for group in draft.facts for fact in group)


def name_of(paper: Paper) -> str:
    """What a paper calls its own thing: the name before the colon of its title, else its title."""
    match = _TITLE_NAME.match(paper.title)
    return match[1] if match else f'"{paper.title}"'


def accepted(number: str) -> tuple[str, ...]:
    """The ways to write a number that count as having said it, in lower case."""
    plain = number.replace(",", "")
    bare = re.sub(r"\s?(?:%|percent)$", "", number)
    forms = {number, plain, f"{bare}%", f"{bare} %", f"{bare} percent"}
    return tuple(sorted(f.lower() for f in (forms if bare != number else {number, plain})))


def _definition(paper: Paper, sentence: str, match: Match) -> Draft:
    described = match[2] if match.re.groups > 1 else ""
    words = [w.lower() for w in re.findall(r"[A-Za-z][\w-]{4,}", described)][:4]
    facts = (tuple(words),) if words else ()
    return Draft(f"What is {match[1]}?", "what_is", paper, sentence, facts)


def _change(paper: Paper, sentence: str, match: Match) -> Draft:
    verb, what, number = match.groups()
    question = f"By how much does {name_of(paper)} {_LEMMA.get(verb, verb)} {what}?"
    return Draft(question, "number", paper, sentence, (accepted(number),), number)


def _across(paper: Paper, sentence: str, match: Match) -> Draft:
    number, things = match.groups()
    question = f"How many {things} are there in the work on {name_of(paper)}?"
    facts = tuple(dict.fromkeys([*accepted(number), *_in_digits(number)]))
    return Draft(question, "number", paper, sentence, (facts,), number)


def _link(paper: Paper, sentence: str, match: Match) -> Draft:
    question = f"Where can the code or the data of {name_of(paper)} be found?"
    return Draft(question, "availability", paper, sentence, ((match[0].lower(),),))


def _solution(paper: Paper, sentence: str, match: Match) -> Draft:
    return Draft(f"What is proposed to {match[1]} {match[2]}?", "how", paper, sentence)


def _in_digits(number: str) -> list[str]:
    words = "two three four five six seven eight nine ten eleven twelve".split()
    return [f"{words.index(number) + 2} "] if number in words else []


def _count(paper: Paper, sentence: str, match: Match) -> Draft:
    who, verb, number, things = match.groups()
    verb = verb.lower().removesuffix("ed").removesuffix("s")
    question = f"How many {things} does {_subject(who, paper)} {verb}?"
    return Draft(question, "number", paper, sentence, (accepted(number),), number)


def _score(paper: Paper, sentence: str, match: Match) -> Draft:
    who, _, number, what, where = match.groups()
    question = f"What {what} does {_subject(who, paper)} reach{where}?"
    return Draft(question, "result", paper, sentence, (accepted(number),), number)


def _margin(paper: Paper, sentence: str, match: Match) -> Draft:
    who, other, number = match.groups()
    question = f"By how much does {_subject(who, paper)} outperform {other.strip()}?"
    return Draft(question, "comparison", paper, sentence, (accepted(number),), number)


def _subject(who: str, paper: Paper) -> str:
    generic = who.lower().startswith(("we", "our ", "the "))
    return name_of(paper) if generic and (who.lower() == "we" or " " in who) else who


_RULES: tuple[tuple[tuple[re.Pattern[str], ...], Callable[[Paper, str, Match], Draft]], ...] = (
    ((_DEFINED, _IS, _COMMA, _CALLED), _definition),
    ((_HOLDS,), _count),
    ((_REACHES,), _score),
    ((_BEATS,), _margin),
    ((_CHANGES,), _change),
    ((_ACROSS,), _across),
    ((_LINK,), _link),
    ((_TO_SOLVE,), _solution),
)
"""The first of a rule's patterns that is found in a sentence -> the question it makes of it."""
