"""`eval grounders`: every judge on labels by people, against two floors, with error bars."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eval.datasets import Labelled
from eval.floors import FLOORS
from eval.metrics.calibration import calibration_error
from eval.metrics.judging import auroc, balanced_accuracy
from eval.retrieval import sample
from eval.stats import Array, Estimate, Statistic, estimate, kappa
from rag.errors import ConfigError
from rag.ground import GROUNDERS, Grounder, Judgement
from rag.ingest import Progress, silent
from rag.registry import lookup

Embed = Callable[[Sequence[str]], NDArray[np.float32]]
_TIMED = 20  # claims judged with nothing remembered, to tell the seconds
_BATCH = 256

NEED_MORE = frozenset({"llm", "nli"})  # judges that read with a model which does not ship


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
    """One grounder on one set: its judgements in order, and seconds a claim from scratch."""

    grounder: str
    dataset: str
    judgements: list[Judgement]
    labels: list[str]
    seconds: float

    def rows(self) -> Array:
        return np.array(
            [
                (j.score, j.verdict == "supported", label == "supported")
                for j, label in zip(self.judgements, self.labels, strict=True)
            ],
            float,
        )

    def figures(self, seed: int = 0) -> dict[str, Estimate]:
        rows = self.rows()
        return {name: estimate(rows, figure, seed) for name, figure in FIGURES.items()}

    def to_dict(self, seed: int = 0) -> dict[str, Any]:
        found = {name: value.to_dict() for name, value in self.figures(seed).items()}
        return {**found, "seconds": round(self.seconds, 6), "n": len(self.labels)}


def judge_all(
    sets: Mapping[str, Sequence[Labelled]],
    embed: Embed,
    names: Sequence[str] = (),
    *,
    limit: int | None = None,
    seed: int = 0,
    progress: Progress = silent,
) -> list[Judged]:
    """Every grounder (by default all that are registered, and the floors) on every set.

    `limit` draws a sample of each set by `seed`. Raises ConfigError for an unknown grounder.
    """
    registry = {**GROUNDERS, **FLOORS}
    chosen = list(names) or [name for name in registry if name not in NEED_MORE]
    for name in NEED_MORE.intersection(chosen):
        raise ConfigError(
            f"the judge '{name}' needs a model of yours, which cannot be named here yet. "
            f"Choose among: {', '.join(sorted(set(registry) - NEED_MORE))}."
        )
    classes = {name: lookup("grounder", name, registry) for name in chosen}
    out: list[Judged] = []
    for name, every in sets.items():
        some = [every[int(i)] for i in sample([str(i) for i in range(len(every))], limit, seed)]
        remembered = remember(some, embed, progress)
        for grounder, cls in classes.items():
            took = _seconds(cls.from_settings(None, embed=embed), some[:_TIMED])
            judge = cls.from_settings(None, embed=remembered)
            found = []
            for done, example in enumerate(some, 1):
                found.append(judge_one(judge, example))
                progress(f"judging {name}, {grounder}", done, len(some))
            out.append(Judged(grounder, name, found, [e.label for e in some], took))
    return out


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
            found = kappa([j.verdict for j in a.judgements], [j.verdict for j in b.judgements])
            out.setdefault(a.dataset, {})[f"{a.grounder}, {b.grounder}"] = round(found, 4)
    return out


def to_dict(judged: Sequence[Judged], seed: int = 0) -> dict[str, Any]:
    """Grounder -> dataset -> figures."""
    out: dict[str, Any] = {}
    for one in judged:
        out.setdefault(one.grounder, {})[one.dataset] = one.to_dict(seed)
    return out


def record(judged: Sequence[Judged], path: Path, seed: int = 0) -> None:
    """Add the figures to a file of records: what reports quote of their judge."""
    known = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    for grounder, found in to_dict(judged, seed).items():
        known.setdefault(grounder, {}).update(found)
    path.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def remember(examples: Sequence[Labelled], embed: Embed, progress: Progress) -> Embed:
    """All texts embedded once, those of like length together, and looked up ever after.

    Only when a vector is first asked for: judges that need none cost none.
    """
    known: dict[str, NDArray[np.float32]] = {}

    def warm() -> None:
        texts = sorted({t for e in examples for t in (e.claim, *e.evidence)}, key=len)
        for start in range(0, len(texts), _BATCH):
            part = texts[start : start + _BATCH]
            known.update(zip(part, embed(part), strict=True))
            progress("embedding", len(known), len(texts))

    def look(wanted: Sequence[str]) -> NDArray[np.float32]:
        if not known:
            warm()
        missing = [text for text in dict.fromkeys(wanted) if text not in known]
        if missing:
            known.update(zip(missing, embed(missing), strict=True))
        return np.stack([known[text] for text in wanted])

    return look


def _seconds(grounder: Grounder, examples: Sequence[Labelled]) -> float:
    start = time.perf_counter()
    for example in examples:
        judge_one(grounder, example)
    return (time.perf_counter() - start) / max(1, len(examples))
