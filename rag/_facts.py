"""What a sentence states that overlap of words cannot tell: numbers, names, negation, direction.

These are read from the text by rule and compared exactly. In one file although it is long: the
word lists and the few lines that read them only make sense side by side.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple, TypeVar

from rag import _directions
from rag._directions import BORDERS as _BORDERS
from rag.lexical import STOP_WORDS, stem, tokens

T = TypeVar("T")


class Number(NamedTuple):
    """A number with its unit, '' where none is attached."""

    value: float
    unit: str


@dataclass(frozen=True, slots=True)
class Facts:
    """What is compared of a sentence."""

    words_in_order: tuple[str, ...]  # stems, without numbers and stop words
    words: frozenset[str]
    forms: frozenset[str]  # stems of every word and of the parts of compounds
    initials: str
    numbers: frozenset[Number]
    names: frozenset[str]
    negated: frozenset[str]
    directions: _directions.Reading
    asks: bool  # says what was looked into, not what was found


@lru_cache(maxsize=4_000)
def facts_of(text: str) -> Facts:
    items = _items(text)
    numbers, plain = _numbers(items)
    words = tokens(" ".join(item for item in plain if item not in _BORDERS))
    names = _names(plain)
    return Facts(
        words_in_order=tuple(words),
        words=frozenset(words),
        forms=frozenset(f for item in items if item not in _BORDERS for f in _forms(item)),
        initials="".join(w[0] for w in plain if w.lower() not in STOP_WORDS | _BORDERS).lower(),
        numbers=frozenset(numbers),
        names=names,
        negated=_negated(plain),
        directions=_directions.read(items, names),
        asks=_AIM.search(text) is not None,
    )


_AIM = re.compile(
    r"^\W*(?:objectives?|aims?|purpose|background|hypothesis)\b(?!.*\b(?:show|found|find|suggest))"
    r"|^\W*to (?:assess|compare|describe|determine|estimate|evaluate|examine|explore|identify|"
    r"investigate|study|test)\b|\bwhether\b|\?\s*$|\bremains? (?:unclear|unknown|poorly|elusive)",
    re.IGNORECASE,
)
_MIDDLE_DOT = re.compile(r"(?<=\d)·(?=\d)")
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_PIECE = re.compile(r"[\w%$€£.+\-−–'’^×]+|[,;:!?()]")
_COUNTS = dict(
    zip(
        "two three four five six seven eight nine ten eleven twelve".split(),
        range(2, 13),
        strict=True,
    )
)
_COUNT = re.compile(rf"\b(?:{'|'.join(_COUNTS)})\b", re.IGNORECASE)
_TWICE = re.compile(r"\b(?:twice|twofold|doubl(?:e|es|ed))\b", re.IGNORECASE)


def _items(text: str) -> list[str]:
    """The words of a text with number words as digits, and its punctuation between them."""
    text = _MIDDLE_DOT.sub(".", _THOUSANDS.sub("", text))
    text = _COUNT.sub(lambda m: str(_COUNTS[m.group().lower()]), text)
    out: list[str] = []
    for piece in _PIECE.findall(_TWICE.sub("2 times", text)):
        bare = piece.strip(".+-−–'’^,;:!?()")
        if bare:
            out.append(bare)
        if piece[-1] in _BORDERS:
            out.append(piece[-1])
    return out


_NUMBER = re.compile(
    r"[$€£]?(?:(\d{1,3})\^(\d{1,2})|(\d{1,15}(?:\.\d{1,9})?))(%|[^\W\d_]*|×)(?:[-−–](.+))?"
)
_SCALES = {"K": 1e3, "k": 1e3, "M": 1e6, "B": 1e9, "bn": 1e9, "T": 1e12}
_SCALES |= {"hundred": 1e2, "thousand": 1e3, "million": 1e6, "billion": 1e9, "trillion": 1e12}
_SCALE_WORDS = frozenset("hundred thousand million billion trillion".split())
_UNITS = {
    alias: aliases.split()[0]
    for aliases in (
        "% percent pct|x × times time fold|points point|kb kib kilobytes|mb mib megabytes|"
        "gb gib gigabytes|tb tib terabytes|ms milliseconds millisecond msec|"
        "s seconds second sec secs|min minutes minute mins|h hours hour hrs|day days|"
        "week weeks wk|month months|year years yr yrs|bit bits|hz|khz|mhz|ghz|fps|mg|kg|g|"
        "ml|mm|cm|m|km"
    ).split("|")
    for alias in aliases.split()
}


def _numbers(items: Sequence[str]) -> tuple[list[Number], list[str]]:
    """The numbers of a sentence, and what is left of it without them and their units."""
    numbers: list[Number] = []
    rest: list[str] = []
    at = 0
    while at < len(items):
        read = _read_number(items[at])
        at += 1
        if read is None:
            rest.append(items[at - 1])
            continue
        at, read = _with_what_follows(items, at, read)
        numbers.extend(read)
    return numbers, rest


def _read_number(word: str) -> list[Number] | None:
    """'32GB', '24-hour', '10^9', '5-10%'; None for a word or a name such as '3D' or '5-HT'."""
    match = _NUMBER.fullmatch(word)
    if match is None:
        return None
    base, power, plain, letters, rest = match.groups()
    value = float(plain) if plain else float(base) ** int(power)
    unit = "" if letters in _SCALES else _UNITS.get(letters.lower())
    if letters and unit is None:
        return None
    value *= _SCALES.get(letters, 1.0)
    if not rest:
        return [Number(value, unit or "")]
    if rest[0].isdigit():
        others = _read_number(rest)
        return others and [Number(value, unit or others[0].unit), *others]
    if rest[0].isupper() and rest.lower() not in _UNITS:
        return None
    return [Number(value, unit or _UNITS.get(rest.lower(), ""))]


def _with_what_follows(
    items: Sequence[str], at: int, read: list[Number]
) -> tuple[int, list[Number]]:
    following = items[at].lower() if at < len(items) else ""
    if following in _SCALE_WORDS:
        scaled = [Number(n.value * _SCALES[following], n.unit) for n in read]
        return _with_what_follows(items, at + 1, scaled)
    if following in _UNITS and not read[-1].unit:
        return at + 1, [Number(n.value, n.unit or _UNITS[following]) for n in read]
    return at, read


def _names(items: Sequence[str]) -> frozenset[str]:
    """Words with inner capitals or digits, acronyms, and capitals within a sentence."""
    found = {w for before, w in zip([".", *items], items, strict=False) if _is_name(before, w)}
    words = [w for w in items if w not in _BORDERS]
    if len(words) > 5 and sum(w[0].isupper() for w in words) > 0.6 * len(words):
        return frozenset(w for w in found if _is_coined(w))  # a headline: capitals mean nothing
    return frozenset(w for w in found if not w.isnumeric())


def _is_name(before: str, word: str) -> bool:
    if _is_coined(word):
        return True
    starts = before in ".!?:"
    return len(word) > 1 and word[0].isupper() and not starts and word.lower() not in STOP_WORDS


def _is_coined(word: str) -> bool:
    letters = any(c.isalpha() for c in word)
    return letters and (any(c.isdigit() for c in word) or any(c.isupper() for c in word[1:]))


_JOINTS = re.compile(r"[-−–'’./]+")


def _forms(word: str) -> set[str]:
    parts = [part for part in _JOINTS.split(word.lower()) if part]
    return {stem(form) for form in (*parts, "".join(parts)) if form}


def _parts(name: str) -> list[str]:
    """The parts of a compound that name something: of 'Aire-expressing', the first alone."""
    parts = [p for p in _JOINTS.split(name) if len(p) > 1 or p.isdigit()]
    proper = [p for p in parts if p != p.lower() or any(c.isdigit() for c in p)]
    return [stem(part.lower()) for part in proper or parts]


def holds_name(facts: Facts, name: str) -> bool:
    parts = _parts(name)
    if stem(_JOINTS.sub("", name.lower())) in facts.forms or (
        parts and all(part in facts.forms for part in parts)
    ):
        return True
    letters = name.removesuffix("s")
    # An acronym stands for the words it is made of; two letters would be there by chance.
    return len(letters) > 2 and letters.isupper() and letters.lower() in facts.initials


def holds_number(facts: Facts, number: Number) -> bool:
    if number.value == 1 and "one" in facts.forms:
        return True
    return any(number.value == n.value and _same_kind(number, n) for n in facts.numbers)


def _same_kind(one: Number, other: Number) -> bool:
    return one.unit == other.unit or not one.unit or not other.unit


def number_differs(claim: Facts, sentence: Facts) -> bool:
    """A number of the claim is not in the sentence, which has another of the same unit instead."""
    lacking = [n for n in claim.numbers if not holds_number(sentence, n)]
    spare = [n for n in sentence.numbers if not holds_number(claim, n)]
    return any(n.unit == other.unit for n in lacking for other in spare)


_NEGATORS = frozenset(
    "not no never without cannot fail fails failed failing unable neither nor none".split()
)
_CLAUSES = frozenset("when while whereas although because if but".split())
_REACH = 3  # content words that a negation is taken to govern


def _negated(items: Sequence[str]) -> frozenset[str]:
    """Stems that stand under a negation; under two of them, they do not."""
    out: set[str] = set()
    for at, item in enumerate(items):
        word = item.lower()
        if item == "NO":  # nitric oxide
            continue
        if word not in _NEGATORS and not word.endswith(("n't", "n’t")):
            continue
        if items[at + 1 : at + 2] and items[at + 1].lower() in ("only", "just", "merely"):
            continue
        out ^= _governed(items[at + 1 :], 1 if word == "without" else _REACH)
    return frozenset(out)


def _governed(items: Sequence[str], reach: int) -> set[str]:
    words: list[str] = []
    for item in items[: 4 * reach]:
        if item in _BORDERS or item.lower() in _CLAUSES or len(words) >= reach:
            break
        if item.lower() not in _NEGATORS:
            words.extend(tokens(item))
    return set(words[:reach])


def negation_differs(claim: Facts, sentence: Facts) -> bool:
    claimed = claim.words - claim.negated - _NEGATOR_STEMS
    stated = sentence.words - sentence.negated - _NEGATOR_STEMS
    return bool(claim.negated & stated or sentence.negated & claimed)


_NEGATOR_STEMS = frozenset(stem(word) for word in _NEGATORS)


def direction_differs(claim: Facts, sentence: Facts) -> bool:
    """The sentence says the opposite: 'slower' for 'faster', 'B beats A', 'ineffective'."""
    return _directions.differs(claim.directions, sentence.directions)


def closeness(claim: Facts, sentence: Facts) -> float:
    """Coverage of the claim, not counting words that stand where the sentence has the opposite."""
    turned = _directions.opposed(claim.directions, sentence.directions)
    total = sum(len(w) for w in claim.words - turned)
    return sum(len(w) for w in (claim.words & sentence.words) - turned) / total if total else 0.0


def share(items: frozenset[T], lacks: Callable[[T], bool]) -> float:
    return sum(map(lacks, items)) / len(items) if items else 0.0


def coverage(claim: Facts, words: frozenset[str]) -> float:
    """Share of the claim's words that are stated; long words count more, as rare ones do."""
    total = sum(map(len, claim.words))
    return sum(len(w) for w in claim.words & words) / total if total else 0.0
