"""What a question asks for: one fact, a few sentences, a list of papers.

Read from its words by rule. A question that fits no rule is answered as "other" is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Literal

from rag.lexical import tokens

Kind = Literal[
    "papers", "paper", "comparison", "number", "link", "dataset", "yes_no", "meaning", "other"
]
"""Which papers deal with something, which paper or tool does it; how two things compare; how many
or much; where to get it; on what data; whether it is so; what something is."""

_PAPERS = r"(?:papers|works|studies|publications|articles)"
_RULES: tuple[tuple[Kind, str], ...] = (
    (
        "papers",
        rf"\b(?:which|what|wich) (?:\w+ ){{0,2}}?(?:{_PAPERS}|methods|approaches|systems|authors)\b"
        rf"|\b{_PAPERS} (?:here |in \w+ )?(?:about|on|that|which|using|concern\w*|deal\w*|with|"
        rf"regarding|study|studying)\b|\blist\b.{{0,20}}\b{_PAPERS}\b|\bany {_PAPERS}\b"
        r"|\bwho (?:writes|works|else)\b|\bwhat approaches\b",
    ),
    ("comparison", r"\bcompar|\bvs\b|\bversus\b|\bdiffer|\bbetter\b.*\bthan\b"),
    (
        "number",
        r"\bhow (?:many|much|large|big|long|fast|often|far|small)\b|\bpercent|\bnumber of\b|"
        r"\bwhat (?:number|percentage|share|fraction|size|score|accuracy|rate|speedup)\b",
    ),
    (
        "link",
        r"\b(?:code|github|download|open[- ]?source|repo(?:sitory)?|publicly|released?|available|"
        r"links?|website|demo|checkpoints|try (?:it|out))\b|^\W*where (?:can|do|could)\b",
    ),
    (
        "dataset",
        r"\b(?:what|which|wich|on)\b.{0,25}\b(?:data ?sets?|benchmarks?|corp(?:us|ora)|collections)"
        r"\b|\bwhat data\b|\b(?:tested|tried|trained) on\b"
        r"|\b(?:data ?sets?|benchmarks?) (?:used|of)\b|\bevaluat\w+ (?:data ?sets?|on)\b",
    ),
    (
        "paper",
        r"\bwhich (?:paper|work|study|article|method|approach|system|tool|benchmark)\b"
        r"|\b(?:is|are) there (?:an?|any|some)\b|\b(?:has|have) any(?:body|one)?\b"
        r"|\bany (?:algorithm|method|tool|way|paper|data ?set|benchmark)\b"
        r"|\banything (?:for|on|that)\b|\bwho (?:did|has|trains|makes)\b"
        r"|\bi(?:'m| am) (?:after|looking)\b|\bi (?:need|want)\b|\b(?:looking for|find me)\b",
    ),
    (
        "yes_no",
        r"^\W*(?:is|are|was|were|does|do|did|can|could|must|should|will|has|have)\b",
    ),
    ("meaning", r"^\s*what(?: is|'s| are| does)\b|\bexplain\b|\bdefine\b|\bmeant?\b|\bmeaning\b"),
)
_COINED = re.compile(r"\b(?:[A-Z][\w-]*[A-Z0-9][\w-]*|[A-Z]{2,})\b")  # MassiveDS, EPS-AD, OCA
_READ = tuple((kind, re.compile(pattern, re.IGNORECASE)) for kind, pattern in _RULES)


def kind_of(question: str) -> Kind:
    return next((kind for kind, pattern in _READ if pattern.search(question)), "other")


def names(
    question: str, title: str, rare: Callable[[str], bool], others: Iterable[str] = ()
) -> bool:
    """Whether a question holds a word by which the paper of this title is told from others.

    `rare` says whether a stemmed word stands in few papers only. `others` are titles that came with
    this one: what stands in one of these, too, tells nothing.
    """
    shared = {word for other in others if other != title for word in tokens(other)}
    asked = set(tokens(question))
    head = set(tokens(title.partition(":")[0])) if ":" in title else set()
    coined = bool(head) and head <= asked  # "SPANN: ...", of which many papers may speak
    return coined or any(word in asked - shared and rare(word) for word in tokens(title))


def names_alone(question: str, texts: Sequence[str]) -> list[bool]:
    """For each text, whether a coined name of the question stands in it and in no other."""
    coined = [set(tokens(name)) for name in _COINED.findall(question)]
    held = [[bool(name) and name <= set(tokens(text)) for name in coined] for text in texts]
    once = [sum(column) == 1 for column in zip(*held, strict=True)]
    return [any(h and o for h, o in zip(row, once, strict=False)) for row in held]
