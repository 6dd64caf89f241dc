"""A conversation as Markdown. Pure functions: stored turns -> text."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

_MARKER = re.compile(r"\[(\d+)\]")


def markdown(title: str, turns: Sequence[Mapping[str, Any]]) -> str:
    """Questions, answers and their footnotes; nothing in them can become a link or an image."""
    notes: dict[int, Mapping[str, Any]] = {}
    parts = [f"# {_escaped(title)}"]
    for turn in turns:
        notes.update((c["marker"], c) for c in turn["citations"])
        # A footnote of Markdown's own, so that it is a link wherever these are rendered.
        known = {c["marker"] for c in turn["citations"]}
        parts += [f"**{_escaped(turn['question'])}**", _footnoted(turn["text"], known)]
        if turn["truncated"]:
            parts.append("*(The answer was cut off before its end.)*")
    parts.append("\n".join(_note(notes[marker]) for marker in sorted(notes)))
    return "\n\n".join(part for part in parts if part) + "\n"


def _footnoted(text: str, known: set[int]) -> str:
    pieces, at = [], 0
    for match in _MARKER.finditer(text):
        if int(match[1]) in known:
            pieces += [_plain(text[at : match.start()]), f"[^{match[1]}]"]
            at = match.end()
    return "".join([*pieces, _plain(text[at:])]).replace("\n", "  \n")


def _note(citation: Mapping[str, Any]) -> str:
    year = f" ({citation['year']})" if citation["year"] else ""
    people = f"{_escaped(', '.join(citation['authors']))}. " if citation["authors"] else ""
    link = f" <{citation['url']}>" if _is_link(citation["url"]) else ""
    title, quote = _escaped(citation["title"]), _escaped(citation["quote"])
    return f"[^{citation['marker']}]: {people}{title}{year}.{link} “{quote}”"


def _is_link(url: str | None) -> bool:
    return bool(url and re.fullmatch(r"https?://[^\s<>]+", url))


def _escaped(text: str) -> str:
    return _plain(" ".join(text.split()))


def _plain(text: str) -> str:
    """Text that Markdown shows as it is: no link, image or HTML comes out of an abstract."""
    return re.sub(r"([\\`*_\[\]<>#!|])", r"\\\1", text)
