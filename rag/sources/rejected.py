"""`rejected.jsonl`: what could not be taken, one JSON object a line; mended, it is taken again."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from rag.errors import ConfigError, SourceError
from rag.registry import lookup
from rag.sources._lines import Line, read_lines
from rag.sources._open import held_in_memory
from rag.sources._paper import MAX_RAW, reject
from rag.sources.jsonl import DECODER, TOO_DEEP
from rag.types import Record, Rejected

_NEEDED = ("source", "line", "reason", "raw")


class Rejects:
    """Reads the text of each reject again in the format it came from, as `format` says.

    What is rejected once more keeps the place where it first stood.
    """

    def read(self, address: str) -> Iterator[Record]:
        for line in read_lines(address):
            if line.problem:
                yield reject(address, line.number, line.problem, line.text)
            elif line.text.strip():
                yield from self._again(line, address)

    def _again(self, line: Line, address: str) -> Iterator[Record]:
        old, is_reject = _rejected(line, address)
        if not is_reject or not old.raw:
            yield old  # without a text, a whole file was rejected: it can be ingested itself
            return
        if len(old.raw) >= MAX_RAW:
            yield replace(old, reason="the text is not whole. Mend the record where it came from")
            return
        text = f"{old.head}\n{old.raw}" if old.head else old.raw
        with held_in_memory(text) as held:
            try:
                for record in _reader(old).read(held):
                    yield _placed(record, old)
            except (SourceError, ConfigError) as error:
                yield replace(old, reason=str(error).replace(held, "the record"))


def _reader(old: Rejected) -> Any:
    from rag.sources import SOURCES

    # Formats from outside have no name here that a file could be trusted with.
    cls = lookup("source", old.format.replace(":", ""), SOURCES)
    return cls(dict(old.fields)) if old.fields else cls()


def _placed(record: Record, old: Rejected) -> Record:
    if not isinstance(record, Rejected):
        return record
    return replace(old, reason=record.reason, raw=record.raw, head=record.head or old.head)


def _rejected(line: Line, address: str) -> tuple[Rejected, bool]:
    bad = Rejected(address, line.number, "", line.text[:MAX_RAW], "rejected")
    try:
        found = DECODER.decode(line.text)
    except RecursionError:
        return replace(bad, reason=TOO_DEEP), False
    except ValueError as error:
        return replace(bad, reason=f"bad JSON: {error}"), False
    if not isinstance(found, dict) or any(name not in found for name in _NEEDED):
        return replace(bad, reason=f"not an object with {', '.join(_NEEDED)}"), False
    return _from(found), True


def _from(found: Mapping[str, Any]) -> Rejected:
    raw, line = found["raw"], str(found["line"])
    if not isinstance(raw, str):  # mended in the form of an object, as one is tempted to
        raw = json.dumps(raw, ensure_ascii=False)
    raw = raw[:MAX_RAW]
    fields = found.get("fields")
    pairs = [pair for pair in fields if isinstance(pair, list)] if isinstance(fields, list) else []
    return Rejected(
        str(found["source"]),
        int(line) if line.isdecimal() and len(line) < 15 else 0,
        str(found["reason"]),
        raw,
        str(found.get("format") or "jsonl"),
        str(found.get("head") or ""),
        tuple((str(p[0]), str(p[1])) for p in pairs if len(p) == 2),
    )
