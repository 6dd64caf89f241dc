"""A source, packed or not -> numbered lines of text, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import NamedTuple, TextIO

from rag.errors import SourceUnreadable
from rag.sources._open import empty, open_text
from rag.sources._unpack import Damaged

MAX_LINE = 16 * 2**20  # characters: an abstract of 10 MB is still reported as just that
_SHOWN = 200
_PIECE = 64 * 2**10


class Line(NamedTuple):
    """A line without its end. Where `problem` is set, `text` is only how it begins."""

    number: int
    text: str
    problem: str = ""


def read_lines(address: str) -> Iterator[Line]:
    r"""Stream the lines of a text file, ended by \n, \r\n or \r and by nothing else.

    UTF-8, or what a byte order mark says; what cannot be decoded becomes U+FFFD. Raises
    SourceNotFound, and SourceUnreadable for what is empty or no text.
    """
    blank = True
    with open_text(address) as stream:
        for line in _split(stream, address):
            blank = blank and not line.problem and not line.text.strip()
            yield line
    if blank:
        raise empty(address)


def _split(stream: TextIO, address: str) -> Iterator[Line]:
    for number in count(1):
        try:
            line = _next_line(stream, number)
        except (OSError, Damaged) as error:
            if number == 1:
                raise SourceUnreadable(f"cannot read {address}: {error}.") from error
            yield Line(number, "", f"nothing could be read from here on: {error}")
            return
        if line is None:
            return
        yield line


def _next_line(stream: TextIO, number: int) -> Line | None:
    text = stream.readline(MAX_LINE)
    if not text:
        return None
    if text[-1] == "\n":
        text = text[:-1]
    elif len(text) == MAX_LINE:
        return _skip_line(stream, number, text)
    return Line(number, text.lstrip("\ufeff"))  # joined files have byte order marks inside


def _skip_line(stream: TextIO, number: int, begin: str) -> Line:
    length, piece = len(begin), begin
    while piece and piece[-1] != "\n":
        piece = stream.readline(_PIECE)
        length += len(piece) - piece.endswith("\n")
    if length == MAX_LINE:
        return Line(number, begin)
    reason = f"a line of {length:,} characters; the limit is {MAX_LINE:,}"
    return Line(number, begin[:_SHOWN], reason)
