"""JSON: an array of papers, an object with such a list somewhere in it, or one paper."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rag.sources._fields import NONE
from rag.sources._json_window import Element, Window
from rag.sources._open import empty, open_text
from rag.sources._paper import make_paper, reject
from rag.sources._shapes import fields_of
from rag.types import Record


class Json:
    takes_fields = True

    def __init__(self, fields: Mapping[str, str] = NONE) -> None:
        self._fields = fields

    def read(self, address: str) -> Iterator[Record]:
        seen = False
        with open_text(address) as stream:
            for element in Window(stream).elements():
                seen = True
                yield self._record(element, address)
        if not seen:
            raise empty(address)

    def _record(self, element: Element, source: str) -> Record:
        line, text, value, problem = element
        if problem:
            return reject(source, line, problem, text)
        if not isinstance(value, dict):
            return reject(source, line, "not a JSON object", text)
        return make_paper(fields_of(value, self._fields), source, line, text)
