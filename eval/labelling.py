"""`eval label`: a terminal page for a few verdicts by hand, and what they make of the figure.

A judge errs. With some labels by people the share of supported sentences is corrected, and its
interval widened, by prediction-powered inference (see `eval.stats.prediction_powered`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from eval.datasets._lines import records
from eval.page import PAGE, papers_in, write_page
from eval.report import Report
from eval.stats import Estimate, kappa, prediction_powered

LABELS = "labels.jsonl"
KEYS = {"s": "supported", "p": "partial", "u": "unsupported", "c": "contradicted"}
_HELP = "[s]upported  [p]artial  [u]nsupported  [c]ontradicted  [Enter] skip  [q]uit: "

Ask = Callable[[str], str]
Show = Callable[[str], None]


@dataclass(frozen=True)
class Item:
    """A sentence of an answer with what it cites, and the judge's verdict, which is not shown."""

    id: str
    question: str
    sentence: str
    quotes: tuple[str, ...]
    verdict: str


def items(report: Report) -> list[Item]:
    """Every sentence of a run."""
    return [item for row in report.rows for item in _of(row)]


def label(folder: Path, n: int, seed: int, ask: Ask, show: Show) -> int:
    """Ask for verdicts on a sample of `n` sentences not labelled yet; the number given.

    Each is kept at once in labels.jsonl; `q` or the end of input stops.
    """
    every = items(Report.load(folder))
    done = labels(folder)
    order = np.random.default_rng(seed).permutation(len(every))
    todo = [every[i] for i in order[:n] if every[i].id not in done]
    given = 0
    with (folder / LABELS).open("a", encoding="utf-8") as file:
        for number, item in enumerate(todo, 1):
            show(_page(item, number, len(todo)))
            answer = _answer(ask)
            if answer == "q":
                break
            if answer:
                file.write(json.dumps({"id": item.id, "label": KEYS[answer]}) + "\n")
                file.flush()
                given += 1
    return given


def labels(folder: Path) -> dict[str, str]:
    """The labels given so far, by sentence."""
    path = folder / LABELS
    if not path.is_file() or not path.stat().st_size:
        return {}
    rows = (row for _, row in records(path, []))
    return {row["id"]: row["label"] for row in rows if row.get("label") in KEYS.values()}


def corrected(folder: Path, report: Report | None = None) -> dict[str, Any]:
    """The share of supported sentences by the judge, by hand, and by both together.

    A label holds for a sentence with its quotes: of a sentence that a later run changed it is not
    used.
    """
    every = items(report or Report.load(folder))
    done = labels(folder)
    labelled = [item for item in every if item.id in done]
    rest = [item for item in every if item.id not in done]
    truth = [done[item.id] for item in labelled]
    said = [item.verdict for item in labelled]
    judged = Estimate(_share([i.verdict for i in every]), None, None, len(every))
    both = prediction_powered(_held([item.verdict for item in rest]), _held(said), _held(truth))
    agreed = kappa(said, truth) if truth else float("nan")
    return {
        "judge": judged.to_dict(),
        "labels": {"value": _share(truth), "n": len(truth)},
        "corrected": _as_share(both).to_dict(),
        "kappa": None if np.isnan(agreed) else round(agreed, 4),
    }


def with_labels(report: Report, folder: Path) -> Report:
    """The report with what the labels of its folder make of it, where there are any."""
    if not labels(folder):
        return report
    return Report({**report.data, "labelled": corrected(folder, report)}, report.rows, folder)


def save_correction(folder: Path) -> dict[str, Any]:
    """`corrected`, written into report.json and report.html too."""
    report = Report.load(folder)
    found = corrected(folder, report)
    report = Report({**report.data, "labelled": found}, report.rows, folder)
    report.save(folder)
    if (folder / PAGE).is_file():
        write_page(report, folder, papers_in(folder / PAGE))
    return found


def _of(row: dict[str, Any]) -> Iterator[Item]:
    cited = {c["marker"]: c["quote"] for c in row["answer"]["citations"]}
    pairs = zip(row["answer"]["sentences"], row["judged"]["sentences"], strict=True)
    for number, (sentence, judged) in enumerate(pairs):
        quotes = tuple(cited[m] for m in sentence["citations"] if m in cited)
        text = json.dumps([sentence["text"], quotes])
        name = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]
        yield Item(
            f"{row['id']}#{number}-{name}", row["question"]["question"], sentence["text"], quotes,
            judged["verdict"],
        )  # fmt: skip


def _page(item: Item, number: int, total: int) -> str:
    quotes = "\n".join(f"  > {quote}" for quote in item.quotes) or "  (it cites nothing)"
    return (
        f"\n{number} of {total}. Asked: {item.question}\n\n  {item.sentence}\n\n"
        f"Does this support it?\n{quotes}\n"
    )


def _answer(ask: Ask) -> str:
    """A key, "" for a skip, "q" at the end of input too."""
    while True:
        try:
            key = ask(_HELP).strip().lower()[:1]
        except EOFError:
            return "q"
        if key in {*KEYS, "q", ""}:
            return key


def _held(verdicts: Sequence[str]) -> list[float]:
    return [float(v == "supported") for v in verdicts]


def _as_share(found: Estimate) -> Estimate:
    """Within 0 and 1: the correction may lead beyond."""
    value, low, high = (
        None if x is None else min(1.0, max(0.0, x)) for x in (found.value, found.low, found.high)
    )
    return Estimate(value, low, high, found.n)


def _share(verdicts: Sequence[str]) -> float | None:
    return sum(_held(verdicts)) / len(verdicts) if verdicts else None
