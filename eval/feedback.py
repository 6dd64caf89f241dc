"""`eval from-feedback`: thumbs-down in the chat become questions to measure on."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from eval.datasets import LeftOut
from eval.datasets._lines import records
from eval.errors import EvalError

FILE = "feedback.jsonl"


def from_feedback(source: Path, out: Path) -> tuple[int, int, list[LeftOut]]:
    """Append a question for each thumb down that is not there yet: added, known, left out.

    `source` is a feedback.jsonl, or the home that holds it. A question has no gold yet: add
    `gold_papers`, `key_facts` or `answerable` by hand; until then only grounding is measured.
    """
    path = source / FILE if source.is_dir() else source
    if not path.is_file():
        raise EvalError(f"no feedback at {path}. Name a home, or its {FILE}.")
    known = _ids(out)
    before = len(known)
    left: list[LeftOut] = []
    new: list[dict[str, Any]] = []
    for _, record in records(path, left):
        question = _question(record)
        if question and question["id"] not in known:
            known.add(question["id"])
            new.append(question)
    out.parent.mkdir(parents=True, exist_ok=True)
    with out.open("a", encoding="utf-8") as file:
        for question in new:
            file.write(json.dumps(question, ensure_ascii=True) + "\n")
    return len(new), before, left


def _question(record: dict[str, Any]) -> dict[str, Any] | None:
    """A thumb down as a question; None for a thumb up, or where nothing was asked."""
    text = record.get("question")
    if record.get("good") is not False or not isinstance(text, str) or not text.strip():
        return None
    name = hashlib.sha256(text.strip().encode("utf-8", "surrogatepass")).hexdigest()[:10]
    found = {"id": f"feedback-{name}", "question": text.strip(), "type": "feedback"}
    reason = record.get("reason")
    return {**found, "note": reason} if isinstance(reason, str) and reason else dict(found)


def _ids(path: Path) -> set[str]:
    if not path.is_file() or not path.stat().st_size:
        return set()
    return {str(record.get("id")) for _, record in records(path, [])}
