"""What ranking needs from the rest: the weights of words, token codes, a cross-encoder."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rag import rank
from rag._codes import Question, codes_key
from rag.config import RankSettings
from rag.errors import ConfigError
from rag.index import Index
from rag.lexical import STOP_WORDS, LexicalIndex, stem
from rag.library import Library
from rag.rank import Scorer
from rag.types import Hit


class Ranker:
    """Reorders hits as the settings say: by a cross-encoder, by late interaction, or not."""

    def __init__(self, settings: RankSettings, model: str) -> None:
        """`model` is the fingerprint of the encoder, by which codes are cached."""
        self._settings = settings
        self._model = model

    @property
    def wanted(self) -> bool:
        return self._settings.late or self._settings.model is not None

    def rank(
        self,
        text: str,
        question: Question | None,
        hits: Sequence[Hit],
        index: Index,
        library: Library,
    ) -> list[Hit]:
        """`question` is what the encoder makes of `text`; None where it gives no tokens."""
        if self._settings.model:
            return rank.cross(hits, text, self._cross_encoder, self._settings.depth)
        if not (self._settings.late and hits and question and index.dense):
            return list(hits)
        codes = self._codes(hits[: self._settings.depth], index, library, len(question.vector))
        return rank.late(hits, question.tokens, weights(text, question, index.lexical), codes)

    def _codes(
        self, hits: Sequence[Hit], index: Index, library: Library, dimension: int
    ) -> list[NDArray[np.uint8]]:
        rows = [index.lexical.row(hit.paper.id) for hit in hits]
        assert index.dense is not None
        keys = [
            [] if row is None else index.dense.hashes(int(index.paper_rows[row])) for row in rows
        ]
        found = library.cached_codes([key for part in keys for key in part], codes_key(self._model))
        none = np.zeros(0, np.uint8)
        return [
            np.concatenate([none, *(found.get(key, none) for key in part)]).reshape(
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


def weights(text: str, question: Question, lexical: LexicalIndex) -> NDArray[np.float32]:
    """What each token of a question counts: the rarity of its word; nothing for stop words."""
    words = [_word_around(text, *span) for span in question.spans]
    return np.array(
        [
            0.0 if w in STOP_WORDS or not any(map(str.isalnum, w)) else lexical.rarity(stem(w))
            for w in words
        ],
        np.float32,
    )


def _probabilities(model: Any, pairs: Sequence[tuple[str, str]]) -> list[float]:
    scores = [float(s) for s in model.predict(list(pairs), show_progress_bar=False)]
    if all(0.0 <= score <= 1.0 for score in scores):
        return scores
    return [1.0 / (1.0 + math.exp(-max(-30.0, min(30.0, score)))) for score in scores]


def _word_around(text: str, start: int, end: int) -> str:
    while start > 0 and text[start - 1].isalnum():
        start -= 1
    while end < len(text) and text[end].isalnum():
        end += 1
    return text[start:end].lower()
