"""Evaluation runs that lie in a folder: their metrics side by side, and their own reports."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from pathlib import Path
from typing import Any

from rag.errors import ConfigError
from ui import render

_NAME = re.compile(r"[\w.-]{1,100}")
_RUNS = 20
_FLIPPED = 20


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


def compared(folder: Path, a: str | None, b: str | None) -> str:
    """B against A: the verdict, every metric, and the questions whose outcome changed.

    Raises ConfigError where two runs are not named, EvalError where they do not compare.
    """
    from eval.comparing import compare

    runs = read(folder)
    if a not in runs or b not in runs or a == b:
        raise ConfigError("choose two different runs.")
    shared = [name for name in runs[a]["metrics"] if name in runs[b]["metrics"]]
    primary = {} if "right" in shared or not shared else {"primary": shared[0]}
    try:
        found = compare(folder / a, folder / b, **primary)
    except (KeyError, TypeError, ValueError) as error:  # written by hand, or by another version
        raise ConfigError(
            "one of the two lacks what every run writes. Make it again: footnoted eval run"
        ) from error
    notes = "".join(f"<p>{render.text(note)}</p>" for note in found.notes)
    head = f'<p class="told"><b>{render.text(found.verdict)}</b></p>{notes}'
    return render.clean(f"<div>{head}{_metrics(found)}{_flips(found.flipped)}</div>")


def _metrics(found: Any) -> str:
    rows = "".join(
        f"<tr><th>{render.text(name)}</th><td>{one.a:.3f}</td><td>{one.b:.3f}</td>"
        f"<td>{one.difference.mean:+.3f} <small>({one.difference.low:+.2f} to "
        f"{one.difference.high:+.2f})</small></td><td>{one.p:.3f}</td>"
        f'<td class="{render.text(one.verdict)}">{render.text(one.verdict)}</td></tr>'
        for name, one in found.metrics.items()
    )
    a, b = (f"<th>{x}: {render.text(n)}</th>" for x, n in zip("AB", found.names, strict=True))
    head = f"<tr><th>Metric</th>{a}{b}<th>B - A</th><th>p (Holm)</th><th>B is</th></tr>"
    return f"<table><thead>{head}</thead><tbody>{rows}</tbody></table>"


def _flips(flipped: list[dict[str, Any]]) -> str:
    if not flipped:
        return "<p>No question has another outcome.</p>"
    rows = "".join(
        f"<tr><td>{render.text(item['question'])}</td><td>{render.text(item['a'])}</td>"
        f"<td>{render.text(item['b'])}</td><td>{render.text(item['change'])}</td></tr>"
        for item in flipped[:_FLIPPED]
    )
    more = len(flipped) - _FLIPPED
    rest = f"<p>and {more:,} more: footnoted eval compare lists all</p>" if more > 0 else ""
    head = "<tr><th>Question</th><th>A</th><th>B</th><th>Change</th></tr>"
    return (
        f'<h3>Questions with another outcome</h3><table class="flips"><thead>{head}</thead>'
        f"<tbody>{rows}</tbody></table>{rest}"
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
