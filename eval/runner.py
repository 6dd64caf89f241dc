"""`eval run`: questions through a chatbot, judged, measured, and written down."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from eval import _inside
from eval.asking import FAILED, Row, Watch, ask_all, failed, nobody
from eval.datasets import LeftOut, Question, QuestionSet, load_questions, match_gold
from eval.errors import EvalError
from eval.judging import DEFAULT, Judge, judge_for, judged
from eval.measures import Case, measures
from eval.metrics.answers import answer_relevance
from eval.record import measured_record
from eval.report import Report, curves, summarise
from eval.retrieval import sample
from eval.stats import kappa
from eval.variants import shown, variants
from rag import Chatbot, Settings
from rag.errors import RagError
from rag.ingest import Progress, silent

_ALONE = ("extractive", "scripted")  # backends that nothing is gained from asking in parallel


@dataclass(frozen=True)
class Plan:
    """How a set is run; `workers` None takes what suits the backend, `beside` are more judges."""

    judge: str = DEFAULT
    seed: int = 0
    limit: int | None = None
    workers: int | None = None
    beside: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        return {"judge": self.judge, "seed": self.seed, "limit": self.limit}


def run(
    dataset: str | Path,
    home: str | Path,
    out: str | Path,
    settings: Settings | None = None,
    *,
    judge: str | Sequence[str] = DEFAULT,
    seed: int = 0,
    limit: int | None = None,
    workers: int | None = None,
    progress: Progress = silent,
    watch: Watch = nobody,
) -> Report:
    """Ask all questions of a home and write report.json, answers.jsonl and report.html to `out`.

    Run again, it asks only what has changed or failed. `judge` names a grounder; of several the
    first gives the figures, and the report says how far the others agree with it. `limit` draws a
    sample by `seed`; `watch` is told of each question before and after it is asked. Raises
    EvalError for an empty home, a set without questions, or where every single question failed;
    what is wrong with single questions is in `data["left_out"]`.
    """
    from eval.labelling import with_labels
    from eval.page import write_page

    found = load_questions(dataset)
    folder = Path(out).expanduser()
    with Chatbot.open(home, settings) as bot:
        first, *beside = [judge] if isinstance(judge, str) else judge
        plan = Plan(first, seed, limit, workers, tuple(beside))
        report = with_labels(_run(bot, found, folder, plan, progress, watch=watch), folder)
        report.save(folder)
        write_page(report, folder, {p.id: p for p in bot.papers() if p.id in _needed(report)})
    return report


def run_matrix(
    dataset: str | Path,
    home: str | Path,
    out: str | Path,
    *,
    fixed: Sequence[str] = (),
    varied: Sequence[str] = (),
    told: Callable[[str], None] | None = None,
    **options: Any,
) -> dict[str, Report]:
    """`run` for every combination of settings, by name, each in a folder of its own below `out`.

    `fixed` and `varied` as in `eval.variants`; with nothing varied, one report, named "", in `out`.
    Of several runs one that cannot be made is told, and the others are made all the same.
    """
    chosen = variants(home, fixed, varied)
    if len(chosen) == 1:
        (settings,) = chosen.values()
        return {"": run(dataset, home, out, settings, **options)}
    made: dict[str, Report] = {}
    for name, settings in chosen.items():
        try:
            made[name] = run(dataset, home, Path(out) / slug(name), settings, **options)
        except RagError as error:
            if told is None:
                raise
            told(f"{name}: {error}")
    if not made:
        raise EvalError("none of the runs could be made")
    return made


def slug(name: str) -> str:
    """A name as a folder may be called."""
    return re.sub(r"[^\w.=-]+", "-", name).strip("-") or "run"


def _run(
    bot: Chatbot,
    found: QuestionSet,
    folder: Path,
    plan: Plan,
    progress: Progress,
    *,
    watch: Watch,
) -> Report:
    start, before = time.perf_counter(), _inside.revision(bot.home)
    questions, missing = match_gold(found.questions, _papers(bot))
    if not questions:
        raise EvalError(
            f"no question of {found.name} has its gold paper in {bot.home}. Name the home that "
            f"the questions were made for with --home."
        )
    drawn = set(sample([q.id for q in questions], plan.limit, plan.seed))
    questions = [q for q in questions if q.id in drawn]
    judge = judge_for(bot, plan.judge)
    others = [judge_for(bot, name) for name in plan.beside]
    count = plan.workers or (1 if bot.settings.backend.name in _ALONE else 4)
    rows, again = ask_all(bot, questions, folder, progress, workers=count, watch=watch)
    _all_failed(rows)
    changed = _inside.revision(bot.home) != before
    rows = measured(bot, rows, judge, progress)
    head = {
        "dataset": found.name,
        "n": len(rows),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "home": str(bot.home),
        "settings": {**shown(bot.settings), **plan.to_dict()},
        "judge": {"name": judge.name, "record": measured_record(judge.name, bot.settings)},
        "judges_beside": [_beside(bot, rows, other) for other in others],
    }
    notes = _notes(rows, questions, changed, again)
    return Report(
        {**head, **figures(rows, plan.seed), **_told(found, missing, notes, start)}, rows, folder
    )


def figures(rows: Sequence[Row], seed: int) -> dict[str, Any]:
    """`metrics`, `by_type`, `failed` and `curves` of a report."""
    chosen = measures()
    asked = [row for row in rows if not failed(row)]
    kinds = sorted({row["question"].get("type", "other") for row in asked})
    by_type = {}
    for kind in kinds:
        some = [row for row in asked if row["question"].get("type", "other") == kind]
        by_type[kind] = {"n": len(some), "metrics": summarise(some, chosen, seed, few=True)}
    return {
        "metrics": summarise(asked, chosen, seed),
        "by_type": by_type,
        "failed": len(rows) - len(asked),
        "curves": curves(asked),
    }


def measured(bot: Chatbot, rows: Sequence[Row], judge: Judge, progress: Progress) -> list[Row]:
    """The rows with what the judge says of each, and with the numbers of every metric."""
    chosen = measures()
    cited = {c["paper_id"] for row in rows for c in row["answer"]["citations"]}
    papers = {name: bot.paper(name) for name in cited}
    abstracts = {name: paper.abstract for name, paper in papers.items() if paper}
    _warm(_inside.embed_of(bot), rows)
    out: list[Row] = []
    for done, row in enumerate(rows, 1):
        case = _case(bot, row, judge, abstracts)
        numbers = {} if failed(row) else {name: m.row(case) for name, m in chosen.items()}
        out.append({**row, "judged": dict(case.judged), "rows": numbers})
        progress("judging", done, len(rows))
    return out


def _beside(bot: Chatbot, rows: Sequence[Row], other: Judge) -> dict[str, Any]:
    """What another judge says of the same sentences, and its agreement with the first."""
    first = [s["verdict"] for row in rows for s in row["judged"]["sentences"]]
    second = [s["verdict"] for row in rows for s in judged(row["answer"], other)["sentences"]]
    agreed = kappa(first, second)
    return {
        "name": other.name,
        "record": measured_record(other.name, bot.settings),
        "supported": second.count("supported") / len(second) if second else None,
        "kappa": None if np.isnan(agreed) else round(agreed, 4),
        "same": sum(a == b for a, b in zip(first, second, strict=True)),
        "n": len(second),
    }


def question_of(row: Row) -> Question:
    """The question of a row as it was read."""
    kept = dict(row["question"])
    for name in ("turns", "gold_papers", "gold_titles", "gold_sentences"):
        kept[name] = tuple(kept.get(name, ()))
    kept["key_facts"] = tuple(tuple(group) for group in kept.get("key_facts", ()))
    return Question(**kept)


def _case(bot: Chatbot, row: Row, judge: Judge, abstracts: Mapping[str, str]) -> Case:
    answer = row["answer"]
    relevance = None
    if answer["sentences"]:
        vectors = _inside.embed_of(bot)(_texts(row))
        said = vectors[1:].mean(axis=0)
        relevance = answer_relevance(vectors[0], said / max(float(np.linalg.norm(said)), 1e-9))
    return Case(
        question_of(row), answer, judged(answer, judge), row["retrieved"], row["confidence"],
        relevance, abstracts,
    )  # fmt: skip


def _texts(row: Row) -> list[str]:
    """The question and the sentences of its answer."""
    answer = row["answer"]
    return [answer["standalone_question"], *(s["text"] for s in answer["sentences"])]


def _warm(embed: _inside.Embed, rows: Sequence[Row]) -> None:
    """Embed what will be needed all at once, which is faster than one by one."""
    texts = {text for row in rows if row["answer"]["sentences"] for text in _texts(row)}
    if texts:
        embed(sorted(texts, key=len))


def _papers(bot: Chatbot) -> list[Any]:
    found = list(bot.papers())
    if not found:
        raise EvalError(f"the home {bot.home} has no papers. Add some: footnoted ingest SOURCE")
    return found


def _all_failed(rows: Sequence[Row]) -> None:
    if all(failed(row) for row in rows):
        why = rows[0]["answer"]["refusal"]["message"]
        raise EvalError(f"every question failed, so there is nothing to measure. The first: {why}")


def _notes(
    rows: Sequence[Row], questions: Sequence[Question], changed: bool, again: int
) -> list[str]:
    lost = sum(failed(row) for row in rows)
    bare = sum(
        q.answerable is not False and not (q.gold_papers or q.key_facts or q.gold_sentences)
        for q in questions
    )
    notes = {
        f"{lost} questions failed ({FAILED}) and count neither as answers nor as refusals": lost,
        f"{bare} questions have no gold: only grounding and cost are measured on them": bare,
        "the home changed while the run was on: run it again to ask all of one state": changed,
        f"{again} answers were there from an earlier run": again,
    }
    return [note for note, applies in notes.items() if applies]


def _told(
    found: QuestionSet, missing: Sequence[LeftOut], notes: list[str], start: float
) -> dict[str, Any]:
    return {
        "left_out": [item.to_dict() for item in [*found.left_out, *missing]],
        "notes": notes,
        "seconds": round(time.perf_counter() - start, 2),
    }


def _needed(report: Report) -> set[str]:
    """Papers that the page shows: the cited and the right ones."""
    cited = {c["paper_id"] for row in report.rows for c in row["answer"]["citations"]}
    gold = {paper for row in report.rows for paper in row["question"].get("gold_papers", ())}
    return cited | gold
