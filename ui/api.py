"""`/api/*`: ask, search, papers, ingest, conversations, feedback. Described by /openapi.json."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import asdict
from itertools import islice
from typing import Annotated, Any

from fastapi import APIRouter, File, HTTPException, Path, Query, Request, UploadFile
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from rag.types import Event, Filters, Mode, Paper, Policy
from ui import feedback
from ui.failures import EXPECTED, body_of
from ui.service import Asked, Service, owner_name
from ui.sse import event_stream, sse
from ui.work import Place

_MAX_FILES = 100
_MEDIA = {
    "markdown": ("text/markdown", "md"),
    "json": ("application/json", "json"),
    "bibtex": ("application/x-bibtex", "bib"),
    "ris": ("application/x-research-info-systems", "ris"),
}
_ERROR: dict[str, Any] = {
    "description": "What went wrong, in one sentence",
    "content": {
        "application/json": {
            "schema": {
                "type": "object",
                "required": ["error"],
                "properties": {"error": {"type": "object"}},
            }
        }
    },
}
ERRORS: dict[int | str, dict[str, Any]] = dict.fromkeys(
    (400, 401, 403, 404, 409, 413, 429, 500, 503, 504), _ERROR
)
Year = Annotated[int | None, Field(ge=-9999, le=9999)]
Short = Annotated[str | None, Field(max_length=200)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Wanted(_Body):
    """Which papers may be found; `year` is [first, last], null for an open end."""

    year: tuple[Year, Year] | None = None
    venue: Short = None
    author: Short = None
    category: Short = None

    def filters(self) -> Filters | None:
        return Filters(self.year, self.venue, self.author, self.category) or None


class Turn(_Body):
    """An earlier question of a conversation, and what was answered."""

    question: Annotated[str, Field(max_length=20_000)]
    answer: Annotated[str, Field(max_length=50_000)] = ""


class AskBody(_Body):
    """A question. With `stream`, or `Accept: text/event-stream`, the answer comes in events."""

    question: Annotated[str, Field(min_length=1, max_length=100_000)]
    filters: Wanted | None = None
    history: Annotated[list[Turn], Field(max_length=100)] = []
    backend: Short = None
    policy: Policy | None = None
    conversation: Short = None
    stream: bool = False


class SearchBody(_Body):
    """A search; one hit a paper."""

    query: Annotated[str, Field(max_length=2_000)]
    k: Annotated[int, Field(ge=1, le=100)] = 10
    filters: Wanted | None = None
    mode: Mode | None = None


class FeedbackBody(_Body):
    """A thumb up or down on an answer."""

    answer: Annotated[str, Field(min_length=1, max_length=64)]
    question: Annotated[str, Field(max_length=20_000)] = ""
    good: bool
    reason: Annotated[str, Field(max_length=feedback.MAX_REASON)] = ""


class TitleBody(_Body):
    """What a conversation is to be called; empty: after its next question."""

    title: Annotated[str, Field(max_length=200)]


def routes(service: Service) -> APIRouter:
    router = APIRouter(prefix="/api", responses=ERRORS)
    _asking(router, service)
    _papers(router, service)
    _ingest(router, service)
    _conversations(router, service)
    return router


def owner_of(request: Request) -> str:
    return owner_name(request.scope["footnoted.user"])


def _asking(router: APIRouter, service: Service) -> None:
    stream = {"text/event-stream": {"schema": {"type": "object"}}}

    @router.post("/ask", tags=["ask"], responses={200: {"content": stream}})
    async def ask(body: AskBody, request: Request) -> Response:
        """Answer a question with footnotes; the object of `footnoted ask --json`."""
        asked = Asked(
            body.question,
            body.filters.filters() if body.filters else None,
            [turn.model_dump() for turn in body.history],
            body.backend,
            body.policy,
            body.conversation,
            owner_of(request),
        )
        service.check(asked)
        if body.conversation:
            await service.read(service.conversations.turns, body.conversation, asked.owner)
        if body.stream or "text/event-stream" in request.headers.get("accept", ""):
            return event_stream(_events(service, asked))
        answer = await service.ask(asked)
        return JSONResponse(answer.to_dict())

    @router.post("/search", tags=["search"])
    async def search(body: SearchBody) -> dict[str, Any]:
        """Ranked papers; the object of `footnoted search --json`."""
        filters = body.filters.filters() if body.filters else None
        hits, seconds = await service.search(body.query, body.k, filters, body.mode)
        mode = await service.read(service.bot.search_mode, body.mode)
        found = [hit.to_dict() for hit in hits]
        return {"query": body.query, "mode": mode, "hits": found, "seconds": seconds}

    @router.post("/feedback", status_code=204, tags=["ask"])
    async def judge(body: FeedbackBody, request: Request) -> None:
        """Say whether an answer was good, and why."""
        given = feedback.Feedback(**body.model_dump(), owner=owner_of(request))
        await service.read(feedback.store, service.bot.home, given)


async def _events(service: Service, asked: Asked) -> AsyncIterator[str]:
    try:
        async with aclosing(service.stream(asked)) as items:
            async for item in items:
                yield sse(*_named(item))
    except EXPECTED as error:
        yield sse("error", body_of(error)["error"])


def _named(item: Event | Place) -> tuple[str, Any]:
    if isinstance(item, Place):
        return "status", {"message": str(item), "place": item.number}
    if item.kind == "retrieval":
        return "retrieval", {"hits": [hit.to_dict() for hit in item.value]}
    if item.kind == "token":
        return "token", {"text": item.value}
    if item.kind == "verdict":
        return "verdict", {**asdict(item.value), "citations": list(item.value.citations)}
    return "answer", item.value.to_dict()


def _papers(router: APIRouter, service: Service) -> None:
    @router.get("/papers", tags=["papers"])
    async def papers(
        offset: Annotated[int, Query(ge=0, le=10**9)] = 0,
        limit: Annotated[int, Query(ge=1, le=500)] = 50,
    ) -> dict[str, Any]:
        """Papers in the order in which they came."""

        def look() -> dict[str, Any]:
            found = islice(service.bot.papers(), offset, offset + limit)
            total = service.bot.info()["papers"]
            return {"total": total, "offset": offset, "papers": [as_dict(p) for p in found]}

        return await service.read(look)

    @router.get("/papers/{paper_id:path}", tags=["papers"])
    async def paper(paper_id: Annotated[str, Path(min_length=1, max_length=600)]) -> dict[str, Any]:
        """One paper."""
        found = await service.read(service.bot.paper, paper_id)
        if found is None:
            raise HTTPException(404, "no such paper")
        return as_dict(found)

    @router.delete("/papers/{paper_id:path}", tags=["papers"])
    async def delete(
        paper_id: Annotated[str, Path(min_length=1, max_length=600)],
    ) -> dict[str, int]:
        """Remove one paper from the collection and the index."""
        writable(service)
        deleted = await service.read(service.bot.delete, paper_id)
        if not deleted:
            raise HTTPException(404, "no such paper")
        return {"deleted": deleted}


def _ingest(router: APIRouter, service: Service) -> None:
    @router.post("/ingest", status_code=202, tags=["ingest"])
    async def ingest(
        files: Annotated[list[UploadFile], File(min_length=1, max_length=_MAX_FILES)],
        request: Request,
    ) -> dict[str, Any]:
        """Add the papers of some files; the job says how far it is."""
        writable(service)
        given = [(file.filename or "file", await file.read()) for file in files]
        job = await service.read(service.jobs.add, given, owner_of(request))
        return job.to_dict()

    @router.get("/ingest", tags=["ingest"])
    async def jobs(request: Request) -> dict[str, Any]:
        """One's own jobs, newest first."""
        return {"jobs": [job.to_dict() for job in service.jobs.of(owner_of(request))]}

    @router.get("/ingest/{job_id}", tags=["ingest"])
    async def job(job_id: str, request: Request) -> dict[str, Any]:
        """How far a job is, and at its end what was rejected and why."""
        found = service.jobs.get(job_id, owner_of(request))
        if found is None:
            raise HTTPException(404, "no such job")
        return found.to_dict()


def _conversations(router: APIRouter, service: Service) -> None:
    kept = service.conversations

    @router.post("/conversations", status_code=201, tags=["conversations"])
    async def create(request: Request) -> dict[str, str]:
        """Begin a conversation; its id goes into `conversation` of `/api/ask`."""
        return {"id": await service.read(kept.create, owner_of(request))}

    @router.get("/conversations", tags=["conversations"])
    async def conversations(request: Request) -> dict[str, Any]:
        """One's own conversations, the one used last first."""
        found = await service.read(kept.list, owner_of(request))
        return {"conversations": [item._asdict() for item in found]}

    @router.get("/conversations/{conversation_id}", tags=["conversations"])
    async def conversation(conversation_id: str, request: Request) -> dict[str, Any]:
        """The answers of a conversation, oldest first."""
        turns = await service.read(kept.turns, conversation_id, owner_of(request))
        return {"id": conversation_id, "turns": turns}

    @router.patch("/conversations/{conversation_id}", status_code=204, tags=["conversations"])
    async def rename(conversation_id: str, body: TitleBody, request: Request) -> None:
        """Give a conversation another title."""
        await service.read(kept.rename, conversation_id, body.title, owner_of(request))

    @router.delete("/conversations/{conversation_id}", status_code=204, tags=["conversations"])
    async def forget(conversation_id: str, request: Request) -> None:
        """Delete a conversation."""
        await service.read(kept.delete, conversation_id, owner_of(request))

    @router.get(
        "/conversations/{conversation_id}/export",
        tags=["conversations"],
        response_class=PlainTextResponse,
        responses={200: {"content": {media: {} for media, _ in _MEDIA.values()}}},
    )
    async def export(
        conversation_id: str,
        request: Request,
        format: Annotated[str, Query(pattern="^(markdown|json|bibtex|ris)$")] = "markdown",
    ) -> Response:
        """The conversation as Markdown or JSON, or what it cites as BibTeX or RIS."""
        text = await service.read(kept.export, conversation_id, format, owner_of(request))
        media, ending = _MEDIA[format]
        name = {"Content-Disposition": f'attachment; filename="footnoted.{ending}"'}
        return Response(text, media_type=media, headers=name)


def writable(service: Service) -> None:
    if service.options.read_only:
        raise HTTPException(403, "this collection is read-only here")


def as_dict(paper: Paper) -> dict[str, Any]:
    found = asdict(paper)
    found.pop("raw", None)
    return found
