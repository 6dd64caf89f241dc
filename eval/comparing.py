"""`eval compare`: two runs over the same questions. Is B better than A, and where did it flip?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from eval.asking import Row, failed
from eval.errors import EvalError
from eval.measures import Measure, measures
from eval.report import Report
from eval.stats import Difference, holm, mean_amount, mean_of, paired, paired_figure

PRIMARY = "right"
UNSEEN = "no difference to be seen"


@dataclass(frozen=True)
class Compared:
    """One metric in both runs, over the questions that both could be measured on."""

    a: float
    b: float
    difference: Difference
    p: float  # of all but the primary metric corrected after Holm, for how many there are
    better: str

    @property
    def verdict(self) -> str:
        """Whether B is better, worse, or no difference is to be seen, at the 5% level."""
        found = self.difference.verdict_at(self.p)
        if found == UNSEEN or self.better == "higher":
            return found
        if self.better == "neither":
            return "higher" if found == "better" else "lower"
        return "worse" if found == "better" else "better"

    def to_dict(self) -> dict[str, Any]:
        gap = self.difference
        numbers = {"a": self.a, "b": self.b, "mean": gap.mean, "low": gap.low, "high": gap.high}
        rounded = {name: round(value, 6) for name, value in numbers.items()}
        return {**rounded, "p": gap.p_t, "p_holm": self.p, "n": gap.n, "verdict": self.verdict}


@dataclass(frozen=True)
class Comparison:
    """B against A. `flipped` lists questions that became right or wrong, or were (un)refused."""

    names: tuple[str, str]
    metrics: dict[str, Compared]
    flipped: list[dict[str, Any]]
    notes: list[str]
    primary: str
    n: int

    @property
    def verdict(self) -> str:
        """In one sentence, by the primary metric."""
        found = self.metrics[self.primary]
        gap, (a, b) = found.difference, self.names
        figures = f"{found.a:.3f} against {found.b:.3f}, {gap.mean:+.3f} "
        figures += f"[{gap.low:+.3f}, {gap.high:+.3f}], p={found.p:.3f}, n={gap.n}"
        if found.verdict == UNSEEN:
            return f"{UNSEEN} in {self.primary} between A ({a}) and B ({b}): {figures}"
        return f"B ({b}) is {found.verdict} than A ({a}) in {self.primary}: {figures}"

    def to_dict(self) -> dict[str, Any]:
        return {
            "a": self.names[0],
            "b": self.names[1],
            "n": self.n,
            "verdict": self.verdict,
            "primary": self.primary,
            "metrics": {name: found.to_dict() for name, found in self.metrics.items()},
            "flipped": self.flipped,
            "notes": self.notes,
        }

    def frame(self) -> Any:
        """A pandas frame: one row a metric."""
        import pandas as pd

        found = {name: compared.to_dict() for name, compared in self.metrics.items()}
        return pd.DataFrame.from_dict(found, orient="index")


def compare(
    a: Report | str | Path, b: Report | str | Path, *, primary: str = PRIMARY, seed: int = 0
) -> Comparison:
    """Compare two reports, or the folders that hold them, question by question.

    Means by the paired t-test, other figures by a paired bootstrap. The verdict rests on the
    primary metric alone; the p-values of the others are corrected after Holm for how many they are.
    Raises EvalError where no question is in both, or the primary metric is in neither.
    """
    first, second = (x if isinstance(x, Report) else Report.load(x) for x in (a, b))
    pairs, notes = _pairs(first, second)
    found = _differences(pairs, seed)
    # What the verdict is by was named beforehand: only the others are a search through many.
    others = {name: gap.p_t for name, (_, _, gap) in found.items() if name != primary}
    alone = {primary: found[primary][2].p_t} if primary in found else {}
    corrected = {**holm(others), **alone}
    chosen = measures()
    compared = {
        name: Compared(x, y, gap, corrected[name], chosen[name].better)
        for name, (x, y, gap) in found.items()
    }
    if primary not in compared:
        raise EvalError(
            f"'{primary}' was not measured on any question of both runs. Choose another with "
            f"--metric: {', '.join(compared)}."
        )
    return Comparison(
        (_name(first, "A"), _name(second, "B")), compared, _flipped(pairs), notes, primary,
        len(pairs),
    )  # fmt: skip


_Pair = tuple[Row, Row]


def _pairs(first: Report, second: Report) -> tuple[list[_Pair], list[str]]:
    """Rows of the same question in both, neither of them failed; and what was passed over."""
    others = {row["id"]: row for row in second.rows}
    same = [(row, others[row["id"]]) for row in first.rows if row["id"] in others]
    meant = [(x, y) for x, y in same if x["question"]["question"] == y["question"]["question"]]
    pairs = [(x, y) for x, y in meant if not failed(x) and not failed(y)]
    if not pairs:
        raise EvalError("the two runs have no question in common that both answered.")
    alone = len(first.rows) + len(second.rows) - 2 * len(same)
    judges = {report.data["judge"]["name"] for report in (first, second)}
    notes = {
        f"{alone} questions are in one run only": alone,
        f"{len(same) - len(meant)} questions have the same id but other words": len(same)
        - len(meant),
        f"{len(meant) - len(pairs)} questions failed in one of the runs": len(meant) - len(pairs),
        f"the runs were judged by different judges ({', '.join(sorted(judges))}): grounding "
        "figures do not compare": len(judges) > 1,
    }
    return pairs, [note for note, applies in notes.items() if applies]


def _differences(pairs: Sequence[_Pair], seed: int) -> dict[str, tuple[float, float, Difference]]:
    out = {}
    for name, measure in measures().items():
        rows = [(x["rows"].get(name), y["rows"].get(name)) for x, y in pairs]
        both = [(x, y) for x, y in rows if x is not None and y is not None]
        if both:
            found = _difference(measure, [x for x, _ in both], [y for _, y in both], seed)
            if not np.isnan(found[2].mean):
                out[name] = found
    return out


def _difference(
    measure: Measure, a: list[list[float]], b: list[list[float]], seed: int
) -> tuple[float, float, Difference]:
    first, second = np.asarray(a, float), np.asarray(b, float)
    if measure.figure in (mean_of, mean_amount):
        gap = paired(first[:, 0], second[:, 0], seed)
    else:
        gap = paired_figure(first, second, measure.figure, seed)
    return measure.figure(first), measure.figure(second), gap


def _flipped(pairs: Sequence[_Pair]) -> list[dict[str, Any]]:
    """Questions whose outcome is another one, those that got worse first."""
    out = [
        {
            "id": x["id"],
            "question": x["question"]["question"],
            "a": _outcome(x),
            "b": _outcome(y),
            "change": _change(x, y),
        }
        for x, y in pairs
        if _outcome(x) != _outcome(y)
    ]
    order = {"worse": 0, "better": 1, "other": 2}
    return sorted(out, key=lambda item: order[item["change"]])


def _outcome(row: Row) -> str:
    right = row["rows"].get(PRIMARY)
    if row["answer"]["refused"]:
        unanswerable = row["question"].get("answerable") is False
        return "rightly refused" if unanswerable else "refused"
    if row["question"].get("answerable") is False:
        corrected = row["rows"].get("premises") == [1.0]
        return "rightly corrected" if corrected else "wrongly answered"
    return "answered" if right is None else "right" if right[0] == 1.0 else "wrong"


_GOOD: Mapping[str, int] = {
    "right": 2, "rightly refused": 2, "rightly corrected": 2, "refused": 1, "answered": 1,
    "wrong": 0, "wrongly answered": 0,
}  # fmt: skip


def _change(x: Row, y: Row) -> str:
    before, after = _GOOD[_outcome(x)], _GOOD[_outcome(y)]
    return "better" if after > before else "worse" if after < before else "other"


def _name(report: Report, letter: str) -> str:
    return report.folder.name if report.folder else letter
