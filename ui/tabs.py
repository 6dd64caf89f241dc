"""The tabs beside the chat: search, library, map, evaluation."""

from __future__ import annotations

import math
from itertools import islice
from pathlib import Path
from typing import Any

import gradio as gr
from fastapi import FastAPI
from fastapi.responses import HTMLResponse

from rag.errors import RagError
from rag.types import Filters, Paper
from ui import collection, render, runs, shelf
from ui.failures import EXPECTED, message_of
from ui.narrow import picker, years_box
from ui.parse import years
from ui.service import Service
from ui.talks import client_of, owner_of

_PAGE_SIZE = 25
_TWINS = 50  # works listed
_FORMATS = (
    "BibTeX, RIS, PubMed, arXiv, JSON, CSV, Parquet or text; packed, too. What cannot be read is "
    "listed with its reason."
)
_HIDDEN: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}


def search(service: Service) -> list[Any]:
    """Ranked papers, the best sentence of each marked, and what they have in common.

    Returned are the lists of venues and categories, for whoever knows when they change.
    """
    from ui.page import html

    with gr.Row(elem_id="search-box"):
        query = gr.Textbox(
            label="Search", placeholder="Words, or a title", max_length=2000, scale=8, min_width=180
        )
        go = gr.Button("Search", variant="primary", scale=1, min_width=90)
    with gr.Row():
        mode = gr.Radio(
            ["hybrid", "dense", "lexical"], value=service.bot.settings.retrieval.mode, label="How"
        )
        k = gr.Slider(5, 50, value=10, step=5, label="How many")
        span, author = years_box(), gr.Textbox(label="Author", max_length=200, min_width=130)
        venue, category = picker("Venue"), picker("Category")
    found, facets = html(elem_id="found"), html(elem_id="facets")

    async def run(
        query: str, mode: Any, k: float, span: str, author: str, venue: str, category: str,
        request: gr.Request,
    ) -> tuple[str, str]:  # fmt: skip
        if not (query or "").strip():
            return render.notice("Write what to look for."), ""
        named = ((value or "").strip() or None for value in (venue, author, category))
        try:
            service.pace(client_of(request))
            filters = Filters(years(span or ""), *named)
            hits, _ = await service.search(query, int(k), filters or None, mode)
        except EXPECTED as error:
            return render.notice(message_of(error), "error"), ""
        spans = [collection.best_sentence(query, hit) for hit in hits]
        groups = collection.counts([hit.paper for hit in hits])
        return render.hits(hits, spans), render.facets(groups)

    given = [query, mode, k, span, author, venue, category]
    gr.on([go.click, query.submit], run, given, [found, facets], **_HIDDEN)
    return [venue, category]


def library(service: Service, page: gr.Blocks) -> gr.Markdown:
    """Add papers, see what became of them, look through them, delete some.

    Returned is what lists the papers; it changes when they do.
    """
    from ui.page import html

    read_only = service.options.read_only
    if read_only:
        html(render.notice("This collection is read-only here."))
    drop = gr.File(
        label="Files with papers", file_count="multiple", visible=not read_only,
        elem_id="drop", height=150,
    )  # fmt: skip
    if not read_only:
        html(render.clean(f'<p class="origin">{render.text(_FORMATS)}</p>'))
    jobs, timer = html(elem_id="jobs"), gr.Timer(1.0, active=False)
    twins = html(elem_id="twins")
    with gr.Row(elem_id="look"):
        look = gr.Textbox(label="Find in the library", max_length=200, scale=6, min_width=160)
        number = gr.Number(1, label="Page", precision=0, minimum=1, scale=1, min_width=80)
        again = gr.Button("Refresh", scale=1, min_width=90, elem_id="refresh-library")
    shown = html(elem_id="library")
    with gr.Accordion("Delete several at once", open=False, visible=not read_only):
        gone = gr.Textbox(label="Their ids, one a line", lines=2, max_lines=8, max_length=5000)
        delete = gr.Button("Delete these papers", variant="stop", size="sm")
    said = html(elem_id="said")

    async def refresh(look: str, number: float | None) -> tuple[str, str]:
        return await service.read(_library_now, service, look, number)

    async def progress(look: str, number: float | None, request: gr.Request) -> tuple[Any, ...]:
        mine = service.jobs.of(owner_of(request))[:10]
        busy = any(job.open for job in mine)
        fresh = (gr.skip(), gr.skip()) if busy else await refresh(look, number)
        return shelf.jobs(mine), gr.Timer(active=busy), *fresh

    async def add(
        files: list[str] | None, look: str, number: float | None, request: gr.Request
    ) -> tuple[Any, ...]:
        if files and not read_only:
            given = [(Path(name).name, Path(name)) for name in files]
            await service.read(service.jobs.add, given, owner_of(request))
        return (None, *await progress(look, number, request))

    async def remove(ids: str, look: str, number: float | None) -> tuple[str, ...]:
        said, left = await service.read(_remove, service, ids or "")
        return said, left, *await refresh(look, number)

    where = [look, number]
    lists = [shown, twins]
    shows = [jobs, timer, *lists]
    drop.upload(add, [drop, *where], [drop, *shows], **_HIDDEN)
    timer.tick(progress, where, shows, **_HIDDEN)
    page.load(progress, where, shows, **_HIDDEN)
    gr.on([look.submit, number.change, again.click], refresh, where, lists, **_HIDDEN)
    delete.click(remove, [gone, *where], [said, gone, *lists], **_HIDDEN)
    return shown


def _library_now(service: Service, look: str, number: float | None) -> tuple[str, str]:
    """The papers asked for, and the works that are there twice."""
    removable = not service.options.read_only
    try:
        twins = shelf.twins(*collection.twins(service.bot, _TWINS), removable=removable)
        found, where = _looked_up(service, (look or "").strip(), int(number or 1))
        return shelf.papers(found, where, removable=removable), twins
    except RagError as error:
        return render.notice(str(error), "error"), ""


def _looked_up(service: Service, look: str, number: int) -> tuple[list[Paper], str]:
    bot, total = service.bot, service.bot.info()["papers"]
    if look:
        found = [hit.paper for hit in bot.search(look, k=_PAGE_SIZE)]
        return found, f"the {len(found):,} nearest of {total:,} papers"
    last = max(math.ceil(total / _PAGE_SIZE), 1)
    start = (min(max(number, 1), last) - 1) * _PAGE_SIZE
    found = list(islice(bot.papers(), start, start + _PAGE_SIZE))
    return found, f"papers {start + 1:,} to {start + len(found):,} of {total:,}"


def _remove(service: Service, ids: str) -> tuple[str, str]:
    """What to say, and what stays in the box."""
    wanted = [line.strip() for line in ids.splitlines() if line.strip()]
    if not wanted or service.options.read_only:
        return render.notice("Name the ids of the papers first."), ids
    try:
        count = service.bot.delete(*wanted)
    except RagError as error:
        return render.notice(str(error), "error"), ids
    return render.notice(f"{count} of {len(wanted)} deleted."), "" if count == len(wanted) else ids


def map(service: Service) -> None:
    """The collection at once; drawn when it is asked for."""
    from ui.page import html

    html(
        render.clean(
            "<div><p>Papers that speak of like things lie together; a topic is named by the words "
            "that set it apart. A tile or a dot leads to its papers.</p>"
            '<p><a class="fragment" href="/ui/fragment/map">Draw the map</a></p></div>'
        ),
        elem_id="map",
    )


def evaluation(service: Service, tab: gr.Tab) -> None:
    """Runs of `footnoted eval` that lie in the home's folder `runs`, and two of them compared."""
    from ui.page import html

    folder = service.bot.home / "runs"
    with gr.Row(elem_id="compare", visible=False) as choosing:
        first = gr.Dropdown([], label="Compare A", min_width=120)
        second = gr.Dropdown([], label="with B", min_width=120)
        go = gr.Button("Compare", variant="primary", min_width=100, scale=0)
    found, shown = html(elem_id="compared"), html(elem_id="runs")

    async def arrive() -> tuple[Any, ...]:
        listed, names = await service.read(_runs_now, folder)
        # The newest against the one before it: what somebody who has just run one wants to see.
        picked = [*names[1::-1], None, None] if len(names) > 1 else [None, None]
        lists = (gr.update(choices=names, value=value) for value in picked[:2])
        return listed, gr.update(visible=len(names) > 1), *lists

    async def compare(a: str | None, b: str | None) -> str:
        try:
            return await service.read(runs.compared, folder, a, b)
        except RagError as error:
            return render.notice(str(error), "error")

    tab.select(arrive, None, [shown, choosing, first, second], **_HIDDEN)
    go.click(compare, [first, second], found, show_progress="minimal", api_visibility="private")


def _runs_now(folder: Path) -> tuple[str, list[str]]:
    return runs.listed(folder), list(runs.read(folder))


def fragments(app: FastAPI, service: Service) -> None:
    """Parts of the page that are fetched when they are wanted."""

    @app.get("/ui/fragment/map", include_in_schema=False)
    async def draw() -> HTMLResponse:
        from ui.map import drawn

        return HTMLResponse(await service.read(drawn, service.bot))

    @app.get("/ui/runs/{name}/report.html", include_in_schema=False)
    async def report(name: str) -> HTMLResponse:
        page = await service.read(runs.report_of, service.bot.home / "runs", name)
        return HTMLResponse(page or "no such run", 200 if page else 404)
