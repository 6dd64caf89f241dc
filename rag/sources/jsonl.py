"""JSONL: one JSON object a line."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

from rag.sources._fields import NONE
from rag.sources._lines import Line, read_lines
from rag.sources._paper import make_paper, reject
from rag.sources._shapes import fields_of
from rag.types import Record


class Jsonl:
    takes_fields = True

    def __init__(self, fields: Mapping[str, str] = NONE) -> None:
        self._fields = fields

    def read(self, address: str) -> Iterator[Record]:
        return read_objects(address, self._fields)


def read_objects(
    address: str, fields: Mapping[str, str] = NONE, *, keep_id: bool = False
) -> Iterator[Record]:
    """Yield the record of each line that is not blank; `keep_id` as in `make_paper`."""
    for line in read_lines(address):
        if line.problem or line.text.strip():
            yield _record(line, address, fields, keep_id)


def _record(line: Line, source: str, fields: Mapping[str, str], keep_id: bool) -> Record:
    number, text, problem = line
    if problem:
        return reject(source, number, problem, text)
    try:
        value = DECODER.decode(text)
    except RecursionError:
        return reject(source, number, TOO_DEEP, text)
    except ValueError as error:
        return reject(source, number, f"bad JSON: {error}", text)
    if not isinstance(value, dict):
        return reject(source, number, "not a JSON object", text)
    return make_paper(fields_of(value, fields), source, number, text, keep_id=keep_id)


def as_line(value: object) -> str:
    """A value as one line of JSON that can be stored: a lone surrogate cannot."""
    return json.dumps(value, ensure_ascii=False, default=str).encode("utf-8", "replace").decode()


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Of two values for one key, the standard library would silently take the last."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key '{twice[:100]}' stands there twice")
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON value")


TOO_DEEP = "bad JSON: nested too deeply"
DECODER = json.JSONDecoder(
    object_pairs_hook=_unique,
    parse_constant=_refuse_constant,
    parse_float=str,  # an id such as 1812.00010 keeps its last zero
    parse_int=str,
    strict=False,  # a raw tab inside a string is cleaned away, not worth losing a paper for
)
