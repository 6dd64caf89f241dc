"""The page: layout here, what happens in chat.py and tabs.py, HTML in render.py.

Answers are shown in Markdown components, which clean HTML in the browser too and need no
'unsafe-eval' (gr.HTML does); styles and the little script come from static/.
"""

from __future__ import annotations

from typing import Any

import gradio as gr
from fastapi import FastAPI, Request

from ui import tabs
from ui.chat import Chat
from ui.service import Service
from ui.theme import theme

_HEAD = (
    '<link rel="stylesheet" href="/ui/page.css">'
    '<script src="/ui/page.js" defer></script>'
    '<meta name="color-scheme" content="light dark">'
)


def mount(app: FastAPI, service: Service) -> None:
    """Put the page at / of the application."""
    tabs.fragments(app, service)
    gr.mount_gradio_app(
        app,
        build(service),
        path="/",
        auth_dependency=_user,
        footer_links=[],
        run_history=False,
        ssr_mode=False,
        show_error=False,
        max_file_size=service.options.max_upload,
        blocked_paths=[str(service.bot.home.resolve())],
        theme=theme(),
        head=_HEAD,
    )


def build(service: Service) -> gr.Blocks:
    with gr.Blocks(title="Footnoted", analytics_enabled=False, delete_cache=(3600, 86400)) as page:
        head = html(elem_id="head")
        chat = Chat(service)
        with gr.Tabs():
            with gr.Tab("Chat"):
                chat.layout()
            with gr.Tab("Search"):
                lists = tabs.search(service)
            with gr.Tab("Library"):
                papers = tabs.library(service, page)
            with gr.Tab("Map"):
                tabs.map(service)
            with gr.Tab("Evaluation") as evaluation:
                tabs.evaluation(service, evaluation)
        hidden: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
        lists += [chat.narrow.venue, chat.narrow.category]
        page.load(chat.collection, None, [head, *lists], **hidden)
        papers.change(chat.collection, None, [head, *lists], **hidden)
        chat.wire(page)
        gr.api(chat.api_ask, api_name="ask")
        gr.api(chat.api_search, api_name="search")
    page.queue(default_concurrency_limit=64, max_size=256, api_open=True)
    return page


def html(value: str = "", **named: Any) -> gr.Markdown:
    """A component for what render.py writes."""
    return gr.Markdown(value, latex_delimiters=[], sanitize_html=True, container=False, **named)


def _user(request: Request) -> str | None:
    found: str | None = request.scope.get("footnoted.user")
    return found
