"""What happens in the chat: asking, stopping, going on with a conversation, judging an answer."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import gradio as gr

from rag.errors import ConfigError, ConversationNotFound
from rag.types import Filters, Policy
from ui import collection, feedback, render
from ui.failures import EXPECTED, message_of
from ui.observe import log
from ui.parse import Known, chips, merged, read_filters, years
from ui.service import Asked, Service, owner_name
from ui.work import Place

_EXAMPLES = 4
_LISTED = 40
_REDRAW = 0.1  # seconds between two drawings of a draft
_REASONS = ("wrong", "not what the source says", "incomplete", "should have answered", "other")
_POLICY_WORDS: dict[Policy, str] = {
    "flag": "mark what is not supported",
    "drop": "leave it out",
    "keep": "keep it",
}
_HIDDEN: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}


def owner_of(request: gr.Request | None) -> str:
    return owner_name(getattr(request, "username", None))


class Chat:
    """The chat tab of one page; what it shows of a conversation is read from the home."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def layout(self) -> None:
        """Lay the tab out. Reading order is: answers, question, then what stands beside them."""
        from ui.page import html

        self.conversation = gr.State(None)
        with gr.Row():
            with gr.Column(scale=4, min_width=320):
                self.history = html(elem_id="history")
                self.live = html(elem_id="live")
                with gr.Row(elem_id="examples"):
                    self.examples = [
                        gr.Button(visible=False, size="sm", min_width=120) for _ in range(_EXAMPLES)
                    ]
                with gr.Row(elem_id="judge"):
                    self.retry = gr.Button("Retry", size="sm", min_width=70)
                    self.edit = gr.Button("Edit", size="sm", min_width=70)
                    self.good = gr.Button("Thumbs up", size="sm", min_width=70)
                    self.bad = gr.Button("Thumbs down", size="sm", min_width=70)
                with gr.Group(visible=False) as self.why:
                    self.reason = gr.Radio(list(_REASONS), label="What was wrong with it?")
                    self.more = gr.Textbox(label="In your own words", max_length=800)
                    self.send = gr.Button("Send", size="sm")
                self.thanks = html(elem_id="thanks")
                with gr.Column(elem_id="composer"):
                    self._composer(html)
            with gr.Column(scale=1, min_width=240):
                self._beside(html)

    def _composer(self, html: Any) -> None:
        self.chips = html(elem_id="chips")
        with gr.Row():
            self.question = gr.Textbox(
                label="Question", placeholder="Ask about the papers (/ comes here)", scale=8,
                lines=1, max_lines=6, max_length=self._service.options.max_question,
                elem_id="question", autofocus=True, min_width=120,
            )  # fmt: skip
            self.ask = gr.Button("Ask", variant="primary", scale=1, min_width=70)
            self.stop = gr.Button("Stop", scale=1, min_width=70)

    def _beside(self, html: Any) -> None:
        self.new = gr.Button("New conversation", size="sm")
        self.talks = gr.Radio([], label="Conversations", elem_id="talks")
        self.exports = html(elem_id="exports")
        self.forget = gr.Button("Delete this conversation", size="sm")
        with gr.Accordion("Which papers", open=False):
            self.written = gr.Checkbox(True, label="Also read filters in the question")
            self.years = gr.Textbox(label="Years", placeholder="2020-2024, 2020-", max_length=20)
            self.venue = gr.Textbox(label="Venue", max_length=200)
            self.author = gr.Textbox(label="Author", max_length=200)
            self.category = gr.Textbox(label="Category", max_length=200)
        with gr.Accordion("Who answers, and how", open=False):
            backends = self._service.backends
            self.backend = gr.Radio(backends, value=backends[0], label="Backend")
            policy = self._service.bot.settings.answer.policy
            choices = [(words, name) for name, words in _POLICY_WORDS.items()]
            self.policy = gr.Radio(choices, value=policy, label="A sentence without support")

    def wire(self, page: gr.Blocks) -> None:
        """Say what each button does."""
        shown = [self.conversation, self.history, self.live, self.talks, self.exports]
        filters = [
            self.written, self.years, self.venue, self.author, self.category,
        ]  # fmt: skip
        given = [self.question, self.conversation, *filters, self.backend, self.policy]
        told = [*shown, self.question, self.chips]
        asking = gr.on([self.ask.click, self.question.submit], self.run, given, told, **_HIDDEN)
        again = self.retry.click(self.last_question, self.conversation, self.question, **_HIDDEN)
        again = again.then(self.run, given, told, **_HIDDEN)
        examples = [
            button.click(str, button, self.question, **_HIDDEN).then(
                self.run, given, told, **_HIDDEN
            )
            for button in self.examples
        ]
        running = [asking, again, *examples]
        self.stop.click(self.stopped, None, self.live, cancels=running, **_HIDDEN)
        self.edit.click(self.last_question, self.conversation, self.question, **_HIDDEN)
        gr.on(
            [self.question.input, *(item.change for item in filters)],
            self.preview, [self.question, *filters], self.chips,
            trigger_mode="always_last", **_HIDDEN,
        )  # fmt: skip
        page.load(self.arrive, None, [*shown, *self.examples], **_HIDDEN)
        self.talks.input(self.open, self.talks, shown, **_HIDDEN)
        self.new.click(self.begin, None, shown, **_HIDDEN)
        self.forget.click(self.delete, self.conversation, shown, **_HIDDEN)
        self.good.click(self.praise, self.conversation, self.thanks, **_HIDDEN)
        self.bad.click(lambda: gr.update(visible=True), None, self.why, **_HIDDEN)
        self.send.click(
            self.blame, [self.conversation, self.reason, self.more],
            [self.thanks, self.why], **_HIDDEN,
        )  # fmt: skip

    async def run(
        self, question: str, conversation: str | None, written: bool, span: str,
        venue: str, author: str, category: str, backend: str, policy: Policy, request: gr.Request,
    ) -> AsyncIterator[tuple[Any, ...]]:  # fmt: skip
        """Ask, and tell what is being done until the answer is there."""
        question = (question or "").strip()
        if not question:
            yield self._same(live=render.notice("Write a question first."), question=question)
            return
        owner = owner_of(request)
        try:
            wanted = (written, span, venue, author, category)
            filters, words = await self._service.read(self._filters, question, *wanted)
            if conversation is None:
                conversation = await self._service.read(self._service.conversations.create, owner)
            asked = Asked(words, filters, (), backend, policy, conversation, owner, question)
            async for live in self._progress(asked, question):
                yield self._same(live=live, question="", conversation=conversation)
            shown = await self._shown(conversation, owner)
            yield (*shown, "", render.clean(""))
        except EXPECTED as error:
            live = render.notice(message_of(error), "error")
            yield self._same(live=live, question=question, conversation=conversation)
        except Exception as error:
            log("chat failed", 40, error=repr(error))
            live = render.notice(message_of(error), "error")
            yield self._same(live=live, question=question, conversation=conversation)

    async def _progress(self, asked: Asked, question: str) -> AsyncIterator[str]:
        count = (await self._service.read(self._service.bot.info))["papers"]
        about = "".join(f" ({chip})" for chip in chips(asked.filters))
        status, draft, checked, drawn = f"searching {count:,} papers{about}", "", 0, 0.0
        yield render.live(question, status)
        async with aclosing(self._service.stream(asked)) as items:
            async for item in items:
                if isinstance(item, Place):
                    status = str(item)
                elif item.kind == "retrieval":
                    status = f"reading {len(item.value)} papers"
                elif item.kind == "token":
                    status, draft = "writing", draft + item.value
                    if time.monotonic() - drawn < _REDRAW:
                        continue
                elif item.kind == "verdict":
                    checked += 1
                    status = f"checking {checked} sentence{'s' * (checked > 1)}"
                drawn = time.monotonic()
                yield render.live(question, status, draft)

    def _same(
        self, *, live: str, question: str, conversation: str | None = None
    ) -> tuple[Any, ...]:
        keep = gr.skip()
        kept = conversation if conversation is not None else keep
        return kept, keep, live, keep, keep, question, keep

    async def _shown(self, conversation: str | None, owner: str) -> tuple[Any, ...]:
        """The state, the answers, no draft, the list of conversations, the links to export."""
        kept = self._service.conversations
        turns = await self._service.read(kept.turns, conversation, owner) if conversation else []
        papers = await self._service.papers_of(*turns)
        listed = (await self._service.read(kept.list, owner))[:_LISTED]
        choices = [(f"{item.title} ({item.turns})", item.id) for item in listed]
        chosen = conversation if any(i == conversation for _, i in choices) else None
        talks = gr.update(choices=choices, value=chosen)
        links = collection.exports(conversation) if turns else ""
        return conversation, render.history(turns, papers), "", talks, links

    async def arrive(self, request: gr.Request) -> tuple[Any, ...]:
        """A page was opened or loaded again: show the conversation used last."""
        owner = owner_of(request)
        listed = await self._service.read(self._service.conversations.list, owner)
        newest = listed[0].id if listed else None
        made = await self._service.read(collection.examples, self._service.bot, _EXAMPLES)
        buttons = [gr.update(value=text, visible=True) for text in made]
        buttons += [gr.update(visible=False)] * (_EXAMPLES - len(made))
        return (*await self._shown(newest, owner), *buttons)

    async def open(self, conversation: str, request: gr.Request) -> tuple[Any, ...]:
        try:
            return await self._shown(conversation, owner_of(request))
        except ConversationNotFound:
            return await self._shown(None, owner_of(request))

    async def begin(self, request: gr.Request) -> tuple[Any, ...]:
        return await self._shown(None, owner_of(request))

    async def delete(self, conversation: str | None, request: gr.Request) -> tuple[Any, ...]:
        owner = owner_of(request)
        if conversation:
            await self._service.read(self._service.conversations.delete, conversation, owner)
        return await self._shown(None, owner)

    async def header(self) -> str:
        info = await self._service.read(self._service.bot.info)
        waiting = " Some are not indexed yet." if info["pending"] and info["papers"] else ""
        return render.clean(
            f'<div class="footnoted-head"><h2>Footnoted</h2><p>{info["papers"]:,} papers. Every '
            f"sentence of an answer is footnoted and checked.{waiting}</p></div>"
        )

    async def last_question(self, conversation: str | None, request: gr.Request) -> str:
        turn = await self._last(conversation, request)
        return str(turn["question"]) if turn else ""

    async def preview(self, question: str, *wanted: Any) -> str:
        """The filters that will apply, before they do."""
        try:
            filters, _ = await self._service.read(self._filters, question or "", *wanted)
        except ConfigError as error:
            return render.notice(str(error), "error")
        found = "".join(f"<span>{render.text(chip)}</span>" for chip in chips(filters))
        return render.clean(f'<div class="chips">Only: {found}</div>') if found else ""

    async def praise(self, conversation: str | None, request: gr.Request) -> str:
        return await self._judge(conversation, request, True, "")

    async def blame(
        self, conversation: str | None, reason: str | None, more: str, request: gr.Request
    ) -> tuple[str, Any]:
        why = ": ".join(part for part in (reason, (more or "").strip()) if part)
        return await self._judge(conversation, request, False, why), gr.update(visible=False)

    def stopped(self) -> str:
        return render.notice("Stopped.")

    async def api_ask(self, question: str, request: gr.Request) -> dict[str, Any]:
        """Answer a question: the object of `footnoted ask --json`."""
        return (await self._service.ask(Asked(question, owner=owner_of(request)))).to_dict()

    async def api_search(self, query: str, k: int = 10) -> dict[str, Any]:
        """Find papers: the hits of `footnoted search --json`."""
        hits, _ = await self._service.search(query, max(1, min(k, 100)))
        return {"query": query, "hits": [hit.to_dict() for hit in hits]}

    async def _judge(
        self, conversation: str | None, request: gr.Request, good: bool, reason: str
    ) -> str:
        turn = await self._last(conversation, request)
        if not turn:
            return render.notice("There is no answer to judge yet.")
        owner, home = owner_of(request), self._service.bot.home
        given = feedback.Feedback(turn["id"], turn["question"], good, reason, owner)
        await self._service.read(feedback.store, home, given)
        return render.notice("Noted, thank you.")

    async def _last(self, conversation: str | None, request: gr.Request) -> dict[str, Any] | None:
        if not conversation:
            return None
        kept = self._service.conversations
        turns = await self._service.read(kept.turns, conversation, owner_of(request))
        return turns[-1] if turns else None

    def _filters(
        self, question: str, written: bool, span: str, venue: str, author: str, category: str
    ) -> tuple[Filters | None, str]:
        """The filters that apply, and the question without those written in it."""
        chosen = Filters(
            years(span or ""),
            *(value.strip() or None for value in (venue or "", author or "", category or "")),
        )
        if not written:
            return chosen or None, question
        known: Known = collection.known(self._service.bot)
        words, found = read_filters(question, known)
        return merged(chosen, found) or None, words
