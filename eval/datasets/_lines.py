"""JSONL and TSV with what is wrong in them told by line, and the rest kept."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from eval.errors import EvalError
from rag.errors import SourceError
from rag.sources import read_lines


@dataclass(frozen=True, slots=True)
class LeftOut:
    """What was not run, and why: by line of the file, 0 where it has none."""

    line: int
    id: str
    why: str

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def objects(address: str | Path) -> Iterator[tuple[int, dict[str, Any]] | LeftOut]:
    """Each line that is not blank as (its number, its JSON object), or why it is none."""
    try:
        for line in read_lines(str(address)):
            if line.problem:
                yield LeftOut(line.number, "", line.problem)
            elif line.text.strip():
                yield _object(line.number, line.text)
    except SourceError as error:
        raise EvalError(str(error)) from error


def records(address: str | Path, left: list[LeftOut]) -> Iterator[tuple[int, dict[str, Any]]]:
    """The same where each line is one; what is none is added to `left`."""
    for found in objects(address):
        if isinstance(found, LeftOut):
            left.append(found)
        else:
            yield found


def rows(address: str | Path) -> Iterator[list[str]]:
    """The columns of each line of a TSV that is not blank."""
    try:
        for line in read_lines(str(address)):
            if line.text.strip():
                yield line.text.split("\t") if "\t" in line.text else line.text.split()
    except SourceError as error:
        raise EvalError(str(error)) from error


def first_file(folder: Path, *names: str) -> Path | None:
    """The first of these files that is there, plain or as .gz."""
    found = (folder / f"{name}{end}" for name in names for end in ("", ".gz"))
    return next((path for path in found if path.is_file()), None)


def read_json(path: Path) -> Any:
    """A whole JSON file. Raises EvalError where it is none."""
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise EvalError(f"{path} cannot be read as JSON: {error}") from error


def _object(number: int, text: str) -> tuple[int, dict[str, Any]] | LeftOut:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        return LeftOut(number, "", f"not JSON: {str(error)[:120]}")
    if not isinstance(value, dict):
        return LeftOut(number, "", "not a JSON object")
    return number, value
