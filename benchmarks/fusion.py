"""How to fuse dense and lexical scores, measured on SciFact's training claims.

    python benchmarks/fusion.py --data FOLDER_OF_SCIFACT --home HOME

The dense weight of each fusion is chosen by 5-fold cross-validation: the best on four fifths of
the claims is judged on the fifth one. The home is ingested if it is not, or not as it should be.
nDCG: Jarvelin and Kekalainen, Cumulated Gain-Based Evaluation of IR Techniques, 2002.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import random
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))

from rag.embedding import SentenceTransformersEmbedder
from rag.errors import IndexFailure
from rag.index import Index, Recipe
from rag.ingest import build_index, embed_missing, store_records, writing
from rag.library import Library
from rag.retrieve import best_per_paper, fuse
from rag.sources import open_source
from rag.stores import STORES

Scored = list[tuple[str, float]]
Case = tuple[set[str], Scored, Scored, float]
"""Relevant papers, dense list, BM25 list, and the most that BM25 could have reached."""
DEPTH, FOLDS, RRF_K, MAX_CHARS = 100, 5, 60, 1000
GRID = [round(0.05 * n, 2) for n in range(21)]


def main() -> None:
    args = _arguments()
    embedder = SentenceTransformersEmbedder("default")
    index = _index(args.home, args.data / "corpus.jsonl.gz", embedder)
    cases = list(_cases(args.data, index, embedder))
    print(f"\n{len(cases)} claims, {index.manifest.papers} abstracts\n")
    print(f"{'fusion':<26} {'nDCG@10':>8} {'Recall@100':>11}  dense weight of each fold")
    for name, function, grid in (
        ("dense", shares, [1.0]),
        ("BM25", shares, [0.0]),
        ("reciprocal rank, k=60", reciprocal_rank, GRID),
        ("min-max convex", min_max, GRID),
        ("share of the maximum (ours)", shares, GRID),
    ):
        print(f"{name:<26} {_judged(cases, function, grid)}", flush=True)


def shares(dense: Scored, lexical: Scored, most: float, weight: float) -> Scored:
    return fuse(dense, [(n, s / most) for n, s in lexical] if most else [], weight)


def min_max(dense: Scored, lexical: Scored, most: float, weight: float) -> Scored:
    return fuse(_scaled(dense), _scaled(lexical), weight)


def reciprocal_rank(dense: Scored, lexical: Scored, most: float, weight: float) -> Scored:
    """Cormack, Clarke and Buettcher, Reciprocal Rank Fusion, 2009; with a weight on each side."""
    total: dict[str, float] = {}
    for scored, share in ((dense, weight), (lexical, 1 - weight)):
        for rank, (name, _) in enumerate(scored, 1):
            total[name] = total.get(name, 0.0) + share / (RRF_K + rank)
    return sorted(total.items(), key=lambda item: (-item[1], item[0]))


def ndcg(ranked: list[str], relevant: set[str], k: int = 10) -> float:
    gain = sum(1 / math.log2(i + 2) for i, name in enumerate(ranked[:k]) if name in relevant)
    return gain / sum(1 / math.log2(i + 2) for i in range(min(k, len(relevant))))


def _scaled(scored: Scored) -> Scored:
    scores = [score for _, score in scored]
    low, high = min(scores, default=0.0), max(scores, default=0.0)
    return [(name, (score - low) / (high - low or 1.0)) for name, score in scored]


def _judged(cases: list[Case], function: Callable[..., Scored], grid: list[float]) -> str:
    table = np.array([[_measure(case, function, weight) for weight in grid] for case in cases])
    order = list(range(len(cases)))
    random.Random(0).shuffle(order)
    chosen, judged = [], []
    for fold in range(FOLDS):
        test = order[fold::FOLDS]
        train = [i for i in order if i not in set(test)]
        best = int(table[train, :, 0].mean(axis=0).argmax())
        chosen.append(grid[best])
        judged.append(table[test, best])
    quality, recall = np.concatenate(judged).mean(axis=0)
    return f"{quality:>8.4f} {recall:>11.4f}  {' '.join(map(str, chosen))}"


def _measure(case: Case, function: Callable[..., Scored], weight: float) -> tuple[float, float]:
    relevant, dense, lexical, most = case
    dense, lexical = (dense if weight else []), (lexical if weight < 1 else [])
    fused = best_per_paper(function(dense, lexical, most, weight))
    ranked = [name.rpartition("#")[0] for name, _ in fused[:100]]
    return ndcg(ranked, relevant), len(relevant & set(ranked)) / len(relevant)


def _cases(data: Path, index: Index, embedder: SentenceTransformersEmbedder) -> Iterator[Case]:
    relevant: dict[str, set[str]] = {}
    with (data / "qrels_train.tsv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            if int(row["score"]) > 0:
                relevant.setdefault(row["query-id"], set()).add(row["corpus-id"])
    with (data / "claims_train.jsonl").open(encoding="utf-8") as file:
        claims = {str(claim["id"]): claim["claim"] for claim in map(json.loads, file)}
    names = [name for name in claims if name in relevant]
    for name, vector in zip(
        names, embedder.embed_query([claims[name] for name in names]), strict=True
    ):
        yield (
            relevant[name],
            index.vectors.search(vector, DEPTH * 2),
            index.lexical.search(claims[name], DEPTH * 2),
            index.lexical.most(claims[name]),
        )


def _index(home: Path, corpus: Path, embedder: SentenceTransformersEmbedder) -> Index:
    recipe = Recipe.of(embedder.fingerprint, MAX_CHARS, "chroma")
    try:
        return Index.open(home / "index", recipe)
    except IndexFailure as error:
        print(f"{error} Doing so now.", file=sys.stderr)
    with writing(home):
        library = Library(home / "library.sqlite")
        pairs = (("scifact", record) for record in open_source(str(corpus)))
        store_records(library, pairs, home / "rejected.jsonl", _progress)
        embed_missing(library, embedder, MAX_CHARS, _progress)
        build_index(library, home / "index", recipe, STORES, _progress, anew=True)
        library.close()
    return Index.open(home / "index", recipe)


def _progress(stage: str, done: int, total: int | None) -> None:
    print(f"\r{stage} {done}{f' of {total}' if total else ''}   ", end="", file=sys.stderr)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--data", type=Path, required=True, help="corpus, claims_train, qrels_train"
    )
    parser.add_argument("--home", type=Path, required=True)
    return parser.parse_args()


if __name__ == "__main__":
    main()
