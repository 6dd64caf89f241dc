"""Which answers to look at first: how bad each is, and why, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from eval.asking import failed

Row = Mapping[str, Any]


def badness(row: Row) -> tuple[float, list[str]]:
    """Higher is worse, with the reasons: what misleads weighs more than what is missing."""
    if failed(row):
        return 100.0, ["the backend failed"]
    faults = [*_answered(row)] if not row["answer"]["refused"] else [*_refused(row)]
    return sum(weight for weight, _ in faults), [why for _, why in faults]


def _refused(row: Row) -> list[tuple[float, str]]:
    if row["question"].get("answerable") is True:
        return [(25.0 + 5.0 * row["confidence"], "refused, but there is an answer")]
    return []


def _answered(row: Row) -> list[tuple[float, str]]:
    faults: list[tuple[float, str]] = []
    verdicts = [s["verdict"] for s in row["judged"]["sentences"]]
    for verdict, weight in (("contradicted", 60.0), ("unsupported", 40.0), ("partial", 10.0)):
        if count := verdicts.count(verdict):
            faults.append((weight * count / len(verdicts), f"{count} sentences {verdict}"))
    if row["question"].get("answerable") is False:
        if _first(row, "premises") == 1.0:
            return faults
        sure = 10.0 * row["confidence"]
        return [*faults, (35.0 + sure, "answered what cannot be answered")]
    if _first(row, "quote_exactness") not in (None, 1.0):
        faults.append((80.0, "a quote is not in the abstract"))
    if _first(row, "cites_gold") == 0.0:
        faults.append((30.0, "cites none of the right papers"))
    found = _first(row, "key_facts")
    if found is not None and found < 1.0:
        faults.append((20.0 * (1.0 - found), "key facts missing"))
    return faults


def _first(row: Row, name: str) -> float | None:
    numbers = row["rows"].get(name)
    return float(numbers[0]) if numbers else None
