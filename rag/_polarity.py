"""Whether two sentences point the same way: "activates" against "inhibits", "no" against "an".

Word lists read by rule, like those of rag/_facts.py, but weighed instead of compared exactly: a
word that points up or down counts as much as what stands around it is the same in both.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from rag.lexical import tokens

_UP = frozenset(
    """increase increases increased increasing more higher greater elevated enhance enhances
    enhanced promote promotes promoted promoting activate activates activated activating induce
    induces induced improve improves improved improving stimulate stimulates upregulate upregulated
    upregulates raise raises gain gains facilitate facilitates accelerate accelerates support
    supports enable enables cause causes caused lead leads drive drives exacerbate exacerbates
    strengthen positive positively better superior outperforms effective benefit beneficial high
    rise rises risen expand expands prolong prolongs longer sensitive susceptible necessary required
    requires can able likely most many majority common frequent faster rapid early strong strongly
    significant significantly associated correlated linked presence present""".split()
)
_DOWN = frozenset(
    """decrease decreases decreased decreasing less lower fewer reduced reduce reduces reducing
    diminish diminishes diminished inhibit inhibits inhibited inhibiting deactivate deactivates
    inactivate suppress suppresses suppressed impair impairs impaired block blocks blocked prevent
    prevents prevented attenuate attenuates downregulate downregulated downregulates decline
    declines drop drops halt halts stop stops disrupt disrupts abolish abolishes weaken weakens
    negative negatively worse inferior ineffective harmful low fall falls shrink shorten shortens
    shorter resistant insensitive unnecessary dispensable cannot unable unlikely fewest few minority
    rare rarely slower slow late weak weakly absence absent lack lacks lacking deficiency deficient
    loss knockout independent unrelated unassociated protect protects protective alleviate
    alleviates limit limits limited slight""".split()
)
_NEGATORS = frozenset("not no never without neither nor none cannot fails failed unable".split())
_NOTHING = re.compile(
    r"\b(?:no|not|without)\b[^.;]{0,40}\b(?:effect|difference|associat|evidence|benefit|impact|improv|"
    r"reduc|correlat|relat|increas|decreas|influenc|affect|chang|alter|differ)"
    r"|\b(?:similar|unaffected|unchanged|comparable|failed to|lack of|(?:did|does|do) not|neither|"
    r"independent of|unlikely|little)\b",
    re.IGNORECASE,
)  # a finding that there is none
_WORD = re.compile(r"[\w'’-]+|[.,;:()]")
_BEFORE, _AROUND = 4, 6  # words that a negation reaches, and that tell what a word is said of


class Pointer(NamedTuple):
    """A word that points up (1) or down (-1), a negation counted in, and the stems around it."""

    sign: int
    around: frozenset[str]


@lru_cache(maxsize=20_000)
def pointers(text: str) -> tuple[tuple[Pointer, ...], bool]:
    """The pointers of a sentence, and whether anything in it is negated."""
    words = [word.strip(".,;:()").lower() for word in _WORD.findall(text)]
    found = tuple(
        Pointer(sign, frozenset(tokens(" ".join(words[max(0, at - _AROUND) : at + _AROUND + 1]))))
        for at, word in enumerate(words)
        if (sign := _sign(word, words[max(0, at - _BEFORE) : at]))
    )
    return found, any(map(_negates, words))


def features(claim: str, evidence: Sequence[str], weights: Sequence[float]) -> dict[str, float]:
    """How far the claim agrees with and opposes the evidence, a weight for each sentence of it."""
    said, negated = pointers(claim)
    read = [pointers(sentence) for sentence in evidence]
    agree = oppose = 0.0
    for (stated, _), weight in zip(read, weights, strict=True):
        for one in said:
            for other in stated:
                near = _near(one, other) * max(0.0, weight)
                agree += near * (one.sign == other.sign)
                oppose += near * (one.sign != other.sign)
    tilt = sum(_tilt(stated) for stated, _ in read) / len(read)
    with_negation = sum(n for _, n in read) / len(read)
    return {
        "agrees": agree,
        "opposes": oppose,
        "points_alike": (agree - oppose) / (agree + oppose + 0.2),
        "tilts_alike": _tilt(said) * tilt,
        "negated_here": negated * (1.0 - with_negation),
        "negated_there": (not negated) * with_negation,
        **_nothing(claim, evidence, weights),
    }


def _nothing(claim: str, evidence: Sequence[str], weights: Sequence[float]) -> dict[str, float]:
    """Whether claim and evidence report that something was not found."""
    here = finds_nothing(claim)
    there = [finds_nothing(sentence) for sentence in evidence]
    parts = [max(0.0, weight) + 0.05 for weight in weights]
    share = sum(p for p, found in zip(parts, there, strict=True) if found) / sum(parts)
    return {
        "nothing_there": (not here) * share,
        "nothing_here": here * (1.0 - share),
        "nothing_in_both": here * share,
        "nothing_differs": float(here != there[0]),
    }


@lru_cache(maxsize=20_000)
def finds_nothing(text: str) -> bool:
    return _NOTHING.search(text) is not None


def _sign(word: str, before: Sequence[str]) -> int:
    sign = (word in _UP) - (word in _DOWN)
    return -sign if any(map(_negates, before)) else sign


def _negates(word: str) -> bool:
    return word in _NEGATORS or word.endswith(("n't", "n’t"))


def _near(one: Pointer, other: Pointer) -> float:
    shared = len(one.around & other.around)
    return shared / (1 + min(len(one.around), len(other.around)))


def _tilt(found: Sequence[Pointer]) -> int:
    total = sum(pointer.sign for pointer in found)
    return (total > 0) - (total < 0)
