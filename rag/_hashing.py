"""Words hashed into vectors: an embedder without a model, for tests."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rag._codes import Codes, Question, Spans
from rag.config import EmbeddingSettings
from rag.lexical import STOP_WORDS

Floats = NDArray[np.float32]
_WORD = re.compile(r"[^\W_]+")


class HashingEmbedder:
    """Words hashed into a vector: no model at all. For tests, and to see how little that gives."""

    fingerprint = "hashing-256-v1"
    has_tokens = True

    def __init__(self, dimension: int = 256) -> None:
        self._dimension = dimension

    @classmethod
    def from_settings(cls, settings: EmbeddingSettings) -> HashingEmbedder:
        return cls()

    def embed(self, texts: Sequence[str]) -> Floats:
        out = np.zeros((len(texts), self._dimension), np.float32)
        for row, text in enumerate(texts):
            for word in text.lower().split():
                digest = hashlib.blake2b(word.encode("utf-8", "replace"), digest_size=8).digest()
                out[row, int.from_bytes(digest, "big") % self._dimension] += 1
        out[:, 0] += 1e-3  # a text without words still gets a direction
        return np.asarray(out / np.linalg.norm(out, axis=1, keepdims=True), np.float32)

    def embed_query(self, texts: Sequence[str]) -> Floats:
        return self.embed(texts)

    def code_spans(self, texts: Sequence[str]) -> list[Spans]:
        return [
            [m.span() for m in _WORD.finditer(text) if m.group().lower() not in STOP_WORDS]
            for text in texts
        ]

    def embed_with_tokens(self, texts: Sequence[str]) -> tuple[Floats, list[Codes]]:
        words = ([m.group() for m in _WORD.finditer(text)] for text in texts)
        return self.embed(texts), [
            self._codes([w for w in of_text if w.lower() not in STOP_WORDS]) for of_text in words
        ]

    def embed_question(self, text: str) -> Question:
        words = list(_WORD.finditer(text))
        bits = np.unpackbits(self._codes([m.group() for m in words]), axis=1)
        signs = np.asarray(bits, np.float32) * 2 - 1
        unit = signs / np.float32(np.sqrt(self._dimension))
        return Question(self.embed_query([text])[0], unit, [m.span() for m in words])

    def _codes(self, words: Sequence[str]) -> Codes:
        """A word's own random bits: 1 to itself, and nearly orthogonal to every other."""
        size = self._dimension // 8
        digests = (hashlib.shake_256(w.lower().encode()).digest(size) for w in words)
        return np.frombuffer(b"".join(digests), np.uint8).reshape(-1, size)
