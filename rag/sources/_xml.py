"""XML -> its records, each cut out as text and parsed by itself with defusedxml.

So a broken record costs itself alone, memory stays that of one record, and what a DOCTYPE declares
(entities that grow, files to fetch) is never seen by the parser.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from typing import Any, NamedTuple, TextIO

from rag.errors import SourceUnreadable
from rag.sources._blocks import MAX_BLOCK
from rag.sources._open import empty, open_text
from rag.sources._unpack import PIECE, Damaged

_ROOT = re.compile(r"<([A-Za-z_][\w:.-]*)(\s[^<>]*)?>")
_NAMESPACE = re.compile(r"""\sxmlns(?::[\w.-]+)?\s*=\s*(?:"[^"<>]*"|'[^'<>]*')""")
_ENTITY = re.compile(r"&(?!(?:amp|lt|gt|quot|apos);)([A-Za-z][A-Za-z0-9]{1,31};)")
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_LONGEST_TAG = 100


class XmlRecord(NamedTuple):
    """One record: its text from line `number` on, and the element, None where it has a problem."""

    number: int
    text: str
    node: Any = None
    problem: str = ""


def read_xml(address: str, *names: str) -> Iterator[XmlRecord]:
    """Every element of these names, in order. Raises SourceUnreadable where there is none."""
    seen = False
    with open_text(address) as stream:
        scanner = _Scanner(stream, names)
        for record in scanner.records():
            seen = True
            yield record
    if not seen:
        if not scanner.began:
            raise empty(address)
        raise SourceUnreadable(
            f"{address} holds no <{names[0]}>. Use --format if it is of another format."
        )


class _Scanner:
    """Looks for the tags in a window of the text."""

    def __init__(self, stream: TextIO, names: tuple[str, ...]) -> None:
        either = "|".join(names)
        self._stream = stream
        self._begin = re.compile(rf"<(?:\w{{1,20}}:)?(?:{either})(?=[\s>])")
        self._edge = re.compile(
            rf"</(?:\w{{1,20}}:)?(?:{either})\s{{0,20}}>|<(?:\w{{1,20}}:)?(?:{either})(?=[\s>])"
        )
        self._text = ""
        self._line = 1
        self._damage = ""
        self._root = "<r>"
        self.began = False

    def records(self) -> Iterator[XmlRecord]:
        while self._find_begin():
            yield self._record()
        if self._damage:
            yield XmlRecord(self._line, "", problem=self._damage)

    def _find_begin(self) -> bool:
        """Let go of what stands before the next record."""
        while True:
            match = self._begin.search(self._text)
            if match:
                self._note_root(match.start())
                self._drop(match.start())
                return True
            self._drop(max(0, len(self._text) - _LONGEST_TAG))
            if not self._grow():
                return False

    def _note_root(self, end: int) -> None:
        """Keep the names of namespaces, without which a record of Atom cannot be read."""
        for match in _ROOT.finditer(self._text, 0, end):
            names = "".join(_NAMESPACE.findall(match.group()))
            if names:
                self._root = f"<r{names}>"

    def _record(self) -> XmlRecord:
        number, at = self._line, 1
        while True:
            edge = self._edge.search(self._text, at)
            if edge:
                break
            at = max(1, len(self._text) - _LONGEST_TAG)
            if len(self._text) > MAX_BLOCK:
                text = self._text[:1000]
                self._drop(at)
                reason = f"a record of over {MAX_BLOCK:,} characters"
                return XmlRecord(number, text, problem=reason)
            if not self._grow():
                text, reason = self._text, self._damage or "it is never closed. Is the file whole?"
                self._drop(len(text))
                self._damage = ""
                return XmlRecord(number, text, problem=reason)
        closed = edge.group().startswith("</")
        text = self._text[: edge.end() if closed else edge.start()]
        self._drop(len(text))
        if not closed:
            return XmlRecord(number, text, problem="bad XML: the next record begins inside it")
        return self._parsed(number, text)

    def _parsed(self, number: int, text: str) -> XmlRecord:
        try:
            return XmlRecord(number, text, _parse(self._root + text + "</r>"))
        except ValueError as error:
            return XmlRecord(number, text, problem=f"bad XML: {error}"[:300])

    def _drop(self, count: int) -> None:
        self._line += self._text.count("\n", 0, count)
        self._text = self._text[count:]

    def _grow(self) -> bool:
        try:
            piece = self._stream.read(PIECE)
        except (OSError, Damaged) as error:
            if not self.began:
                raise SourceUnreadable(f"cannot read the file: {error}.") from error
            self._damage, piece = f"nothing could be read from here on: {error}", ""
        self.began = self.began or not (piece.isspace() or not piece)
        self._text += piece
        return bool(piece)


def _parse(text: str) -> Any:
    """The one element inside. Raises ValueError."""
    from xml.etree.ElementTree import ParseError

    from defusedxml import DefusedXmlException
    from defusedxml.ElementTree import fromstring

    try:
        return fromstring(text, forbid_dtd=True)[0]
    except DefusedXmlException as error:
        raise ValueError("it declares entities") from error
    except (ParseError, ValueError) as error:
        mended = _ENTITY.sub(lambda m: html.unescape(f"&{m[1]}"), _FORBIDDEN.sub(" ", text))
        if mended == text:
            raise ValueError(str(error)) from error
    try:
        return fromstring(mended, forbid_dtd=True)[0]
    except (ParseError, DefusedXmlException, IndexError) as error:
        raise ValueError(str(error)) from error


def local(node: Any) -> str:
    """The name of an element without its namespace."""
    return str(node.tag).rpartition("}")[2]


def find(node: Any, *path: str) -> Any:
    """The first element down a path of names without namespaces, or None."""
    for name in path:
        node = next((child for child in node if local(child) == name), None)
        if node is None:
            return None
    return node


def every(node: Any, *path: str) -> list[Any]:
    """All elements down a path of names without namespaces."""
    nodes = [node]
    for name in path:
        nodes = [child for parent in nodes for child in parent if local(child) == name]
    return nodes


def text_of(node: Any) -> str:
    """The text of an element; what is marked up inside keeps its tags, which are cleaned later."""
    from xml.etree.ElementTree import tostring

    if node is None:
        return ""
    if not len(node):
        return node.text or ""
    try:
        inner = "".join(tostring(child, encoding="unicode") for child in node)
    except RecursionError:
        return "".join(node.itertext())
    return html.escape(node.text or "", quote=False) + inner
