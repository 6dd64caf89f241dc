"""The conversations of one user, beside the chat: open, begin, rename, delete, export."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import gradio as gr

from rag.errors import ConversationNotFound
from ui import collection, render
from ui.service import Service, owner_name

_LISTED = 40
_HIDDEN: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}


def owner_of(request: gr.Request | None) -> str:
    return owner_name(getattr(request, "username", None))


def client_of(request: gr.Request) -> str:
    """Whose questions are counted together: a user's, else those from one address."""
    return owner_of(request) or str(getattr(request.client, "host", "unknown"))


class Talks:
    """What is shown of a conversation is read from the home; `shown` is what a page is told."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def layout(self, html: Any) -> None:
        self.new = gr.Button("New conversation", size="sm")
        self.list = gr.Radio([], label="Conversations", elem_id="talks")
        self.exports = html(elem_id="exports")
        with gr.Row(elem_id="talk-tools"):
            self.name = gr.Button("Rename", size="sm", min_width=70)
            self.forget = gr.Button("Delete", size="sm", min_width=70)
        with gr.Group(visible=False) as self.naming:
            self.title = gr.Textbox(label="Title of this conversation", max_length=200)
            self.save = gr.Button("Save the title", size="sm")
        with gr.Group(visible=False) as self.sure:
            html(render.clean("<p>Delete this conversation and its answers?</p>"))
            with gr.Row():
                self.delete_it = gr.Button("Delete it", size="sm", variant="stop", min_width=70)
                self.keep_it = gr.Button("Keep it", size="sm", min_width=70)

    def wire(self, conversation: Any, shown: list[Any], running: list[Any]) -> None:
        """Say what each button does; `shown` takes what `Talks.shown` gives.

        `running` follows an answer in the making: no longer once another conversation is opened.
        """
        self.list.input(self.open, self.list, shown, cancels=running, **_HIDDEN)
        self.new.click(self.begin, None, shown, cancels=running, **_HIDDEN)
        self.name.click(self.ask_title, conversation, [self.title, self.naming], **_HIDDEN)
        gr.on(
            [self.save.click, self.title.submit], self.rename,
            [conversation, self.title], [*shown, self.naming], **_HIDDEN,
        )  # fmt: skip
        self.forget.click(_visible_if, conversation, self.sure, **_HIDDEN)
        self.keep_it.click(lambda: gr.update(visible=False), None, self.sure, **_HIDDEN)
        self.delete_it.click(self.delete, conversation, [*shown, self.sure], **_HIDDEN)

    async def shown(self, conversation: str | None, owner: str) -> tuple[Any, ...]:
        """State, place, answers, no draft, list of conversations, exports, nothing unanswered."""
        kept = self._service.conversations
        turns = await self._service.read(kept.turns, conversation, owner) if conversation else []
        papers = await self._service.papers_of(*turns)
        listed = await self._listed(owner)
        choices = [(f"{item.title} ({item.turns})", item.id) for item in listed]
        chosen = conversation if any(i == conversation for _, i in choices) else None
        talks = gr.update(choices=choices, value=chosen)
        links = collection.exports(conversation) if turns else ""
        place = render.place(conversation)
        return conversation, place, render.history(turns, papers), "", talks, links, ""

    async def open(self, conversation: str | None, request: gr.Request) -> tuple[Any, ...]:
        """One of the owner's conversations; a new one where there is none of that name."""
        try:
            return await self.shown(conversation, owner_of(request))
        except ConversationNotFound:
            return await self.shown(None, owner_of(request))

    async def begin(self, request: gr.Request) -> tuple[Any, ...]:
        return await self.shown(None, owner_of(request))

    async def ask_title(self, conversation: str | None, request: gr.Request) -> tuple[str, Any]:
        listed = await self._listed(owner_of(request))
        title = next((item.title for item in listed if item.id == conversation), "")
        return title, _visible_if(title)

    async def rename(
        self, conversation: str | None, title: str, request: gr.Request
    ) -> tuple[Any, ...]:
        owner = owner_of(request)
        try:
            if conversation and (title or "").strip():
                await self._service.read(
                    self._service.conversations.rename, conversation, title, owner
                )
            shown = await self.shown(conversation, owner)
        except ConversationNotFound:  # deleted on another page
            shown = await self.shown(None, owner)
        return *shown, gr.update(visible=False)

    async def delete(self, conversation: str | None, request: gr.Request) -> tuple[Any, ...]:
        owner = owner_of(request)
        if conversation:
            with suppress(ConversationNotFound):  # then it is gone, as was asked for
                await self._service.read(self._service.conversations.delete, conversation, owner)
        return *await self.shown(None, owner), gr.update(visible=False)

    async def _listed(self, owner: str) -> list[Any]:
        """Those with an answer: one whose first answer was stopped has nothing to show."""
        found = await self._service.read(self._service.conversations.list, owner)
        return [item for item in found if item.turns][:_LISTED]


def _visible_if(value: object) -> Any:
    return gr.update(visible=bool(value))
