"""Draft text + Hits -> sentences with verified citations.

The writer, model or not, only names its sources by number. The system finds the sentence of the
abstract that supports each sentence written, and takes quote and span from there.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from rag.chunking import sentence_spans
from rag.ground import Grounder, Judgement
from rag.types import Citation, Hit, Policy, Sentence, Verdict

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
_ORDER: dict[Verdict, int] = {"supported": 3, "partial": 2, "contradicted": 1, "unsupported": 0}


@dataclass(frozen=True, slots=True)
class Written:
    """A sentence of a draft, its markers taken out; `sources` are those that exist."""

    text: str
    sources: tuple[int, ...]
    named_any: bool


@dataclass
class _Footnotes:
    """Footnotes by paper and span, numbered in order of first appearance."""

    by_span: dict[tuple[str, int, int], Citation] = field(default_factory=dict)

    def add(self, hit: Hit, span: tuple[int, int], score: float) -> int:
        paper = hit.paper
        key = (paper.id, *span)
        known = self.by_span.get(key)
        if known is None:
            known = Citation(
                len(self.by_span) + 1, paper.id, paper.title, paper.authors, paper.year,
                paper.venue, paper.url, paper.abstract[span[0] : span[1]], *span, round(score, 4),
            )  # fmt: skip
        elif score > known.score:
            known = replace(known, score=round(score, 4))
        self.by_span[key] = known
        return known.marker


def split_draft(draft: str, sources: int) -> list[Written]:
    """Sentences of a draft with the sources they name; a marker belongs to what stands before."""
    out: list[Written] = []
    for line in draft.splitlines():
        bullet = _BULLET.match(line)
        text, markers = _without_markers(line[bullet.end() :] if bullet else line)
        written = _read_line(text, markers, sources)
        if written:
            out.extend(written)
        elif markers and out:  # they stood alone on their line
            out[-1] = _named(out[-1], [listed for _, listed in markers], sources)
    return out


def cite(
    draft: str, hits: Sequence[Hit], grounder: Grounder, policy: Policy = "flag"
) -> tuple[list[Sentence], list[Citation]]:
    """Verified sentences, and their footnotes in order.

    `policy` "drop" leaves out sentences that are unsupported or contradicted; "flag" and "keep"
    leave them in, with their verdict.
    """
    footnotes = _Footnotes()
    out: list[Sentence] = []
    for written in split_draft(draft, len(hits)):
        verdict, score, evidence = _verify(written, hits, grounder)
        if policy == "drop" and verdict in ("unsupported", "contradicted"):
            continue
        markers = tuple(dict.fromkeys(footnotes.add(*item) for item in evidence))
        out.append(Sentence(written.text, markers, verdict, round(score, 4)))
    return out, list(footnotes.by_span.values())


def render(sentences: Sequence[Sentence]) -> str:
    """The text of an answer, its markers set after each sentence; it reads back as the same."""
    text = ""
    for before, sentence in zip([None, *sentences], sentences, strict=False):
        if before:
            text += " " if _parts(before.text, sentence.text) else "\n"
        text += sentence.text
        if sentence.citations:
            text += " " + "".join(f"[{marker}]" for marker in sentence.citations)
    return text


def _parts(before: str, after: str) -> bool:
    """Whether a reader sees where one sentence ends: a list item may have no full stop."""
    return any(end == len(before) for _, end in sentence_spans(f"{before} {after}"))


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


_Evidence = list[tuple[Hit, tuple[int, int], float]]


def _verify(
    written: Written, hits: Sequence[Hit], grounder: Grounder
) -> tuple[Verdict, float, _Evidence]:
    """Judge against each source named; against all of them where none is, or none supports."""
    if written.named_any and not written.sources:
        return "unsupported", 0.0, []
    named = [hits[n - 1] for n in written.sources]
    judged = _judge_each(written.text, named, grounder)
    if not any(verdict == "supported" for verdict, _, _ in judged):
        others = [hit for hit in hits if hit not in named]
        found = max(_judge_each(written.text, others, grounder), key=_strength, default=None)
        if found and (found[0] == "supported" or not named):
            judged = [found]
    if not judged:
        return "unsupported", 0.0, []
    verdict, score, _ = max(judged, key=_strength)
    kept = [item for v, _, item in judged if item and v == verdict and v != "unsupported"]
    return verdict, score, kept


_Judged = tuple[Verdict, float, tuple[Hit, tuple[int, int], float] | None]


def _judge_each(text: str, hits: Sequence[Hit], grounder: Grounder) -> list[_Judged]:
    return [_judge(text, hit, grounder) for hit in hits]


def _judge(text: str, hit: Hit, grounder: Grounder) -> _Judged:
    spans = sentence_spans(hit.paper.abstract)
    evidence = [hit.paper.abstract[a:b] for a, b in spans]
    found: Judgement = grounder.judge(text, evidence, [hit.paper.title] * len(evidence))
    if found.evidence is None:
        return found.verdict, found.score, None
    return found.verdict, found.score, (hit, spans[found.evidence], found.score)


def _strength(judged: _Judged) -> tuple[int, float]:
    return _ORDER[judged[0]], judged[1]
