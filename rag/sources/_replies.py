"""The body of a reply -> XML or JSON, and its records; anything else is `Garbled`."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from rag.sources._failures import Garbled
from rag.sources._paper import make_paper, reject
from rag.sources._shapes import Fields
from rag.sources._xml import local
from rag.sources.jsonl import as_line
from rag.types import Record

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

T = TypeVar("T")
_FORBIDDEN = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f]|&#(?:x0*[0-8bcef]|x0*1[0-9a-f]|0);")
_HTML = re.compile(rb"\s*(?:<!doctype html|<html)\b", re.IGNORECASE)


def parse_xml(body: bytes, tag: str) -> Element:
    """The root of a document, whose tag (its namespace apart) must be `tag`."""
    from xml.etree.ElementTree import ParseError

    from defusedxml.common import DefusedXmlException
    from defusedxml.ElementTree import fromstring

    _no_html(body, "XML")
    try:
        try:
            root: Element = fromstring(body)
        except ParseError:  # perhaps for a character that XML has no place for
            root = fromstring(_FORBIDDEN.sub(b" ", body))
    except ParseError as error:
        raise Garbled(f"XML that breaks off or is damaged ({error})") from None
    except (DefusedXmlException, ValueError, LookupError) as error:
        raise Garbled(f"XML that is not taken here ({type(error).__name__})") from None
    if local(root) != tag:
        raise Garbled(f"<{local(root)[:50]}> where <{tag}> was expected")
    return root


def as_xml(element: Element) -> str:
    """The element as it stands in the reply, or nearly so."""
    from xml.etree.ElementTree import tostring

    return tostring(element, encoding="unicode").strip()


def parse_json(body: bytes) -> Any:
    """What the JSON says."""
    _no_html(body, "JSON")
    try:
        return json.loads(body)
    except RecursionError:
        raise Garbled("JSON that is nested too deeply") from None
    except ValueError as error:
        raise Garbled(f"JSON that breaks off or is damaged ({error})") from None


def json_record(
    value: object, fields: Callable[[Mapping[str, Any]], Fields], source: str, line: int
) -> Record:
    """The record that a value of a JSON reply stands for; its text is one line of JSON."""
    raw = as_line(value)
    if not isinstance(value, dict):
        return reject(source, line, "not a JSON object", raw)
    return make_paper(fields(value), source, line, raw)


def insisting(
    read: Callable[[bytes], T], lacks: Callable[[T], bool], what: str, tries: int
) -> Callable[[bytes], T]:
    """`read`, to which a reply that lacks something is `what`, and garbled: but the last is taken.

    A server may be busy when it leaves something out, or may not have it at all.
    """
    left = tries

    def insist(body: bytes) -> T:
        nonlocal left
        found = read(body)
        left -= 1
        if left and lacks(found):
            raise Garbled(what)
        return found

    return insist


def number(text: str | None, what: str) -> int:
    """A count as the server writes it."""
    if not text or not text.strip().isdecimal():
        raise Garbled(f"a reply without {what}")
    return int(text)


def _no_html(body: bytes, wanted: str) -> None:
    if not body.strip():
        raise Garbled("an empty reply")
    if _HTML.match(body):
        raise Garbled(f"a web page (HTML) instead of {wanted}")
