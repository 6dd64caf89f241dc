"""HTML, JATS and MathML -> text. Only tags that are known are taken away: `p < 0.05` stays."""

from __future__ import annotations

import html
import re
from typing import Any

_INLINE = (
    "i|b|u|s|em|strong|sub|sup|italic|bold|sc|scp|tt|code|span|a|font|small|big|roman|underline|"
    "monospace|sans-serif|overline|strike|xref|ext-link|inline-formula|disp-formula|alternatives|"
    "styled-content|named-content|inline-graphic|uri|email|mark|abbr|cite|q|label|fn|nobr|wbr"
)
_BLOCK = (
    "p|br|hr|div|h[1-6]|title|sec|section|ul|ol|li|dl|dt|dd|list|list-item|abstract|trans-abstract|"
    "abstracttext|abstractsection|table|tbody|thead|tr|td|th|blockquote|article|body|html|center|pre"
)
_VALUED = (
    r"""(?:\s+[\w:.-]{1,60}\s*=\s*(?:"[^"<>]{0,2000}"|'[^'<>]{0,2000}'|[^\s"'<>=]{1,500})){0,30}"""
)
_PREFIX = r"(?:jats:|xhtml:|html:)?"
_INLINE_TAG = re.compile(rf"</?{_PREFIX}(?:{_INLINE}){_VALUED}\s*/?>", re.IGNORECASE)
_BLOCK_TAG = re.compile(rf"</?{_PREFIX}(?:{_BLOCK}){_VALUED}\s*/?>", re.IGNORECASE)
_ANY = re.compile(
    rf"</?(?:{_PREFIX}(?:{_INLINE}|{_BLOCK})|(?:\w{{1,10}}:)?math){_VALUED}\s*/?>"
    r"|&(?:#|[A-Za-z])[A-Za-z0-9]{1,31};|<!--|<!\[CDATA\[|<(?:script|style)\b",
    re.IGNORECASE,
)
_HEADING = re.compile(
    rf"<{_PREFIX}(title|h[1-6]){_VALUED}\s*>(?P<text>[^<>]{{0,200}})</{_PREFIX}\1\s*>",
    re.IGNORECASE,
)
_NO_HEADING = ("abstract", "summary", "graphical abstract", "")
_SUP = re.compile(
    rf"(?P<base>[0-9)])<{_PREFIX}sup{_VALUED}>\s*(?P<power>[-+\u2212\u2013]?\s*[0-9]+)\s*</{_PREFIX}sup\s*>",
    re.IGNORECASE,
)
# Each of these stops where another begins, or a text of beginnings would take n times n steps.
_COMMENT = re.compile(r"<!--[^-<]*(?:(?:-(?!->)|<(?!!--))[^-<]*)*-->")
_CDATA = re.compile(r"<!\[CDATA\[([^\]<]*(?:(?:\](?!\]>)|<(?!!\[CDATA))[^\]<]*)*)\]\]>")
_SCRIPT = re.compile(
    r"<(script|style)\b[^<>]{0,500}>[^<]*(?:<(?!/?(?:script|style)\b)[^<]*)*</\1\s{0,9}>",
    re.IGNORECASE,
)
_TEX = re.compile(
    r"<(?:jats:)?tex-math\b[^<>]{0,500}>[^<]*(?:<(?!/?(?:jats:)?tex-math\b)[^<]*)*"
    r"</(?:jats:)?tex-math\s{0,9}>"
)
_MATH = re.compile(
    r"<(?P<prefix>(?:\w{1,10}:)?)math\b[^<>]{0,1000}>[^<]*(?:<(?!/?(?:\w{1,10}:)?math\b)[^<]*)*"
    r"</(?P=prefix)math\s{0,9}>"
)
_ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
_TAG = re.compile(r"<[^<>]{0,1000}>")


def has_markup(text: str) -> bool:
    """Whether there is a tag or an entity that is known here."""
    return ("<" in text or "&" in text) and bool(_ANY.search(text))


def from_markup(text: str) -> str:
    """Take known tags off, in linear time; formulas as one would type them: `x^2`, `a_i`, `a/b`."""
    if "<" in text:
        text = _without_tags(text)
    return _ENTITY.sub(_character, text) if "&" in text else text


def _without_tags(text: str) -> str:
    if "-->" in text:
        text = _COMMENT.sub(" ", text)
    if "]]>" in text:
        text = _CDATA.sub(r"\1", text)
    if "</s" in text.lower():
        text = _SCRIPT.sub(" ", text)
    if "math" in text:
        if "</mml:math" in text or "</math" in text:
            text = _TEX.sub("", text)
        text = _MATH.sub(_formula, text)
    text = _HEADING.sub(_heading, text)
    text = _SUP.sub(lambda m: f"{m['base']}^{m['power'].replace(' ', '')}", text)
    return _INLINE_TAG.sub("", _BLOCK_TAG.sub(" ", text))


def _heading(match: re.Match[str]) -> str:
    text = match["text"].strip()
    if text.lower().rstrip(":.") in _NO_HEADING:
        return " "
    return f" {text} " if text[-1] in ":.?!" else f" {text}: "


def _character(match: re.Match[str]) -> str:
    return html.unescape(match.group())


def _formula(match: re.Match[str]) -> str:
    from xml.etree.ElementTree import ParseError

    from defusedxml import DefusedXmlException
    from defusedxml.ElementTree import fromstring

    prefix = match["prefix"]
    source = match.group().replace(f"<{prefix}", "<").replace(f"</{prefix}", "</")
    source = re.sub(r"\s[\w.-]*:?[\w.-]+\s*=\s*(?:\"[^\"<>]*\"|'[^'<>]*')", "", source)
    source = _ENTITY.sub(
        lambda m: m.group() if m.group() in _XML else html.unescape(m.group()), source
    )
    try:
        return _typed(fromstring(source))
    except (ParseError, DefusedXmlException, RecursionError, ValueError):
        return _TAG.sub("", source)


_XML = ("&amp;", "&lt;", "&gt;", "&quot;", "&apos;")


def _typed(node: Any) -> str:
    """A formula as one would type it."""
    name = node.tag.rpartition("}")[2]
    if name.startswith("annotation"):
        return ""
    if not len(node):
        return "".join((node.text or "").split())
    parts = [_typed(child) for child in node]
    join = _JOINED.get(name)
    if join and len(parts) >= join.count("{}"):
        return join.format(*map(_grouped, parts) if name != "msqrt" else ["".join(parts)])
    return "".join(parts)


_JOINED = {
    "mfrac": "{}/{}",
    "msup": "{}^{}",
    "msub": "{}_{}",
    "msubsup": "{}_{}^{}",
    "munder": "{}_{}",
    "munderover": "{}_{}^{}",
    "msqrt": "\u221a({})",
}


def _grouped(text: str) -> str:
    return text if len(text) < 2 or text.lstrip("-\u2212").isalnum() else f"({text})"
