"""Asks the questions and keeps every answer, so that a killed run goes on where it stopped.

`answers.jsonl` is the cache: a line is used again where the question, the settings, the papers
and the code are still the same. What failed is always asked again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

from eval import _inside
from eval.datasets import Question
from rag import Chatbot
from rag.errors import RagError
from rag.ingest import Progress
from rag.types import Answer, Hit, Refusal, RefusalKind

Row = dict[str, Any]
"""A line of answers.jsonl: id, key, question, answer, retrieved, confidence."""
Watch = Callable[[Question, Row | None], None]
"""Called before a question is asked, with None, and after, with its row; from any thread."""

ANSWERS = "answers.jsonl"
FAILED: RefusalKind = "backend_failed"


def nobody(question: Question, row: Row | None) -> None:
    """Watch nothing."""


def ask_all(
    bot: Chatbot,
    questions: Sequence[Question],
    folder: Path,
    progress: Progress,
    *,
    workers: int = 1,
    watch: Watch = nobody,
) -> tuple[list[Row], int]:
    """A row for each question, in order, and how many of them were there already."""
    base = _base(bot)
    keys = {question.id: key_of(question, base) for question in questions}
    known = {row["key"]: row for row in read_rows(folder / ANSWERS) if not failed(row)}
    todo = [q for q in questions if keys[q.id] not in known]
    done = len(questions) - len(todo)
    _write(folder, [known[keys[q.id]] for q in questions if keys[q.id] in known])
    with (folder / ANSWERS).open("a", encoding="utf-8") as file:
        progress("asking", done, len(questions))
        for count, (question, found) in enumerate(_asked(bot, todo, workers, watch), done + 1):
            row = {"id": question.id, "key": keys[question.id], **found}
            known[row["key"]] = row
            _append(file, row)
            watch(question, row)
            progress("asking", count, len(questions))
    # Names and gold may have changed in the file: what was asked has not.
    rows = [{**known[keys[q.id]], "id": q.id, "question": q.to_dict()} for q in questions]
    return rows, done


def key_of(question: Question, base: str) -> str:
    """Hash of all that an answer depends on."""
    asked = json.dumps([question.question, question.turns, base], sort_keys=True, default=str)
    return hashlib.sha256(asked.encode("utf-8", "surrogatepass")).hexdigest()[:24]


def failed(row: Mapping[str, Any]) -> bool:
    """Whether the backend failed, or the question could not be asked: no refusal."""
    refusal = row["answer"].get("refusal") or {}
    return refusal.get("kind") == FAILED


def read_rows(path: Path) -> Iterator[Row]:
    """The rows of an answers.jsonl; a line that a kill cut short is passed over."""
    if not path.is_file():
        return
    with path.open(encoding="utf-8") as file:
        for line in file:
            with suppress(ValueError):
                row = json.loads(line)
                if isinstance(row, dict) and {"id", "key", "answer"} <= row.keys():
                    yield row


def write_rows(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Replace the file at once: a reader sees the old or the new one."""
    aside = path.with_suffix(".new")
    with aside.open("w", encoding="utf-8") as file:
        for row in rows:
            _append(file, row)
    aside.replace(path)


def ask_one(bot: Chatbot, question: Question) -> Row:
    """Ask, and keep what the answer does not tell: the papers seen and how sure it was."""
    hits: list[Hit] = []
    answer: dict[str, Any] = {}
    try:
        for event in bot.stream(question.question, history=question.turns):
            if event.kind == "retrieval":
                hits = event.value
            elif event.kind == "answer":
                answer = event.value.to_dict()
        sure = _inside.confidence(bot, answer["standalone_question"], hits)
    except RagError as error:
        answer, sure = _failure(question, str(error)), 0.0
    return {
        "question": question.to_dict(),
        "answer": answer,
        "retrieved": [hit.paper.id for hit in hits],
        "confidence": round(sure, 6),
    }


def _failure(question: Question, why: str) -> dict[str, Any]:
    refusal = Refusal(FAILED, why)
    return Answer("", question.question, question.question, why, refusal=refusal).to_dict()


def _asked(
    bot: Chatbot, questions: Sequence[Question], workers: int, watch: Watch
) -> Iterator[tuple[Question, Row]]:
    """Each question with its row, as it comes; a few in flight where several may be."""

    def ask(question: Question) -> Row:
        watch(question, None)
        return ask_one(bot, question)

    if workers < 2:
        yield from ((question, ask(question)) for question in questions)
        return
    waiting = iter(questions)
    with ThreadPoolExecutor(workers) as pool:
        flying = {pool.submit(ask, q): q for q in islice(waiting, workers)}
        while flying:
            ready: set[Future[Row]] = wait(flying, return_when=FIRST_COMPLETED).done
            for future in ready:
                yield flying.pop(future), future.result()
                for question in islice(waiting, 1):
                    flying[pool.submit(ask, question)] = question


def _base(bot: Chatbot) -> str:
    """All that answers depend on besides the question."""
    settings = bot.settings.model_dump(mode="json", exclude={"backend": {"api_key"}})
    return json.dumps([settings, _inside.content_of(bot), _inside.code()], sort_keys=True)


def _write(folder: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    write_rows(folder / ANSWERS, rows)


def _append(file: TextIO, row: Mapping[str, Any]) -> None:
    text = json.dumps(row, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:  # a lone surrogate that a model wrote
        text = json.dumps(row)
    file.write(f"{text}\n")
    file.flush()
