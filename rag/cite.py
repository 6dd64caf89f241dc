"""Draft text + Hits -> sentences with verified citations.

The writer, model or not, only names its sources by number. The system finds the sentence of the
abstract that supports each sentence written, and takes quote and span from there.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from rag.chunking import sentence_spans
from rag.ground import Grounder, Judgement
from rag.types import Citation, Hit, Policy, Sentence, Verdict

# [1], [1, 2], [^1], 【1】, (Source 1): whatever models make of "in square brackets".
_MARKER = re.compile(
    r"\s*(?:\[\^?\s*(?:source\s*)?(\d{1,3}(?:\s*[,;]\s*\^?\d{1,3})*)\s*\]"
    r"|【\s*(\d{1,3}(?:\s*[,;]\s*\d{1,3})*)[^】]*】"
    r"|\(\s*source\s*(\d{1,3})\s*\))",
    re.IGNORECASE,
)
_AFTER_STOP = re.compile(rf"([.!?]+[\"'”’)]*)((?:{_MARKER.pattern})+)", re.IGNORECASE)
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
    """Sentences of a draft with the sources they name; markers after the stop belong before it."""
    moved = _AFTER_STOP.sub(lambda m: f"{m.group(2)}{m.group(1)}", draft)
    out: list[Written] = []
    for line in moved.splitlines():
        for start, end in sentence_spans(line):
            written = _read_markers(line[start:end], sources)
            if re.search(r"\w", written.text):
                out.append(written)
            elif out and written.sources:  # a marker that stood alone
                last = out[-1]
                out[-1] = replace(last, sources=(*last.sources, *written.sources), named_any=True)
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
    """The text of an answer, its markers set after each sentence."""
    return " ".join(
        " ".join([s.text, "".join(f"[{marker}]" for marker in s.citations)]).strip()
        for s in sentences
    )


def _read_markers(text: str, sources: int) -> Written:
    numbers = [
        int(number)
        for match in _MARKER.finditer(text)
        for number in re.findall(r"\d+", next(g for g in match.groups() if g))
    ]
    plain = re.sub(r"\s+([.,;!?])", r"\1", _MARKER.sub("", text)).strip().lstrip("-*• ").strip()
    valid = tuple(dict.fromkeys(n for n in numbers if 1 <= n <= sources))
    return Written(plain, valid, bool(numbers))


_Evidence = list[tuple[Hit, tuple[int, int], float]]


def _verify(
    written: Written, hits: Sequence[Hit], grounder: Grounder
) -> tuple[Verdict, float, _Evidence]:
    """Judge against each source named; against all of them where none is, or none supports."""
    if written.named_any and not written.sources:
        return "unsupported", 0.0, []
    named = [hits[n - 1] for n in written.sources]
    judged = _judge_each(written.text, named, grounder)
    if not any(verdict in ("supported", "partial") for verdict, _, _ in judged):
        others = [hit for hit in hits if hit not in named]
        found = max(_judge_each(written.text, others, grounder), key=_strength, default=None)
        if found and found[0] == "supported":
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
