"""Values -> text for a person to read. Pure functions; nothing here prints."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rag.types import LISTED

if TYPE_CHECKING:
    from rag.types import Answer, Citation, Hit, Sentence

MAX_WIDTH = 100
SNIPPET = 200
_MARKS = {
    "partial": "(partly supported)",
    "unsupported": "(not supported)",
    "contradicted": "(contradicted by the source)",
}
_NOT_TEXT = re.compile(r"\[\d+\]|\s+")
_BEFORE_MARKER = re.compile(r" (?=\[\d+\])")
_MARKERS = re.compile(r"(?:\s*\[\d+\])*")
# What a model or an abstract sends must not move the cursor or colour the terminal.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_UNITS = ("bytes", "KB", "MB", "GB", "TB")


def answer_text(answer: Answer, width: int = MAX_WIDTH, *, flag: bool = True) -> str:
    """Write the answer with its markers, a blank line, and the footnotes; or the refusal.

    `flag` marks in words what the evidence does not bear out.
    """
    if answer.refusal:
        return _refusal(answer, width)
    body = _flagged(answer.text, answer.sentences) if flag else answer.text
    parts = [_paragraphs(body, width)]
    if answer.truncated:
        parts.append("(The answer was cut off before its end.)")
    before = [None, *(citation.paper_id for citation in answer.citations)]
    parts.append(
        "\n".join(
            _footnote(citation, width, again=citation.paper_id == paper)
            for citation, paper in zip(answer.citations, before, strict=False)
        )
    )
    return "\n\n".join(part for part in parts if part)


def answer_origin(answer: Answer) -> str:
    """Name the backend, the model and the seconds, in one line."""
    seconds = answer.seconds.get("total")
    parts = (answer.backend, answer.model, None if seconds is None else f"{seconds:.2f} s")
    return ", ".join(part for part in parts if part)


def hits_text(hits: Sequence[Hit], width: int = MAX_WIDTH) -> str:
    return "\n\n".join(_hit(hit, width) for hit in hits)


def info_text(info: Mapping[str, Any]) -> str:
    """One `name: value` line for each fact, aligned."""
    names = {key: key.replace("_", " ") for key in info}
    room = max(map(len, names.values()), default=0) + 1
    return "\n".join(f"{names[k] + ':':<{room}} {_value(k, v)}" for k, v in info.items())


def rejects_text(count: int, path: str, first: Sequence[Mapping[str, Any]]) -> str:
    """Say where the rejected records are, and why the first of them were rejected."""
    lines = [f"{count} rejected, written to {path}; the first of them:"]
    lines += [f"  {r.get('source')}, line {r.get('line')}: {r.get('reason')}" for r in first]
    return _printable("\n".join(lines))


def listed_text(name: str, text: str, width: int) -> str:
    """Write a name and what is said of it, in two columns."""
    return _fill(one_line(text), width, f"{name:<14} ", " " * 15)


def one_line(text: str) -> str:
    return _printable(" ".join(text.split()))


def _refusal(answer: Answer, width: int) -> str:
    message = answer.refusal.message if answer.refusal else ""
    if not answer.nearest:
        return _paragraphs(message, width)
    listed = all(n.score == LISTED for n in answer.nearest)
    title = "Papers:" if listed else "Nearest papers:"
    nearest = (
        f"  {'' if listed else f'{n.score:.2f}  '}{one_line(n.title)}  {n.paper_id}"
        for n in answer.nearest
    )
    return "\n".join([_paragraphs(message, width), "", title, *nearest])


def _flagged(text: str, sentences: Sequence[Sentence]) -> str:
    """Put each mark after its sentence and the markers that follow it.

    Sentences are looked for without markers and spaces, whose place is the backend's choice.
    """
    letters, places = _letters(text)
    out: list[str] = []
    done = cursor = 0
    for sentence in sentences:
        wanted, _ = _letters(sentence.text)
        at = letters.find(wanted, cursor) if wanted else -1
        if at < 0:
            continue
        cursor = at + len(wanted)
        if mark := _MARKS.get(sentence.verdict):
            end = _after_markers(text, places[cursor - 1] + 1)
            out += [text[done:end], " ", mark]
            done = end
    return "".join([*out, text[done:]])


def _letters(text: str) -> tuple[str, list[int]]:
    """Return the characters that are neither marker nor space, and where each of them stood."""
    skipped = {i for match in _NOT_TEXT.finditer(text) for i in range(*match.span())}
    places = [i for i in range(len(text)) if i not in skipped]
    return "".join(text[i] for i in places), places


def _after_markers(text: str, start: int) -> int:
    match = _MARKERS.match(text, start)
    return match.end() if match else start


def _footnote(citation: Citation, width: int, *, again: bool = False) -> str:
    """`again`: the footnote before it is of the same paper, whose title need not be repeated."""
    year = f" ({citation.year})" if citation.year else ""
    title = one_line(citation.title)
    name = f"{title}{year}" if title.endswith(("?", "!")) and not year else f"{title}{year}."
    venue = f"{one_line(citation.venue).rstrip('.')}." if citation.venue else ""
    head = " ".join(part for part in (name, venue, citation.url or "") if part)
    lead = f"[{citation.marker}] "
    indent = " " * len(lead)
    quote = f"“{one_line(citation.quote)}”"
    if again:
        return _fill(quote, width, lead, indent + " ")
    return f"{_fill(head, width, lead, indent)}\n{_fill(quote, width, indent, indent + ' ')}"


def _hit(hit: Hit, width: int) -> str:
    year = f" ({hit.paper.year})" if hit.paper.year else ""
    lead = f"{hit.rank:>3}. {hit.score:.3f}  "
    indent = " " * len(lead)
    ids = " = ".join((hit.paper.id, *hit.same_as))
    head = f"{one_line(hit.paper.title)}{year}  {ids}"
    text = textwrap.shorten(one_line(hit.chunk.text), SNIPPET, placeholder=" …")
    return f"{_fill(head, width, lead, indent)}\n{_fill(text, width, indent, indent)}"


def _paragraphs(text: str, width: int) -> str:
    return "\n".join(_fill(line.rstrip(), width) for line in _printable(text).split("\n"))


def _fill(text: str, width: int, first: str = "", rest: str = "") -> str:
    glued = _BEFORE_MARKER.sub("\xa0", _printable(text))  # no line begins with a marker
    return textwrap.fill(
        glued,
        min(width, MAX_WIDTH),
        initial_indent=first,
        subsequent_indent=rest,
        break_long_words=False,  # a URL in two pieces leads nowhere
        break_on_hyphens=False,
    ).replace("\xa0", " ")


def _printable(text: str) -> str:
    return _CONTROL.sub("", text)


def _value(key: str, value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name}: {_value(key, item)}" for name, item in value.items()) or "none"
    if isinstance(value, (list, tuple)):
        return ", ".join(str(item) for item in value) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int) and key.startswith("disk"):
        return _size(value)
    if isinstance(value, int):
        return f"{value:,}"
    return "none" if value is None else _printable(str(value))


def _size(count: float) -> str:
    for unit in _UNITS:
        if count < 1000 or unit == _UNITS[-1]:
            return f"{count:,.0f} {unit}" if unit == "bytes" else f"{count:,.1f} {unit}"
        count /= 1000
    return ""
