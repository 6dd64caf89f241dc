"""What LlamaIndex's nodes cost on top of ChromaDB: the same vectors added and queried both ways.

LlamaIndex always fetches texts and metadata; our store asks for ids and distances only. The third
row compares with a direct query that fetches the same, so that it shows the nodes alone.

python benchmarks/llama_index_cost.py [--vectors 2000] [--queries 200] [--runs 3]
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack

import chromadb
import numpy as np
from chromadb.config import Settings
from llama_index.core.schema import TextNode
from llama_index.core.vector_stores import VectorStoreQuery
from llama_index.vector_stores.chroma import ChromaVectorStore

DIMENSION, K = 384, 10
TEXT = "A sentence of an abstract, about as long as such sentences are, for the store to keep. " * 8


def main() -> None:
    args = _arguments()
    rng = np.random.default_rng(0)
    vectors = _unit(rng.normal(size=(args.vectors, DIMENSION)))
    queries = _unit(rng.normal(size=(args.queries, DIMENSION)))
    with ExitStack() as stack:

        def fresh() -> str:
            # Chroma keeps its files open until the process ends.
            folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
            return stack.enter_context(folder)

        runs = [
            (_direct(fresh(), vectors, queries), _nodes(fresh(), vectors, queries))
            for _ in range(args.runs)
        ]
    print(f"{args.vectors} vectors, {args.queries} queries, median of {args.runs} runs\n")
    print(f"{'step':<18} {'chromadb':>10} {'llama_index':>12} {'ratio':>7}")
    for step, name in enumerate(("add", "query", "query, same fields")):
        direct = statistics.median(run[0][step] for run in runs)
        nodes = statistics.median(run[1][step] for run in runs)
        print(f"{name:<18} {direct:>9.3f}s {nodes:>11.3f}s {nodes / direct:>6.2f}x")


def _direct(folder: str, vectors: np.ndarray, queries: np.ndarray) -> tuple[float, ...]:
    collection = _collection(folder)
    names = [str(n) for n in range(len(vectors))]
    added = _seconds(
        lambda: collection.add(
            ids=names,
            embeddings=vectors,
            documents=[TEXT] * len(names),
            metadatas=[{"paper_id": name, "start": 0} for name in names],
        )
    )

    def query(include: list[str]) -> None:
        for vector in queries:
            collection.query(query_embeddings=vector[None], n_results=K, include=include)

    lean = _seconds(lambda: query(["distances"]))
    return added, lean, _seconds(lambda: query(["distances", "documents", "metadatas"]))


def _nodes(folder: str, vectors: np.ndarray, queries: np.ndarray) -> tuple[float, ...]:
    store = ChromaVectorStore(chroma_collection=_collection(folder))

    def add() -> None:
        store.add(
            [
                TextNode(
                    id_=str(n), text=TEXT, embedding=vector.tolist(),
                    metadata={"paper_id": str(n), "start": 0},
                )
                for n, vector in enumerate(vectors)
            ]
        )  # fmt: skip

    def query() -> None:
        for vector in queries:
            store.query(VectorStoreQuery(query_embedding=vector.tolist(), similarity_top_k=K))

    added, queried = _seconds(add), _seconds(query)
    return added, queried, queried


def _collection(folder: str) -> chromadb.Collection:
    client = chromadb.PersistentClient(
        path=folder,
        settings=Settings(anonymized_telemetry=False),
    )
    return client.create_collection(
        "abstracts", configuration={"hnsw": {"space": "cosine"}}, embedding_function=None
    )


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _unit(rows: np.ndarray) -> np.ndarray:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--vectors", type=int, default=2000)
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--runs", type=int, default=3)
    return parser.parse_args()


if __name__ == "__main__":
    main()
