"""A window of text that slides over a JSON file and finds the records in it, one by one.

Each is decoded by itself: a broken one costs itself alone, and memory is that of a few records.
"""

from __future__ import annotations

import json
import re
from collections.abc import Generator, Iterator
from contextlib import suppress
from typing import Any, NamedTuple, TextIO

from rag.errors import SourceUnreadable
from rag.sources._fields import known, meaning
from rag.sources._lines import MAX_LINE
from rag.sources._paper import MAX_RAW
from rag.sources._unpack import PIECE, Damaged
from rag.sources.jsonl import DECODER, TOO_DEEP, as_line

_OVERLAP = 500  # characters, in which a record can be seen to begin
_SLACK = 16  # characters: an error so near to the end of the window may only be the window's
_MAX_DEPTH = 3  # of objects around the list: `{"message": {"items": [...]}}`
_MAX_OBJECT = 4 * MAX_LINE
_BLANK = re.compile(r"[ \t\n\r\ufeff]*")
_SCALAR = re.compile(r"[^,\]}\n]*")
_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{}]', re.DOTALL)
_FIRST_KEY = re.compile(r'\{\s*"((?:[^"\\]|\\.){1,100})"\s*:')


class Element(NamedTuple):
    """A value with the text that it came from; `problem` says why there is no value."""

    line: int
    text: str
    value: Any = None
    problem: str = ""


class _Bad(Exception):
    """What stands at this place is no JSON."""


class Window:
    """The part of the text that is looked at, from `_at` on."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._text = ""
        self._at = 0
        self._line = 1
        self._ended = False
        self._damage = ""
        self._taken = 0  # characters since the outermost object began
        self._key = ""  # the first key of an element that was understood

    def elements(self) -> Iterator[Element]:
        """The elements of all lists of papers, in order."""
        while self._next():
            line, began = self._line, self._peek(200)
            try:
                if began[0] == "[":
                    yield from self._array()
                elif began[0] == "{":
                    self._taken = 0
                    yield from self._paper(line)
                else:
                    raise _Bad("bad JSON: no array and no object")
            except _Bad as bad:
                yield Element(line, began, problem=str(bad))
                yield from self._resume()
        if self._damage:
            yield Element(self._line, "", problem=self._damage)

    def _resume(self) -> Iterator[Element]:
        """Where the list broke off, go on with the next record that looks like those before."""
        begin = self._next()
        if not self._key or not begin:
            self._skip_line()
            return
        if _first_key(self._peek(1000)) != self._key:
            again = self._next_record()
            if again is None:
                self._skip_line()
                return
            self._advance(again - self._at)
        with suppress(_Bad):
            yield from self._rest_of_array()

    def _paper(self, line: int) -> Iterator[Element]:
        value = yield from self._object(1)
        if value is None:
            return
        text = as_line(value)
        if known(value) & {"title", "abstract"} or not value or not _all_objects(value):
            yield Element(line, text, value)
            return
        for name, inner in value.items():  # {"some id": {...}, "another": {...}}
            named = inner if "id" in inner else {"id": name, **inner}
            yield Element(line, as_line(named), named)

    def _object(self, depth: int) -> Generator[Element, None, dict[str, Any] | None]:
        """Look into an object for a list of papers. Returns its value where there is none."""
        value: dict[str, Any] = {}
        found = False
        self._take("{")
        while self._next() != "}":
            if self._peek(1) != '"':
                raise _Bad("bad JSON: a key that is no text")
            name = self._decoded()
            self._next()
            self._take(":")
            begin = self._next()
            if begin == "[" and self._holds_papers(name, value):
                yield from self._array()
                found = True
            elif begin == "{" and depth < _MAX_DEPTH and not self._is_own(name, value):
                inner = yield from self._object(depth + 1)
                found = found or inner is None
                value[name] = inner
            else:
                value[name] = self._decoded()
            if self._next() == ",":
                self._take(",")
        self._take("}")
        return None if found else value

    def _is_own(self, name: str, value: dict[str, Any]) -> bool:
        return meaning(name) is not None or bool(known(value) & {"title"})

    def _holds_papers(self, name: str, value: dict[str, Any]) -> bool:
        if self._is_own(name, value):
            return False
        self._need(1000)
        return _BLANK.sub("", self._text[self._at + 1 : self._at + 1000])[:1] == "{"

    def _array(self) -> Iterator[Element]:
        self._take("[")
        yield from self._rest_of_array()

    def _rest_of_array(self) -> Iterator[Element]:
        while (begin := self._next()) != "]":
            if begin == ",":
                self._take(",")
            elif not begin:
                yield Element(self._line, "", problem=self._damage or "the list is never closed")
                self._damage = ""
                return
            else:
                yield self._element()
                self._taken = 0
        self._take("]")

    def _element(self) -> Element:
        line = self._line
        try:
            text, value = self._decode()
        except _Bad as bad:
            return Element(line, self._skip_bad(), problem=str(bad))
        if self._key and not isinstance(value, dict):
            again = self._next_record()
            if again is not None and again < self._at + len(text):
                text = self._text[self._at : again].rstrip(" \n,")  # it swallowed a record
        self._advance(len(text))
        if isinstance(value, dict) and not self._key:
            self._key = next(iter(value), "")
        return Element(line, text, value)

    def _decoded(self) -> Any:
        text, value = self._decode()
        self._advance(len(text))
        if self._taken > _MAX_OBJECT:
            raise _Bad(f"an object of over {_MAX_OBJECT:,} characters without a list of papers")
        return value

    def _decode(self) -> tuple[str, Any]:
        """The value at this place and its text. Raises _Bad."""
        while True:
            try:
                value, end = DECODER.raw_decode(self._text, self._at)
            except RecursionError as error:
                raise _Bad(TOO_DEEP) from error
            except ValueError as error:
                if not self._is_cut(error):
                    raise _Bad(f"bad JSON: {_reason(error)}") from error
            else:
                if self._ended or end < len(self._text):
                    return self._text[self._at : end], value
            if len(self._text) - self._at > MAX_LINE:
                raise _Bad(f"a record of over {MAX_LINE:,} characters")
            if not self._grow():
                self._ended = True

    def _is_cut(self, error: ValueError) -> bool:
        if self._ended or not isinstance(error, json.JSONDecodeError):
            return False
        return error.pos >= len(self._text) - _SLACK or error.msg.startswith("Unterminated")

    def _skip_bad(self) -> str:
        """Go past what is no JSON: to its end if its brackets tell, else to the next record."""
        while (end := self._bad_end()) is None:
            if len(self._text) - self._at > MAX_LINE:
                return self._skip_long()
            if not self._grow():
                end = len(self._text)
                break
        text = self._text[self._at : end]
        self._advance(max(1, len(text)))
        return text.rstrip(" \n,")

    def _skip_long(self) -> str:
        """Go on to the next record, however far it is, and hold no more of this one."""
        begin, again = self._peek(MAX_RAW), None
        key = self._key or _first_key(begin)
        while key and again is None:
            self._advance(max(1, len(self._text) - self._at - _OVERLAP))
            again = self._next_record(key) if self._grow() else len(self._text)
        self._advance((len(self._text) if again is None else again) - self._at)
        return begin

    def _bad_end(self) -> int | None:
        if self._text[self._at] not in "{[":
            scalar = _SCALAR.match(self._text, self._at)
            return max(self._at + 1, scalar.end()) if scalar else None
        strings: list[tuple[int, int]] = []
        again = self._next_record()
        end = self._balanced(strings, len(self._text) if again is None else again + PIECE)
        if end is None or again is None or again >= end:
            return again if end is None else end
        inside = any(begin <= again < close for begin, close in strings)
        torn = any("\n" in self._text[begin:close] for begin, close in strings)
        return again if inside or torn else end

    def _balanced(self, strings: list[tuple[int, int]], limit: int) -> int | None:
        opened: list[str] = []
        for token in _TOKEN.finditer(self._text, self._at, limit):
            sign = token.group()
            if sign[0] == '"':
                strings.append(token.span())
                continue
            if sign in "{[":
                opened.append("}" if sign == "{" else "]")
            elif opened.pop() != sign:
                return None
            if not opened:
                after = _BLANK.match(self._text, token.end())
                following = self._text[after.end() : after.end() + 1] if after else ""
                ends = following in (",", "]") or (not following and self._ended)
                return token.end() if ends else None
        return None

    def _next_record(self, key: str = "") -> int | None:
        key = key or self._key or _first_key(self._peek(1000))
        if not key:
            return None
        begin = re.compile(rf'[,\n]\s{{0,100}}(?=\{{\s{{0,100}}"{re.escape(key)}"\s{{0,100}}:)')
        found = begin.search(self._text, self._at + 1)
        return found.end() if found else None

    def _next(self) -> str:
        """The next character that is not blank, which stays; empty at the end."""
        while True:
            blank = _BLANK.match(self._text, self._at)
            self._advance(blank.end() - self._at if blank else 0)
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._grow():
                return ""

    def _take(self, sign: str) -> None:
        if self._peek(1) != sign:
            raise _Bad(f"bad JSON: expected '{sign}' in line {self._line}")
        self._advance(1)

    def _peek(self, count: int) -> str:
        return self._text[self._at : self._at + count]

    def _need(self, count: int) -> None:
        while len(self._text) - self._at < count and self._grow():
            pass

    def _skip_line(self) -> None:
        while (end := self._text.find("\n", self._at)) < 0:
            self._advance(len(self._text) - self._at)
            if not self._grow():
                return
        self._advance(end + 1 - self._at)

    def _advance(self, count: int) -> None:
        self._line += self._text.count("\n", self._at, self._at + count)
        self._at += count
        self._taken += count

    def _grow(self) -> bool:
        """Read on, at least doubling what lies ahead; what lies behind is let go."""
        if self._ended:
            return False
        ahead = self._text[self._at :]
        try:
            piece = self._stream.read(max(PIECE, len(ahead)))
        except (OSError, Damaged) as error:
            if not (self._taken or self._text):
                raise SourceUnreadable(f"cannot read the file: {error}.") from error
            self._damage, piece = f"nothing could be read from here on: {error}", ""
        self._text, self._at = ahead + piece, 0
        self._ended = not piece
        return bool(piece)


def _first_key(text: str) -> str:
    match = _FIRST_KEY.match(text)
    return match[1] if match else ""


def _all_objects(value: dict[str, Any]) -> bool:
    return all(isinstance(inner, dict) for inner in value.values())


def _reason(error: ValueError) -> str:
    """Without the place, which is one in the window."""
    return error.msg if isinstance(error, json.JSONDecodeError) else str(error)
