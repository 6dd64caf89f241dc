"""Questions that the records of the papers answer: who, when, where, which and how many.

A question is read as one only if every word of it is accounted for: "which papers are from 2023?"
is, "which papers from 2023 find links?" is a question about what abstracts say. Pure functions. In
one file although it is long: the patterns and the few lines that read them make sense side by side.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

Field = Literal["authors", "year", "venue", "doi"]
_LONGEST = 300  # characters of a question that is read
_WORDS = 5  # of a name, a venue or a topic, at most


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which papers are asked for, and what of them.

    `of` is how one paper is called, "" where the conversation says which; `place` is a venue, or
    an author where no venue is called that; years are inclusive, None is open.
    """

    kind: Literal["list", "count", "newest", "oldest", "record"]
    years: tuple[int | None, int | None] = (None, None)
    author: str = ""
    place: str = ""
    topic: str = ""
    field: Field = "authors"
    of: str = ""

    @property
    def narrows(self) -> bool:
        return self.years != (None, None) or bool(self.author or self.place or self.topic)


_PAPERS = r"(?:papers?|articles?|publications?|works|studies|abstracts|preprints?|documents)"
_PLACE = r"(?:collection|library|data ?base|corpus|index|home)"
_HOME = rf"(?:the|this|your|my|our) {_PLACE}"
_OURS = rf"(?:here|in here|(?:in|of|from) {_HOME})"
_POLITE = re.compile(
    r"(?:and|but|so|please|(?:can|could|would|will) you(?: please)?"
    r"|i(?:'d like| want| need| would like)(?: to)?(?: (?:see|know))?"
    r"|i(?:'m| am) (?:looking|searching) for|do you know|tell me|let me know)[ ,]+",
    re.IGNORECASE,
)
_SHOW = r"(?:list|show|give|name|find|get|display|print|see|enumerate)(?: me| us)?"
_THE = r"(?: (?:all|every|any|some|other|of|the|these|those|an?))*"
_HEADS: tuple[tuple[str, str], ...] = (
    (
        "count",
        r"(?:how many(?P<among> (?:of (?:them|these|those)|are|were))?|"
        r"(?:what(?:'s| is) )?(?:the )?number of|"
        rf"(?:the )?count(?: of)?)(?(among)|{_THE} {_PAPERS})\b",
    ),
    (
        "newest",
        rf"(?:(?:which|what|{_SHOW})(?: (?:is|are|was|were))?)?{_THE} ?"
        rf"(?:newest|latest|most recent|youngest) {_PAPERS}\b|(?:which|what) {_PAPERS} "
        rf"(?:is|are) (?:the )?(?:newest|latest|most recent)\b",
    ),
    (
        "oldest",
        rf"(?:(?:which|what|{_SHOW})(?: (?:is|are|was|were))?)?{_THE} ?"
        rf"(?:oldest|earliest) {_PAPERS}\b"
        rf"|(?:which|what) {_PAPERS} (?:is|are) (?:the )?(?:oldest|earliest)\b",
    ),
    (
        "list",
        r"(?P<among>which(?: ones)? (?:of (?:them|these|those)|are|were))\b"
        r"|(?!(?:which|what) works\b(?! (?:are|is|was|were|do you)\b))"  # "what works in stroke?"
        rf"(?:(?:which|what)(?: (?:is|are|were))?|{_SHOW}|(?:are|is) there|"
        r"(?:do|have) you (?:have|got)|all|any|an?|the|what else)?"
        rf"{_THE} ?(?:{_PAPERS}|(?:any|some)thing|(?<=what is)|(?<=what is there))\b",
    ),
)
_YEAR = r"((?:1[89]|20)\d\d)"
_FROM = r"(?:published |written |dated |appeared |printed )?"
_UNTIL = r"(?:to|and|until|till|through|up to|-|–|—)"
_RANGE = re.compile(
    rf"{_FROM}(?:(?:between|from|in|of)(?: the years?)? )?{_YEAR} ?{_UNTIL} ?{_YEAR}", re.IGNORECASE
)
_SINCE = re.compile(
    rf"{_FROM}(?:since|starting(?: in| from)?) {_YEAR}"
    rf"|{_FROM}(?:from|in) {_YEAR} (?:on(?:wards?)?|or (?:later|newer|after))",
    re.IGNORECASE,
)
_AFTER = re.compile(rf"{_FROM}(?:after|later than|newer than) {_YEAR}", re.IGNORECASE)
_BEFORE = re.compile(rf"{_FROM}(?:before|earlier than|older than) {_YEAR}", re.IGNORECASE)
_UP_TO = re.compile(
    rf"{_FROM}(?:until|till|up to|by(?: the (?:end of|year))?) {_YEAR}", re.IGNORECASE
)
_IN = re.compile(
    rf"{_FROM}(?:(?:from|in|of|for|during)(?: the)?(?: year)? )?\(?{_YEAR}\)?", re.IGNORECASE
)
_FILL = re.compile(
    rf"(?:{_OURS}|{_HOME}|that|which|are|is|were|was|do|does|did|have|has|been|there|you|we|i|"
    r"in total|total|altogether|overall|all|currently|now|exactly|got|know(?: of)?|stored?|exist|"
    r"contains?|holds?|includes?|and|also|available|published|written|please)(?![\w'-])",
    re.IGNORECASE,
)
_SPACE = re.compile(" ")
_BY = re.compile(
    r"(?:(?:written|(?:co-?)?authored|published) by|by|with (?:the )?author|whose author is)"
    r"(?: the)?(?: author)? ",
    re.IGNORECASE,
)
_AT = re.compile(
    r"(?:(?:published|appeared|presented) )?(?:in|at|from)(?: the)?"
    r"(?: (?:journal|venue|conference)(?! (?:of|on|for)\b))? ",
    re.IGNORECASE,
)
_BARE = re.compile("in(?: the)? ", re.IGNORECASE)
_ON = re.compile(
    r"(?:about|on(?! average)|concerning|regarding|that mention|mention(?:ing)?|"
    r"(?:that )?deal(?:ing)? with|related to|hold(?:ing)?|contain(?:ing)?)"
    r"(?: the)?(?: (?:words?|topics?|subject of))? ",
    re.IGNORECASE,
)
_NO_NAME = re.compile(
    r"(?:the|an?|this|that|these|those|their|its|his|her|your|our|my|any|some|all|each|every|most|"
    r"many|more|people|they|he|she|it|we|you|i|them|him|far|using|whom?)\b",
    re.IGNORECASE,
)
_OTHERS = re.compile(
    r"(?:^|,? )(?:et al\.?|(?:and|&) (?:others|colleagues|co-?(?:workers|authors)))$", re.IGNORECASE
)
_SURNAME = re.compile(r"[^\W\d_]{2}")  # no year, no number, no lone initial
_WROTE = re.compile(
    rf"(?:what|(?:which|what|(?P<many>how many)) {_PAPERS})(?: else)? "
    r"(?:did|has|have|does|were|was) (?P<who>[^\s,]+(?: [^\s,]+){0,3}?) "
    r"(?:writt?en?|wrote|author(?:ed)?|publish(?:ed)?|co-?author(?:ed)?)(?P<rest>(?: .*)?)"
    rf"|(?:did|has|have) (?P<one>[^\s,]+(?: [^\s,]+){{0,3}}?) (?:written?|published?) "
    rf"(?:any(?:thing)?|some|one)(?: of (?:these|those|the))?(?: {_PAPERS})?(?P<more>(?: .*)?)",
    re.IGNORECASE,
)
_LAST = (
    r"(?P<field>authors?|writers?|year|publication (?:year|date)|date|venue|journal|conference|doi)"
)
_CALLED = r"(?P<of>.+?)"
_IS = r"(?:is|was|are|were|did|does|has|been)"
_RECORD = tuple(
    (field, re.compile(pattern, re.IGNORECASE))
    for field, pattern in (
        (
            "authors",
            rf"(?:who|by whom) (?:wrote|(?:co-?)?authored|(?:was|were) {_CALLED} written by)",
        ),
        (
            "authors",
            r"(?:who|which authors?) (?:wrote|(?:co-?)?authored|has written|published)"
            rf"(?: {_CALLED})?",
        ),
        (
            "authors",
            rf"(?:(?:who|what)(?:'s| is| are| was| were) |{_SHOW} )?"
            r"(?:the )?(?:names? of )?(?:the )?"
            rf"(?:first |last |lead |main )?(?:authors?|writers?)(?: (?:of|for|behind) {_CALLED})?",
        ),
        (
            "authors",
            rf"(?:by whom|who) (?:is|was|were) {_CALLED} (?:written|authored|published)(?: by)?",
        ),
        (
            "year",
            rf"(?:in |from |of )?(?:what|which) year(?: {_IS}(?: {_CALLED})?"
            r"(?: (?:published|written|from|appear(?:ed)?|come out|printed|out)(?: in)?)?)?",
        ),
        (
            "year",
            rf"when (?:is|was|were|did)(?: {_CALLED})? (?:published|written|appear|come out|from)",
        ),
        (
            "year",
            rf"(?:what(?:'s| is) )?(?:the )?(?:publication )?(?:year|date)"
            rf"(?: of publication)?(?: (?:of|for) {_CALLED})?",
        ),
        (
            "venue",
            rf"(?:where|(?:in|at) (?:what|which) (?:venue|journal|conference)) (?:is|was|were|did)"
            rf"(?: {_CALLED})? (?:published|presented|appear|come out|accepted|printed)",
        ),
        (
            "venue",
            r"(?:in |at |from )?(?:what|which) (?:venue|journal|conference)(?: or (?:venue|journal|"
            rf"conference))?(?: {_IS}(?: {_CALLED})?(?: (?:published|presented|appear(?:ed)?|from|"
            rf"accepted)(?: (?:in|at|by))?)?| (?:published|accepted|printed) (?P<it>.+?))?",
        ),
        (
            "venue",
            rf"(?:what(?:'s| is) )?the (?:publication )?(?:venue|journal|conference)"
            rf"(?: (?:of|for) {_CALLED})?",
        ),
        ("doi", rf"(?:what(?:'s| is) )?the doi(?: (?:of|for) {_CALLED})?"),
        ("", rf"(?:(?:who|what)(?:'s| is| are| were) )?(?:{_CALLED}'s?|its|their) {_LAST}"),
    )
)
_FIELDS: dict[str, Field] = {
    "author": "authors", "writer": "authors", "year": "year", "date": "year", "venue": "venue",
    "journal": "venue", "conference": "venue", "doi": "doi",
}  # fmt: skip
_IT = re.compile(
    r"(?:it|its|this|that|them|they|these|those|this one|that one|(?:the|this|that|these|those) "
    rf"(?:{_PAPERS}|work|study|trial|method|model|system|tool|benchmark|data ?set))",
    re.IGNORECASE,
)
_CALLS = re.compile(
    r"^(?:the|this|that) (?:paper|article|work|study|publication)"
    r"(?: (?:called|titled|entitled|named|on|about))? ",
    re.IGNORECASE,
)


def read(question: str, before: Wanted | None = None) -> Wanted | None:
    """What records are asked for; None for every other question.

    `before` is what was asked so last: "and from 2022?" asks the same of another year.
    """
    text = " ".join(question.replace("’", "'").split()).strip(" ?.!")
    if not text or len(text) > _LONGEST:
        return None
    start = re.match(r"(?:(?:and|or|what about|how about) )?", text, re.IGNORECASE)
    goes_on = _conditions(text[start.end() if start else 0 :], before) if before else None
    while polite := _POLITE.match(text):
        text = text[polite.end() :]
    found = _wrote(text) or _chosen(text, before) or _record(text)
    return found or (None if goes_on == before else goes_on)


def read_all(questions: Sequence[str]) -> list[Wanted | None]:
    """What the questions of a conversation ask of records, one after the other."""
    found: list[Wanted | None] = []
    for question in questions:
        before = found[-1] if found else None
        found.append(read(question, before if before and before.kind != "record" else None))
    return found


def _chosen(text: str, before: Wanted | None) -> Wanted | None:
    for kind, pattern in _HEADS:
        if head := re.match(pattern, text, re.IGNORECASE):
            among = head.groupdict().get("among")
            start = replace(before, kind=kind) if among and before else Wanted(kind)  # type: ignore[arg-type]
            wanted = _conditions(text[head.end() :], start)
            whole = wanted == start and not among and kind in ("list", "count")
            if (among and not before) or (whole and not _ours(text)):
                return None
            return wanted if wanted and (wanted.author or not _of_others(text)) else None
    return None


def _ours(text: str) -> bool:
    """'How many papers are there?' is about this collection; 'how many studies?' need not be.

    "The paper" is one that was spoken of, whoever is asked for it.
    """
    one = re.search(
        r"\b(?:the|this|that|which|what) (?:paper|article|publication)\b", text, re.IGNORECASE
    )
    ours = rf"\b(?:papers|you|we|here|(?:in|of|from) (?:this|your|my|our) {_PLACE})\b"
    return bool(re.search(ours, text, re.IGNORECASE)) and not one


def _of_others(text: str) -> bool:
    """'How many abstracts are in the corpus?' may be asked of one that a paper describes."""
    papers = re.search(r"\bpapers?\b", text, re.IGNORECASE)
    return not papers and bool(re.search(rf"\bthe {_PLACE}\b", text, re.IGNORECASE))


def _conditions(text: str, wanted: Wanted, dead: set[str] | None = None) -> Wanted | None:
    """What is wanted, narrowed by all that a text says; None where it says anything else."""
    text, dead = text.strip(" ,"), set() if dead is None else dead
    if not text:
        return wanted
    if text not in dead:
        for rest, narrower in _narrowed(text, wanted):
            if found := _conditions(rest, narrower, dead):
                return found
        dead.add(text)
    return None


def _narrowed(text: str, wanted: Wanted) -> Iterator[tuple[str, Wanted]]:
    """Each way to read the beginning of a text: what is left of it, and what is then wanted."""
    for pattern, span in (
        (_RANGE, lambda a, b: (min(a, b), max(a, b))),
        (_SINCE, lambda a: (a, None)),
        (_AFTER, lambda a: (a + 1, None)),
        (_BEFORE, lambda a: (None, a - 1)),
        (_UP_TO, lambda a: (None, a)),
        (_IN, lambda a: (a, a)),
    ):
        if match := pattern.match(text):
            found = [int(year) for year in match.groups() if year]
            yield text[match.end() :], replace(wanted, years=span(*found))
            return
    if match := _FILL.match(text):
        yield text[match.end() :], wanted
    named = [(_BY, "author"), (_AT, "place"), *[(_ON, "topic")] * (wanted.kind == "count")]
    for pattern, what in named:
        if match := pattern.match(text):
            for words, rest in _beginnings(text[match.end() :]):
                name = words if what == "topic" else _OTHERS.sub("", words)
                if what == "author" and _NO_NAME.match(name):
                    break
                if what != "topic" and not _SURNAME.search(name):
                    continue
                if _BARE.fullmatch(match[0]) and name[:1].islower():  # in medicine
                    break
                yield rest, replace(wanted, **{what: name})  # type: ignore[arg-type]


def _beginnings(text: str) -> Iterator[tuple[str, str]]:
    """The first words of a text and the rest, with a word more each time."""
    for end in [*_SPACE.finditer(text)][: _WORDS - 1]:
        yield text[: end.start()].rstrip(","), text[end.end() :]
    if text.count(" ") < _WORDS:
        yield text, ""


def _wrote(text: str) -> Wanted | None:
    match = _WROTE.fullmatch(text)
    if not match:
        return None
    rest, name = match["rest"] or match["more"] or "", match["who"] or match["one"]
    name = _OTHERS.sub("", name)
    if _NO_NAME.match(name) or not _SURNAME.search(name):
        return None
    return _conditions(rest, Wanted("count" if match["many"] else "list", author=name))


def _record(text: str) -> Wanted | None:
    for field, pattern in _RECORD:
        if match := pattern.fullmatch(text):
            groups = match.groupdict()
            of = groups.get("of") or groups.get("it") or ""
            named = (groups.get("field") or "").lower().split(" ")[-1].rstrip("s")
            of = "" if _IT.fullmatch(of) else _CALLS.sub("", of).strip(" \"'“”")
            of = re.sub(r"^the (.+) (?:paper|article)$", r"\1", of, flags=re.IGNORECASE)
            if re.match(r"(?:about|on|in|for) ", of, re.IGNORECASE):  # who wrote about it?
                return None
            return Wanted("record", field=field or _FIELDS[named], of=of)  # type: ignore[arg-type]
    return None


__all__ = ["Field", "Wanted", "read", "read_all"]
