"""What ranking needs from the rest: token vectors, the weights of words, codes, a cross-encoder."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rag import rank
from rag.chunking import chunks, context_text
from rag.config import RankSettings
from rag.embedding import Embedder, TokenEmbedder, has_tokens
from rag.errors import ConfigError
from rag.index import text_hash
from rag.lexical import STOP_WORDS, stem
from rag.library import Library
from rag.rank import Scorer
from rag.types import Hit, Paper

Rarity = Callable[[str], float]
_LONGEST = 2_000  # characters of a question that are looked at; an encoder reads less


class Ranker:
    """Reorders hits as the settings say: by a cross-encoder, by late interaction, or not."""

    def __init__(self, settings: RankSettings, embedder: Embedder, max_chars: int) -> None:
        self._settings = settings
        self._embedder = embedder
        self._max_chars = max_chars

    def rank(
        self, question: str, hits: Sequence[Hit], library: Library, rarity: Rarity
    ) -> list[Hit]:
        """`rarity` tells how much a stemmed word counts, in [0, 1]."""
        question = question[:_LONGEST]
        if self._settings.model:
            return rank.cross(hits, question, self._cross_encoder, self._settings.depth)
        if not (self._settings.late and hits and has_tokens(self._embedder)):
            return list(hits)
        tokens, weights = _weighed(self._embedder, question, rarity)
        papers = [hit.paper for hit in hits[: self._settings.depth]]
        return rank.late(hits, tokens, weights, self._codes(papers, library, tokens.shape[1]))

    def _codes(
        self, papers: Sequence[Paper], library: Library, dimension: int
    ) -> list[NDArray[np.uint8]]:
        keys = [list(_hashes(paper, self._max_chars)) for paper in papers]
        every = [key for part in keys for key in part]
        found = library.cached_codes(every, self._embedder.fingerprint)
        none = np.zeros(0, np.uint8)
        return [
            np.concatenate([found.get(key, none) for key in part] or [none]).reshape(
                -1, dimension // 8
            )
            for part in keys
        ]

    @cached_property
    def _cross_encoder(self) -> Scorer:
        name = self._settings.model
        from sentence_transformers import CrossEncoder

        try:
            model = CrossEncoder(name)
        except Exception as error:
            reason = str(error).strip().split("\n", 1)[0][:200]
            raise ConfigError(
                f"the cross-encoder '{name}' cannot be loaded: {reason}. Check the name or folder "
                f"in [rank] model, or leave it out."
            ) from error
        return lambda pairs: _probabilities(model, pairs)


def _probabilities(model: Any, pairs: Sequence[tuple[str, str]]) -> list[float]:
    scores = [float(s) for s in model.predict(list(pairs), show_progress_bar=False)]
    if all(0.0 <= score <= 1.0 for score in scores):
        return scores
    return [1.0 / (1.0 + math.exp(-max(-30.0, min(30.0, score)))) for score in scores]


def _weighed(
    embedder: TokenEmbedder, question: str, rarity: Rarity
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Token vectors of a question, and what the word that each belongs to counts."""
    tokens, spans = embedder.query_tokens(question)
    words = [_word_around(question, *span) for span in spans]
    weights = [
        0.0 if w in STOP_WORDS or not any(map(str.isalnum, w)) else rarity(stem(w)) for w in words
    ]
    return tokens, np.array(weights, np.float32)


def _word_around(text: str, start: int, end: int) -> str:
    while start > 0 and text[start - 1].isalnum():
        start -= 1
    while end < len(text) and text[end].isalnum():
        end += 1
    return text[start:end].lower()


def _hashes(paper: Paper, max_chars: int) -> list[bytes]:
    return [text_hash(context_text(paper.title, chunk)) for chunk in chunks(paper, max_chars)]
