"""Puts the server together: the guard in front, then routes, then the page."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.responses import FileResponse, JSONResponse, PlainTextResponse, Response

from rag import __version__
from rag.chatbot import Chatbot
from ui import api, login, mcp_server, openai_api
from ui.access import Access, Sessions
from ui.failures import add_handlers
from ui.guard import Guard
from ui.headers import SecureHeaders
from ui.observe import Observed
from ui.options import Options, check_bind
from ui.service import Service

_STATIC = Path(__file__).parent / "static"
_FILES = {"page.css": "text/css", "page.js": "text/javascript"}


class Server:
    """The application, and the service behind it that has to be closed in the end."""

    def __init__(self, bot: Chatbot, options: Options, *, page: bool = True) -> None:
        access = Access(options.access_file)
        check_bind(options, known=len(access))
        self.options = options
        self.service = Service(bot, options)
        sessions = Sessions.of_home(bot.home)
        app = _routes(self.service, options, access, sessions)
        if page:
            _mount_page(app, self.service)
        guarded = Guard(app, options, access, sessions, self.service.meters)
        secured = SecureHeaders(guarded, tls=options.behind_tls)
        self.app: Any = Observed(secured, self.service.meters)

    def close(self) -> bool:
        return self.service.close()


def _routes(service: Service, options: Options, access: Access, sessions: Sessions) -> FastAPI:
    app = FastAPI(title="Footnoted", version=__version__, docs_url=None, redoc_url=None)
    add_handlers(app)
    app.include_router(login.routes(options, access, sessions))
    app.include_router(api.routes(service))
    app.include_router(openai_api.routes(service))
    mcp_server.mount(app, service)
    _health(app, service)
    _static(app)
    return app


def _health(app: FastAPI, service: Service) -> None:
    @app.get("/healthz", tags=["operation"])
    async def healthz() -> dict[str, str]:
        """The process answers."""
        return {"status": "ok"}

    @app.get("/readyz", tags=["operation"], responses={503: {"description": "Not ready"}})
    async def readyz() -> JSONResponse:
        """The index opens, the model works, and a paper is found by its own title."""
        found = await service.ready()
        return JSONResponse(found, 200 if found["ready"] else 503)

    @app.get("/metrics", tags=["operation"], response_class=PlainTextResponse)
    async def metrics() -> Response:
        """Numbers for Prometheus."""
        return Response(service.meters.text(), media_type="text/plain; version=0.0.4")


def _static(app: FastAPI) -> None:
    @app.get("/ui/{name}", include_in_schema=False)
    async def static(name: str) -> Response:
        if name not in _FILES:
            return JSONResponse({"error": {"message": "not found", "code": 404}}, 404)
        return FileResponse(_STATIC / name, media_type=_FILES[name])


def _mount_page(app: FastAPI, service: Service) -> None:
    # Gradio reports home and asks the hub for themes unless it is told not to, before its import.
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
    from ui.page import mount

    mount(app, service)
