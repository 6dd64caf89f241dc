"""Evaluation runs that lie in a folder: their metrics side by side, and their own reports."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from pathlib import Path
from typing import Any

from ui import render

_NAME = re.compile(r"[\w.-]{1,100}")
_RUNS = 20


def read(folder: Path) -> dict[str, dict[str, Any]]:
    """Reports by the name of their run, newest first."""
    paths = sorted(folder.glob("*/report.json"), key=lambda p: p.stat().st_mtime, reverse=True)
    found: dict[str, dict[str, Any]] = {}
    for path in paths[:_RUNS]:
        with suppress(OSError, ValueError):
            report = json.loads(path.read_text(encoding="utf-8"))
            if isinstance(report, dict) and isinstance(report.get("metrics"), dict):
                found[path.parent.name] = report
    return found


def listed(folder: Path) -> str:
    """A table: metrics down, runs across, so that two can be compared at a glance."""
    runs = read(folder)
    if not runs:
        return render.notice(
            f"No runs yet. Make one: footnoted eval run DATASET --out {folder}/NAME"
        )
    metrics = dict.fromkeys(
        name for run in runs.values() for name, found in run["metrics"].items() if _value(found)
    )
    head = "".join(f"<th>{_linked(folder, name)}</th>" for name in runs)
    rows = "".join(
        f"<tr><th>{render.text(metric)}</th>"
        + "".join(f"<td>{_value(run['metrics'].get(metric))}</td>" for run in runs.values())
        + "</tr>"
        for metric in metrics
    )
    asked = "".join(f"<td>{render.text(run.get('n', ''))}</td>" for run in runs.values())
    return render.clean(
        f"<table><thead><tr><th>Metric</th>{head}</tr></thead><tbody>"
        f"<tr><th>questions</th>{asked}</tr>{rows}</tbody></table>"
    )


def report_of(folder: Path, name: str) -> str | None:
    """The HTML report that the run wrote, None where there is none of that name."""
    path = folder / name / "report.html"
    if not _NAME.fullmatch(name) or name.startswith(".") or not path.is_file():
        return None
    return path.read_text(encoding="utf-8")


def _linked(folder: Path, name: str) -> str:
    shown = render.text(name)
    if report_of(folder, name) is None:
        return shown
    return f'<a href="/ui/runs/{shown}/report.html">{shown}</a>'


def _value(metric: Any) -> str:
    if not isinstance(metric, dict) or not isinstance(metric.get("value"), (int, float)):
        return ""
    value = f"{metric['value']:.3f}"
    low, high = metric.get("low"), metric.get("high")
    between = isinstance(low, (int, float)) and isinstance(high, (int, float))
    return f"{value} <small>({low:.2f} to {high:.2f})</small>" if between else value
