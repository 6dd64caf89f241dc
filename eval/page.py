"""report.html: one file that works offline. Headline figures, plots, then every question.

What a model or an abstract says reaches the page as data (JSON, set as text by the script) or
escaped: a page made of other people's text must not run it. A policy in the page forbids it to
fetch anything.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from eval import plots
from eval.asking import Row, failed
from eval.measures import Measure, measures
from eval.report import Report
from eval.text import judges_text
from eval.worst import badness
from rag.types import Paper

PAGE = "report.html"
_DATA = '<script type="application/json" id="data">'
_ASSETS = Path(__file__).parent / "assets"
_HEADLINE = (
    "right", "cites_gold", "citation_recall", "refusal_precision", "refusal_recall", "seconds_p50",
)  # fmt: skip
_HEAT = (
    "right", "cites_gold", "key_facts", "success@5", "citation_recall", "citation_precision",
    "supported", "answer_relevance", "refusal_recall", "premises",
)  # fmt: skip


def write_page(report: Report, folder: Path, papers: Mapping[str, Paper]) -> Path:
    """Write the page beside the report; `papers` are the cited and the right ones, by id."""
    path = folder / PAGE
    path.write_text(page(report, papers), encoding="utf-8", errors="replace")
    return path


def papers_in(path: Path) -> dict[str, Paper]:
    """The papers that a page holds, to write it anew without the home."""
    text = path.read_text(encoding="utf-8")
    data = text.partition(_DATA)[2].partition("</script>")[0]
    return {
        name: Paper(found["title"], found["abstract"], id=name, year=found["year"])
        for name, found in json.loads(data)["papers"].items()
    }


def page(report: Report, papers: Mapping[str, Paper]) -> str:
    """The whole page."""
    data = {
        "questions": [_question(row) for row in report.rows],
        "papers": {name: _paper(paper) for name, paper in papers.items()},
    }
    blocks = {
        "title": escape(f"{report.data['dataset']}: how good"),
        "head": _head(report.data),
        "cards": _cards(report.data),
        "told": _told(report.data),
        "plots": _plots(report),
        "data": _as_script(data),
        "css": (_ASSETS / "page.css").read_text(encoding="utf-8"),
        "js": (_ASSETS / "page.js").read_text(encoding="utf-8"),
    }
    template = (_ASSETS / "page.html").read_text(encoding="utf-8")
    head, *rest = template.split("{{")
    parts = [head]
    for piece in rest:  # once, so that braces in a question are left alone
        name, _, text = piece.partition("}}")
        parts += [blocks[name], text]
    return "".join(parts)


def _head(data: Mapping[str, Any]) -> str:
    settings = data["settings"]
    backend, model = settings["backend"]["name"], settings["backend"].get("model")
    who = f"{backend} ({model})" if model else backend
    line = (
        f"{data['n']} questions, {who}, {settings['retrieval']['mode']} search, home "
        f"{data['home']}, {data['created'][:16].replace('T', ' ')} UTC"
    )
    return (
        f"<h1>{escape(data['dataset'])}</h1><p>{escape(line)}</p>"
        f"<p>{escape(' '.join(judges_text(data)))}{escape(_by_hand(data))}</p>"
        f"<details><summary>All settings</summary><pre>"
        f"{escape(json.dumps(settings, indent=1))}</pre></details>"
    )


def _by_hand(data: Mapping[str, Any]) -> str:
    """What labels by hand make of the share of supported sentences."""
    found = data.get("labelled")
    if not found or found["corrected"]["value"] is None:
        return ""
    said, both = found["judge"], found["corrected"]
    return (
        f" By {found['labels']['n']} labels by hand, the share of supported sentences is "
        f"{both['value']:.2f} [{both['low']:.2f}, {both['high']:.2f}], where the judge says "
        f"{said['value']:.2f} (prediction-powered inference)."
    )


def _cards(data: Mapping[str, Any]) -> str:
    chosen = measures()
    return "".join(_card(chosen[name], data["metrics"][name]) for name in _HEADLINE)


def _card(measure: Measure, found: Mapping[str, Any]) -> str:
    if found["value"] is None:
        value, spread = "–", "not measured here"
    else:
        value = f"{found['value']:.2f}{' s' if measure.unit == 's' else ''}"
        spread = f"{found['low']:.2f} to {found['high']:.2f}, n={found['n']}"
    title = escape(measure.title)
    return f'<div class="card"><b>{value}</b><span>{title}</span><small>{spread}</small></div>'


def _told(data: Mapping[str, Any]) -> str:
    left = [
        f"left out {item['id'] or 'a line'}{_line(item)}: {item['why']}"
        for item in data["left_out"]
    ]
    told = [*data["notes"], *left]
    items = "".join(f"<li>{escape(text)}</li>" for text in told[:200])
    return f'<ul class="told">{items}</ul>' if told else ""


def _line(item: Mapping[str, Any]) -> str:
    return f" (line {item['line']})" if item["line"] else ""


def _plots(report: Report) -> str:
    data, chosen = report.data, measures()
    shares = [
        (measure.title, data["metrics"][name], measure.better)
        for name, measure in chosen.items()
        if measure.group != "cost" and data["metrics"][name]["value"] is not None
    ]
    seconds = [r["answer"]["seconds"].get("total", 0.0) for r in report.rows if not failed(r)]
    risk = [(c, r) for c, r in data["curves"]["risk_coverage"]]
    found = [
        (
            "All figures",
            "Whiskers are 95% bootstrap intervals; ↓ marks where lower is better.",
            plots.bars(shares),
        ),
        (
            "Risk and coverage",
            "Share of wrong answers when only the surest are given. Flat and low is good.",
            plots.line(risk, "share of questions answered", "share wrong", "Risk and coverage"),
        ),
        (
            "Reliability",
            "Confidence that the papers answer the question, against how often they did.",
            plots.reliability(data["curves"]["reliability"], "Reliability"),
        ),
        ("Latency", "Seconds from question to answer.", plots.histogram(seconds, "Latency")),
    ]
    figures = [
        f"<figure{' class=tall' if not n else ''}><figcaption><b>{title}</b> {text}</figcaption>"
        f"{svg}</figure>"
        for n, (title, text, svg) in enumerate(found)
    ]
    return "".join(figures) + _heat_map(data, chosen)


def _heat_map(data: Mapping[str, Any], chosen: Mapping[str, Measure]) -> str:
    head = "".join(f"<th>{escape(chosen[name].title)}</th>" for name in _HEAT)
    rows = []
    for kind, found in data["by_type"].items():
        cells = "".join(_cell(found["metrics"][name], chosen[name].better) for name in _HEAT)
        rows.append(f"<tr><th>{escape(kind)} <small>n={found['n']}</small></th>{cells}</tr>")
    return (
        '<figure class="wide"><figcaption><b>By type of question</b> Blue is good, red is bad; '
        'point at a cell for its interval.</figcaption><div class="scroll"><table><thead><tr>'
        f"<th>type</th>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table></div></figure>"
    )


def _cell(found: Mapping[str, Any], better: str) -> str:
    if found["value"] is None:
        return "<td></td>"
    note = f"{found['low']:.2f} to {found['high']:.2f}, n={found['n']}"
    style = plots.heat(found["value"], better)
    return f'<td style="{style}" title="{note}">{found["value"]:.2f}</td>'


def _question(row: Row) -> dict[str, Any]:
    answer, asked = row["answer"], row["question"]
    bad, why = badness(row)
    verdicts = row["judged"]["sentences"]
    return {
        "id": row["id"],
        "type": asked.get("type", "other"),
        "question": asked["question"],
        "turns": [
            t if isinstance(t, str) else t.get("question", "") for t in asked.get("turns", [])
        ],
        "bad": round(bad, 3),
        "why": why,
        "refusal": answer["refusal"],
        "answerable": asked.get("answerable"),
        "correction": asked.get("correction", ""),
        "corrected": row["rows"].get("premises") == [1.0],
        "confidence": row["confidence"],
        "seconds": answer["seconds"].get("total", 0.0),
        "gold": list(asked.get("gold_papers", ())),
        "goldSentences": list(asked.get("gold_sentences", ())),
        "facts": _facts(answer, asked.get("key_facts", ())),
        "sentences": [
            {"text": s["text"], "citations": s["citations"], **v}
            for s, v in zip(answer["sentences"], verdicts, strict=True)
        ],
        "citations": [
            {key: c[key] for key in ("marker", "paper_id", "quote", "start", "end")}
            for c in answer["citations"]
        ],
    }


def _facts(answer: Mapping[str, Any], facts: Sequence[Sequence[str]]) -> list[list[Any]]:
    lower = "" if answer["refused"] else answer["text"].lower()
    return [[" / ".join(group), any(w.lower() in lower for w in group)] for group in facts]


def _paper(paper: Paper) -> dict[str, Any]:
    return {"title": paper.title, "abstract": paper.abstract, "year": paper.year}


def _as_script(data: Any) -> str:
    """JSON that cannot end the script it stands in."""
    text = json.dumps(data, ensure_ascii=True)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
