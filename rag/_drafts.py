"""A draft -> its sentences, and the sources that each of them names, however it names them."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace

from rag.chunking import sentence_spans

# [1], [1, 2], [1-3], [^1], 【1†source】, (Source 1): whatever models make of "in square brackets".
# [0, 1] is none: sources count from 1, and abstracts speak of intervals.
_LISTED = r"\^?(?:sources?\s*)?\d{1,3}(?:\s*(?:[,;&–-]|and\b)\s*\^?(?:sources?\s*)?\d{1,3})*"
_MARKER = re.compile(
    rf"\[\s*+(?!0\s*[,;–-])({_LISTED})\s*\]"
    rf"|【\s*+({_LISTED})[^】]{{0,80}}】"
    rf"|\(\s*+(?=source)({_LISTED})\s*\)",
    re.IGNORECASE,
)
_RANGE = re.compile(r"(\d+)(?:\s*[–-]\D*(\d+))?")
_BULLET = re.compile(r"\s*+(?:[-*•–]|\d{1,2}[.)])\s+")
_GAP = re.compile(r"\s+(?=[.,;:!?](?:\s|$))")
# "(1)" and "Source 1" where nothing but the end of a sentence can follow, and "According to
# source 1," before it: what small models write. Taken for markers only where such a source exists.
_BARE = re.compile(
    r"\s\(\s*+(\d{1,2}(?:\s*,\s*\d{1,2})*)\s*\)(?=\s*[.!?](?:\s|$)|\s*$|\s+(?-i:[A-Z]))"
    r"|(?:^\s*+|(?<!\s)\s*+[-–—,;(]\s*+|(?<=[.!?])\s++)(?:see\s+)?\(?sources?:?\s*(\d{1,2}(?:\s*(?:,|and|&)\s*\d{1,2})*)"
    r"\)?(?=\s*[.!?](?:\s|$)|\s*$)",
    re.IGNORECASE,
)
_LEAD = re.compile(
    r"(?:(?<=^)|(?<=[.!?]\s))(?:(?:according to|as (?:stated|shown|described|reported) in|in)\s+"
    r"(?:the\s+)?source\s+\[?(\d{1,2})\]?\s*,\s*"
    r"|source\s+\[?(\d{1,2})\]?\s+(?:says|states|shows|reports|notes|mentions)\s+that\s+)(\w)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Written:
    """A sentence of a draft, its markers taken out; `sources` are those that exist."""

    text: str
    sources: tuple[int, ...]
    named_any: bool


def split_draft(draft: str, sources: int, *, quoted: bool = False) -> list[Written]:
    """Sentences of a draft with the sources they name; a marker belongs to what stands before.

    `quoted`: lines that quote, and name their source by one "[1]" at the end; what looks like a
    marker before it is the quoted paper's.
    """
    out: list[Written] = []
    for line in draft.splitlines():
        text, markers = _without_markers(line if quoted else _plain(line, sources))
        markers = markers[-1:] if quoted else markers
        written = _read_line(text, markers, sources)
        if written:
            out.extend(written)
        elif markers and out:  # they stood alone on their line
            out[-1] = _named(out[-1], [listed for _, listed in markers], sources)
    return out


_Markers = list[tuple[int, str]]  # where each stood in the text without them, and its numbers


def _without_markers(line: str) -> tuple[str, _Markers]:
    markers: _Markers = []
    parts: list[str] = []
    at = length = 0
    for match in _MARKER.finditer(line):
        part = _join(line[at : match.start()], after_marker=at > 0).rstrip()
        parts.append(part)
        length += len(part)
        markers.append((length, next(g for g in match.groups() if g)))
        at = match.end()
    parts.append(_join(line[at:], after_marker=at > 0))
    return "".join(parts), markers


def _plain(line: str, sources: int) -> str:
    bullet = _BULLET.match(line)
    return _in_brackets(line[bullet.end() :] if bullet else line, sources)


def _in_brackets(line: str, sources: int) -> str:
    """The line with what names a source in other words written as "[1]"."""
    line = _LEAD.sub(lambda m: _led(m, sources), line)
    return _BARE.sub(lambda m: _bracketed(m, m[1] or m[2], sources), line)


def _led(match: re.Match[str], sources: int) -> str:
    return _bracketed(match, match[1] or match[2], sources) + match[3].upper()


def _bracketed(match: re.Match[str], listed: str, sources: int) -> str:
    known = all(1 <= int(number) <= sources for number in re.findall(r"\d+", listed))
    return f" [{listed}] " if known else match[0]


def _join(part: str, *, after_marker: bool) -> str:
    """Close the gap that a marker leaves before a stop, and open one between words."""
    if not after_marker:
        return part
    gap = _GAP.match(part)
    return part[gap.end() :] if gap else f" {part}" if part[:1].isalnum() else part


def _read_line(text: str, markers: _Markers, sources: int) -> list[Written]:
    spans = [span for span in sentence_spans(text) if re.search(r"\w", text[slice(*span)])]
    if not spans:
        return []
    starts = [start for start, _ in spans]
    listed: list[list[str]] = [[] for _ in spans]
    for at, numbers in markers:
        listed[max(bisect_left(starts, at) - 1, 0)].append(numbers)
    return [
        _named(Written(text[start:end], (), False), named, sources)
        for (start, end), named in zip(spans, listed, strict=True)
    ]


def _named(written: Written, listed: Sequence[str], sources: int) -> Written:
    """The sentence with these sources added; those that were not retrieved are left out."""
    numbers = [
        number
        for first, last in _RANGE.findall(" ".join(listed))
        for number in range(max(1, int(first)), min(int(last or first), sources) + 1)
    ]
    known = tuple(dict.fromkeys([*written.sources, *numbers]))
    return replace(written, sources=known, named_any=written.named_any or bool(listed))
