"""`eval grounders`: every judge on labels by people, against two floors, with error bars."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from eval.datasets import Labelled
from eval.floors import FLOORS
from eval.judges import Embed, Judges
from eval.metrics.calibration import calibration_error
from eval.metrics.judging import auroc, balanced_accuracy
from eval.retrieval import sample
from eval.stats import Array, Estimate, Statistic, estimate, kappa
from rag.errors import BackendError
from rag.ground import Grounder, Judgement
from rag.ingest import Progress, silent

_TIMED = 20  # claims judged with no vector remembered, to tell the seconds
_BATCH = 256
_GIVE_UP = 3  # failures of a backend in a row, after which it is not asked again


def _pair(function: Callable[..., float], column: int) -> Statistic:
    return lambda rows: function(rows[:, column], rows[:, 2])


FIGURES: dict[str, Statistic] = {
    "auroc": _pair(auroc, 0),
    "balanced_accuracy": _pair(balanced_accuracy, 1),
    "calibration_error": _pair(calibration_error, 0),
}
"""Over rows of (score, called supported, is supported)."""


@dataclass(frozen=True)
class Judged:
    """One grounder on one set: its judgements in order, and seconds a claim from scratch.

    A judgement is None where the backend that should have judged failed: it counts for nothing.
    """

    grounder: str
    dataset: str
    judgements: Sequence[Judgement | None]
    labels: Sequence[str]
    seconds: float

    @property
    def failed(self) -> int:
        return sum(judgement is None for judgement in self.judgements)

    def rows(self) -> Array:
        return np.array(
            [
                (j.score, j.verdict == "supported", label == "supported")
                for j, label in zip(self.judgements, self.labels, strict=True)
                if j is not None
            ],
            float,
        ).reshape(-1, 3)

    def figures(self, seed: int = 0) -> dict[str, Estimate]:
        rows = self.rows()
        return {name: estimate(rows, figure, seed) for name, figure in FIGURES.items()}

    def to_dict(self, seed: int = 0) -> dict[str, Any]:
        found = {name: value.to_dict() for name, value in self.figures(seed).items()}
        lost = {"failed": self.failed} if self.failed else {}
        n = len(self.labels) - self.failed
        return {**found, "seconds": round(self.seconds, 6), "n": n, **lost}


def judge_all(
    sets: Mapping[str, Sequence[Labelled]],
    judges: Judges,
    names: Sequence[str] = (),
    *,
    limit: int | None = None,
    seed: int = 0,
    progress: Progress = silent,
) -> list[Judged]:
    """Every grounder (by default all that need nothing more, and the floors) on every set.

    `limit` draws a sample of each set by `seed`. Raises ConfigError for an unknown grounder, or
    one that lacks a model, and BackendError where the backend that judges fails throughout.
    """
    chosen = judges.chosen(names)
    out: list[Judged] = []
    for name, every in sets.items():
        some = [every[int(i)] for i in sample([str(i) for i in range(len(every))], limit, seed)]
        remembered = remember(some, judges.embed, progress)
        for grounder in chosen:
            found = _judge_each(
                judges.make(grounder, remembered),
                some,
                partial(progress, f"judging {name}, {grounder}"),
            )
            if remembered.used:  # then the time is not that of a claim alone
                remembered.used = False
                took = _judge_each(judges.make(grounder), some[:_TIMED]).seconds
            else:
                took = found.seconds
            labels = [example.label for example in some]
            out.append(Judged(grounder, name, found.judgements, labels, took))
    return out


class _Found(NamedTuple):
    judgements: list[Judgement | None]
    seconds: float


def _judge_each(
    grounder: Grounder, examples: Sequence[Labelled], told: Callable[[int, int], None] | None = None
) -> _Found:
    found: list[Judgement | None] = []
    start = time.perf_counter()
    for count, example in enumerate(examples, 1):
        try:
            found.append(judge_one(grounder, example))
        except BackendError:
            found.append(None)
            if found[-_GIVE_UP:] == [None] * _GIVE_UP:
                raise
        if told:
            told(count, len(examples))
    return _Found(found, (time.perf_counter() - start) / max(1, len(found)))


def judge_one(grounder: Grounder, example: Labelled) -> Judgement:
    """One claim against all its evidence, the title of the paper as context where there is one."""
    contexts = [example.context] * len(example.evidence) if example.context else ()
    return grounder.judge(example.claim, example.evidence, contexts)


def agreement(judged: Sequence[Judged]) -> dict[str, dict[str, float]]:
    """Cohen's kappa between the verdicts of each two judges, by set; floors are left out."""
    out: dict[str, dict[str, float]] = {}
    real = [j for j in judged if j.grounder not in FLOORS]
    for a, b in itertools.combinations(real, 2):
        if a.dataset == b.dataset:
            both = [(x, y) for x, y in zip(a.judgements, b.judgements, strict=True) if x and y]
            found = kappa([x.verdict for x, _ in both], [y.verdict for _, y in both])
            out.setdefault(a.dataset, {})[f"{a.grounder}, {b.grounder}"] = round(found, 4)
    return out


def to_dict(judged: Sequence[Judged], seed: int = 0) -> dict[str, Any]:
    """Grounder -> dataset -> figures."""
    out: dict[str, Any] = {}
    for one in judged:
        out.setdefault(one.grounder, {})[one.dataset] = one.to_dict(seed)
    return out


def remember(examples: Sequence[Labelled], embed: Embed, progress: Progress = silent) -> Remembered:
    """All texts embedded once, those of like length together, and looked up ever after."""
    texts = sorted({t for e in examples for t in (e.claim, *e.evidence)}, key=len)
    return Remembered(texts, embed, progress)


class Remembered:
    """Embeds `texts` when a vector is first asked for: judges that need none cost none."""

    def __init__(self, texts: Sequence[str], embed: Embed, progress: Progress) -> None:
        self.used = False
        self._texts = texts
        self._embed = embed
        self._progress = progress
        self._known: dict[str, NDArray[np.float32]] = {}

    def __call__(self, wanted: Sequence[str]) -> NDArray[np.float32]:
        self.used = True
        if not self._known:
            for start in range(0, len(self._texts), _BATCH):
                self._learn(self._texts[start : start + _BATCH])
                self._progress("embedding", len(self._known), len(self._texts))
        self._learn([text for text in dict.fromkeys(wanted) if text not in self._known])
        return np.stack([self._known[text] for text in wanted])

    def _learn(self, texts: Sequence[str]) -> None:
        if texts:
            self._known.update(zip(texts, self._embed(texts), strict=True))
