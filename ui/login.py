"""`/login` and `/logout`: a form, a signed cookie, and a limit on attempts."""

from __future__ import annotations

import asyncio
from html import escape
from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from ui.access import SESSION_SECONDS, Access, Sessions, Window
from ui.guard import COOKIE, client_of
from ui.observe import log
from ui.options import Options

ATTEMPTS, ATTEMPTS_SECONDS = 5, 300.0
_OF_CLIENT = 30  # whatever names it tries
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Footnoted: log in</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="stylesheet" href="/ui/page.css"></head>
<body class="login"><main><h1>Footnoted</h1>{notice}
<form method="post" action="/login">
<label for="name">Name</label>
<input id="name" name="name" autocomplete="username" required maxlength="64" autofocus>
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password" required
 maxlength="200">
<button type="submit">Log in</button></form></main></body></html>"""


def routes(options: Options, access: Access, sessions: Sessions) -> APIRouter:
    router = APIRouter(include_in_schema=False)
    tries = Window(ATTEMPTS, ATTEMPTS_SECONDS)
    clients = Window(_OF_CLIENT, ATTEMPTS_SECONDS)

    @router.get("/login")
    async def form() -> HTMLResponse:
        return _page()

    @router.post("/login")
    async def login(
        request: Request,
        name: Annotated[str, Form(max_length=64)] = "",
        password: Annotated[str, Form(max_length=200)] = "",
    ) -> Response:
        # By name and by client: neither many names from one place nor one name from many.
        client = client_of(dict(request.scope))
        wait = max(tries.wait(f"name:{name}"), clients.wait(client))
        if wait:
            text = f"Too many attempts. Try again in {int(wait) // 60 + 1} minutes."
            return _page(text, 429, {"Retry-After": str(int(wait) + 1)})
        tries.add(f"name:{name}")
        clients.add(client)
        if not await asyncio.to_thread(access.check_password, name, password):
            log("login failed", client=client)
            return _page("That name and password do not fit.", 401)
        tries.forget(f"name:{name}")
        response = RedirectResponse("/", 303)
        response.set_cookie(
            COOKIE, sessions.issue(name), max_age=SESSION_SECONDS, httponly=True,
            samesite="lax", secure=options.behind_tls or request.url.scheme == "https",
        )  # fmt: skip
        return response

    @router.post("/logout")
    async def logout() -> Response:
        response = RedirectResponse("/login", 303)
        response.delete_cookie(COOKIE)
        return response

    return router


def _page(
    notice: str = "", status: int = 200, headers: dict[str, str] | None = None
) -> HTMLResponse:
    shown = f'<p role="alert">{escape(notice)}</p>' if notice else ""
    return HTMLResponse(_PAGE.format(notice=shown), status, headers)
