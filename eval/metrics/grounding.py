"""Does each sentence stand on its footnotes, and are the footnotes what they claim to be?

Functions return None where the question does not arise: there is no answer, or no citation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

Supports = Callable[[str, Sequence[str]], bool]
"""(sentence, the evidence cited) -> whether the evidence, taken together, supports it."""


def citation_recall(supported: Sequence[bool]) -> float | None:
    """Share of an answer's sentences that their own citations support, all taken together.

    Gao et al., Enabling Large Language Models to Generate Text with Citations (ALCE), EMNLP 2023.
    A sentence without a citation counts as not supported.
    """
    return sum(supported) / len(supported) if supported else None


def citation_precision(
    sentences: Sequence[tuple[str, Sequence[str]]], supports: Supports
) -> float | None:
    """Share of citations that are needed or suffice (ALCE, EMNLP 2023).

    `sentences` are (text, evidence cited). A citation is irrelevant if it does not support the
    sentence alone and the others do without it; it counts for nothing where all the citations
    of the sentence together do not support it.
    """
    right = total = 0
    for text, cited in sentences:
        total += len(cited)
        if cited and supports(text, cited):
            right += sum(_needed(text, cited, i, supports) for i in range(len(cited)))
    return right / total if total else None


def verdict_share(verdicts: Sequence[str], wanted: str) -> float | None:
    """Share of sentences with this verdict."""
    return sum(v == wanted for v in verdicts) / len(verdicts) if verdicts else None


def quote_exactness(
    quotes: Sequence[tuple[str, str, int, int]], abstracts: Mapping[str, str]
) -> float | None:
    """Share of quotes (paper id, quote, start, end) that are those characters of the abstract."""
    if not quotes:
        return None
    held = [abstracts.get(paper, "")[start:end] == quote for paper, quote, start, end in quotes]
    return sum(bool(quote) and ok for (_, quote, _, _), ok in zip(quotes, held, strict=True)) / len(
        quotes
    )


def source_exactness(cited: Sequence[str], gold: Sequence[str]) -> float | None:
    """Share of the cited papers, one a citation, that are among the right ones."""
    if not cited or not gold:
        return None
    return sum(paper in set(gold) for paper in cited) / len(cited)


def source_recall(cited: Sequence[str], gold: Sequence[str]) -> float | None:
    """Share of the right papers that are cited; an answer that cites nothing has found none."""
    return len(set(cited) & set(gold)) / len(set(gold)) if gold else None


def cites_gold(cited: Sequence[str], gold: Sequence[str]) -> float | None:
    """1 if a right paper is cited, else 0."""
    return float(bool(set(cited) & set(gold))) if gold else None


def _needed(text: str, cited: Sequence[str], index: int, supports: Supports) -> bool:
    if supports(text, [cited[index]]):
        return True
    others = [*cited[:index], *cited[index + 1 :]]
    return not supports(text, others) if others else False
