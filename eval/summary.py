"""What `eval run` prints: the main figures, the questions that went worst, where all of it lies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from eval.asking import ANSWERS, failed
from eval.measures import measures
from eval.report import REPORT, Report
from eval.text import beside_text, cell_of, headline, judge_text, table
from eval.worst import badness

_MAIN = (
    "right", "cites_gold", "key_facts", "supported", "source_exactness", "refusal_precision",
    "refusal_recall", "success@5", "seconds_p50", "seconds_p95",
)  # fmt: skip
_SHOWN = 10  # of the questions that went wrong
_NAME = 20  # characters of an id
_SHORTEST = 24  # characters of a question that are shown however narrow the terminal is


def summary_text(reports: Mapping[str, Report], width: int = 100) -> str:
    """The main figures, a column a run; below each other where they do not fit side by side."""
    text = table([["", *reports], *_rows(reports)])
    if max(map(len, text.splitlines())) > width and len(reports) > 1:
        parts = [summary_text({name: r}, width) for name, r in reports.items()]
        return "\n\n".join(dict.fromkeys(parts))
    heads = [headline(report, name) for name, report in reports.items()]
    judges = dict.fromkeys(text for r in reports.values() for text in _judges(r.data))
    return "\n".join([*heads, "", text.lstrip("\n"), "", *judges])


def _rows(reports: Mapping[str, Report]) -> list[list[str]]:
    titles = {name: measure.title for name, measure in measures().items()}
    said = {name: f"{name:<17}  {titles[name]}" if len(reports) == 1 else name for name in _MAIN}
    rows = [[said[name], *(cell_of(report, name) for report in reports.values())] for name in _MAIN]
    return [row for row in rows if set(row[1:]) != {"-"}]


def _judges(data: Mapping[str, Any]) -> list[str]:
    """A sentence on each judge; how well the first did on labels by people, in short."""
    record = [found["auroc"]["value"] for found in data["judge"]["record"].values()]
    if not record:
        return [judge_text(data["judge"]), *map(beside_text, data.get("judges_beside", ()))]
    between = f"{min(record):.2f} to {max(record):.2f}" if len(record) > 1 else f"{record[0]:.2f}"
    said = f"judged by '{data['judge']['name']}' (AUROC {between} on labels by people; see --full)"
    return [said, *map(beside_text, data.get("judges_beside", ()))]


def worst_text(report: Report, width: int = 100) -> str:
    """The questions that went worst, a line each: its id, its words, what went wrong."""
    found = [(*badness(row), row) for row in report.rows]
    wrong = sorted((f for f in found if f[0] > 0), key=lambda f: -f[0])
    if not wrong:
        return "no question went wrong"
    names = max(len(one_line(str(row["id"]), _NAME)) for _, _, row in wrong[:_SHOWN])
    lines = [_line(row, why, width, names) for _, why, row in wrong[:_SHOWN]]
    more = f"  and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
    head = f"{len(wrong)} of {len(report.rows)} questions went wrong, the worst first:"
    return "\n".join([head, *lines, *([more] if more else [])])


def _line(row: Mapping[str, Any], reasons: Sequence[str], width: int, names: int) -> str:
    why = reasons[0] if len(reasons) == 1 else f"{reasons[0]} (+{len(reasons) - 1})"
    if failed(row):
        why = f"failed: {one_line(row['answer']['refusal']['message'], width // 2)}"
    name = f"  {one_line(str(row['id']), _NAME):<{names}}  "
    room = max(width - len(name) - len(why) - 3, _SHORTEST)
    return f"{name}{one_line(row['question']['question'], room)} - {why}"


def where_text(report: Report) -> str:
    """Where all figures and all answers are kept."""
    folder = report.folder
    if folder is None:
        return ""
    return f"all figures and answers: {folder / 'report.html'} ({REPORT}, {ANSWERS})"


def one_line(text: str, room: int) -> str:
    """Text on one line, cut to so many characters."""
    text = " ".join(text.split())
    return text if len(text) <= room else f"{text[: room - 1].rstrip()}…"
