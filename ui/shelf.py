"""The library -> HTML: papers, works that are there twice, ingest jobs. As in render.py."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from rag.types import Paper
from ui.render import card, clean, notice, text


def papers(found: Sequence[Paper], where: str, *, removable: bool = False) -> str:
    """A page of the library; `where` says which."""
    if not found:
        return notice("No papers yet. Drop some files above.")
    items = "".join(f"<li>{_held(p, n, removable)}</li>" for n, p in enumerate(found))
    return clean(f'<div class="results"><p>{text(where)}</p><ul>{items}</ul></div>')


def twins(groups: Sequence[Sequence[Paper]], total: int, *, removable: bool = False) -> str:
    """Works that are in the library under several ids, the first of `total`."""
    if not groups:
        return clean("<div></div>")
    works = "".join(_twin(group, number, removable) for number, group in enumerate(groups))
    head = "1 work is" if total == 1 else f"{total:,} works are"
    more = total - len(groups)
    rest = f"<p>and {more:,} more</p>" if more > 0 else ""
    return clean(
        f'<details class="twins" open><summary>{head} here more than once</summary><p>The same '
        f"title and an author in common, or nearly the same abstract. An answer cites one of "
        f'them.</p><div class="results"><ul>{works}</ul></div>{rest}</details>'
    )


def _held(paper: Paper, number: int, removable: bool) -> str:
    return card(paper, None, f"lib-{number}", paper.id, tail=_remover(paper) if removable else "")


def _twin(group: Sequence[Paper], number: int, removable: bool) -> str:
    items = (
        f"<li>{card(p, None, f'twin-{number}-{n}', p.id)}{_remover(p) if removable else ''}</li>"
        for n, p in enumerate(group)
    )
    return f'<li class="twin"><ul>{"".join(items)}</ul></li>'


def jobs(found: Sequence[Any]) -> str:
    """Ingest jobs, their progress, and what was rejected and why."""
    return clean("".join(_job(job) for job in found) or "<div></div>")


def _remover(paper: Paper) -> str:
    """A button that deletes a paper; page.js knows it."""
    return (
        f'<p class="tools"><button type="button" class="remove">Delete'
        f'<span class="sr"> {text(paper.title)}</span></button>'
        f'<span class="paper-id">{quote(paper.id, safe="")}</span></p>'
    )


def _job(job: Any) -> str:
    counts = ", ".join(f"{n} {name}" for name, n in job.report.items())
    share = f" ({job.done:,} of {job.total:,})" if job.total else f" ({job.done:,})"
    state = {
        "waiting": "waiting",
        "running": f"{job.stage or 'starting'}{share if job.done else ''}",
        "done": counts,
        "failed": job.error,
    }[job.state]
    rows = "".join(
        f"<tr><td>{text(r['source'])}</td><td>{int(r['line'])}</td><td>{text(r['reason'])}</td>"
        f"<td>{text(r['raw'][:120])}</td></tr>"
        for r in job.rejects
    )
    head = "<thead><tr><th>File</th><th>Line</th><th>Why</th><th>Record</th></tr></thead>"
    rejects = (
        f"<details><summary>{len(job.rejects)} rejected</summary>"
        f"<table>{head}<tbody>{rows}</tbody></table></details>"
    )
    return (
        f'<div class="job {job.state}"><p><b>{text(", ".join(job.names))}</b>: {text(state)}</p>'
        f"{rejects if job.rejects else ''}</div>"
    )
