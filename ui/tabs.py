"""The tabs beside the chat: search, library, map, evaluation."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Any

import gradio as gr
from fastapi import FastAPI
from fastapi.responses import HTMLResponse

from rag.errors import RagError
from rag.types import Filters
from ui import collection, render
from ui.chat import owner_of
from ui.failures import EXPECTED, message_of
from ui.parse import years
from ui.service import Service

_PAGE_SIZE = 25
_HIDDEN: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}


def search(service: Service) -> None:
    """Ranked papers, the best sentence of each marked, and what they have in common."""
    from ui.page import html

    query = gr.Textbox(label="Search", placeholder="Words, or a title", max_length=2000)
    with gr.Row():
        mode = gr.Radio(
            ["hybrid", "dense", "lexical"], value=service.bot.settings.retrieval.mode, label="How"
        )
        k = gr.Slider(5, 50, value=10, step=5, label="How many")
        span = gr.Textbox(label="Years", placeholder="2020-2024, 2020-", max_length=20)
        author = gr.Textbox(label="Author", max_length=200)
        venue = gr.Textbox(label="Venue or category", max_length=200)
    go = gr.Button("Search", variant="primary")
    found, facets = html(elem_id="found"), html(elem_id="facets")

    async def run(
        query: str, mode: Any, k: float, span: str, author: str, venue: str
    ) -> tuple[str, str]:
        if not (query or "").strip():
            return render.notice("Write what to look for."), ""
        named = (venue or "").strip() or None
        place: dict[str, Any] = (
            {"category": named} if named and named.casefold() in _categories(service) else {}
        )
        place = place or {"venue": named}
        try:
            filters = Filters(years(span or ""), author=(author or "").strip() or None, **place)
            hits, _ = await service.search(query, int(k), filters or None, mode)
        except EXPECTED as error:
            return render.notice(message_of(error), "error"), ""
        spans = [collection.best_sentence(query, hit) for hit in hits]
        groups = collection.counts([hit.paper for hit in hits])
        return render.hits(hits, spans), render.facets(groups)

    given = [query, mode, k, span, author, venue]
    gr.on([go.click, query.submit], run, given, [found, facets], **_HIDDEN)


def _categories(service: Service) -> Any:
    return collection.known(service.bot).categories


def library(service: Service, page: gr.Blocks) -> None:
    """Add papers, see what became of them, look through them, delete some."""
    from ui.page import html

    read_only = service.options.read_only
    if read_only:
        html(render.notice("This collection is read-only here."))
    drop = gr.File(
        label="Drop files with papers here", file_count="multiple", visible=not read_only,
        elem_id="drop", height=150,
    )  # fmt: skip
    jobs, timer = html(elem_id="jobs"), gr.Timer(1.0, active=False)
    with gr.Row():
        look = gr.Textbox(label="Find in the library", max_length=200)
        number = gr.Number(1, label="Page", precision=0, minimum=1)
    shown = html(elem_id="library")
    with gr.Group(visible=not read_only):
        gone = gr.Textbox(label="Delete by id (one a line)", lines=1, max_lines=5, max_length=5000)
        delete = gr.Button("Delete these papers", variant="stop", size="sm")
    said = html(elem_id="said")

    def listed(look: str, number: float | None) -> str:
        try:
            if (look or "").strip():
                hits = service.bot.search(look, k=_PAGE_SIZE)
                return render.papers([hit.paper for hit in hits], service.bot.info()["papers"])
            start = (max(int(number or 1), 1) - 1) * _PAGE_SIZE
            found = list(islice(service.bot.papers(), start, start + _PAGE_SIZE))
            return render.papers(found, service.bot.info()["papers"])
        except RagError as error:
            return render.notice(str(error), "error")

    async def refresh(look: str, number: float | None) -> str:
        return await service.read(listed, look, number)

    async def progress(look: str, number: float | None, request: gr.Request) -> tuple[Any, ...]:
        mine = service.jobs.of(owner_of(request))[:10]
        busy = any(job.open for job in mine)
        fresh = gr.skip() if busy else await refresh(look, number)
        return render.jobs(mine), gr.Timer(active=busy), fresh

    async def add(
        files: list[str] | None, look: str, number: float | None, request: gr.Request
    ) -> tuple[Any, ...]:
        if files and not read_only:
            given = [(Path(name).name, Path(name)) for name in files]
            await service.read(service.jobs.add, given, owner_of(request))
        return (None, *await progress(look, number, request))

    async def remove(ids: str, look: str, number: float | None) -> tuple[str, str, str]:
        wanted = [line.strip() for line in (ids or "").splitlines() if line.strip()]
        if not wanted or read_only:
            return (
                render.notice("Name the ids of the papers first."),
                ids,
                await refresh(look, number),
            )
        try:
            count = await service.read(service.bot.delete, *wanted)
        except RagError as error:
            return render.notice(str(error), "error"), ids, await refresh(look, number)
        left = "" if count == len(wanted) else ids
        return (
            render.notice(f"{count} of {len(wanted)} deleted."),
            left,
            await refresh(look, number),
        )

    where = [look, number]
    shows = [jobs, timer, shown]
    drop.upload(add, [drop, *where], [drop, *shows], **_HIDDEN)
    timer.tick(progress, where, shows, **_HIDDEN)
    page.load(progress, where, shows, **_HIDDEN)
    gr.on([look.submit, number.change], refresh, where, shown, **_HIDDEN)
    delete.click(remove, [gone, *where], [said, gone, shown], **_HIDDEN)


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


def evaluation(service: Service) -> None:
    """Runs of `footnoted eval` that lie in the home's folder `runs`."""
    from ui.page import html

    html(
        render.clean(
            "<div><p>Runs in the folder <b>runs</b> of the home, made by footnoted eval run.</p>"
            '<p><a class="fragment" href="/ui/fragment/runs">Show the runs</a></p></div>'
        ),
        elem_id="runs",
    )


def fragments(app: FastAPI, service: Service) -> None:
    """Parts of the page that are fetched when they are wanted."""

    @app.get("/ui/fragment/map", include_in_schema=False)
    async def draw() -> HTMLResponse:
        from ui.map import drawn

        return HTMLResponse(await service.read(drawn, service.bot))

    @app.get("/ui/fragment/runs", include_in_schema=False)
    async def runs() -> HTMLResponse:
        from ui.runs import listed

        return HTMLResponse(await service.read(listed, service.bot.home / "runs"))

    @app.get("/ui/runs/{name}/report.html", include_in_schema=False)
    async def report(name: str) -> HTMLResponse:
        from ui.runs import report_of

        page = await service.read(report_of, service.bot.home / "runs", name)
        return HTMLResponse(page or "no such run", 200 if page else 404)
