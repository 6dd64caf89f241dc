"""Whether two sentences that say nearly the same say it the other way round.

A word that has an opposite is compared with the words of its axis in the other sentence that stand
in the most similar place; the two sides of a comparison, and of "from X to Y", with those of the
other. Exact, so only for sentences that share most of their words.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from rag._opposites import Poles, denied, is_graded, poles
from rag.lexical import STOP_WORDS, stem

BORDERS = frozenset(".,;:!?()")
_NEAR = 4  # words on either side that tell which place is meant
_REACH = 30  # words between "faster" and its "than"
_LEAST = 2  # words in common around two opposites that make them speak of the same
_SCOPE = 8  # words that a negation may reach
_CLAUSES = frozenset("when while whereas although because if but and than".split())
_LONG = 30  # words of a side of a comparison
_NEGATORS = frozenset("not no never cannot neither nor none fails failed unable".split())
_VERBS = frozenset(
    map(stem, "outperform surpass exceed beat underperform trail outclass outrank".split())
)
_THAN = frozenset("than over versus vs".split())
_AFTER = {"compared": "with to", "relative": "to", "opposed": "to", "against": ""}
_COMPARATIVES = frozenset("better worse more less fewer superior inferior".split())
_CHANGES = frozenset(
    stem(word)
    for word in """increase decrease reduce improve enhance reduction improvement gain elevate
    advantage""".split()
)
_NO_COMPARATIVES = STOP_WORDS | frozenset(
    "number water paper cancer matter layer order power fever older younger elder".split()
)

Stems = frozenset[str]


class Pole(NamedTuple):
    """A word with an opposite, what stands before and after it, and the comparison it makes."""

    stem: str
    axes: Poles
    left: Stems
    right: Stems
    sides: tuple[Stems, Stems] | None


class Reading(NamedTuple):
    """What a sentence says of directions; `stems` has '' for stop words and punctuation."""

    words: tuple[str, ...]
    stems: tuple[str, ...]
    poles: tuple[Pole, ...]
    moves: tuple[tuple[Stems, Stems], ...]
    names: Stems


def read(items: Sequence[str], names: frozenset[str]) -> Reading:
    """`items`: the words of a sentence, with its punctuation between them."""
    lower = [item if item == "NO" else item.lower() for item in items]  # nitric oxide
    stems = tuple(_stem(word) for word in lower)
    found = tuple(
        _pole(lower, stems, at, axes)
        for at, word in enumerate(lower)
        if (axes := _axes(lower, stems, at, word))
    )
    return Reading(
        tuple(lower),
        stems,
        found,
        tuple(_moves(lower, stems)),
        frozenset(map(_stem, map(str.lower, names))),
    )


def _stem(word: str) -> str:
    return "" if word in BORDERS or word in STOP_WORDS else stem(word)


def _axes(lower: Sequence[str], stems: Sequence[str], at: int, word: str) -> Poles:
    axes = poles(word) if word not in BORDERS else {}
    if not axes and _is_comparative(word) and "than" in lower[at + 1 : at + 1 + _REACH]:
        axes = {f"than {stems[at]}": 1}
    if not axes:
        return {}
    return {axis: -sign for axis, sign in axes.items()} if _negated(lower, at) else axes


def _negated(lower: Sequence[str], at: int) -> bool:
    """Whether a negation stands before a word in the same clause."""
    for word in reversed(lower[max(0, at - _SCOPE) : at]):
        if word in BORDERS or word in _CLAUSES:
            return False
        if word in _NEGATORS or word.endswith(("n't", "n’t")):
            return True
    return False


def _is_comparative(word: str) -> bool:
    return word in _COMPARATIVES or (word.endswith("er") and word not in _NO_COMPARATIVES)


def _pole(lower: Sequence[str], stems: Sequence[str], at: int, axes: Poles) -> Pole:
    left = frozenset(_content(stems[max(0, at - 3 * _NEAR) : at])[-_NEAR:])
    right = frozenset(_content(stems[at + 1 : at + 1 + 3 * _NEAR])[:_NEAR])
    return Pole(stems[at] or lower[at], axes, left, right, _sides(lower, stems, at))


def _content(stems: Sequence[str]) -> list[str]:
    return [s for s in stems if s]


def _sides(lower: Sequence[str], stems: Sequence[str], at: int) -> tuple[Stems, Stems] | None:
    """What is compared with what: the words before the comparing word and those after it."""
    if stems[at] in _VERBS:
        before, after = _clause(stems[:at], lower[:at]), _object(stems, lower, at + 1)
        return (after, before) if lower[at + 1 : at + 2] == ["by"] else (before, after)
    graded = _is_comparative(lower[at]) or lower[at + 1 : at + 2] == ["than"]
    if not graded and stems[at] not in _CHANGES:
        return None
    for place in range(at + 1, min(len(lower), at + 1 + _REACH)):
        if lower[place] in ".;" or _is_comparative(lower[place]):
            break
        if width := _compares(lower, place):
            return _clause(stems[:place], lower[:place]), _object(stems, lower, place + width)
    return _opening(lower, stems, at)


def _compares(lower: Sequence[str], at: int) -> int:
    """The number of words of 'than', 'compared with' and the like that start here."""
    if lower[at] in _THAN:
        return 1
    following = _AFTER.get(lower[at])
    if following is None:
        return 0
    if not following:
        return 1
    return 2 if at + 1 < len(lower) and lower[at + 1] in following.split() else 0


def _clause(stems: Sequence[str], lower: Sequence[str]) -> Stems:
    start = max((i + 1 for i, word in enumerate(lower) if word in ".;"), default=0)
    return frozenset(_content(stems[max(start, len(stems) - _LONG) :]))


def _object(stems: Sequence[str], lower: Sequence[str], start: int) -> Stems:
    end = next((i for i in range(start, len(lower)) if lower[i] in BORDERS), len(lower))
    return frozenset(_content(stems[start:end])[:6])


def _opening(lower: Sequence[str], stems: Sequence[str], at: int) -> tuple[Stems, Stems] | None:
    """'Compared with B, A is better.'"""
    width = _compares(lower, 0) if lower else 0
    end = lower.index(",") if "," in lower else 0
    if not width or not width < end < at:
        return None
    return frozenset(_content(stems[end:])), frozenset(_content(stems[width:end]))


def _moves(lower: Sequence[str], stems: Sequence[str]) -> list[tuple[Stems, Stems]]:
    """The sides of each 'from X to Y'."""
    found = []
    for at, word in enumerate(lower):
        if word != "from":
            continue
        to = next((i for i in range(at + 2, min(len(lower), at + 9)) if lower[i] == "to"), None)
        if to is None or BORDERS & set(lower[at:to]):
            continue
        found.append((frozenset(_content(stems[at:to])), _object(stems, lower, to + 1)))
    return found


def differs(claim: Reading, sentence: Reading) -> bool:
    """'Slower' for 'faster', 'B beats A', 'from Y to X', 'ineffective' for 'effective'."""
    if claim.words == sentence.words:
        return False
    return bool(opposed(claim, sentence)) or any(
        one not in sentence.moves and any(_turned(one, other) for other in sentence.moves)
        for one in claim.moves
    )


def opposed(claim: Reading, sentence: Reading) -> Stems:
    """The words of the claim that stand where the sentence has their opposites."""
    found = {pole.stem for pole in claim.poles if _pole_opposed(pole, claim, sentence)}
    # One has 'accurate' where the other has 'inaccurate'.
    return frozenset(found | _denying(claim, sentence) | _denied(sentence, claim))


def features(
    claim: Reading, sentences: Sequence[Reading], weights: Sequence[float]
) -> dict[str, float]:
    """How far the words with opposites agree, for a claim that shares less with its evidence."""
    likes = [_likeness(pole, claim, sentences, weights) for pole in claim.poles]
    agree, oppose = sum(a for a, _ in likes), sum(o for _, o in likes)
    votes = [(a > o) - (a < o) for a, o in likes]
    return {
        "turns_alike": (agree - oppose) / (agree + oppose + 0.5),
        "turn_votes": sum(votes) / max(1, len(votes)),
        "turned_near": float(any(differs(claim, sentence) for sentence in sentences)),
    }


def _likeness(
    pole: Pole, claim: Reading, sentences: Sequence[Reading], weights: Sequence[float]
) -> tuple[float, float]:
    """How close the closest word is that agrees, and the closest that opposes."""
    found = [0.0], [0.0]
    for sentence, weight in zip(sentences, weights, strict=True):
        for other, _, same in _counterparts(pole, claim, sentence):
            near = 0.3 + _near(pole, other) + 0.5 * (pole.stem == other.stem)
            found[not same].append(near * (0.2 + max(0.0, weight)))
    return max(found[0]), max(found[1])


def _counterparts(
    pole: Pole, claim: Reading, sentence: Reading
) -> Iterator[tuple[Pole, bool, bool]]:
    """Words on the same axis, whether that axis is a graded one, and whether the two agree."""
    names = claim.names & sentence.names
    for other in sentence.poles:
        if common := pole.axes.keys() & other.axes.keys():
            # Where two axes disagree, as for 'loss' and 'low', the words are no clear opposites.
            same = any(pole.axes[axis] == other.axes[axis] for axis in common)
            yield other, any(map(is_graded, common)), same != _swapped(pole, other, names)


def _pole_opposed(pole: Pole, claim: Reading, sentence: Reading) -> bool:
    """Opposed by the word in the most similar place; a word that both have is most like itself."""
    agree = oppose = -1.0
    spare = [p.stem for p in claim.poles].count(pole.stem) > sentence.stems.count(pole.stem)
    for other, graded, same in _counterparts(pole, claim, sentence):
        near = _near(pole, other)
        if pole.stem == other.stem and not spare:
            near += 2 if graded else _NEAR * 3
        if same:
            agree = max(agree, near)
        else:
            oppose = max(oppose, near)
    return oppose > agree and oppose >= _LEAST


def _near(one: Pole, other: Pole) -> float:
    """Words in common around the two; one that moved to the other side counts half."""
    straight = len(one.left & other.left) + len(one.right & other.right)
    across = len(one.left & other.right) + len(one.right & other.left)
    return straight + 0.5 * across


def _swapped(one: Pole, other: Pole, names: Stems) -> bool:
    if one.sides is None or other.sides is None:
        return False
    if _turned(one.sides, other.sides):
        return True
    (before, after), (first, second) = one.sides, other.sides
    kept = (before & first | after & second) & names
    moved = (before & second | after & first) & names
    return bool(moved) and not kept


def _turned(one: tuple[Stems, Stems], other: tuple[Stems, Stems]) -> bool:
    """A word of each side stands on the other side alone."""
    (before, after), (first, second) = one, other
    return bool(before & second - first - after) and bool(after & first - second - before)


def _denying(one: Reading, other: Reading) -> set[str]:
    return {root for root, _ in _denials(one, other)}


def _denied(one: Reading, other: Reading) -> set[str]:
    return {rest for _, rest in _denials(one, other)}


def _denials(one: Reading, other: Reading) -> list[tuple[str, str]]:
    """Words of `one` with a prefix that denies a word which only the other has."""
    return [
        (root, rest)
        for word, root in zip(one.words, one.stems, strict=True)
        if root and root not in other.stems
        for rest in denied(word)
        if other.stems.count(rest) > one.stems.count(rest)
    ]
