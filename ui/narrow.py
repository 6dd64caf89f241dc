"""Which papers a question is about: picked beside it or written in it, and shown beforehand."""

from __future__ import annotations

from typing import Any

import gradio as gr

from rag.errors import ConfigError
from rag.types import Filters
from ui import collection, render
from ui.parse import Known, chips, merged, read_filters, years
from ui.service import Service


class Narrow:
    """The filters of the chat, and what they come to."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def layout(self) -> None:
        self.written = gr.Checkbox(True, label="Also read filters in the question")
        self.years = years_box()
        self.venue = picker("Venue")
        self.author = gr.Textbox(label="Author", max_length=200)
        self.category = picker("Category")
        self.clear = gr.Button("Clear these", size="sm")

    @property
    def inputs(self) -> list[Any]:
        return [self.written, self.years, self.venue, self.author, self.category]

    def read(
        self, question: str, written: bool, span: str | None, *names: str | None
    ) -> tuple[Filters | None, str]:
        """The filters that apply, and the question without those written in it.

        `names` are venue, author and category. Raises ConfigError for years that are none.
        """
        chosen = Filters(years(span or ""), *((name or "").strip() or None for name in names))
        if not written:
            return chosen or None, question
        known: Known = collection.known(self._service.bot)
        words, found = read_filters(question, known)
        return merged(chosen, found) or None, words

    async def preview(self, question: str, *wanted: Any) -> str:
        """The filters that will apply, before they do."""
        try:
            filters, _ = await self._service.read(self.read, question or "", *wanted)
        except ConfigError as error:
            return render.notice(str(error), "error")
        found = "".join(f"<span>{render.text(chip)}</span>" for chip in chips(filters))
        return render.clean(f'<div class="chips">Only: {found}</div>') if found else ""

    @staticmethod
    def cleared() -> tuple[str, None, str, None]:
        """Years, venue, author and category, all empty."""
        return "", None, "", None


def years_box() -> gr.Textbox:
    return gr.Textbox(label="Years", placeholder="2020-2024, 2020-", max_length=20, min_width=130)


def picker(label: str) -> gr.Dropdown:
    """A list to pick one name from; what is not in it can be typed."""
    return gr.Dropdown(
        [], value=None, label=label, allow_custom_value=True, filterable=True, min_width=130
    )


async def picks(service: Service) -> tuple[Any, Any]:
    """What the lists of venues and of categories offer: each name with its number of papers."""
    venues, categories = await service.read(collection.picks, service.bot)
    return gr.update(choices=venues), gr.update(choices=categories)
