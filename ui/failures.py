"""Each failure -> an HTTP status and one sentence."""

from __future__ import annotations

import logging
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from rag.errors import ConfigError, ConversationNotFound, HomeLocked, RagError
from ui.observe import log
from ui.work import Busy, Closing, TooLong, TooOften

EXPECTED = (RagError, Busy, Closing, TooLong, TooOften)
_STATUS: dict[type[Exception], int] = {
    ConversationNotFound: 404,
    HomeLocked: 409,
    ConfigError: 400,
    RagError: 500,
    Busy: 503,
    Closing: 503,
    TooOften: 429,
    TooLong: 504,
}
_RETRY_SECONDS = "10"


def status_of(error: Exception) -> int:
    return next((code for kind, code in _STATUS.items() if isinstance(error, kind)), 500)


def message_of(error: Exception) -> str:
    """What the asker is told: our own errors name the fix, others stay in the log."""
    return str(error) if isinstance(error, EXPECTED) else "something unexpected went wrong"


def body_of(error: Exception, status: int | None = None) -> dict[str, Any]:
    code = status or status_of(error)
    return {"error": {"message": message_of(error), "type": type(error).__name__, "code": code}}


def add_handlers(app: FastAPI) -> None:
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _invalid)
    for kind in EXPECTED:
        app.add_exception_handler(kind, _failed)
    app.add_exception_handler(Exception, _unexpected)


async def _failed(_: Request, error: Exception) -> JSONResponse:
    status = status_of(error)
    headers = {"Retry-After": _RETRY_SECONDS} if status == 503 else None
    return JSONResponse(body_of(error), status, headers)


async def _http(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    body = {"error": {"message": error.detail, "type": "error", "code": error.status_code}}
    return JSONResponse(body, error.status_code, error.headers)


async def _invalid(_: Request, error: Exception) -> JSONResponse:
    """Say where and why, and repeat nothing of what was sent."""
    assert isinstance(error, RequestValidationError)
    found = [{"loc": e["loc"], "msg": e["msg"], "type": e["type"]} for e in error.errors()]
    where = ".".join(str(part) for part in found[0]["loc"][1:]) or "the request"
    message = f"{where}: {found[0]['msg']}"
    body = {"error": {"message": message, "type": "invalid_request_error", "code": 422}}
    return JSONResponse({**body, "detail": found}, 422)


async def _unexpected(_: Request, error: Exception) -> JSONResponse:
    log("unexpected", logging.ERROR, error=f"{type(error).__name__}")
    return JSONResponse(body_of(error), 500)
