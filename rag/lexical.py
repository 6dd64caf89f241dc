"""BM25 over the chunks (bm25s, stemmed), and the words that the rest of Footnoted agrees on.

Robertson and Zaragoza, The Probabilistic Relevance Framework: BM25 and Beyond, 2009.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

LEXICAL_VERSION = "1"  # part of the index's manifest: raise it when tokens would come out otherwise

_K1, _B = 1.2, 0.75

_TOKEN = re.compile(r"[^\W_]+(?:[-'’./][^\W_]+)*")
_SPLIT = re.compile(r"[-'’./]")
STOP_WORDS = frozenset(
    """a about after all also am an and any are as at be because been before being between both but
    by can could did do does doing done during each for from further had has have having he her
    here hers him his how i if in into is it its itself just me more most my no nor not of on once
    only or other our ours out over own s same she should so some such t than that the their theirs
    them then there these they this those through to too under until up upon us very was we were
    what when where which while who whom why will with would you your yours""".split()
)


def tokens(text: str) -> list[str]:
    """Stemmed words without stop words; 'multi-vector' gives multi, vector and multivector."""
    out: list[str] = []
    for match in _TOKEN.finditer(text.lower()):
        word = match.group()
        parts = _SPLIT.split(word)
        if len(parts) > 1:
            out.append("".join(parts))
        out.extend(p for p in parts if p not in STOP_WORDS)
    return [stem(word) for word in out]


@lru_cache(maxsize=200_000)
def stem(word: str) -> str:
    # A lone surrogate, as from a model's cut-off JSON escape, would stop the stemmer.
    return str(_stemmer().stemWord(word.encode("utf-8", "replace").decode()))


@cache
def _stemmer() -> Any:
    from Stemmer import Stemmer

    return Stemmer("english")


class LexicalIndex:
    """A BM25 index that is built once and read from a folder ever after."""

    def __init__(self, bm25: Any, ids: Sequence[str]) -> None:
        self._bm25 = bm25
        self.ids = list(ids)
        self._vocabulary: dict[str, int] = bm25.vocab_dict if bm25 else {}
        self._row_of: dict[str, int] | None = None

    @classmethod
    def build(cls, ids: Sequence[str], texts: Iterable[str]) -> LexicalIndex:
        import bm25s

        corpus = [tokens(text) or [""] for text in texts]
        if not corpus:
            return cls(None, [])
        bm25 = bm25s.BM25(k1=_K1, b=_B)
        bm25.index(corpus, show_progress=False)
        return cls(bm25, ids)

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        if self._bm25:
            self._bm25.save(str(folder), show_progress=False)
        (folder / "ids.json").write_text(json.dumps(self.ids), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> LexicalIndex:
        import bm25s

        ids = json.loads((folder / "ids.json").read_text(encoding="utf-8"))
        return cls(bm25s.BM25.load(str(folder), mmap=True) if ids else None, ids)

    def search(
        self, question: str, k: int, allowed: set[str] | None = None
    ) -> list[tuple[str, float]]:
        """The k best chunk ids with their BM25 scores (> 0), best first."""
        words = sorted({w for w in tokens(question) if w in self._vocabulary})
        if not words or k < 1:
            return []
        scores = self._scores(words)
        if allowed is not None:
            scores = scores * self._mask(allowed)
        k = min(k, len(scores))
        top = np.argpartition(-scores, k - 1)[:k]
        top = top[np.lexsort((top, -scores[top]))]
        return [(self.ids[i], float(scores[i])) for i in top if scores[i] > 0]

    def most(self, question: str) -> float:
        """The score of a chunk that held every word of the question without end."""
        ceiling = float(np.log((len(self.ids) + 1) / 0.5))
        return sum(self.rarity(word) for word in set(tokens(question))) * ceiling

    def rarity(self, word: str) -> float:
        """Inverse document frequency of a stemmed word, in [0, 1]; 1 for one never seen."""
        if self._bm25 is None or word not in self._vocabulary:
            return 1.0
        pointers = self._bm25.scores["indptr"]
        token = self._vocabulary[word]
        frequency = int(pointers[token + 1] - pointers[token])
        n = len(self.ids)
        return float(np.log((n + 1) / (frequency + 0.5)) / np.log((n + 1) / 0.5))

    def _scores(self, words: list[str]) -> NDArray[np.float32]:
        return np.asarray(self._bm25.get_scores(words), np.float32)

    def _mask(self, allowed: set[str]) -> NDArray[np.float32]:
        if self._row_of is None:
            self._row_of = {chunk_id: row for row, chunk_id in enumerate(self.ids)}
        mask = np.zeros(len(self.ids), np.float32)
        mask[[self._row_of[i] for i in allowed if i in self._row_of]] = 1.0
        return mask
