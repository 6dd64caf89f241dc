"""What an answer costs: seconds and tokens, as measures of a report."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from eval.measures import Case, Measure, Value
from eval.stats import Array, Statistic, mean_amount


def _seconds(stage: str) -> Callable[[Case], Value]:
    def of(case: Case) -> Value:
        found: float | None = case.answer["seconds"].get(stage)
        return None if stage == "first_token" and not found else found

    return of


def _tokens(kind: str) -> Callable[[Case], Value]:
    return lambda case: case.answer["tokens"].get(kind)


def _percentile(share: float) -> Statistic:
    def figure(rows: Array) -> float:
        return float(np.percentile(rows[:, 0], share)) if len(rows) else float("nan")

    return figure


def _cost(title: str, of: Callable[[Case], Value], figure: Statistic, unit: str) -> Measure:
    return Measure(title, "cost", of, "lower", figure, unit)


SECONDS_50 = _cost("seconds, median", _seconds("total"), _percentile(50), "s")
SECONDS_95 = _cost("seconds, 95th percentile", _seconds("total"), _percentile(95), "s")
FIRST_50 = _cost(
    "seconds to the first token, median", _seconds("first_token"), _percentile(50), "s"
)
FIRST_95 = _cost("seconds to the first token, 95th", _seconds("first_token"), _percentile(95), "s")
PROMPT = _cost("prompt tokens", _tokens("prompt"), mean_amount, "tokens")
COMPLETION = _cost("completion tokens", _tokens("completion"), mean_amount, "tokens")
