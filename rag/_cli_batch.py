"""Questions: the conversation of --history, the lines of --batch, what is typed in a chat."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from rag.errors import SourceError, SourceNotFound, SourceUnreadable

_BOM = b"\xef\xbb\xbf"
_TURN = 'a turn is an earlier question, or {"question": "...", "answer": "..."}'


@dataclass(frozen=True, slots=True)
class Asked:
    """One line of a batch: a question, or the reason why there is none."""

    line: int
    id: Any = None
    question: str = ""
    turns: tuple[Any, ...] = ()
    error: str = ""


def read_history(address: str) -> list[Any]:
    """Read the turns of a JSON list or of JSONL. Raises SourceError, naming the line."""
    with _open(address) as file:
        data = file.read().removeprefix(_BOM).strip()
    try:
        if data.startswith(b"["):
            return list(_turns(_json(data)))
        lines = enumerate(data.split(b"\n"), 1)
        return [_turn(_json(raw), f"line {number}: ") for number, raw in lines if raw.strip()]
    except ValueError as error:
        raise SourceUnreadable(f"{address}: {error}. Give a JSON list, or JSONL.") from error


def read_batch(address: str) -> Iterator[Asked]:
    """Yield each line that is not blank, in order; a bad one with its error."""
    with _open(address) as file:
        for number, raw in enumerate(file, 1):
            text = raw.removeprefix(_BOM) if number == 1 else raw
            if text.strip():
                yield _asked(number, text)


def count_lines(address: str) -> int | None:
    """Count the lines that are not blank; None where looking would take them away."""
    if not Path(address).is_file():
        return None
    with _open(address) as file:
        return sum(1 for line in file if line.strip())


def typed_questions() -> Iterator[str]:
    """Yield what is typed, until an empty line or the end; a script's lines bring no prompt."""
    if sys.stdin.isatty():
        with suppress(ImportError):
            import readline  # noqa: F401 - gives input() a history and editing keys
    with suppress(EOFError):
        while question := input("> " if sys.stdin.isatty() else "").strip():
            yield question


def _asked(number: int, raw: bytes) -> Asked:
    name: Any = None
    try:
        record = _json(raw)
        if not isinstance(record, dict):
            raise ValueError('not an object like {"id": ..., "question": "..."}')
        name = record.get("id")
        turns = _turns(record.get("turns") or [])
        question = record.get("question")
        if question is None and turns:
            question = _text_of(turns[-1])
        if not isinstance(question, str) or not question.strip():
            raise ValueError("no question in it")
    except ValueError as error:
        return Asked(number, name, error=str(error))
    if turns and _text_of(turns[-1]) == question:
        turns = turns[:-1]  # in an evaluation's files the last turn is the question itself
    return Asked(number, name, question, turns)


def _turns(value: Any) -> tuple[Any, ...]:
    if not isinstance(value, list):
        raise ValueError("the turns are not a list")
    return tuple(_turn(turn, f"turn {number}: ") for number, turn in enumerate(value, 1))


def _turn(value: Any, where: str) -> Any:
    answer = value.get("answer") if isinstance(value, dict) else None
    if not _text_of(value).strip() or not isinstance(answer, str | None):
        raise ValueError(f"{where}{_TURN}")
    return value


def _text_of(turn: Any) -> str:
    text = turn.get("question") if isinstance(turn, dict) else turn
    return text if isinstance(text, str) else ""


def _json(raw: bytes) -> Any:
    try:
        return json.loads(raw.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8 (byte {error.start + 1})") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error.msg} at character {error.pos + 1}") from None
    except RecursionError:
        raise ValueError("not JSON that can be read: nested too deeply") from None


def _open(address: str) -> Any:
    if address == "-":
        return nullcontext(_standard_input())
    try:
        return Path(address).open("rb")
    except (FileNotFoundError, NotADirectoryError) as error:
        raise SourceNotFound(f"no such file: {address}. Check the path.") from error
    except OSError as error:
        raise SourceError(f"cannot read {address}: {error.strerror}. Name a file.") from error


def _standard_input() -> BinaryIO:
    return sys.stdin.buffer
