"""What happens in the chat: asking, stopping, going on with a conversation, judging an answer."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from typing import Any

import gradio as gr

from rag.types import Policy
from ui import collection, feedback, render
from ui.failures import EXPECTED, message_of
from ui.making import Making, Makings
from ui.narrow import Narrow, picks
from ui.observe import log
from ui.parse import chips
from ui.service import Asked, Service
from ui.talks import Talks, client_of, owner_of
from ui.work import Place

CONVERSATION = "conversation"  # in the address of a page: page.js keeps it up to date
_EXAMPLES = 4
_REDRAW = 0.1  # seconds between two drawings of a draft
_STOPPED = render.notice("Stopped. Nothing of that answer is kept.")
Updates = AsyncIterator[Sequence[Any]]
_REASONS = ("wrong", "not what the source says", "incomplete", "should have answered", "other")
_POLICY_WORDS: dict[Policy, str] = {
    "flag": "mark what is not supported",
    "drop": "leave it out",
    "keep": "keep it",
}
_HIDDEN: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}


class Chat:
    """The chat tab of one page; what it shows of a conversation is read from the home."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self.makings = Makings(service)
        self.talks = Talks(service)
        self.narrow = Narrow(service)

    def layout(self) -> None:
        """Lay the tab out. Reading order is: answers, question, then what stands beside them."""
        from ui.page import html

        self.conversation = gr.State(None)
        self.place = html(elem_id="place")
        self.asked = gr.State("")  # as it was written; Stop and Edit give it back
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
            with gr.Column(scale=1, min_width=240, elem_id="beside"):
                self._beside(html)

    def _composer(self, html: Any) -> None:
        self.chips = html(elem_id="chips")
        with gr.Row():
            self.question = gr.Textbox(
                label="Question", placeholder="Ask about the papers", scale=8,
                lines=1, max_lines=6, max_length=self._service.options.max_question,
                elem_id="question", autofocus=True, min_width=120,
            )  # fmt: skip
            self.ask = gr.Button("Ask", variant="primary", scale=1, min_width=70, elem_id="ask")
            self.stop = gr.Button("Stop", scale=1, min_width=70, elem_id="stop")

    def _beside(self, html: Any) -> None:
        self.talks.layout(html)
        with gr.Accordion("Which papers", open=False):
            self.narrow.layout()
        with gr.Accordion("Who answers, and how", open=False):
            backends = self._service.backends
            self.backend = gr.Radio(backends, value=backends[0], label="Backend")
            policy = self._service.bot.settings.answer.policy
            choices = [(words, name) for name, words in _POLICY_WORDS.items()]
            self.policy = gr.Radio(choices, value=policy, label="A sentence without support")

    def wire(self, page: gr.Blocks) -> None:
        """Say what each button does."""
        talks, narrow = self.talks, self.narrow
        shown = [
            self.conversation, self.place, self.history, self.live, talks.list, talks.exports,
            self.asked,
        ]  # fmt: skip
        told = [*shown, self.question, self.chips]
        last = [self.conversation, self.asked]
        arriving = page.load(self.arrive, None, [*told, *self.examples], **_HIDDEN)
        running = [arriving, *self._wire_asking(told, last)]
        stopping = self.stop.click(
            self.stopped, last, [self.live, self.question], cancels=running, **_HIDDEN
        )
        # Again: what was on its way when it was stopped would stay on the page.
        stopping.then(lambda: _STOPPED, None, self.live, **_HIDDEN)
        self.edit.click(self.last_question, last, self.question, **_HIDDEN)
        changes = [item.change for item in narrow.inputs]
        gr.on(
            [self.question.input, *changes], narrow.preview,
            [self.question, *narrow.inputs], self.chips, trigger_mode="always_last", **_HIDDEN,
        )  # fmt: skip
        narrow.clear.click(narrow.cleared, None, narrow.inputs[1:], **_HIDDEN)
        talks.wire(self.conversation, shown, running)
        self.good.click(self.praise, self.conversation, self.thanks, **_HIDDEN)
        self.bad.click(lambda: gr.update(visible=True), None, self.why, **_HIDDEN)
        self.send.click(
            self.blame, [self.conversation, self.reason, self.more],
            [self.thanks, self.why], **_HIDDEN,
        )  # fmt: skip

    def _wire_asking(self, told: list[Any], last: list[Any]) -> list[Any]:
        """Everything that asks; what Stop has to end."""
        filters = self.narrow.inputs
        given = [self.question, self.conversation, *filters, self.backend, self.policy]
        asking = gr.on([self.ask.click, self.question.submit], self.run, given, told, **_HIDDEN)
        again = self.retry.click(self.last_question, last, self.question, **_HIDDEN)
        examples = [button.click(str, button, self.question, **_HIDDEN) for button in self.examples]
        runs = [first.then(self.run, given, told, **_HIDDEN) for first in (again, *examples)]
        return [asking, *runs]

    async def run(
        self, question: str, conversation: str | None, written: bool, span: str,
        venue: str, author: str, category: str, backend: str, policy: Policy, request: gr.Request,
    ) -> Updates:  # fmt: skip
        """Ask, and tell what is being done until the answer is there.

        The box is emptied once: what is typed while an answer is written stays.
        """
        question = (question or "").strip()
        if not question:
            yield self._same(render.notice("Write a question first."))
            return
        owner = owner_of(request)
        wanted = (written, span, venue, author, category)
        try:
            self._service.pace(client_of(request))
            filters, words = await self._service.read(self.narrow.read, question, *wanted)
            if conversation is None:
                conversation = await self._service.read(self._service.conversations.create, owner)
            chips_left = await self.narrow.preview("", *wanted)
            first = self._same(render.live(question, "asking"), conversation, question)
            yield (*first[:-2], "", chips_left)
            asked = Asked(words, filters, (), backend, policy, conversation, owner, question)
            making = self.makings.begin(asked)
        except Exception as error:
            yield self._failed(error, question, conversation)
            return
        async for update in self._followed(making):
            yield update

    async def _followed(self, making: Making) -> Updates:
        """Tell of an answer in the making until it is there; leaving this does not end it."""
        conversation, owner = making.asked.conversation, making.asked.owner
        try:
            async for live in self._progress(making):
                yield self._same(live)
            yield (*await self.talks.shown(conversation, owner), gr.skip(), gr.skip())
        except Exception as error:
            self.makings.told(making)
            yield self._failed(error, making.question, conversation)

    def _failed(self, error: Exception, question: str, conversation: str | None) -> Sequence[Any]:
        """Say why there is no answer, and give the question back."""
        if not isinstance(error, EXPECTED):
            log("chat failed", 40, error=repr(error))
        said = self._same(render.notice(message_of(error), "error"), conversation)
        return (*said[:-2], question, gr.skip())

    async def _progress(self, making: Making) -> AsyncIterator[str]:
        asked, question = making.asked, making.question
        count = (await self._service.read(self._service.bot.info))["papers"]
        about = "".join(f" ({chip})" for chip in chips(asked.filters))
        status, draft, checked, drawn = f"searching {count:,} papers{about}", "", 0, 0.0
        yield render.live(question, status)
        async with aclosing(making.follow()) as items:
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

    @staticmethod
    def _same(live: str, conversation: str | None = None, asked: str | None = None) -> list[Any]:
        """Nothing on the page changes but what is being done, and what else is given."""
        keep = gr.skip()
        kept = (keep, keep) if conversation is None else (conversation, render.place(conversation))
        return [*kept, keep, live, keep, keep, keep if asked is None else asked, keep, keep]

    async def arrive(self, request: gr.Request) -> Updates:
        """A page was opened, or loaded again: show the conversation in its address, if any.

        An answer that was in the making when the page was loaded again is followed to its end.
        """
        made = await self._service.read(collection.examples, self._service.bot, _EXAMPLES)
        buttons = [gr.update(value=text, visible=True) for text in made]
        buttons += [gr.update(visible=False)] * (_EXAMPLES - len(made))
        named = request.query_params.get(CONVERSATION)
        making = self.makings.of(named, owner_of(request))  # before what is stored is read
        keep = gr.skip()
        yield (*await self.talks.open(named, request), keep, keep, *buttons)
        if making:
            yield (
                *self._same(render.live(making.question, "asking"), named, making.question),
                *[keep] * _EXAMPLES,
            )
            async for update in self._followed(making):
                yield (*update, *[keep] * _EXAMPLES)

    async def collection(self, request: gr.Request) -> tuple[Any, ...]:
        """What the page says of all papers: its head, and names to pick, for two tabs."""
        picked = await picks(self._service)
        return await self.header(owner_of(request)), *picked, *picked

    async def header(self, owner: str) -> str:
        info = await self._service.read(self._service.bot.info)
        waiting = " Some are not indexed yet." if info["pending"] and info["papers"] else ""
        leave = f'{render.text(owner)} <button type="button" class="logout">Log out</button>'
        return render.clean(
            f'<div class="footnoted-head"><h2>Footnoted</h2><p>{info["papers"]:,} papers. Every '
            f"sentence of an answer is footnoted and checked.{waiting}</p>"
            f"{f'<p>{leave}</p>' if owner else ''}</div>"
        )

    async def last_question(self, conversation: str | None, asked: str, request: gr.Request) -> str:
        """What was stopped or failed, else what was answered last."""
        turn = await self._last(conversation, request)
        return asked or (str(turn["question"]) if turn else "")

    async def praise(self, conversation: str | None, request: gr.Request) -> str:
        return await self._judge(conversation, request, True, "")

    async def blame(
        self, conversation: str | None, reason: str | None, more: str, request: gr.Request
    ) -> tuple[str, Any]:
        why = ": ".join(part for part in (reason, (more or "").strip()) if part)
        return await self._judge(conversation, request, False, why), gr.update(visible=False)

    async def stopped(
        self, conversation: str | None, asked: str, request: gr.Request
    ) -> tuple[str, str]:
        """Nothing of a stopped answer is kept, and the question is there to be changed."""
        self.makings.stop(conversation, owner_of(request))
        return _STOPPED, asked

    async def api_ask(self, question: str, request: gr.Request) -> dict[str, Any]:
        """Answer a question: the object of `footnoted ask --json`."""
        self._service.pace(client_of(request))
        return (await self._service.ask(Asked(question, owner=owner_of(request)))).to_dict()

    async def api_search(self, query: str, request: gr.Request, k: int = 10) -> dict[str, Any]:
        """Find papers: the hits of `footnoted search --json`."""
        self._service.pace(client_of(request))
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
