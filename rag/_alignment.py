"""How well each word of a claim is found again in its evidence, by the encoder's token vectors.

As in BERTScore (Zhang et al., 2020): each word takes the most similar word piece of the evidence.
A claim that adds a word of its own shows in its worst aligned words, where whole-sentence vectors
hide it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from rag.lexical import STOP_WORDS

Floats = NDArray[np.float32]
EmbedTokens = Callable[[str], tuple[Floats, Sequence[tuple[int, int]]]]
"""Unit vectors of a text's word pieces, shape (pieces, dimension), and where each stands."""

NAMES = ("aligned", "aligned_low", "aligned_best", "aligned_back", "aligned_not")
_FOUND = 0.5  # similarity below which a word has no counterpart


def features(claim: str, evidence: Sequence[str], embed: EmbedTokens) -> dict[str, float]:
    """Alignment with all of `evidence` and with its first sentence; zeros for an empty claim."""
    vectors, starts = _content(claim, embed)
    others = [embed(sentence)[0] for sentence in evidence]
    if not len(starts) or not all(len(other) for other in others):
        return dict.fromkeys(NAMES, 0.0)
    found = np.array([(vectors @ other.T).max(axis=1) for other in others])
    together, best = _by_word(found.max(axis=0), starts), _by_word(found[0], starts)
    back = _content(evidence[0], embed)[0] @ embed(claim)[0].T
    lowest = np.sort(together)[: max(1, len(together) // 4)]
    values = (
        together.mean(),
        lowest.mean(),
        best.mean(),
        back.max(axis=1).mean() if back.size else 0.0,
        (together < _FOUND).mean(),
    )
    # Rounded: the last bits depend on the machine's arithmetic.
    return {name: round(float(value), 5) for name, value in zip(NAMES, values, strict=True)}


def _content(text: str, embed: EmbedTokens) -> tuple[Floats, NDArray[np.int64]]:
    """Vectors of the pieces of words that say something, and where each one's word begins."""
    vectors, spans = embed(text)
    words = [_word(text, *span) for span in spans]
    kept = [i for i, (word, _) in enumerate(words) if word.isalnum() and word not in STOP_WORDS]
    return vectors[kept], np.array([words[i][1] for i in kept], np.int64)


def _word(text: str, start: int, end: int) -> tuple[str, int]:
    if not any(c.isalnum() for c in text[start:end]):
        return "", start
    while start > 0 and text[start - 1].isalnum():
        start -= 1
    while end < len(text) and text[end].isalnum():
        end += 1
    return text[start:end].lower(), start


def _by_word(similar: Floats, starts: NDArray[np.int64]) -> Floats:
    return np.array([similar[starts == start].mean() for start in np.unique(starts)], np.float32)
