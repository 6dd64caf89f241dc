"""Reports for machines: what is below the bar, JUnit XML, a summary for a pull request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from xml.sax.saxutils import quoteattr

from eval.measures import measures
from eval.report import Report
from eval.stats import Estimate
from eval.text import figure, judges_text

Bound = tuple[str, float]
Reports = Mapping[str, Report]
_SUMMARY = (
    "right", "cites_gold", "key_facts", "citation_recall", "citation_precision", "supported",
    "source_exactness", "refusal_precision", "refusal_recall", "aurc", "success@5", "seconds_p50",
    "seconds_p95",
)  # fmt: skip


def failures(reports: Reports, under: Sequence[Bound], over: Sequence[Bound]) -> list[str]:
    """What does not hold, a sentence each; a metric that was not measured does not hold."""
    out = []
    for run, report in reports.items():
        place = f" ({run})" if run else ""
        for name, bound in under:
            value = report.data["metrics"][name]["value"]
            if value is None or value < bound:
                out.append(f"{name} is {_number(value)}, below {bound:g}{place}")
        for name, bound in over:
            value = report.data["metrics"][name]["value"]
            if value is None or value > bound:
                out.append(f"{name} is {_number(value)}, above {bound:g}{place}")
    return out


def junit(reports: Reports, missed: Sequence[str]) -> str:
    """One test case a metric of each run; those below their bar fail."""
    cases = []
    for run, report in reports.items():
        place = f" ({run})" if run else ""
        for name, found in report.data["metrics"].items():
            text = [m for m in missed if m.startswith(f"{name} is ") and m.endswith(place or m)]
            suite = f"eval.{run or report.data['dataset']}"
            head = f"<testcase classname={quoteattr(suite)} name={quoteattr(name)}>"
            body = f"<failure message={quoteattr(text[0])}/>" if text else ""
            shown = quoteattr(_number(found["value"]))
            body += f'<properties><property name="value" value={shown}/></properties>'
            cases.append(f"{head}{body}</testcase>")
    total, bad = len(cases), sum("<failure" in case for case in cases)
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n'
        f'<testsuite name="footnoted eval" tests="{total}" failures="{bad}">\n'
        + "\n".join(cases)
        + "\n</testsuite>\n"
    )


def markdown(reports: Reports, missed: Sequence[str]) -> str:
    """A table of the main figures, a column a run, and what is below the bar."""
    chosen = measures()
    first = next(iter(reports.values()))
    names = [n for n in _SUMMARY if any(_figure(r, n) != "-" for r in reports.values())]
    heads = [_cell(run or "value [95% interval]") for run in reports]
    title = f"{_cell(first.data['dataset'])}, {first.data['n']} questions"
    lines = [f"| {' | '.join([title, *heads])} |", "|---|" + "---|" * len(reports)]
    for name in names:
        cells = " | ".join(_figure(report, name) for report in reports.values())
        lines.append(f"| {_cell(chosen[name].title)} (`{name}`) | {cells} |")
    lines += ["", " ".join(judges_text(first.data))]
    lines += [f"- **{text}**" for text in missed]
    left = len(first.data["left_out"])
    lines += [f"- {note}" for note in first.data["notes"]]
    lines += [f"- {left} questions were left out; report.json says why"] if left else []
    return "\n".join(lines) + "\n"


def _figure(report: Report, name: str) -> str:
    return figure(Estimate(**report.data["metrics"][name]))


def _number(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.3f}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
