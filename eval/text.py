"""Reports as tables for a terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from textwrap import fill
from typing import Any

from eval.comparing import Comparison
from eval.grounders import Judged
from eval.measures import measures
from eval.metrics.retrieval import RETRIEVAL
from eval.report import Report
from eval.retrieval import RetrievalReport, System, seconds
from eval.stats import Estimate


def table(rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as they must be: the first to the left, the others to the right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join("  ".join(_padded(row, widths)).rstrip() for row in rows)


def figure(found: Estimate, digits: int = 3) -> str:
    """`0.745 [0.719, 0.770]`, or a dash."""
    if found.value is None or found.low is None or found.high is None:
        return "-"
    return f"{found.value:.{digits}f} [{found.low:.{digits}f}, {found.high:.{digits}f}]"


def p_text(p: float) -> str:
    return "p<0.001" if p < 0.001 else f"p={p:.3f}"


def _padded(row: Sequence[str], widths: Sequence[int]) -> list[str]:
    first, *rest = [cell.rjust(width) for cell, width in zip(row, widths, strict=True)]
    return [row[0].ljust(len(first)), *rest]


def report_text(reports: Mapping[str, Report], width: int = 100) -> str:
    """The figures of each run, a column a run where they fit side by side."""
    chosen = measures()
    parts = []
    for group in dict.fromkeys(m.group for m in chosen.values()):
        names = [name for name, m in chosen.items() if m.group == group]
        rows = [[name, *(cell_of(r, name) for r in reports.values())] for name in names]
        rows = [row for row in rows if set(row[1:]) != {"-"}]
        if rows:
            parts.append(table([[group, *reports], *rows]))
    judges = dict.fromkeys(text for r in reports.values() for text in judges_text(r.data))
    heads = (headline(r, name) for name, r in reports.items())
    text = "\n\n".join([*heads, *parts])
    if max(map(len, text.splitlines())) > width and len(reports) > 1:
        return "\n\n".join(report_text({name: r}, width) for name, r in reports.items())
    return "\n\n".join([text, *(fill(judge, max(width, 40)) for judge in judges)])


def headline(report: Report, name: str) -> str:
    """Which questions, how many, and how long they took."""
    data = report.data
    title = f"{data['dataset']}{f', {name}' if name else ''}"
    return f"{title}: {data['n']} questions in {data['seconds']:.0f} s"


def cell_of(report: Report, name: str) -> str:
    """A figure of a report with its interval and the number of questions; "-" for none."""
    found = report.data["metrics"].get(name)
    if not found or found["value"] is None:
        return "-"
    return f"{figure(Estimate(**found))} n={found['n']}"


def judge_text(judge: Mapping[str, Any]) -> str:
    """Who judged, and how that judge did on labels by people."""
    record = "; ".join(_known(name, found) for name, found in judge["record"].items())
    if not record:
        record = "how well it judges was never measured: see footnoted eval grounders"
    else:
        record = f"on labels by people, {record}"
    return f"Sentences were judged by the grounder '{judge['name']}': {record}."


def judges_text(data: Mapping[str, Any]) -> list[str]:
    """A sentence on each judge of a report."""
    return [judge_text(data["judge"]), *map(beside_text, data.get("judges_beside", ()))]


def beside_text(other: Mapping[str, Any]) -> str:
    """How far another judge agrees with the first."""
    agreed = "" if other["kappa"] is None else f", Cohen's kappa {other['kappa']:.2f}"
    record = "; ".join(_known(name, found) for name, found in other["record"].items())
    return (
        f"The grounder '{other['name']}' gives the same verdict on {other['same']} of "
        f"{other['n']} sentences{agreed}{f' (on labels by people, {record})' if record else ''}."
    )


def _known(name: str, found: Mapping[str, Any]) -> str:
    how = [] if found.get("fit", "none") == "none" else [found["fit"]]
    if "unseen" in found:
        how.append(f"AUROC {found['unseen']['auroc']['value']:.2f} when fitted to other sets alone")
    text = (
        f"{name} AUROC {found['auroc']['value']:.2f}, balanced accuracy "
        f"{found['balanced_accuracy']['value']:.2f}"
    )
    return f"{text} ({', '.join(how)})" if how else text


def comparison_text(found: Comparison, most: int = 10) -> str:
    """The verdict, every metric, and the first questions that flipped."""
    rows = [["", "A", "B", "B - A", "p", ""]]
    for name, one in found.metrics.items():
        gap = one.difference
        interval = f"{gap.mean:+.3f} [{gap.low:+.3f}, {gap.high:+.3f}]"
        rows.append([name, f"{one.a:.3f}", f"{one.b:.3f}", interval, f"{one.p:.3f}", one.verdict])
    worse = sum(item["change"] == "worse" for item in found.flipped)
    better = sum(item["change"] == "better" for item in found.flipped)
    flips = [f"flipped: {better} for the better, {worse} for the worse"]
    for item in found.flipped[:most]:
        flips.append(f"  {item['id']}: {item['a']} -> {item['b']}: {item['question'][:70]}")
    if len(found.flipped) > most:
        flips.append(f"  and {len(found.flipped) - most} more (--json lists all)")
    return "\n\n".join([found.verdict, table(rows), "\n".join(flips)])


def grounders_text(
    judged: Sequence[Judged], kappas: Mapping[str, Mapping[str, float]], seed: int = 0
) -> str:
    """A table a set, best AUROC first, and how far the judges agree."""
    parts = []
    for name in dict.fromkeys(j.dataset for j in judged):
        some = [j for j in judged if j.dataset == name]
        found = {j.grounder: (j, j.figures(seed)) for j in some}
        rows = [[name, "AUROC", "balanced accuracy", "calibration error", "s/claim"]]
        for grounder, (one, figures) in sorted(
            found.items(), key=lambda item: -(item[1][1]["auroc"].value or 0.0)
        ):
            rows.append([grounder, *map(figure, figures.values()), f"{one.seconds:.4f}"])
        shares = Counter(label for label in some[0].labels)
        told = ", ".join(f"{n} {label}" for label, n in shares.most_common())
        parts.append(f"{table(rows)}\n{len(some[0].labels)} claims: {told}")
        parts += [f"kappa of {pair}: {k:.2f}" for pair, k in kappas.get(name, {}).items()]
    return "\n\n".join(parts)


def labelled_text(found: Mapping[str, Any]) -> str:
    """What the judge says, what people say, and both together."""
    judge, labels, both = found["judge"], found["labels"], found["corrected"]
    lines = [f"supported by the judge: {judge['value']:.3f} of {judge['n']} sentences"]
    if labels["n"]:
        lines.append(f"supported by hand:      {labels['value']:.3f} of {labels['n']} sentences")
    if both["value"] is None:
        lines.append("too few labels to correct the judge: give at least two")
    else:
        lines.append(f"corrected by both:      {figure(Estimate(**both))}")
    if found["kappa"] is not None:
        lines.append(f"kappa of judge and hand: {found['kappa']:.2f}")
    return "\n".join(lines)


def retrieval_text(report: RetrievalReport, width: int = 100) -> str:
    """Each system with its intervals, then each against the first; narrow terminals get a list."""
    head = f"{report.dataset}: {len(report.queries):,} queries, {report.corpus:,} papers"
    rows = [["", *RETRIEVAL, "s/query p50, p95"]]
    rows += [_row(report, system) for system in report.systems]
    parts = [head, table(rows)]
    if len(report.systems) > 1:
        parts.append(_differences(report))
    if len(parts[1].partition("\n")[0]) > width:
        parts[1] = "\n".join(_listed(report, system) for system in report.systems)
    return "\n\n".join(parts)


def _row(report: RetrievalReport, system: System) -> list[str]:
    took = seconds(system.seconds)
    figures = [figure(report.estimate(system, m)) for m in RETRIEVAL]
    return [system.name, *figures, f"{took['p50']:.3f}, {took['p95']:.3f}"]


def _listed(report: RetrievalReport, system: System) -> str:
    name, *cells = _row(report, system)
    names = [*RETRIEVAL, "s/query p50, p95"]
    return "\n".join([name, *(f"  {n:<17}{c}" for n, c in zip(names, cells, strict=True))])


def _differences(report: RetrievalReport) -> str:
    first = report.systems[0].name
    rows = []
    for measure in RETRIEVAL:
        adjusted = report.adjusted(measure)
        for system in report.systems[1:]:
            gap = report.difference(system, measure)
            interval = f"{gap.mean:+.3f} [{gap.low:+.3f}, {gap.high:+.3f}]"
            p = adjusted[system.name]
            rows.append([f"  {system.name}", measure, interval, p_text(p), gap.verdict_at(p)])
    head = f"against {first} (paired t-test, corrected after Holm):"
    return "\n".join([head, table(rows)])
