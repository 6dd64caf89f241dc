"""Composes a set of questions for a home: rules or a model, checks, and the unanswerable."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from eval.errors import EvalError
from eval.judging import Judge, judge_for
from eval.making import unanswerable
from eval.making.by_model import by_model
from eval.making.rules import Draft, drafts
from rag import Chatbot
from rag.chunking import sentences
from rag.ingest import Progress, silent
from rag.lexical import tokens
from rag.types import Backend, Paper

UNANSWERABLE = 0.3  # share of the set
_NEAR = 0.8  # share of words in common from which two questions are one
_FOUND = 5  # a question whose own paper is not among so many is not about it
_FOREIGN = 0.4  # cosine similarity below which nothing here is on the topic
_PER_PAPER = 3


@dataclass
class Made:
    """Questions as lines of a file, and what was dropped, by reason."""

    questions: list[dict[str, Any]] = field(default_factory=list)
    dropped: dict[str, int] = field(default_factory=dict)

    def drop(self, why: str) -> None:
        self.dropped[why] = self.dropped.get(why, 0) + 1

    def save(self, path: Path) -> None:
        lines = (json.dumps(q, ensure_ascii=False) for q in self.questions)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def make(
    bot: Chatbot,
    n: int = 100,
    seed: int = 0,
    *,
    model: Backend | None = None,
    progress: Progress = silent,
) -> Made:
    """About `n` questions on the papers of a home, three in ten of them without an answer.

    By rules, or by `model` where one is given; fewer where the papers yield no more. Raises
    EvalError for an empty home.
    """
    rng = random.Random(seed)  # noqa: S311 - draws questions, keeps no secret
    papers = list(bot.papers())
    if not papers:
        raise EvalError(f"the home {bot.home} has no papers. Add some: footnoted ingest SOURCE")
    rng.shuffle(papers)
    made = Made()
    wanted = n - round(n * UNANSWERABLE)
    source = by_model(model, papers) if model else _by_rules(papers)
    judge = judge_for(bot, bot.settings.answer.grounder) if model else None
    kept = _answerable(bot, source, wanted, made, progress, judge=judge)
    # The share holds also where the papers yield fewer than were asked for.
    most = min(n - wanted, round(len(kept) * UNANSWERABLE / (1 - UNANSWERABLE)))
    traps = _traps(bot, papers, kept, rng, most)
    made.questions = [draft.to_dict(f"made-{i}") for i, draft in enumerate(kept, 1)]
    for trap in _apart(traps, [q["question"] for q in made.questions], made):
        made.questions.append(trap.to_dict(f"made-{len(made.questions) + 1}"))
    return made


def _by_rules(papers: Iterable[Paper]) -> Iterator[Draft]:
    for paper in papers:
        for count, draft in enumerate(drafts(paper)):
            if count < _PER_PAPER:
                yield draft


def _answerable(
    bot: Chatbot,
    source: Iterable[Draft],
    wanted: int,
    made: Made,
    progress: Progress,
    *,
    judge: Judge | None = None,
) -> list[Draft]:
    """Drafts that ask of their own paper, and no question twice; by `judge` what is grounded."""
    kept: list[Draft] = []
    for draft in source:
        if len(kept) >= wanted:
            break
        if near(draft.question, [other.question for other in kept]):
            made.drop("much like another question")
        elif not any(hit.paper.id == draft.paper.id for hit in bot.search(draft.question, _FOUND)):
            made.drop("its own paper is not found for it")
        elif judge and not _grounded(judge, draft):
            made.drop("its paper does not support the answer")
        else:
            kept.append(draft)
            progress("making", len(kept), wanted)
    return kept


def _traps(
    bot: Chatbot, papers: Sequence[Paper], kept: Sequence[Draft], rng: random.Random, n: int
) -> list[unanswerable.Trap]:
    """The three kinds in turn, as far as they go."""
    streams = [
        (t for t in unanswerable.other_field(rng) if _foreign(bot, t.question)),
        unanswerable.not_stated(papers, rng),
        unanswerable.false_premise(kept, rng),
    ]
    out: list[unanswerable.Trap] = []
    while streams and len(out) < n:
        stream = streams.pop(0)
        trap = next(stream, None)
        if trap:
            out.append(trap)
            streams.append(stream)
    return out


def _foreign(bot: Chatbot, question: str) -> bool:
    """Whether nothing in the home is near it."""
    found = bot.search(question, 1, mode="dense")
    return not found or (found[0].dense or 0.0) < _FOREIGN


def _apart(
    traps: Iterable[unanswerable.Trap], questions: list[str], made: Made
) -> Iterator[unanswerable.Trap]:
    for trap in traps:
        if near(trap.question, questions):
            made.drop("much like another question")
        else:
            questions.append(trap.question)
            yield trap


def _grounded(judge: Judge, draft: Draft) -> bool:
    """Whether the question with its answer is at least in part what the abstract says."""
    claim = f"{draft.question.rstrip('?')}: {draft.facts[0][0]}" if draft.facts else draft.question
    found = sentences(draft.paper.abstract)
    verdict = judge.judge(claim, found, [draft.paper.title] * len(found)).verdict
    return verdict in ("supported", "partial")


def near(question: str, others: Iterable[str]) -> bool:
    """Whether it has most of its words in common with another (Jaccard)."""
    words = set(tokens(question))
    for other in others:
        theirs = set(tokens(other))
        if words | theirs and len(words & theirs) / len(words | theirs) >= _NEAR:
            return True
    return False
