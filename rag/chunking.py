"""Paper -> Chunks on sentence borders, with character spans into the abstract.

The splitter is our own because a footnote needs exact spans in linear time: on the 5,183
hand-split abstracts of SciFact it is level with blingfire, which is old, and with pysbd, which is
quadratic (`benchmarks/sentences.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from rag.types import Chunk, Paper

CHUNKER_VERSION = "3"  # part of the index's manifest: raise it when spans would come out otherwise
MAX_SENTENCE = 1200  # characters; what runs on longer is a table or a list, and is cut at a space

# Possessive, and only from the first mark of a run: a row of a million dots takes linear time.
_BORDER = re.compile(
    r"""(?<![.!?])[.!?]++["'”’)\]]*+(?=\s)|[.!?]["'”’)\]]*$|[.!?](?=[A-Z][a-z]+\s[a-z])"""
)
_ABBREVIATIONS = frozenset(
    """e.g i.e eg ie cf vs viz etc al fig figs eq eqs eqn ref refs sec sect tab no nos vol pp ch
    dr mr mrs ms prof st approx resp ca dept inc ltd co jr sr ed eds ver spp sp subsp var incl
    wt min max avg aka a.k.a w.r.t s.t u.s u.k e.u i.v s.c i.p p.o ph.d m.sc b.sc jan feb mar
    apr jun jul aug sep sept oct nov dec""".split()
)
# These end a sentence as often as not: the next word's case decides.
_AMBIGUOUS = frozenset("etc al u.s u.k e.u inc ltd co no min max i.v i.p s.c".split())
_CLOSERS = "\"'”’)]"
_OPENERS = "\"'“‘([{"
# Names that begin a sentence in lower case: hrde-1, microRNA, mRNA, k-NN, β-amyloid.
_COINED = re.compile(r"[a-z]+(?:-?\d|[A-Z]|-[A-Z])|[α-ω]")
_LONGEST_WORD = 40  # characters looked back over, so that the splitter stays linear
_LAST_WORD = re.compile(r"[\w./\-]*$")
_NEXT_WORD = re.compile(r"[\W_]*(\w+)")
_STARTERS = frozenset(
    """a an the this these those that it its we our they their he she his her there here in on at
    for from to with by as however moreover furthermore finally additionally although though while
    when where which if such both all most many some several one two three results methods
    conclusions background objective purpose conclusion experiments extensive code data using
    unlike despite since because but and so thus hence therefore then also next first second
    further to each no not overall compared among after before during under through""".split()
)


def sentence_spans(text: str) -> list[tuple[int, int]]:
    """Character spans of the sentences of `text`, in order, without the space between them."""
    return list(_spans(text))


@lru_cache(maxsize=256)  # of an answer, several stages look at the same abstracts
def _spans(text: str) -> tuple[tuple[int, int], ...]:
    spans: list[tuple[int, int]] = []
    start = 0
    for match in _BORDER.finditer(text):
        if _ends_sentence(text, start, match):
            spans.extend(_cut(text, start, match.end()))
            start = match.end()
    spans.extend(_cut(text, start, len(text)))
    return tuple(spans)


def is_question(sentence: str) -> bool:
    """Whether it ends with a question mark, whatever closes after it."""
    return sentence.rstrip("\"'”’)] ").endswith("?")


def sentences(text: str) -> list[str]:
    """The sentences of `text` themselves."""
    return [text[start:end] for start, end in sentence_spans(text)]


def chunks(paper: Paper, max_chars: int = 1000) -> list[Chunk]:
    """Cut an abstract into as few chunks of whole sentences as fit, of about equal length.

    A sentence longer than `max_chars` stands alone. Equal lengths, because a short rest would
    be a weak vector of its own.
    """
    spans = sentence_spans(paper.abstract)
    if not spans:
        return []
    length = spans[-1][1] - spans[0][0]
    parts = -(-length // max_chars)
    groups = _group(spans, parts, max_chars)
    return [_chunk(paper, number, *span) for number, span in enumerate(groups)]


def context_text(title: str, chunk: Chunk) -> str:
    """What is embedded and indexed for a chunk: its paper's title as context, then its text."""
    return f"{title}. {chunk.text}" if title else chunk.text


def _chunk(paper: Paper, number: int, start: int, end: int) -> Chunk:
    return Chunk(f"{paper.id}#{number}", paper.id, paper.abstract[start:end], start, end)


def _group(spans: list[tuple[int, int]], parts: int, limit: int) -> Iterator[tuple[int, int]]:
    first, last = spans[0]
    for start, end in spans[1:]:
        target = (spans[-1][1] - first) / parts  # of what is left: no short rest stays over
        overshoots = parts > 1 and (end - first) - target > target - (last - first)
        if end - first > limit or overshoots:
            yield first, last
            first = start
            parts = max(1, parts - 1)
        last = end
    yield first, last


def _ends_sentence(text: str, start: int, match: re.Match[str]) -> bool:
    end = match.end()
    if end == len(text) or text[match.start()] in "!?":
        return _next_may_start(text, end)
    if text[end] not in " \t\n\r\u00a0":
        return _is_glued(text, match)
    word = _LAST_WORD.search(text, max(start, match.start() - _LONGEST_WORD), match.start())
    return _word_may_end(word.group() if word else "", text, end) and _next_may_start(text, end)


def _is_glued(text: str, match: re.Match[str]) -> bool:
    """Whether 'end.Next' lacks its space: a plain word before and a plain word after."""
    before = text[max(0, match.start() - 3) : match.start()]
    return len(before) == 3 and before.isalpha() and before.islower()


def _word_may_end(word: str, text: str, end: int) -> bool:
    bare = word.strip(".").lower()
    if word.isupper() and word.isalpha() and len(word) > 1:  # "in the WT.": a name, not "wt."
        return True
    if bare in _AMBIGUOUS:
        return _next_word(text, end) in _STARTERS
    if bare in _ABBREVIATIONS:
        return False
    initial = bool(re.fullmatch(r"(?:[b-hj-z]|[a-z]\.[a-z](?:\.[a-z])*)", bare))
    return not initial or _next_word(text, end) in _STARTERS


def _next_word(text: str, end: int) -> str:
    match = _NEXT_WORD.match(text, end, end + 80)
    return match.group(1).lower() if match else ""


def _next_may_start(text: str, end: int) -> bool:
    rest = text[end : end + 80].lstrip().lstrip(_OPENERS)
    return not rest or not rest[0].islower() or bool(_COINED.match(rest))


def _cut(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Trim a span of outer space, drop it where nothing is left, and cut what is too long."""
    while start < end:
        stop = end
        if end - start > MAX_SENTENCE:
            stop = max(text.rfind(" ", start + 1, start + MAX_SENTENCE), 0) or start + MAX_SENTENCE
        piece = text[start:stop]
        left = len(piece) - len(piece.lstrip())
        right = len(piece.rstrip())
        if right > left:
            yield start + left, start + right
        start = stop
