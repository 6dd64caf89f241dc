"""Text as a source has it -> text as people read it: markup and LaTeX gone, boilerplate off."""

from __future__ import annotations

import re

from rag.sources._latex import from_latex, has_latex
from rag.sources._markup import from_markup, has_markup
from rag.sources._text import clean

_ROUNDS = 3  # markup inside markup, as `&amp;lt;p&amp;gt;`, is met; more of it is a game
_LABEL = re.compile(  # `Abstract interpretation` and `Abstract Syntax Trees` stay
    r"(?i:abstract|summary)(?:\s*[:.\u2014\u2013]\s*|\s+-\s*|-\s+)|ABSTRACT\s+(?=[A-Z])"
)
_TAIL = 400  # characters: no notice of copyright is longer
_MARK = r"(?:\u00a9|\([cC]\)|[Cc]opyright(?:\s*(?:\u00a9|\([cC]\)))?|COPYRIGHT)"
_OWNER = r"(?:[12][0-9]{3}|[Tt]he\s+[Aa]uthor|[Ee]lsevier|[Ss]pringer|IEEE|ACM)"
_NOTICE = re.compile(
    rf"""(?: (?<=[.!?)\]]) | (?<=[.!?]["\u201d\u2019']) | (?=\ \(PsycINFO) ) \s*
        (?: \(?{_MARK}\s*(?:by\s+)?{_OWNER}
          | \(?PsycINFO\ Database\ Record
          | (?:Published|Produced)\s+by\s+(?:Elsevier|Oxford|Springer|Wiley|John\ Wiley)
          | All\s+rights\s+reserved )
        .*""",
    re.VERBOSE | re.DOTALL,
)
_HINT = re.compile(r"\u00a9|\([cC]\)|opyright|ights reserved|COPY|ished by|duced by|PsycINFO")
_SENTENCES_AFTER = re.compile(r"[a-z)]\.\s+[A-Z][a-z]+\s+[a-z]")
_LEAD = re.compile(
    rf"{_MARK}\s*(?:[12][0-9]{{3}})[^.]{{0,80}}\.(?:\s*(?:Ltd|Inc|B\.?V)\.)?"
    r"(?:\s*All rights reserved\.)?\s+(?=[A-Z])"
)


def tidy(text: str) -> str:
    """Markup and simple LaTeX to Unicode, then `clean`. Plain text comes out as it went in."""
    if not ("\\" in text or "$" in text or "<" in text or "&" in text or "``" in text):
        return clean(text)
    for _ in range(_ROUNDS):
        if not has_markup(text):
            break
        text = from_markup(text)
    if has_latex(text):
        text = from_latex(text)
    return clean(text)


def tidy_abstract(text: str) -> str:
    """`tidy`, without the word 'Abstract' in front and a notice of copyright at the end."""
    text = tidy(text)
    if text[:1] in "aAsS\u00a9(cC":
        text = _without_lead(text)
    return _without_tail(text)


def _without_lead(text: str) -> str:
    for pattern in (_LABEL, _LEAD):
        match = pattern.match(text)
        if match and match.end() < len(text):
            text = text[match.end() :]
    return text


def _without_tail(text: str) -> str:
    """The notice goes if nothing but the notice follows: an abstract may speak of copyright."""
    if not _HINT.search(text, len(text) - _TAIL):
        return text
    match = _NOTICE.search(text, max(0, len(text) - _TAIL))
    if not match or match.start() < 40 or _SENTENCES_AFTER.search(match.group()):
        return text
    return text[: match.start()].rstrip()
