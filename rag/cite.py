"""Draft text + Hits -> sentences with verified citations.

The writer, model or not, only names its sources by number. The system finds the sentence of the
abstract that supports each sentence written, and takes quote and span from there.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from rag._drafts import Written, split_draft
from rag._facts import Facts, coverage, direction_differs, facts_of, negation_differs
from rag.chunking import sentence_spans
from rag.ground import Grounder
from rag.types import Citation, Hit, Policy, Sentence, Verdict

_TRIED = 3  # papers that a sentence is compared with beside those that it names
_SAME = 0.5  # share of words that two sentences have in common where they speak of one thing
_BEGINS = 3  # letters, which no stem changes
_BEGINNING = re.compile(rf"\b\w{{1,{_BEGINS}}}")
# What ties a sentence to the one before it, and says nothing where that one was left out.
_LINK = re.compile(
    r"(?:however|moreover|furthermore|in addition|additionally|therefore|thus|hence|consequently|"
    r"as a result|in contrast|by contrast|on the other hand|for example|for instance|also|besides|"
    r"similarly|likewise|finally|secondly|second|thirdly|third|and|but|so|yet)\b,?\s+",
    re.IGNORECASE,
)
_ORDER: dict[Verdict, int] = {"supported": 3, "partial": 2, "contradicted": 1, "unsupported": 0}


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


def cite(
    draft: str,
    hits: Sequence[Hit],
    grounder: Grounder,
    policy: Policy = "flag",
    *,
    quoted: bool = False,
) -> tuple[list[Sentence], list[Citation]]:
    """Verified sentences, and their footnotes in order.

    `policy` "drop" leaves out sentences that are unsupported or contradicted; "flag" and "keep"
    leave them in, with their verdict. `quoted`: the draft is made of sentences of the hits.
    """
    footnotes = _Footnotes()
    out: list[Sentence] = []
    gap = False  # whether what stood before was left out
    for written in split_draft(draft, len(hits), quoted=quoted):
        verdict, score, evidence = _verify(written, hits, grounder)
        if policy == "drop" and verdict in ("unsupported", "contradicted"):
            gap = True
            continue
        text = _without_link(written.text) if gap else written.text
        markers = tuple(dict.fromkeys(footnotes.add(*item) for item in evidence))
        against = _opposing(written.text, hits, evidence) if verdict == "supported" else []
        opposed = tuple(dict.fromkeys(footnotes.add(*item) for item in against))
        out.append(Sentence(text, markers, verdict, round(score, 4), opposed))
        gap = False
    return out, list(footnotes.by_span.values())


def _without_link(text: str) -> str:
    """A sentence without the word that ties it to the one before, which is gone."""
    match = _LINK.match(text)
    rest = text[match.end() :] if match else text
    return rest[:1].upper() + rest[1:] if match and rest else text


def render(sentences: Sequence[Sentence]) -> str:
    """The text of an answer, its markers set after each sentence; it reads back as the same."""
    text = ""
    for before, sentence in zip([None, *sentences], sentences, strict=False):
        if before:
            text += " " if _parts(before.text, sentence.text) and not sentence.lead else "\n"
        text += f"{sentence.lead}: {sentence.text}" if sentence.lead else sentence.text
        if sentence.citations:
            text += " " + _listed(sentence.citations)
        if sentence.against:
            text += f" (but see {_listed(sentence.against)})"
    return text


def _listed(markers: Sequence[int]) -> str:
    return "".join(f"[{marker}]" for marker in markers)


def _parts(before: str, after: str) -> bool:
    """Whether a reader sees where one sentence ends: a list item may have no full stop."""
    return any(end == len(before) for _, end in sentence_spans(f"{before} {after}"))


_Evidence = list[tuple[Hit, tuple[int, int], float]]


def _verify(
    written: Written, hits: Sequence[Hit], grounder: Grounder
) -> tuple[Verdict, float, _Evidence]:
    """Judge against each source named; against all of them where none is, or none supports."""
    if written.named_any and not written.sources:
        return "unsupported", 0.0, []
    named = [hits[n - 1] for n in written.sources]
    judged = [_judge(written.text, [hit], grounder) for hit in named]
    if not any(verdict == "supported" for verdict, _, _ in judged):
        others = _closest(written.text, [hit for hit in hits if hit not in named])
        each = (_judge(written.text, [hit], grounder) for hit in others)
        found = max(each, key=_strength, default=None)
        if found and (found[0] == "supported" or not named):
            judged = [found]
    if not judged:
        return "unsupported", 0.0, []
    if len(named) > 1 and any(verdict != "supported" for verdict, _, _ in judged):
        together = _judge(written.text, named, grounder)
        judged = max([together], judged, key=lambda found: _strength(max(found, key=_strength)))
    verdict, score, _ = max(judged, key=_strength)
    kept = [item for v, _, quoted in judged if v == verdict != "unsupported" for item in quoted]
    return verdict, score, kept


def _closest(text: str, hits: Sequence[Hit]) -> list[Hit]:
    """The papers that share most words with a sentence: the only ones that may well state it."""
    stated = facts_of(text)
    shared = {
        hit.paper.id: coverage(stated, facts_of(f"{hit.paper.title}. {hit.paper.abstract}").words)
        for hit in hits
    }
    return sorted(hits, key=lambda hit: -shared[hit.paper.id])[:_TRIED]


def _opposing(text: str, hits: Sequence[Hit], evidence: _Evidence) -> _Evidence:
    """Sentences of other papers that say the opposite of a supported one, in nearly its words."""
    stated, told = facts_of(text), {hit.paper.id for hit, _, _ in evidence}
    out: _Evidence = []
    for hit in hits:
        if hit.paper.id in told:
            continue
        for a, b in sentence_spans(hit.paper.abstract):
            other = hit.paper.abstract[a:b]
            if _may_speak_of(stated, other) and _opposes(stated, facts_of(other)):
                out.append((hit, (a, b), 0.0))
                break
    return out


def _may_speak_of(stated: Facts, text: str) -> bool:
    """Whether its words begin as enough of those stated do: told at a hundredth of the cost."""
    begin = set(_BEGINNING.findall(text.lower()))
    shared = sum(len(word) for word in stated.words if word[:_BEGINS] in begin)
    return shared >= _SAME * sum(map(len, stated.words))


def _opposes(stated: Facts, other: Facts) -> bool:
    near = min(coverage(stated, other.words), coverage(other, stated.words)) >= _SAME
    return near and (direction_differs(stated, other) or negation_differs(stated, other))


_Judged = tuple[Verdict, float, _Evidence]


def _judge(text: str, hits: Sequence[Hit], grounder: Grounder) -> _Judged:
    """Against all sentences of these papers as if they were one: a claim may rest on two."""
    found = [(hit, span) for hit in hits for span in sentence_spans(hit.paper.abstract)]
    evidence = [hit.paper.abstract[a:b] for hit, (a, b) in found]
    titles = ". ".join(hit.paper.title for hit in hits)
    judged = grounder.judge(text, evidence, [titles] * len(evidence))
    quoted = [i for i in (judged.evidence, judged.more) if i is not None]
    return judged.verdict, judged.score, [(*found[i], judged.score) for i in quoted]


def _strength(judged: _Judged) -> tuple[int, float]:
    return _ORDER[judged[0]], judged[1]
