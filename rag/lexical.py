"""BM25 over the abstracts (bm25s, stemmed), and the words that the rest of Footnoted agrees on.

Robertson and Zaragoza, The Probabilistic Relevance Framework: BM25 and Beyond, 2009. The index is
searched and stored by bm25s; its matrix is filled here, with numpy, because an index that is ready
seconds after the papers are read lets questions be asked while the vectors are still being made.
Whole abstracts and not their chunks, because then nothing has to be split first, and the ranking
is as good (`benchmarks/retrieval.py`).
"""

from __future__ import annotations

import json
import re
from array import array
from collections.abc import Iterable, Iterator, Sequence
from functools import cache, lru_cache
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rag._npy import parsing

LEXICAL_VERSION = "2"  # part of the index's manifest: raise it when tokens would come out otherwise

_K1, _B = 1.2, 0.75
_NAMED = 3  # texts
_BLOCK = 4096  # texts whose words are counted together: some 10 MB

Ints = NDArray[np.int64]

_TOKEN = re.compile(r"[^\W_]+(?:[-'’./][^\W_]+)*")
_SPLIT = re.compile(r"[-'’./]")
_AROUND = " .,;:()[]{}'’\"“”/-"
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
    bare = text.lower().strip(_AROUND)
    if bare.isalnum():  # most words of an index need no more
        return [] if bare in STOP_WORDS else [stem(bare)]
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

    stemmer = Stemmer("english")
    stemmer.maxCacheSize = 0  # ours are enough, and sorting its own takes longer than stemming
    return stemmer


class _Terms(dict[str, int]):
    """Numbers of the words as they stand in a text; what each stems to is worked out once."""

    def __init__(self) -> None:
        self.vocabulary: dict[str, int] = {}
        self._known: dict[str, int] = {}
        self._stem = _stemmer().stemWord
        self._flat = array("q")
        self._ends = array("q", [0])

    def __missing__(self, raw: str) -> int:
        bare = raw.strip(_AROUND)
        number = self._known.get(bare)
        if number is None:
            number = self._known[bare] = len(self._known)
            vocabulary = self.vocabulary
            self._flat.extend([vocabulary.setdefault(t, len(vocabulary)) for t in self._of(bare)])
            self._ends.append(len(self._flat))
        self[raw] = number
        return number

    def _of(self, bare: str) -> list[str]:
        """What `tokens` gives, without its detours for the plain and the hyphenated."""
        if not bare.isascii():
            return tokens(bare)
        stem_ = self._stem
        if bare.isalnum():
            return [] if bare in STOP_WORDS else [stem_(bare)]
        parts = bare.split("-")
        if all(map(str.isalnum, parts)):
            return [stem_("".join(parts)), *(stem_(p) for p in parts if p not in STOP_WORDS)]
        return tokens(bare)

    def expand(self, raw: Ints, rows: Ints) -> tuple[Ints, Ints]:
        """The terms of words that stand in `rows`, and the row of each; in no order."""
        ends, flat = np.array(self._ends), np.array(self._flat)
        starts, counts = ends[raw], ends[raw + 1] - ends[raw]
        single, several = counts == 1, np.flatnonzero(counts > 1)
        parts = counts[several]
        at = np.repeat(starts[several] - np.cumsum(parts) + parts, parts) + np.arange(parts.sum())
        terms = flat[np.concatenate([starts[single], at])]
        return terms, np.concatenate([rows[single], np.repeat(rows[several], parts)])


class LexicalIndex:
    """A BM25 index that is built once and read from a folder ever after."""

    def __init__(self, bm25: Any, ids: Sequence[str]) -> None:
        self._bm25 = bm25
        self.ids = list(ids)
        self._vocabulary: dict[str, int] = bm25.vocab_dict if bm25 else {}
        self._row_of: dict[str, int] | None = None

    @classmethod
    def build(cls, ids: Sequence[str], texts: Iterable[str]) -> LexicalIndex:
        """Index `texts`, in the order of `ids`; they are read as a stream."""
        import bm25s

        terms = _Terms()
        blocks = list(_count(texts, terms))
        if not ids:
            return cls(None, [])
        bm25 = bm25s.BM25(k1=_K1, b=_B)
        bm25.vocab_dict = terms.vocabulary
        bm25.nonoccurrence_array = None
        bm25.scores = _scores(blocks, len(ids), len(terms.vocabulary))
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
        with parsing:
            return cls(bm25s.BM25.load(str(folder), mmap=True) if ids else None, ids)

    def search(self, question: str, k: int, rows: Ints | None = None) -> list[tuple[str, float]]:
        """The k best ids with their BM25 scores (> 0), best first; among `rows` if given."""
        scores = self.scores(question)
        return [(self.ids[i], float(scores[i])) for i in self.best(scores, k, rows)]

    def scores(self, question: str) -> NDArray[np.float32]:
        """BM25 score of every text, shape (n,); 0 where no word is shared."""
        words = sorted({w for w in tokens(question) if w in self._vocabulary})
        if not words:
            return np.zeros(len(self.ids), np.float32)
        return np.asarray(self._bm25.get_scores(words), np.float32)

    @staticmethod
    def best(scores: NDArray[np.float32], k: int, rows: Ints | None = None) -> Ints:
        """Row numbers of the k highest scores above 0, best first; among `rows` if given."""
        found = np.flatnonzero(scores) if rows is None else rows[scores[rows] > 0]
        if len(found) > k > 0:
            found = found[np.argpartition(-scores[found], k - 1)[:k]]
        order = np.lexsort((found, -scores[found]))
        return np.asarray(found[order][: max(k, 0)], np.int64)

    def holding(self, text: str) -> Ints:
        """Row numbers of the texts that hold every word of `text`, rising."""
        words = set(tokens(text))
        if not words or self._bm25 is None or not words <= self._vocabulary.keys():
            return np.zeros(0, np.int64)
        pointers, rows = self._bm25.scores["indptr"], self._bm25.scores["indices"]
        places = [self._vocabulary[word] for word in words]
        held = np.bincount(
            np.concatenate([rows[pointers[place] : pointers[place + 1]] for place in places])
        )
        return np.flatnonzero(held == len(places)).astype(np.int64)

    def row(self, name: str) -> int | None:
        """The row number of an id; None where it is not here."""
        if self._row_of is None:
            self._row_of = {name: row for row, name in enumerate(self.ids)}
        return self._row_of.get(name)

    def most(self, question: str) -> float:
        """The score of a chunk that held every word of the question without end."""
        ceiling = float(np.log((len(self.ids) + 1) / 0.5))
        return sum(self.rarity(word) for word in set(tokens(question))) * ceiling

    def rarity(self, word: str) -> float:
        """Inverse document frequency of a stemmed word, in [0, 1]; 1 for one never seen."""
        frequency, n = self._frequency(word), len(self.ids)
        if not frequency:
            return 1.0
        return float(np.log((n + 1) / (frequency + 0.5)) / np.log((n + 1) / 0.5))

    def names(self, word: str) -> bool:
        """Whether a stemmed word stands in so few texts that it names them."""
        return self._frequency(word) <= min(_NAMED, len(self.ids) // 2)

    def _frequency(self, word: str) -> int:
        """The number of texts that hold a stemmed word."""
        if self._bm25 is None or word not in self._vocabulary:
            return 0
        pointers = self._bm25.scores["indptr"]
        token = self._vocabulary[word]
        return int(pointers[token + 1] - pointers[token])


def _count(texts: Iterable[str], terms: _Terms) -> Iterator[Any]:
    """How often each text holds each term, as sparse rows, some thousand texts at a time.

    Words are split at spaces alone, which no token spans; all else is done once a word.
    """
    from scipy.sparse import coo_matrix

    stream = iter(texts)
    while block := list(islice(stream, _BLOCK)):
        raw, ends = list[int](), [0]
        for text in block:
            raw += map(terms.__getitem__, text.lower().split())
            ends.append(len(raw))
        standing = np.repeat(np.arange(len(block)), np.diff(ends))
        found, rows = terms.expand(np.array(raw, np.int64), standing)
        shape = (len(block), len(terms.vocabulary))
        yield coo_matrix((np.ones(len(found), np.float32), (rows, found)), shape).tocsr()


def _scores(blocks: Sequence[Any], texts: int, terms: int) -> dict[str, Any]:
    """The BM25 matrix as bm25s keeps it: by column (term), with the weights of Lucene's BM25."""
    from scipy.sparse import csr_matrix

    times = np.concatenate([block.data for block in blocks])
    term = np.concatenate([block.indices for block in blocks])
    width = np.concatenate([np.diff(block.indptr) for block in blocks])
    ends = np.concatenate([[0], np.cumsum(width)])
    row = np.repeat(np.arange(texts), width)
    length = np.bincount(row, times, texts)
    held = np.bincount(term, minlength=terms)
    idf = np.log1p((texts - held + 0.5) / (held + 0.5))
    norm = _K1 * (1 - _B + _B * length / (length.mean() or 1.0))
    weight = (idf[term] * times / (times + norm[row])).astype(np.float32)
    columns = csr_matrix((weight, term, ends), (texts, terms)).tocsc()
    return {
        "data": columns.data,
        "indices": columns.indices.astype(np.int32),
        "indptr": columns.indptr.astype(np.int64),
        "num_docs": texts,
    }
