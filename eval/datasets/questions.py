"""Questions with what a right answer must have: JSONL, one object a line.

`id`, `question`, and any of `turns`, `gold_papers` or `gold_titles`, `gold_sentences`,
`key_facts`, `answer` (a reference in words), `answerable`, `type`. A question with a false premise
has the type `false_premise` and, as `correction`, what is so instead. Where it is called answerable
a right answer says that; where it is not, a refusal is as right as a correction.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any

from eval.datasets import fetched
from eval.datasets._lines import LeftOut, objects
from eval.errors import EvalError
from rag.library import normalised_title
from rag.types import Paper

SAMPLE = Path(__file__).parent.parent / "data" / "sample_questions.jsonl"
QUESTIONS: dict[str, str] = {
    "bioasq": "eval.datasets.released_questions:bioasq",
    "litsearch": "eval.datasets.released_questions:litsearch",
    "pubmedqa": "eval.datasets.released_questions:pubmedqa",
}
_LISTS = ("gold_papers", "gold_titles", "gold_sentences")


@dataclass(frozen=True, slots=True)
class Question:
    """One question. `answerable` is None where the file leaves it open."""

    id: str
    question: str
    turns: tuple[Any, ...] = ()
    gold_papers: tuple[str, ...] = ()
    gold_titles: tuple[str, ...] = ()
    gold_sentences: tuple[str, ...] = ()
    key_facts: tuple[tuple[str, ...], ...] = ()
    answer: str = ""
    correction: str = ""
    answerable: bool | None = None
    type: str = "other"
    line: int = 0

    def to_dict(self) -> dict[str, Any]:
        """As in the file, without what is empty."""
        named = {name: getattr(self, name) for name in self.__slots__ if name != "line"}
        return {k: v for k, v in named.items() if v not in ((), "", None)}


@dataclass(frozen=True, slots=True)
class QuestionSet:
    """The questions that can be asked, and the lines that cannot."""

    name: str
    questions: tuple[Question, ...]
    left_out: tuple[LeftOut, ...] = ()


def load_questions(address: str | Path) -> QuestionSet:
    """Read questions from a JSONL file, `sample:`, a folder with `questions.jsonl`, or NAME:PATH.

    A known NAME without a path is fetched, where there is a network (see `fetched`). A line that
    is malformed, has no question, or repeats an id is left out and told. Raises EvalError where
    nothing is left.
    """
    name, path, lines = _lines(address)
    kept: dict[str, Question] = {}
    left: list[LeftOut] = []
    for found in lines:
        item = found if isinstance(found, LeftOut) else _question(*found)
        if isinstance(item, Question) and item.id in kept:
            item = LeftOut(item.line, item.id, f"the id of line {kept[item.id].line} again")
        if isinstance(item, LeftOut):
            left.append(item)
        else:
            kept[item.id] = item
    if not kept:
        why = f" The first line left out, {left[0].line}: {left[0].why}." if left else ""
        raise EvalError(
            f'{path} holds no question. A line is {{"id": "1", "question": "..."}}.{why}'
        )
    return QuestionSet(name, tuple(kept.values()), tuple(left))


def match_gold(
    questions: Iterable[Question], papers: Iterable[Paper]
) -> tuple[list[Question], list[LeftOut]]:
    """Fill in `gold_papers` from titles; leave out questions whose every gold paper is missing."""
    ids: set[str] = set()
    by_title: dict[str, str] = {}
    for paper in papers:
        ids.add(paper.id)
        by_title.setdefault(normalised_title(paper.title), paper.id)
    kept: list[Question] = []
    left: list[LeftOut] = []
    for question in questions:
        wanted = [*question.gold_papers, *question.gold_titles]
        named = [by_title.get(normalised_title(title), "") for title in question.gold_titles]
        gold = tuple(dict.fromkeys(i for i in [*question.gold_papers, *named] if i in ids))
        if wanted and not gold and question.answerable is not False:
            why = f"its gold paper is not in the collection: {wanted[0]}"
            left.append(LeftOut(question.line, question.id, why))
        else:
            kept.append(replace(question, gold_papers=gold))
    return kept, left


def _lines(
    address: str | Path,
) -> tuple[str, Path, Iterable[tuple[int, dict[str, Any]] | LeftOut]]:
    name, _, rest = str(address).partition(":")
    if name.lower() in QUESTIONS and (rest or not Path(address).exists()):
        name = name.lower()
        path = Path(rest).expanduser() if rest else fetched.questions(name)
        if not path.exists():
            raise EvalError(f"no such file or folder: {path}. Name the released {name}.")
        module, _, function = QUESTIONS[name].partition(":")
        records = getattr(import_module(module), function)(path)
        return name, path, enumerate(records, 1)
    path = _find(address)
    return _name(path), path, objects(path)


def _find(address: str | Path) -> Path:
    if str(address) == "sample:":
        return SAMPLE
    path = Path(address).expanduser()
    if path.is_dir():
        path = path / "questions.jsonl"
    if not path.is_file():
        raise EvalError(
            f"no questions at {path}. Name a JSONL file, or sample: for those that ship."
        )
    return path


def _name(path: Path) -> str:
    return path.parent.name if path.name == "questions.jsonl" else path.stem


def _question(line: int, record: Mapping[str, Any]) -> Question | LeftOut:
    name = str(record.get("id", f"line-{line}"))
    turns = record.get("turns") or []
    text = record.get("question")
    if text is None and isinstance(turns, list) and turns:
        text = _text_of(turns[-1])
    problem = _problem(text, turns, record)
    if problem:
        return LeftOut(line, name, problem)
    if turns and _text_of(turns[-1]) == text:
        turns = turns[:-1]
    lists = {key: tuple(record.get(key) or ()) for key in _LISTS}
    facts = tuple(tuple([g] if isinstance(g, str) else g) for g in record.get("key_facts") or ())
    answer, correction = (str(record.get(key) or "") for key in ("answer", "correction"))
    answerable = record.get("answerable")
    if answerable is None and (any(lists.values()) or facts or answer or correction):
        answerable = True
    return Question(
        id=name, question=str(text), turns=tuple(turns), key_facts=facts, answer=answer,
        correction=correction, answerable=answerable, type=str(record.get("type") or "other"),
        line=line, **lists,
    )  # fmt: skip


def _problem(text: Any, turns: Any, record: Mapping[str, Any]) -> str:
    """Why a line cannot be asked, in a few words; empty where it can."""
    if not isinstance(text, str) or not text.strip():
        return "no question in it"
    if not isinstance(turns, list) or not all(_text_of(turn) for turn in turns):
        return "turns is not a list of earlier questions"
    for key in _LISTS:
        if not _texts(record.get(key) or []):
            return f"{key} is not a list of texts"
    facts = record.get("key_facts") or []
    if not isinstance(facts, list) or not all(isinstance(g, str) or _texts(g) for g in facts):
        return "key_facts is not a list of lists of texts"
    if not isinstance(record.get("answerable"), bool | None):
        return "answerable is neither true nor false"
    return ""


def _texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(v, str) and v for v in value)


def _text_of(turn: Any) -> str:
    text = turn.get("question") if isinstance(turn, dict) else turn
    return text if isinstance(text, str) else ""
