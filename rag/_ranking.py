"""What ranking needs from the rest: the weights of words, token codes, a cross-encoder.

Copies of the question are looked through first: what they add to a score is taken off again.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rag import rank
from rag._codes import Question, codes_key
from rag._echoes import BORNE_OUT, without_echoes, word_share
from rag.chunking import chunks, context_text
from rag.config import RankSettings
from rag.embedding import Embedder, has_tokens
from rag.errors import ConfigError
from rag.index import Index
from rag.lexical import STOP_WORDS, LexicalIndex, stem
from rag.library import Library
from rag.rank import Scorer
from rag.types import Chunk, Hit, Mode, Paper

Codes = NDArray[np.uint8]


class View(NamedTuple):
    """A paper without copies of the question: how near its best part is, its tokens' codes."""

    paper: Paper
    cosine: float
    codes: Codes


class Ranker:
    """Reorders hits as the settings say: by a cross-encoder, by late interaction, or not."""

    def __init__(self, settings: RankSettings, embedder: Embedder, dense_weight: float) -> None:
        """`dense_weight` is what the vectors count in the score of a hybrid search."""
        self._settings = settings
        self._embedder = embedder
        self._dense_weight = dense_weight

    def rank(
        self,
        text: str,
        question: Question | None,
        hits: Sequence[Hit],
        index: Index,
        library: Library,
        *,
        mode: Mode = "hybrid",
    ) -> list[Hit]:
        """`question` is what the encoder makes of `text`; None in a search by words alone."""
        first, behind = hits[: self._settings.depth], list(hits[self._settings.depth :])
        seen = self._seen_through(text, question, first, index.lexical, mode)
        plain = [seen[hit.paper.id][0] if hit.paper.id in seen else hit for hit in first]
        if mode == "hybrid" and self._settings.model:
            rest = {name: view.paper for name, (_, view) in seen.items()}
            return rank.cross(
                [*plain, *behind], text, self._cross_encoder, self._settings.depth, rest
            )
        late = mode == "hybrid" and self._settings.late
        if late and hits and index.dense and question and len(question.tokens):
            codes = self._codes(plain, index, library, len(question.vector))
            codes = [
                seen[hit.paper.id][1].codes if hit.paper.id in seen else code
                for hit, code in zip(plain, codes, strict=True)
            ]
            counts = weights(text, question, index.lexical)
            return rank.late([*plain, *behind], question.tokens, counts, codes)
        return rank.renumbered(plain, behind) if seen else list(hits)

    def _seen_through(
        self,
        text: str,
        question: Question | None,
        hits: Sequence[Hit],
        lexical: LexicalIndex,
        mode: Mode,
    ) -> dict[str, tuple[Hit, View]]:
        """By paper: the hit as it scores without copies of the question, and what was looked at."""
        found: dict[str, tuple[Hit, View]] = {}
        for hit in hits:
            rest = without_echoes(text, hit.paper, lexical.rarity)
            view = None if rest is None else self._fairly(hit.paper, rest, question)
            if view is not None:
                found[hit.paper.id] = (self._lowered(hit, view, text, lexical, mode), view)
        return found

    def _fairly(self, paper: Paper, rest: Paper, question: Question | None) -> View | None:
        """How the rest is seen; None where no more is left out than a title that fits its text."""
        view = self._view(rest, question)
        fits = rest.abstract == paper.abstract and view.cosine >= BORNE_OUT
        return None if fits else view

    def _view(self, rest: Paper, question: Question | None) -> View:
        parts = chunks(rest) or [Chunk("", rest.id, "", 0, 0)]
        texts = [context_text(rest.title, part) for part in parts]
        none = np.zeros((0, 0 if question is None else len(question.vector) // 8), np.uint8)
        if question is None or not any(map(str.strip, texts)):
            return View(rest, 0.0, none)
        if not has_tokens(self._embedder):
            return View(rest, float((self._embedder.embed(texts) @ question.vector).max()), none)
        vectors, codes = self._embedder.embed_with_tokens(texts)
        return View(rest, float((vectors @ question.vector).max()), np.concatenate([none, *codes]))

    def _lowered(self, hit: Hit, view: View, text: str, lexical: LexicalIndex, mode: Mode) -> Hit:
        """The hit with what the copies added to its score taken off."""
        weight = {"hybrid": self._dense_weight, "dense": 1.0, "lexical": 0.0}[mode]
        weight = weight if hit.dense is not None else 0.0
        whole, rest = (f"{p.title}. {p.abstract}" for p in (hit.paper, view.paper))
        share = word_share(text, whole, rest, lexical.rarity)
        most = lexical.most(text) or 1.0
        words = (hit.lexical or 0.0) * (1.0 - share) / most
        near = max((hit.dense or 0.0) - view.cosine, 0.0)
        lower = hit.score - weight * near - (1.0 - weight) * words
        return replace(
            hit,
            score=max(lower, 0.0),
            dense=None if hit.dense is None else min(hit.dense, view.cosine),
            lexical=None if hit.lexical is None else hit.lexical * share or None,
        )

    def _codes(
        self, hits: Sequence[Hit], index: Index, library: Library, dimension: int
    ) -> list[Codes]:
        rows = [index.lexical.row(hit.paper.id) for hit in hits]
        assert index.dense is not None
        keys = [
            [] if row is None else index.dense.hashes(int(index.paper_rows[row])) for row in rows
        ]
        key = codes_key(self._embedder.fingerprint)
        found = library.cached_codes([key for part in keys for key in part], key)
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
