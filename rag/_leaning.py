"""Whether a question needs what was said before in order to be understood.

Some words point out of a question: "it", "the second one", "the model". Where none does, and the
words alone do not tell ("why is the recall low?", "why is the sky blue?"), a question leans if it
speaks of what was spoken of, or of what any paper can be asked about.
"""

from __future__ import annotations

import re
from collections.abc import Set

from rag.lexical import tokens

SHORT = 4  # words below which a question may be no more than a piece of one
_OWN = 3  # words of its own from which on a question needs none of another
READ = 1000  # characters of a question that the rules look at

_ELLIPSIS = re.compile(r"^\s*(?:at|by|for|from|in|on|to|with) (?:what|which|how)\b", re.IGNORECASE)
_OPENING = re.compile(r"^\s*(and|but|or|so|what about|how about|why|which one)\b", re.IGNORECASE)
_PREPOSITION = r"(?:about|at|by|from|in|like|of|on|over|than|to|under|with)"
_THINGS = r"(?:approach|article|benchmark|data ?set|index|method|model|paper|stud(?:y|ie)|system|"
_THINGS += r"tool|work|one)(?:e?s)?"
# What says of a thing which one it is.
_SAID_WHICH = (
    r"(?! (?:about|behind|by|called|for|from|in(?! more| detail)|named|of|on|that|to|which|who|"
    r"whose|with)\b(?!\W*$))"
)
# "The first one", "is the second faster?" point; "the first president", "the last cup" do not.
ALONE = (
    rf"(?=\W*$|[,.;:?!)]| (?:{_THINGS}\b{_SAID_WHICH}|"
    r"of (?:them|these|those)|in (?:more|detail|short|brief)|about|for|on|with|than|better|worse|"
    r"faster|slower|is|are|was|were|do|does|did|has|have|had|can|could|(?:need|use|keep|work|beat|"
    r"compare|differ|say|claim|report|propose|mean|come|perform|run|take|give|require|support)s?)"
    r"\b)"
)
_POINTER = re.compile(
    r"\b(?:these|those|he|she|this(?! (?:century|month|week|year)\b)|the (?:former|latter))\b"
    rf"|\bthe (?:first|second|third|fourth|fifth|last|other|same|two){ALONE}"
    r"|\ball three\b|\bthe (?:first|last) (?:two|three)\b"
    r"|^\W*(?:and )?(?:first|second|third|fourth|fifth|last)(?: one| paper)?\W*$"
    # "both A and B", "is there a method" and "a method that" lean on nothing.
    r"|\b(?:both|n?either)\b(?! \w+ n?(?:and|or)\b)"
    r"|(?<!\bis )(?<!\bare )(?<!\bwas )(?<!\bwere )\bthere\b(?! (?:is|are)\b)"
    rf"|(?:^|\b(?:{_PREPOSITION}|is|does|did|was|do|for|how|why) )that\b",
    re.IGNORECASE,
)
# "It" that stands for nothing: "is it safe to", "what does it take to", "was it A which".
_EXPLETIVE = re.compile(
    r"\b(?:is|was|be|isn't) it (?:(?!able|meant|\w+(?:ed|ing)\b)\w+ ){1,3}?(?:to|that|if|when)\b"
    r"|\bit takes? (?:\w+ )?to\b|\bdoes it matter\b|\btime is it\b"
    r"|\bis it (?:like|raining|snowing|that|true)\b"
    r"|\b(?:is|was) it (?:the|an?)\b(?=.* (?:which|who)\b)",
    re.IGNORECASE,
)
_PRONOUN = re.compile(r"\b(it|they|them|(its|their))\b", re.IGNORECASE)
# "the method" without saying which; a name before it, or "of ..." after it, says which.
_KNOWN_THING = re.compile(
    r"\bthe (?:algorithm|approach|article|authors?|benchmark|code|data ?sets?|experiments?|"
    r"framework|methods?|models?|papers?|results?|study|studies|system|technique|tool|work)\b"
    rf"{_SAID_WHICH}",
    re.IGNORECASE,
)
_SINGLE = re.compile(
    r"its?|(?:this|that)(?: [\w ]+)?|the (?:algorithm|approach|article|benchmark|data ?set|"
    r"framework|method|model|paper|study|system|technique|tool|work)",
    re.IGNORECASE,
)
_THAT = re.compile(
    r"\b(?:this|that)(?:(?= (?:works?\W*$|\w+ed\b))|"
    r" (?:approach|article|benchmark|data ?set|method|model|paper|study|system|tool)\b)",
    re.IGNORECASE,
)
_NO_SECOND = re.compile(r"\b(?:better|compare|differ|faster|slower|worse)\W*$", re.IGNORECASE)
NAME = re.compile(
    r"(?:\b[A-Z][\w-]*[A-Z0-9][\w-]*|\b[a-z]+(?:\w*[A-Z]|\d+[a-z])[\w-]*|(?<=[a-z,] )[A-Z][\w-]+)"
    r"(?: (?:[A-Z][\w-]*|v\d+))*"
)
_PLACED = re.compile(r"\b(?:at|by|from|in|like|on|over|than|to|under|with) $", re.IGNORECASE)
_SOME_THING = re.compile(
    r"\b(?:an?|any|some|each|every) \w+|\b(?:which|what) (?!(?:is|are|was|were|do|does|did|can|of|"
    r"one|else|about|has|have|will|would|could|should)\b)\w+",
    re.IGNORECASE,
)
_CLAUSE = re.compile(r"[,;:]|\b(?:and|but|if|or|that|when|where|while)\b", re.IGNORECASE)
_BORDER = re.compile(r"[,;:.?!](?= )| [-–—] ")
_PLACE = re.compile(rf"^\W*(?:{_PREPOSITION}|for|if|when) ", re.IGNORECASE)
_VERB = r"(?:is|are|was|were|do|does|did|has|have|can|could|must|should|will|would)(?:n't)?"
_WHOLE = re.compile(
    rf"^\s*(?:(?:and|but|or|so),? )?(?:why )?(?:what|how|which|who|where|when|{_VERB})\b"
    r"(?! (?:about|one)\b)",
    re.IGNORECASE,
)
_LED = re.compile(
    rf"^\s*(?:and|but|or|so),? (?=(?:what|how|which|who|where|when|{_VERB}) )", re.IGNORECASE
)
_NAMED = re.compile(r"^\s*(?i:what|who|explain|define|describe)\b.*\b[A-Za-z]\w*[A-Z0-9]")
_DEFINES = re.compile(r"^\W*(?:what|who) (?:is|are|was|were) (?!the\b)", re.IGNORECASE)
# Stems that questions are made of, whatever they are about.
_FRAME = frozenset(
    tokens(
        """actually anything come do else exactly get give go happen know let long make many mean
        much need often one please question really run something take thing think use want way
        work"""
    )
)
# Stems that ask for more of the same, in other words.
_TELL = frozenset(
    tokens(
        """again brief certain clarify continue detail details don't elaborate example explain
        follow point proof prove repeat rephrase say sentence short show simple summarize summary
        sure tell terms true understand words"""
    )
)
# Stems that any paper can be asked about: a question of nothing else is about the one before.
_OF_ANY = _TELL | frozenset(
    tokens(
        """abstract accuracy accurate advantages affiliation aim assumptions author available
        baselines benefits big caveats challenges cheap citations code company conclusion
        conference contribution cost dataset data difference disadvantages doi download downsides
        drawbacks easy evaluated evidence expensive experiments fast findings funding future github
        goal gpu hardware idea implementation improve inference install institution journal large
        latency license limitations limits link main measured memory metrics motivation number open
        pages parameters performance precision problem published purpose quick recall reference
        repository reproduce result runtime scale score sets shortcomings size slow small source
        speed strengths tested throughput title trained training university venue weaknesses
        year"""
    )
)

ABOUT = re.compile(
    r"^\s*(?:(?:and|but|so|ok(?:ay)?),? )?(?:what|how) about (?P<what>.+)$", re.IGNORECASE
)
_NEW_TOPIC = re.compile(
    r"^(?:an?y ?|some ?|the )*(?:articles?|papers?|research|stud(?:y|ies)|thing|works?)\b"
    r" (?:about|for|on|that|which)\b",
    re.IGNORECASE,
)


def needs(question: str, said: Set[str] = frozenset()) -> bool:
    """Whether a question leans on what was said, of which `said` are the stems."""
    question = question[:READ]
    words = set(tokens(question)) - _FRAME
    vague = _EXPLETIVE.search(question)
    if words <= _OF_ANY or points(question) or _NO_SECOND.search(question):
        return True
    if _OPENING.match(question) and _stands_alone(question):
        return False
    return _continues(question) or _speaks_of(question, words, said, vague)


def says_what(question: str) -> bool:
    """Whether a question says what it asks for; "why?" and "tell me more" leave that open."""
    return bool(set(tokens(question)) - _FRAME - _TELL)


def _speaks_of(question: str, words: Set[str], said: Set[str], vague: re.Match[str] | None) -> bool:
    """Whether a question that could stand alone is about what was said; `vague`: "is it ... to"."""
    known = words & (said | _OF_ANY)
    if vague:
        return 2 * len(known) >= len(words - set(tokens(vague[0])))
    if _OPENING.match(question):
        return bool(known)
    if len(question.split()) >= SHORT or _NAMED.search(question) or _DEFINES.match(question):
        return False
    return bool(known) if _WHOLE.match(question) else known == words  # else it may be keywords


def _continues(question: str) -> bool:
    """'And on ImageNet?', 'What about recall?', 'At what cost?': the rest of a question."""
    if _OPENING.match(question):
        return not _WHOLE.match(question)
    if _ELLIPSIS.match(question) and len(question.split()) <= SHORT + 1:
        return not NAME.search(question)
    return bool(_PLACE.match(question)) and len(question.split()) < SHORT


def points(question: str) -> bool:
    """Whether a word points out of the question: at nothing that it names itself."""
    question = question[:READ]
    if any(not _grounded(question, match) for match in _POINTER.finditer(question)):
        return True
    return bool(_pronouns(question) or _known_thing(question))


def named_so(question: str, name: str) -> str:
    """The question with what it is about: 'Is SPANN fast?', 'Is there any code for SPANN?'.

    Empty where another word still points, or where the question is of something else.
    """
    things = (*_pronouns(question), _THAT.search(question), _known_thing(question))
    found = [thing for thing in things if thing and _SINGLE.fullmatch(thing[0])]
    if found:
        first = min(found, key=lambda match: match.start())
        whose = f"{name}'s" if first[0].lower() == "its" else name
        named = f"{question[: first.start()]}{whose}{question[first.end() :]}"
        return "" if points(named) else _LED.sub("", named)
    asked = set(tokens(question)) - _FRAME
    if not (asked and asked <= _OF_ANY and _WHOLE.match(question)) or _POINTER.search(question):
        return ""
    body = question.rstrip(" ?.!")
    return "" if _pronouns(question) else f"{body} for {name}{question[len(body) :]}"


def _pronouns(question: str) -> list[re.Match[str]]:
    bare = _EXPLETIVE.sub(lambda found: "." * len(found[0]), question)
    return [found for found in _PRONOUN.finditer(bare) if not _bound(question, found)]


def _known_thing(question: str) -> re.Match[str] | None:
    thing = _KNOWN_THING.search(question)
    if thing and not _grounded(question, thing) and not names_in(question[: thing.start()]):
        return thing
    return None


def _grounded(question: str, pointer: re.Match[str], enough: int = _OWN) -> bool:
    """'Our tables are copied again and again. How do we find those?': much was said before it."""
    before = question[: pointer.start()]
    if _PLACE.match(question):  # "on ImageNet, how good is it?"
        return False
    border = _BORDER.search(before)
    return len(_own(before)) >= enough or bool(border and _own(before[: border.start()]))


def _own(text: str) -> set[str]:
    """What a text speaks of, but for what can be asked of any paper."""
    return set(tokens(text)) - _FRAME - _OF_ANY


def _bound(question: str, pronoun: re.Match[str]) -> bool:
    """'SPANN keeps its lists', 'a tool, and is it free': what it stands for is in the question."""
    if _grounded(question, pronoun, _OWN - 1 if pronoun[2] else _OWN):
        return True
    before = question[: pronoun.start()]
    ends = [m.end() for m in _SOME_THING.finditer(before)]
    ends += [m.end() for m in _named(before)]
    if not ends:
        return False
    return bool(pronoun[2] or _CLAUSE.search(before, min(ends)))


def _stands_alone(question: str) -> bool:
    """'And what does MUVERA do?' is a question of its own; 'And on MNIST?' is none."""
    if about := ABOUT.match(question):
        return bool(_NEW_TOPIC.match(about["what"]))
    if len(question.split()) <= SHORT or not _WHOLE.match(question):
        return False
    why = question.lstrip().lower().startswith("why")
    return bool(names_in(question)) or (why and len(set(tokens(question)) - _OF_ANY) >= SHORT - 1)


def _named(text: str) -> list[re.Match[str]]:
    """Names that a text speaks of; not those of the place, as in 'on ImageNet'."""
    return [
        m
        for m in NAME.finditer(text)
        if not _PLACED.search(text[max(m.start() - 8, 0) : m.start()])
    ]


def names_in(text: str) -> list[str]:
    return list(dict.fromkeys(m.group() for m in _named(text)))
