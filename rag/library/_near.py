"""How alike two abstracts are: word shingles, and MinHash to find candidates among many.

Broder, On the Resemblance and Containment of Documents, 1997.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rag.library._identity import title_hash

_SHINGLE = 3  # words
_BANDS, _ROWS = 8, 3  # finds 96 of 100 pairs that share 70% of their shingles
KEYS = 1 + _BANDS
_READ = 120  # words: enough to find a candidate, which is then compared as a whole
_PUNCTUATION = bytes(c if chr(c).isalnum() or c > 127 else 32 for c in range(256))
_rng = np.random.default_rng(20_260_101)  # fixed: sketches are stored
_FACTORS = _rng.integers(1, 2**63, _BANDS * _ROWS, np.uint64) | np.uint64(1)
_MIX = _rng.integers(1, 2**63, (2, _SHINGLE), np.uint64) | np.uint64(1)


class _Words(dict[bytes, int]):
    """Hashes of words, remembered: abstracts share most of theirs."""

    def __missing__(self, word: bytes) -> int:
        if len(self) > 500_000:
            self.clear()
        value = self[word] = zlib.crc32(word)
        return value


_words = _Words()


def shingles(text: str, limit: int = -1) -> NDArray[np.uint64]:
    """Hashes of all runs of three words; of all words together where there are fewer.

    `limit` is the number of words that are looked at, all without it.
    """
    plain = text.lower().encode("utf-8", "replace").translate(_PUNCTUATION)
    hashes = list(map(_words.__getitem__, plain.split(None, limit)[: limit if limit > 0 else None]))
    hashes += [0] * (_SHINGLE - len(hashes))
    words = np.array(hashes, np.uint64)
    last = len(words) - _SHINGLE + 1
    found: NDArray[np.uint64] = np.zeros(last, np.uint64)
    for place in range(_SHINGLE):
        found += words[place : place + last] * _MIX[0, place]
    return found ^ (found >> np.uint64(29))


def sketch(titles: Sequence[str], abstracts: Sequence[str]) -> NDArray[np.uint64]:
    """Keys of shape (n, KEYS): papers that share one in a column may be one work.

    The first column stands for the title, each other for a band of the abstract's MinHash.
    """
    keys = np.zeros((len(titles), KEYS), np.uint64)
    keys[:, 0] = [int(title_hash(title), 16) for title in titles]
    texts = [shingles(text, _READ) for text in abstracts]
    if not texts:
        return keys
    starts = np.cumsum([0, *(len(t) for t in texts[:-1])])
    everything = np.concatenate(texts)
    for band in range(_BANDS):
        value = np.full(len(texts), np.uint64(band + 1))
        for row in range(_ROWS):
            mixed = everything * _FACTORS[band * _ROWS + row]
            mixed ^= mixed >> np.uint64(32)
            value = value * np.uint64(0x9E3779B97F4A7C15) + np.minimum.reduceat(mixed, starts)
        keys[:, 1 + band] = value
    return keys


def alike(a: str, b: str) -> float:
    """Jaccard similarity of the shingles of two texts, in [0, 1]."""
    first, second = np.unique(shingles(a)), np.unique(shingles(b))
    shared = len(np.intersect1d(first, second, assume_unique=True))
    return shared / (len(first) + len(second) - shared)
