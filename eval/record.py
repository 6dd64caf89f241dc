"""What was measured of each judge on labels by people, and how: what reports quote of their judge.

`fit` says whether the judge had seen the labels: "none" (nothing in it is fitted), "unseen" (this
set was not fitted to), "cross-validated" (fitted anew without the paper or claim that was judged),
"in sample" (the shipped judge, on labels it was fitted to: flattered). What was cross-validated
has under `unseen` the figures of the same judge fitted to the other sets alone: what to expect of
it in a field that it was not fitted to.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from eval.floors import FLOORS
from eval.grounders import Judged
from eval.stats import Estimate
from eval.text import figure
from rag.config import EmbeddingSettings, Settings

PATH = Path(__file__).parent / "data" / "judges.json"
FITTED = ("embedding", "lexical")  # judges with coefficients
FITTED_TO = ("attributionbench", "check-covid", "scifact")
"""What `benchmarks/calibrate_grounding.py` fits them to."""

IN_SAMPLE, CROSS_VALIDATED = "in sample", "cross-validated"
Records = dict[str, dict[str, dict[str, Any]]]
"""Grounder -> dataset -> its figures, `n`, `seconds` a claim, and `fit`."""


def measured_record(judge: str, settings: Settings) -> dict[str, Any]:
    """By dataset: AUROC, balanced accuracy, calibration error, and how; empty if never measured.

    A judge that reads vectors was measured with those of the encoder that ships, no other's.
    """
    shipped = EmbeddingSettings()
    used = settings.embedding
    if judge == "embedding" and (used.name, used.model) != (shipped.name, shipped.model):
        return {}
    return _shipped().get(judge, {})


def fit_of(grounder: str, dataset: str) -> str:
    """How the judge that ships stands to a set."""
    if grounder not in FITTED:
        return "none"
    return IN_SAMPLE if dataset in FITTED_TO else "unseen"


def record(
    judged: Sequence[Judged],
    path: Path,
    seed: int = 0,
    *,
    fit: str | None = None,
    unseen: Sequence[Judged] = (),
) -> list[str]:
    """Add figures to a file of records; what could not be taken up, in words.

    `fit` is given by who has fitted anew, and `unseen` are then the same judges fitted to the
    other sets alone. What is in sample never takes the place of what is not.
    """
    known: Records = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    others = {(one.grounder, one.dataset): one.to_dict(seed) for one in unseen}
    told = []
    for one in judged:
        how = fit if fit and one.grounder in FITTED else fit_of(one.grounder, one.dataset)
        before = known.setdefault(one.grounder, {}).get(one.dataset, {})
        if how == IN_SAMPLE and before.get("fit") == CROSS_VALIDATED:
            told.append(
                f"'{one.grounder}' was fitted to {one.dataset}: its cross-validated figures stay. "
                "To renew those, run benchmarks/judge_record.py."
            )
        else:
            found = {**one.to_dict(seed), "fit": how}
            if (one.grounder, one.dataset) in others:
                found["unseen"] = others[one.grounder, one.dataset]
            known[one.grounder][one.dataset] = found
    path.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return told


def tables(known: Records) -> str:
    """A Markdown table a set, best AUROC first, the floors after the judges."""
    parts = []
    for dataset in sorted({name for found in known.values() for name in found}):
        lines = [
            f"{dataset}:\n",
            "| judge | fitted | claims | AUROC | balanced accuracy | calibration error |",
            "|---|---|---|---|---|---|",
        ]
        some = {judge: found[dataset] for judge, found in known.items() if dataset in found}
        for judge in sorted(some, key=_order(some)):
            lines += _lines(judge, some[judge])
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def _order(some: Mapping[str, Any]) -> Any:
    return lambda judge: (judge in FLOORS, -(some[judge]["auroc"]["value"] or 0.0))


def _lines(judge: str, found: Mapping[str, Any]) -> list[str]:
    rows = [(found["fit"], found)]
    if "unseen" in found:
        rows.append(("to the other sets", found["unseen"]))
    return [_line(judge, fit, figures) for fit, figures in rows]


def _line(judge: str, fit: str, found: Mapping[str, Any]) -> str:
    figures = [
        figure(Estimate(**found[name]))
        for name in ("auroc", "balanced_accuracy", "calibration_error")
    ]
    return f"| {' | '.join([judge, fit, str(found['n']), *figures])} |"


@cache
def _shipped() -> Records:
    if not PATH.is_file():
        return {}
    found: Records = json.loads(PATH.read_text(encoding="utf-8"))
    return found
