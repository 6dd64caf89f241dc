"""Thumbs: one JSON line each in the home, for whoever wants to learn from them."""

from __future__ import annotations

import json
import threading
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from rag.errors import LibraryError

FILE_NAME = "feedback.jsonl"
MAX_REASON = 1_000


@dataclass(frozen=True, slots=True)
class Feedback:
    """What somebody thought of one answer; `question` says what was asked."""

    answer: str
    question: str
    good: bool
    reason: str = ""
    owner: str = ""


_LOCK = threading.Lock()


def store(home: Path, feedback: Feedback) -> None:
    """Append it. Raises LibraryError where the home cannot be written."""
    line = {"time": datetime.now(UTC).isoformat(timespec="seconds"), **asdict(feedback)}
    line["reason"] = feedback.reason[:MAX_REASON]
    try:
        with _LOCK, (home / FILE_NAME).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line, ensure_ascii=True) + "\n")
    except OSError as error:
        raise LibraryError(f"feedback cannot be written to {home}: {error.strerror}.") from error
