"""Lines -> the blocks of text that a format puts its records in, each small and by itself.

So a parser that loses its way, or takes two records for one, can do so within one block only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from rag.sources._lines import MAX_LINE, read_lines

MAX_BLOCK = MAX_LINE  # characters of one record


class Block(NamedTuple):
    """A record's text, from line `number` on. What stands before the first has not `begun`."""

    number: int
    text: str
    problem: str = ""
    begun: bool = True


def read_blocks(address: str, begins: Callable[[str], object]) -> Iterator[Block]:
    """Cut a file before each line that begins a record."""
    gathered = _Gathered(1, begun=False)
    for line in read_lines(address):
        if not line.problem and begins(line.text):
            yield from gathered.block()
            gathered = _Gathered(line.number, begun=True)
        gathered.add(line.text, line.problem)
    yield from gathered.block()


class _Gathered:
    def __init__(self, number: int, *, begun: bool) -> None:
        self._number = number
        self._begun = begun
        self._lines: list[str] = []
        self._size = 0
        self._problem = ""
        self._shown = ""

    def add(self, text: str, problem: str) -> None:
        self._size += len(text) + 1
        if problem or self._size > MAX_BLOCK:
            too_long = f"a record of over {MAX_BLOCK:,} characters"
            self._problem = self._problem or problem or too_long
            self._shown = self._shown or text
        else:
            self._lines.append(text)

    def block(self) -> Iterator[Block]:
        text = "\n".join(self._lines)
        if self._problem:
            yield Block(self._number, self._shown or text, self._problem, self._begun)
        elif text.strip():
            yield Block(self._number, text, "", self._begun)
