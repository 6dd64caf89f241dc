"""What encodes abstracts fastest on this processor, and what that does to a ranking.

    python benchmarks/encoders.py speed [--texts 300] [--rounds 5] [--threads 2]
    python benchmarks/encoders.py quality --home HOME [--claims 100] [--encoders ours-bfloat16]
    python benchmarks/encoders.py question

`speed` encodes the same texts of SciFact with each encoder, in turns of a part of them, so that a
machine that is busy for a while is so for all; it prints texts per second of wall clock and of
processor time, each as a multiple of sentence-transformers' own (min/median/max over the turns),
and the least cosine to its vectors. `quality` takes a home that was ingested with precision
float32, encodes anew every chunk that is near one of the claims or relevant to it, and compares
the rankings. `question` times what a question and eight sentences take.

Encoders whose package is missing are left out: `pip install onnx openvino` for all of them (the
extras of sentence-transformers would take other versions of torch).
"""

from __future__ import annotations

import argparse
import itertools
import random
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))

from eval.datasets import load_retrieval
from eval.metrics.retrieval import per_query
from rag import Chatbot
from rag._bert import BertWeights, NumpyBert
from rag._torch_bert import TorchBert
from rag.chunking import context_text
from rag.embedding import SentenceTransformersEmbedder, _default_folder
from rag.index import cut, paper_of
from rag.retrieve import fuse
from rag.sources import open_source

DATA = Path(__file__).parent.parent.parent / "shared" / "data" / "scifact"
Encode = Callable[[list[str]], np.ndarray]
REFERENCE = "sentence-transformers"
QUESTION = (
    "Which of the graph indexes on disk needs the least memory for a billion vectors "
    "and still keeps its recall high?"
)
SENTENCE = (
    "We show that a sentence of about thirty word pieces is what an abstract is made of, and "
    "that ranking has to embed eight of these for number {} of the questions."
)


def main() -> None:
    args = _arguments()
    {"speed": speed, "quality": quality, "question": question}[args.what](args)


def speed(args: argparse.Namespace) -> None:
    import torch

    torch.set_num_threads(args.threads)
    papers = itertools.islice(open_source(str(args.data / "corpus.jsonl.gz")), args.texts)
    texts = [context_text(p.title, c) for c, p, _ in cut(papers, 1000)]
    texts = sorted(random.Random(0).sample(texts, min(args.texts, len(texts))), key=len)
    size = -(-len(texts) // args.rounds)
    with tempfile.TemporaryDirectory() as folder:
        encoders = dict(_encoders(Path(folder), args.threads, args.encoders))
        for encode in encoders.values():
            encode(texts[:2])
        rates: dict[str, list[tuple[float, float]]] = defaultdict(list)
        least: dict[str, float] = defaultdict(lambda: 1.0)
        for start in range(0, len(texts), size):
            part, reference = texts[start : start + size], np.empty(0)
            for name, encode in encoders.items():
                wall, own = time.perf_counter(), time.process_time()
                vectors = encode(part)
                rates[name].append((time.perf_counter() - wall, time.process_time() - own))
                reference = vectors if name == REFERENCE else reference
                least[name] = min(least[name], float((vectors * reference).sum(1).min()))
                print(f"{name} {len(part) / rates[name][-1][1]:.1f}", file=sys.stderr, flush=True)
    _table(rates, least, size)


def _table(rates: dict[str, list[tuple[float, float]]], least: dict[str, float], size: int) -> None:
    base = np.array(rates[REFERENCE])
    print("| encoder | texts/s | of processor time | times the first | least cosine |")
    print("|---|---|---|---|---|")
    for name, measured in rates.items():
        taken = np.array(measured)
        wall, own = np.median(size / taken, axis=0)
        low, mid, high = np.quantile((base / taken)[:, 1], [0, 0.5, 1])
        faster = f"{mid:.2f} ({low:.2f} to {high:.2f}); wall {np.median((base / taken)[:, 0]):.2f}"
        print(f"| {name} | {wall:.1f} | {own:.1f} | {faster} | {least[name]:.5f} |")


def _encoders(folder: Path, threads: int, wanted: list[str] | None) -> Iterable[tuple[str, Encode]]:
    """(name, encoder), the reference first; those that cannot be had are named and left out."""
    model = SentenceTransformersEmbedder("default", device="cpu")._torch
    weights = BertWeights(_default_folder())
    makers: dict[str, Callable[[], Encode]] = {
        REFERENCE: lambda: partial(_by_sentence_transformers, model, 32),
        **{
            f"{REFERENCE}, {n} at once": partial(
                lambda n: partial(_by_sentence_transformers, model, n), n
            )
            for n in (8, 16, 64, 128)
        },
        "autocast-bfloat16": lambda: partial(_by_autocast, model),
        "ours-float32": lambda: TorchBert(weights, bfloat16=False).embed,
        "ours-bfloat16": lambda: TorchBert(weights, bfloat16=True).embed,
        "ours-numpy": lambda: NumpyBert(weights).embed,
        "torch-int8": lambda: _torch_int8(),
        "onnxruntime-float32": lambda: _onnxruntime(_exported(model, folder), weights, threads),
        "onnxruntime-int8": lambda: _onnxruntime(
            _quantised(_exported(model, folder)), weights, threads
        ),
        "openvino-float32": lambda: _openvino(_exported(model, folder), weights, threads, "f32"),
        "openvino-bfloat16": lambda: _openvino(_exported(model, folder), weights, threads, "bf16"),
        "openvino-int8": lambda: _openvino(
            _quantised(_exported(model, folder)), weights, threads, "f32"
        ),
    }
    for name, make in makers.items():
        if wanted is None or name == REFERENCE or name in wanted:
            try:
                yield name, make()
            except (ImportError, RuntimeError) as error:
                print(f"without {name}: {error}", file=sys.stderr)


def _by_sentence_transformers(model: Any, at_once: int, texts: list[str]) -> np.ndarray:
    return model.encode(
        texts, batch_size=at_once, normalize_embeddings=True, show_progress_bar=False
    )


def _by_autocast(model: Any, texts: list[str]) -> np.ndarray:
    import torch

    with torch.autocast("cpu", torch.bfloat16):
        return np.asarray(_by_sentence_transformers(model, 32, texts), np.float32)


def _torch_int8() -> Encode:
    import torch

    model = SentenceTransformersEmbedder("default", device="cpu")._torch
    torch.ao.quantization.quantize_dynamic(
        model[0].auto_model, {torch.nn.Linear}, torch.qint8, inplace=True
    )
    return partial(_by_sentence_transformers, model, 32)


def _exported(model: Any, folder: Path) -> Path:
    import torch

    path = folder / "model.onnx"
    if path.exists():
        return path

    class States(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = model[0].auto_model

        def forward(self, input_ids: Any, attention_mask: Any) -> Any:
            return self.inner(input_ids, attention_mask=attention_mask).last_hidden_state

    ids = torch.randint(1000, 2000, (2, 17))
    mask = torch.ones_like(ids)
    mask[1, 12:] = 0
    both = {0: "texts", 1: "tokens"}
    names = ("input_ids", "attention_mask", "states")
    torch.onnx.export(
        States().eval(), (ids, mask), str(path), input_names=names[:2], output_names=names[2:],
        dynamic_axes=dict.fromkeys(names, both), dynamo=False, opset_version=17,
    )  # fmt: skip
    return path


def _quantised(path: Path) -> Path:
    from onnxruntime.quantization import QuantType, quantize_dynamic

    small = path.with_name("int8.onnx")
    if not small.exists():
        quantize_dynamic(
            path, small, weight_type=QuantType.QInt8, op_types_to_quantize=["MatMul"],
            per_channel=True,
        )  # fmt: skip
    return small


def _onnxruntime(path: Path, weights: BertWeights, threads: int) -> Encode:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(str(path), options, ["CPUExecutionProvider"])
    return partial(_padded, weights, lambda feed: session.run(None, feed)[0])


def _openvino(path: Path, weights: BertWeights, threads: int, precision: str) -> Encode:
    import openvino

    settings = {"INFERENCE_PRECISION_HINT": precision, "INFERENCE_NUM_THREADS": threads}
    compiled = openvino.Core().compile_model(str(path), "CPU", settings)
    return partial(_padded, weights, lambda feed: compiled(feed)[0])


def _padded(
    weights: BertWeights, run: Callable[[dict[str, np.ndarray]], np.ndarray], texts: list[str]
) -> np.ndarray:
    out = np.empty((len(texts), weights.dimension), np.float32)
    numbered = weights.encodings(texts)
    for start in range(0, len(numbered), 8):
        batch = numbered[start : start + 8]
        lengths = np.array([len(e.ids) for _, e in batch])
        ids = np.array([e.ids + [0] * (lengths.max() - len(e.ids)) for _, e in batch])
        mask = (np.arange(lengths.max()) < lengths[:, None]).astype(np.int64)
        states = run({"input_ids": ids, "attention_mask": mask}) * mask[:, :, None]
        means = states.sum(1) / lengths[:, None]
        out[[row for row, _ in batch]] = means / np.linalg.norm(means, axis=1, keepdims=True)
    return out


def question(args: argparse.Namespace) -> None:
    weights = BertWeights(_default_folder())
    ours = NumpyBert(weights)
    words = len(QUESTION.split())
    cases = {f"a question of {words} words": [QUESTION]}
    cases["8 sentences"] = [SENTENCE.format(n) for n in range(8)]
    print("| what | milliseconds: least | median | most | of processor time, median |")
    print("|---|---|---|---|---|")
    for name, texts in cases.items():
        taken = []
        for _ in range(args.repeat):
            wall, own = time.perf_counter(), time.process_time()
            ours.embed(texts)
            taken.append((time.perf_counter() - wall, time.process_time() - own))
        ms = 1000 * np.array(taken)
        low, mid, high = np.quantile(ms[:, 0], [0, 0.5, 1])
        print(f"| {name} | {low:.1f} | {mid:.1f} | {high:.1f} | {np.median(ms[:, 1]):.1f} |")


def quality(args: argparse.Namespace) -> None:
    data = load_retrieval(args.data)
    names = random.Random(0).sample(sorted(data.qrels), min(args.claims, len(data.qrels)))
    qrels = {name: data.qrels[name] for name in names}
    claims = [data.queries[name] for name in names]
    with Chatbot.open(args.home) as bot:
        index = bot._collection.index()
        assert index.dense is not None
        table, lexical = index.dense.table, index.lexical
        wide = index.dense.store.vectors(table.ids)
        chunks = cut(bot.papers(), index.manifest.recipe.max_chars)
        texts = [context_text(paper.title, chunk) for chunk, paper, _ in chunks]
    asked = NumpyBert(BertWeights(_default_folder())).embed(claims)
    most = np.array([[lexical.most(claim) or 1.0] for claim in claims], np.float32)
    shares = np.stack([lexical.scores(claim) for claim in claims]) / most
    starts = np.searchsorted(table.rows, index.paper_rows)
    right = set().union(*qrels.values())
    rows = {row for row, chunk_id in enumerate(table.ids) if paper_of(chunk_id) in right}
    rows |= set(np.argsort(-asked @ wide.T, axis=1)[:, : args.depth].ravel().tolist())
    pool = sorted(rows)
    print(f"{len(claims)} claims, {len(pool)} of {len(table.ids)} chunks encoded anew")

    def ranked(vectors: np.ndarray) -> list[dict[str, list[str]]]:
        """The first ten papers of each claim: by vectors alone, and fused with BM25."""
        cosines = np.maximum.reduceat(asked @ vectors.T, starts, axis=1)
        both = (cosines, fuse(cosines, shares, 0.5))
        tops = (np.argsort(-scores, axis=1, kind="stable")[:, :10] for scores in both)
        return [
            {q: [lexical.ids[i] for i in row] for q, row in zip(names, top, strict=True)}
            for top in tops
        ]

    rankings = {"float32": ranked(wide)}
    with tempfile.TemporaryDirectory() as folder:
        encoders = dict(_encoders(Path(folder), args.threads, args.encoders))
        encoders.pop(REFERENCE)
        for name, encode in encoders.items():
            other = wide.copy()
            other[pool] = encode([texts[row] for row in pool])
            rankings[name] = ranked(other)
            cosines = (other[pool] * wide[pool]).sum(1)
            print(f"{name}: cosine {cosines.min():.5f} at least, {cosines.mean():.5f} on average")
    print("| vectors | nDCG@10 dense | fused | top-10 overlap, dense | fused |")
    print("|---|---|---|---|---|")
    for name, sides in rankings.items():
        found = [per_query(qrels, side, ("nDCG@10",))["nDCG@10"] for side in sides]
        gains = [np.mean(list(values.values())) for values in found]
        shared = [
            np.mean([len({*side[q]} & {*own[q]}) / 10 for q in names])
            for side, own in zip(sides, rankings["float32"], strict=True)
        ]
        print(f"| {name} | {gains[0]:.4f} | {gains[1]:.4f} | {shared[0]:.3f} | {shared[1]:.3f} |")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("what", choices=["speed", "quality", "question"])
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--texts", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--encoders", nargs="*", help="by name; default all")
    parser.add_argument("--home", type=Path)
    parser.add_argument("--claims", type=int, default=100)
    parser.add_argument(
        "--depth", type=int, default=15, help="nearest chunks that are encoded anew"
    )
    parser.add_argument("--repeat", type=int, default=50)
    return parser.parse_args()


if __name__ == "__main__":
    main()
