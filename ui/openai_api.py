"""`/v1/*`: Footnoted as a model of an OpenAI-compatible server.

The text carries the footnotes and ends with what they stand for; `footnoted` beside the choices
is the whole answer. A stream begins at once and speaks when the sentences are verified: what an
OpenAI client has shown cannot be taken back.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Annotated, Any, Literal

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from rag.errors import ConfigError
from rag.types import LISTED, Answer, Event
from ui.api import ERRORS, owner_of
from ui.failures import EXPECTED, body_of
from ui.service import Asked, Service
from ui.sse import data_only, event_stream

NAME = "footnoted"
_PIECE = 24  # characters of a delta


class Part(BaseModel):
    """A part of a message; only text is read."""

    type: str = "text"
    text: str = ""


class ChatMessage(BaseModel):
    """A message as OpenAI's clients send it; what is not known here is left aside."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: Annotated[str, Field(max_length=100_000)] | list[Part] | None = None

    @property
    def text(self) -> str:
        if isinstance(self.content, list):
            return " ".join(part.text for part in self.content if part.type == "text")
        return self.content or ""


class StreamOptions(BaseModel):
    include_usage: bool = False


class ChatBody(BaseModel):
    """A chat. The last message of the user is the question, those before it the conversation."""

    model_config = ConfigDict(extra="ignore")

    model: Annotated[str, Field(max_length=200)] = NAME
    messages: Annotated[list[ChatMessage], Field(min_length=1, max_length=500)]
    stream: bool = False
    stream_options: StreamOptions | None = None
    n: Annotated[int, Field(ge=1, le=1)] | None = None


def routes(service: Service) -> APIRouter:
    router = APIRouter(prefix="/v1", tags=["openai"], responses=ERRORS)
    stream = {"text/event-stream": {"schema": {"type": "object"}}}

    @router.get("/models")
    async def models() -> dict[str, Any]:
        """What may be given as `model`."""
        return {"object": "list", "data": [_model(name) for name in _models(service)]}

    @router.get("/models/{name:path}")
    async def model(name: str) -> dict[str, Any]:
        """One of the models."""
        if name not in _models(service):
            raise HTTPException(404, "no such model; see /v1/models")
        return _model(name)

    @router.post("/chat/completions", responses={200: {"content": stream}})
    async def complete(body: ChatBody, request: Request) -> Response:
        """Answer the last message of the user, with footnotes."""
        asked = _asked(service, body, owner_of(request))
        service.check(asked)
        if body.stream:
            usage = bool(body.stream_options and body.stream_options.include_usage)
            return event_stream(_chunks(service, asked, body.model, usage))
        answer = await service.ask(asked)
        failure = _failure(answer)
        return JSONResponse(failure or _completion(answer, body.model), 502 if failure else 200)

    return router


def spoken(answer: Answer) -> str:
    """The answer for somebody who sees only text: its footnotes written out below it."""
    parts = [answer.text]
    if answer.truncated:
        parts.append("(The answer was cut off before its end.)")
    notes = []
    for c in answer.citations:
        year = f" ({c.year})" if c.year else ""
        notes.append(f"[{c.marker}] {c.title}{year}. {c.url or ''}".rstrip() + f"\n“{c.quote}”")
    nearest = [f"- {paper.title}" for paper in answer.nearest]
    if notes:
        parts.append("\n\n".join(notes))
    if nearest:
        listed = all(paper.score == LISTED for paper in answer.nearest)
        parts.append("\n".join(["Papers:" if listed else "Nearest papers:", *nearest]))
    return "\n\n".join(parts)


def _models(service: Service) -> list[str]:
    return [NAME, *(f"{NAME}/{name}" for name in service.backends)]


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": NAME}


def _asked(service: Service, body: ChatBody, owner: str) -> Asked:
    if body.model not in _models(service):
        raise HTTPException(404, f"no model '{body.model[:100]}'; see /v1/models")
    users = [i for i, m in enumerate(body.messages) if m.role == "user" and m.text.strip()]
    if not users:
        raise ConfigError("no message of the user in it")
    backend = body.model.partition("/")[2] or None
    history = _history(body.messages[: users[-1]])
    return Asked(body.messages[users[-1]].text, None, history, backend, owner=owner)


def _history(messages: list[ChatMessage]) -> list[dict[str, str]]:
    turns: list[dict[str, str]] = []
    for message in messages:
        if message.role == "user" and message.text.strip():
            turns.append({"question": message.text, "answer": ""})
        elif message.role == "assistant" and turns:
            turns[-1]["answer"] = message.text
    return turns


def _completion(answer: Answer, model: str) -> dict[str, Any]:
    message = {"role": "assistant", "content": spoken(answer), "refusal": None}
    choice = {"index": 0, "message": message, "finish_reason": _finish(answer), "logprobs": None}
    return {
        "id": f"chatcmpl-{answer.id}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": model,
        "choices": [choice],
        "usage": _usage(answer),
        NAME: answer.to_dict(),
    }


async def _chunks(service: Service, asked: Asked, model: str, usage: bool) -> AsyncIterator[str]:
    base = {"id": "chatcmpl-0", "object": "chat.completion.chunk", "created": int(time.time())}

    def chunk(delta: dict[str, Any], finish: str | None = None, **more: Any) -> str:
        choice = {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}
        return data_only({**base, "model": model, "choices": [choice], **more})

    yield chunk({"role": "assistant", "content": ""})
    try:
        async with aclosing(service.stream(asked)) as items:
            async for item in items:
                if isinstance(item, Event) and item.kind == "answer":
                    answer = item.value
    except EXPECTED as error:
        yield data_only(body_of(error))
        return
    if failure := _failure(answer):
        yield data_only(failure)
        return
    text = spoken(answer)
    for start in range(0, len(text), _PIECE):
        yield chunk({"content": text[start : start + _PIECE]})
    yield chunk({}, _finish(answer), **{NAME: answer.to_dict()})
    if usage:
        yield data_only({**base, "model": model, "choices": [], "usage": _usage(answer)})
    yield data_only("[DONE]")


def _failure(answer: Answer) -> dict[str, Any] | None:
    if answer.refusal and answer.refusal.kind == "backend_failed":
        error = {"message": answer.refusal.message, "type": "backend_failed", "code": 502}
        return {"error": error}
    return None


def _finish(answer: Answer) -> str:
    return "length" if answer.truncated else "stop"


def _usage(answer: Answer) -> dict[str, int]:
    prompt, completion = answer.tokens.get("prompt", 0), answer.tokens.get("completion", 0)
    total = prompt + completion
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": total}
