"""How to fuse and rank, measured on a set with qrels, every weight cross-validated.

    python benchmarks/retrieval.py DATASET --home HOME [--qrels SPLIT]

DATASET is a folder of the BEIR layout, or SciFact as it is released. The home is ingested if it is
not. All scores are exact: what is compared is the ranking, not the index. Weights are chosen on
four fifths of the queries and judged on the fifth one; queries that share a relevant paper stay in
one part, or a weight would be judged on papers it was chosen with. Each line is compared with the
first by a paired t-test over queries.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import ttest_rel

sys.path.insert(0, str(Path(__file__).parent.parent))

from eval.datasets import load_retrieval
from eval.metrics.retrieval import RETRIEVAL, per_query
from rag._codes import codes_key
from rag._ranking import weights
from rag.chatbot import Chatbot
from rag.chunking import sentences
from rag.rank import max_sim

Floats = NDArray[np.float32]
FOLDS, TOP, RRF_K = 5, 100, 60
DEPTHS = (5, 10, 20, 50)
WEIGHTS = [round(0.1 * n, 1) for n in range(11)]
LATE = [0.0, 0.1, 0.2, 0.3, 0.4, 0.6, 0.8]


@dataclass
class Scores:
    """Of every paper for every query, shape (queries, papers); `share` is BM25's of its most."""

    papers: list[str]
    cosine: Floats
    bm25: Floats
    share: Floats


def main() -> None:
    args = _arguments()
    data = load_retrieval(args.dataset, args.qrels)
    with Chatbot.open(args.home) as bot:
        if bot.is_behind() or not bot.info()["papers"]:
            bot.ingest(args.dataset, progress=_progress)
        names = [q for q in data.queries if any(g > 0 for g in data.qrels.get(q, {}).values())]
        texts = [data.queries[q] for q in names]
        bench = Bench(names, {q: data.qrels[q] for q in names}, _scores(bot, texts), args.ids)
        print(f"\n{len(names)} queries, {len(bench.scores.papers)} papers, {args.dataset}\n")
        print(f"{'ranking':<34}" + "".join(f"{m:>10}" for m in RETRIEVAL) + "      p  chosen")
        s = bench.scores
        fused = bench.judged("convex, share of the maximum (ours)", bench.convex(s.share), WEIGHTS)
        bench.judged("BM25", lambda _: s.bm25, [0.0])
        bench.judged("dense", lambda _: s.cosine, [1.0])
        bench.judged(f"reciprocal rank, k={RRF_K}", bench.reciprocal, WEIGHTS)
        bench.judged("convex, min-max", bench.convex(_min_max(s.bm25), _min_max), WEIGHTS)
        late = _late(bot, texts, fused, max(DEPTHS))
        for depth in DEPTHS:
            bench.judged(f"ours + late bits, first {depth}", _plus(fused, late, depth), LATE)
        best = _sentence(bot, texts, fused, s.papers, 5)
        bench.judged("ours + best sentence, first 5", _plus(fused, best, 5), LATE)


class Bench:
    def __init__(
        self, names: list[str], qrels: dict[str, dict[str, int]], scores: Scores, ids: str
    ) -> None:
        self.names, self.qrels, self.scores = names, qrels, scores
        # The library may have named a paper otherwise than the set does: `--ids` is put before.
        self.shown = [name.removeprefix(ids) for name in scores.papers]
        self.folds = _folds([set(qrels[name]) for name in names])
        self.base: Floats | None = None

    def judged(self, name: str, ranking: Callable[[float], Floats], grid: list[float]) -> Floats:
        """Print a line; give the scores of the weight that the most folds chose."""
        tables = {w: self._measured(ranking(w)) for w in grid}
        chosen, values = [], np.zeros((len(RETRIEVAL), len(self.names)))
        for fold in range(FOLDS):
            inside = self.folds == fold
            best = max(grid, key=lambda w: tables[w][0][~inside].mean())
            chosen.append(best)
            values[:, inside] = tables[best][:, inside]
        p = ttest_rel(values[0], self.base).pvalue if self.base is not None else float("nan")
        self.base = values[0] if self.base is None else self.base
        line = "".join(f"{v:>10.4f}" for v in values.mean(axis=1))
        print(f"{name:<34}{line} {p:>6.3f}  {' '.join(map(str, chosen))}", flush=True)
        return ranking(max(set(chosen), key=chosen.count))

    def convex(self, words: Floats, scale: Callable[[Floats], Floats] = lambda x: x):
        cosine = scale(self.scores.cosine)
        return lambda weight: weight * cosine + (1 - weight) * words

    def reciprocal(self, weight: float) -> Floats:
        """Cormack, Clarke and Buettcher, Reciprocal Rank Fusion, SIGIR 2009; weighted."""
        near, words = (_ranks(x) for x in (self.scores.cosine, self.scores.bm25))
        return (weight / (RRF_K + near) + (1 - weight) / (RRF_K + words)).astype(np.float32)

    def _measured(self, scores: Floats) -> NDArray[np.float64]:
        top = np.argsort(-scores, axis=1, kind="stable")[:, :TOP]
        run = {q: [self.shown[i] for i in row] for q, row in zip(self.names, top, strict=True)}
        found = per_query(self.qrels, run)
        return np.array([[found[m][q] for q in self.names] for m in RETRIEVAL])


def _scores(bot: Chatbot, texts: list[str]) -> Scores:
    index = bot._collection.index()
    dense, lexical = index.dense, index.lexical
    assert dense is not None
    vectors = bot._collection.embedder.embed_query(texts)
    chunks = vectors @ dense.store.vectors(dense.table.ids).T
    starts = np.searchsorted(dense.table.rows, index.paper_rows)
    cosine = np.maximum.reduceat(chunks, starts, axis=1)
    bm25 = np.stack([lexical.scores(text) for text in texts])
    most = np.array([[lexical.most(text) or 1.0] for text in texts], np.float32)
    return Scores(lexical.ids, cosine, bm25, bm25 / most)


def _late(bot: Chatbot, texts: list[str], scores: Floats, depth: int) -> Floats:
    out = np.zeros_like(scores)
    index, model = bot._collection.index(), codes_key(bot._collection.embedder.fingerprint)
    for row, top in enumerate(_first(scores, depth)):
        asked = bot._collection.question(texts[row])
        counts = weights(texts[row], asked, index.lexical)
        for i in top:
            keys = index.dense.hashes(int(index.paper_rows[i]))
            codes = bot._collection.library().cached_codes(keys, model)
            bits = np.concatenate([*codes.values()]).reshape(-1, len(asked.vector) // 8)
            out[row, i] = max_sim(asked.tokens, counts, bits) or 0.0
    return out


def _sentence(
    bot: Chatbot, texts: list[str], scores: Floats, papers: list[str], depth: int
) -> Floats:
    out = np.zeros_like(scores)
    vectors = bot._collection.embedder.embed_query(texts)
    for row, top in enumerate(_first(scores, depth)):
        known = bot._collection.library().get([papers[i] for i in top])
        for i in top:
            found = sentences(known[papers[i]].abstract)
            out[row, i] = (bot._collection.embed(found) @ vectors[row]).max() if found else 0.0
    return out


def _plus(base: Floats, extra: Floats, depth: int) -> Callable[[float], Floats]:
    """The first `depth` reordered among themselves, and still before all others."""
    ahead = np.zeros_like(base)
    np.put_along_axis(ahead, _first(base, depth), 10.0, axis=1)
    return lambda weight: base + weight * extra + ahead


def _first(scores: Floats, depth: int) -> NDArray[np.int64]:
    return np.argsort(-scores, axis=1, kind="stable")[:, :depth]


def _ranks(scores: Floats) -> NDArray[np.int64]:
    return np.argsort(np.argsort(-scores, axis=1, kind="stable"), axis=1) + 1


def _min_max(scores: Floats) -> Floats:
    """Scaled over the first hundred, as a search that sees no more would do it."""
    high = scores.max(axis=1, keepdims=True)
    low = -np.sort(-scores, axis=1)[:, TOP - 1 : TOP]
    return np.clip((scores - low) / np.maximum(high - low, 1e-9), 0, 1).astype(np.float32)


def _folds(relevant: list[set[str]]) -> NDArray[np.int64]:
    """A part for each query; queries joined by relevant papers are in the same one."""
    parent = list(range(len(relevant)))

    def find(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    first: dict[str, int] = {}
    for i, papers in enumerate(relevant):
        for paper in papers:
            parent[find(i)] = find(first.setdefault(paper, i))
    groups = sorted({find(i) for i in range(len(relevant))})
    order = np.random.default_rng(0).permutation(len(groups))
    part = {group: int(order[n]) % FOLDS for n, group in enumerate(groups)}
    return np.array([part[find(i)] for i in range(len(relevant))])


def _progress(stage: str, done: int, total: int | None) -> Iterator[None] | None:
    print(f"\r{stage} {done}{f' of {total}' if total else ''}   ", end="", file=sys.stderr)
    return None


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("dataset", help="a folder of the BEIR layout, or SciFact's")
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--qrels", help="a file of qrels, or the name of a split")
    parser.add_argument("--ids", default="", help="what stands before the set's ids in the library")
    return parser.parse_args()


if __name__ == "__main__":
    main()
