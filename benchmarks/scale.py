"""How cost grows with the collection: ingest, first answer, queries, memory, disk, recall.

    python benchmarks/scale.py run PAPERS --size 1000 5000 20000 --vectors FOLDER --out FOLDER
    python benchmarks/scale.py perturb --size 100000 300000 --vectors FOLDER --out FOLDER
    python benchmarks/scale.py report --out FOLDER --docs docs/benchmarks

PAPERS is a JSONL of papers, such as an arXiv dump. `run` ingests the first N of them into a fresh
home, each size in a process of its own, and asks questions made from titles. With `--vectors` the
vectors that an earlier run cached there are used again and new ones are added, so that the encoder
is paid for once; its rate is then that of the earlier run and is said as such. `perturb` grows the
vectors alone, without texts, by noise on real ones. Times are wall clock: read them on a quiet
machine only. `report` writes the tables and plots.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))

from rag import Chatbot, Settings
from rag._codes import codes_key
from rag.indexing import build_vectors, build_words, embed_missing
from rag.ingest import store_records, writing
from rag.library import Library
from rag.manifest import Manifest
from rag.sources import open_source
from rag.stores import STORES
from rag.types import Chunk, Paper

QUESTIONS, REPEATS = 60, 2
CLIENTS = (1, 4, 16)


def main() -> None:
    args = _arguments()
    args.out.mkdir(parents=True, exist_ok=True)
    if args.command == "report":
        _report(args.out, args.docs)
        return
    for size in args.size:
        if args.child:
            work = _run if args.command == "run" else _perturb
            found = work(args, size)
            (args.out / f"{args.command}-{args.store}-{size}.json").write_text(
                json.dumps(found, indent=1)
            )
        else:  # a process of its own: memory and caches of one size are not those of the next
            words = [*sys.argv[1:], "--child"]
            at = words.index("--size")
            rest = next(
                (i for i in range(at + 1, len(words)) if words[i].startswith("--")), len(words)
            )
            command = [*words[: at + 1], str(size), *words[rest:]]
            subprocess.run([sys.executable, __file__, *command], check=True)


# --- a real collection


def _run(args: argparse.Namespace, size: int) -> dict[str, Any]:
    out: dict[str, Any] = {"papers": size, "store": args.store, "load": os.getloadavg()[0]}
    settings = Settings.model_validate({"store": {"name": args.store}})
    with tempfile.TemporaryDirectory(dir=args.out) as folder:
        home = Path(folder) / "home"
        bot = Chatbot.open(home, settings)
        _ = bot._collection.embedder.fingerprint
        with writing(home):
            library = Library(home / "library.sqlite")
            _ingest(args, size, bot, library, out)
            library.close()
        bot.close()
        out["disk_mb"] = {k: v / 1e6 for k, v in bot.info()["disk_by_part"].items()}
        bot.close()
        out["reopen"] = _seconds(lambda: bot._collection.index())
        questions = _questions(bot)
        out["recall@10"] = _recall(bot, questions)
        out["query"] = _queries(bot, questions)
        out["parts"] = _parts(bot, questions)
        out["clients"] = {n: _throughput(bot, questions, n) for n in CLIENTS}
        out["memory_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
        bot.close()
    return out


def _ingest(
    args: argparse.Namespace, size: int, bot: Chatbot, library: Library, out: dict[str, Any]
) -> None:
    root, recipe, stages = bot._collection.root, bot._collection.recipe, {}
    records = (("papers", r) for r in _first(open_source(str(args.papers)), size))
    begun = time.perf_counter()
    rejects = library.path.with_name("rejected.jsonl")
    stages["store"] = _seconds(lambda: store_records(library, records, rejects))
    stages["words"] = _seconds(lambda: build_words(library, root, recipe))
    library.close()
    bot.ask("What is said about graphs?")
    out["first_answer"] = time.perf_counter() - begun
    library.__init__(library.path)
    if args.vectors:
        out["cached"], out["made_up"] = _take_cached(args, library, recipe)
    begun = time.perf_counter()
    counts = embed_missing(library, bot._collection.embedder, recipe.max_chars, codes=True)
    out["encoded"] = max(counts, default=0)
    stages["encode"] = time.perf_counter() - begun
    stages["vectors"] = _seconds(lambda: build_vectors(library, root, recipe, STORES))
    manifest = Manifest.read(root)
    out.update(chunks=manifest.chunks, seconds=stages, papers=library.count())


def _take_cached(args: argparse.Namespace, library: Library, recipe: Any) -> tuple[int, int]:
    """Vectors and codes that an earlier encoding left: keys, vectors, codes, in flat files.

    With `--fill`, chunks without one get that of another with noise: good for cost, not quality.
    """
    from rag.index import cut

    folder, rng = args.vectors, np.random.default_rng(0)
    index = json.loads((folder / "index.json").read_text())
    place = {bytes.fromhex(key): n for n, key in enumerate(index["keys"])}
    vectors = np.load(folder / "vectors.npy", mmap_mode="r")
    codes = np.load(folder / "codes.npy", mmap_mode="r")
    ends = np.array(index["ends"])
    keys = [k for _, _, k in cut(library.papers(), recipe.max_chars) if args.fill or k in place]
    for start in range(0, len(keys), 2048):
        part = keys[start : start + 2048]
        rows = [place.get(key, int(rng.integers(len(place)))) for key in part]
        bits = [np.array(codes[ends[r - 1] if r else 0 : ends[r]]) for r in rows]
        library.cache_codes(part, bits, codes_key(recipe.embedding))
        given, new = np.array(vectors[rows]), np.array([key not in place for key in part])
        given[new] += 0.02 * rng.normal(size=given[new].shape).astype(np.float32)
        given /= np.linalg.norm(given, axis=1, keepdims=True)
        library.cache_vectors(part, given, recipe.embedding)
    made_up = sum(key not in place for key in keys)
    return len(keys) - made_up, made_up


def _questions(bot: Chatbot) -> list[str]:
    papers = list(bot.papers())
    return [p.title for p in random.Random(1).sample(papers, min(QUESTIONS, len(papers)))]


def _queries(bot: Chatbot, questions: list[str]) -> dict[str, dict[str, float]]:
    year = {p.year for p in bot.papers() if p.year}
    author = next(p.authors[0] for p in bot.papers() if p.authors)
    filters: dict[str, Any] = {
        "none": None,
        "half": {"year": (sorted(year)[len(year) // 2], None)} if year else None,
        "few": {"author": author},
    }
    off = Chatbot.open(bot.home, bot.settings.model_copy(update={"rank": _no_rank(bot)}))
    out = {}
    for name, chosen in filters.items():
        for mode in ("hybrid", "dense", "lexical"):
            out[f"{mode}, filter {name}"] = _times(
                lambda q, c=chosen, m=mode: off.search(q, 10, c, m), questions
            )
    out["hybrid + late, filter none"] = _times(lambda q: bot.search(q, 10), questions)
    off.close()
    return out


def _no_rank(bot: Chatbot) -> Any:
    return bot.settings.rank.model_copy(update={"late": False})


def _parts(bot: Chatbot, questions: list[str]) -> dict[str, dict[str, float]]:
    """What must be done: embed the question, one query of the store, one pass of BM25."""
    index = bot._collection.index()
    assert index.dense is not None
    vector = bot._collection.question(questions[0]).vector
    return {
        "embed": _times(lambda q: bot._collection.question(q), questions),
        "store": _times(lambda q: index.dense.store.search(vector, 100), questions),
        "bm25": _times(lambda q: index.lexical.search(q, 100), questions),
    }


def _recall(bot: Chatbot, questions: list[str]) -> float:
    dense = bot._collection.index().dense
    assert dense is not None
    vectors = np.stack([bot._collection.question(q).vector for q in questions])
    return _recall_of(dense.store, dense.table.ids, vectors)


def _recall_of(store: Any, names: list[str], questions: np.ndarray) -> float:
    """Recall@10 of the store against exact search, in blocks that fit memory."""
    best = np.full((len(questions), 10), -2.0, np.float32)
    where = np.zeros((len(questions), 10), np.int64)
    for start in range(0, len(names), 16384):
        part = questions @ store.vectors(names[start : start + 16384]).T
        both = np.concatenate([best, part], axis=1)
        rows = np.concatenate(
            [where, np.broadcast_to(np.arange(part.shape[1]) + start, part.shape)], axis=1
        )
        top = np.argsort(-both, axis=1)[:, :10]
        best, where = np.take_along_axis(both, top, 1), np.take_along_axis(rows, top, 1)
    shares = []
    for question, lowest in zip(questions, best[:, -1], strict=True):
        found = store.search(question, 10)
        shares.append(sum(score >= lowest - 1e-5 for _, score in found) / 10)  # ties count
    return float(np.mean(shares))


def _throughput(bot: Chatbot, questions: list[str], clients: int) -> float:
    """Questions per second of so many threads, each with a connection of its own."""
    done, until = [0] * clients, time.perf_counter() + 5

    def ask(n: int) -> None:
        while time.perf_counter() < until:
            bot.search(questions[(done[n] * clients + n) % len(questions)], 10)
            done[n] += 1

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(clients)]
    begun = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(done) / (time.perf_counter() - begun)


# --- vectors alone


def _perturb(args: argparse.Namespace, size: int) -> dict[str, Any]:
    from rag.registry import lookup

    real = np.load(args.vectors / "vectors.npy", mmap_mode="r")
    rng = np.random.default_rng(0)
    order = np.arange(size) % len(real)
    if args.order == "shuffled":
        rng.shuffle(order)
    elif args.order == "sorted":  # by topic: along the first principal direction
        sample = np.array(real[:: max(1, len(real) // 4000)])
        axis = np.linalg.svd(sample - sample.mean(0), full_matrices=False)[2][0]
        order = order[np.argsort((np.array(real) @ axis)[order], kind="stable")]
    out: dict[str, Any] = {"vectors": size, "store": args.store, "order": args.order}
    paper = Paper("", "", "p")
    with tempfile.TemporaryDirectory(dir=args.out) as folder:
        store = lookup("store", args.store, STORES)(Path(folder))
        begun = time.perf_counter()
        for start in range(0, size, 2048):
            rows = order[start : start + 2048]
            vectors = np.array(real[rows])
            copies = np.arange(start, start + len(rows)) >= len(real)
            vectors[copies] += 0.02 * rng.normal(size=vectors[copies].shape).astype(np.float32)
            vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
            names = [f"p{start + n}#0" for n in range(len(rows))]
            store.upsert([(Chunk(n, "p", "", 0, 0), paper) for n in names], vectors)
        store.close()
        out["insert_per_second"] = size / (time.perf_counter() - begun)
        begun = time.perf_counter()
        store = lookup("store", args.store, STORES)(Path(folder))
        picked = np.array(real[rng.choice(len(real), 200)])
        questions = picked + 0.03 * rng.normal(size=picked.shape).astype(np.float32)
        questions /= np.linalg.norm(questions, axis=1, keepdims=True)
        store.search(questions[0], 10)
        out["reopen"] = time.perf_counter() - begun
        names = [f"p{n}#0" for n in range(size)]
        out["recall@10"] = _recall_of(store, names, questions.astype(np.float32))
        out["query"] = _times(lambda q: store.search(q, 100), list(questions.astype(np.float32)))
        few = set(random.Random(2).sample(names, 200))
        out["query, 200 allowed"] = _times(
            lambda q: store.search(q, 100, few), list(questions.astype(np.float32))
        )
        out["memory_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
        out["disk_mb"] = sum(f.stat().st_size for f in Path(folder).rglob("*") if f.is_file()) / 1e6
        store.close()
    return out


# --- the report


def _report(out: Path, docs: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    runs = sorted((json.loads(p.read_text()) for p in out.glob("run-*.json")), key=_size)
    grown = sorted((json.loads(p.read_text()) for p in out.glob("perturb-*.json")), key=_size)
    docs.mkdir(parents=True, exist_ok=True)
    (docs / "scale-tables.md").write_text("\n".join([*_run_table(runs), "", *_grown_table(grown)]))
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(10, 4))
    for mode in ("hybrid", "dense", "lexical"):
        key = f"{mode}, filter none"
        for store in sorted({r["store"] for r in runs}):
            mine = [r for r in runs if r["store"] == store]
            left.plot(
                [r["papers"] for r in mine],
                [1e3 * r["query"][key]["p50"] for r in mine],
                "o-",
                label=f"{mode}, {store}",
            )
    left.set(xlabel="papers", ylabel="ms a query (median)", xscale="log", ylim=(0, None))
    left.legend(frameon=False)
    for store in sorted({g["store"] for g in grown}):
        mine = [g for g in grown if g["store"] == store and g["order"] == "given"]
        right.plot(
            [g["vectors"] for g in mine],
            [1e3 * g["query"]["p50"] for g in mine],
            "o-",
            label=store,
        )
    right.set(xlabel="vectors", ylabel="ms a search of the store (median)", xscale="log")
    right.set_ylim(0, None)
    right.legend(frameon=False)
    figure.tight_layout()
    figure.savefig(docs / "scale.svg")


def _run_table(runs: list[dict[str, Any]]) -> Iterator[str]:
    yield "| papers | store | store/s | words/s | vectors/s | first answer, s | reopen, s |"
    yield "|---" * 7 + "|"
    for r in runs:
        s, n = r["seconds"], r["papers"]
        yield (
            f"| {n:,} | {r['store']} | {n / s['store']:,.0f} | {n / s['words']:,.0f} | "
            f"{r['chunks'] / s['vectors']:,.0f} | {r['first_answer']:.1f} | {r['reopen']:.2f} |"
        )
    yield ""
    yield "| papers | store | search | p50, ms | p95, ms |"
    yield "|---" * 5 + "|"
    for r in runs:
        for name, t in {**r["query"], **{f"part: {k}": v for k, v in r["parts"].items()}}.items():
            row = f"| {r['papers']:,} | {r['store']} | {name} |"
            yield f"{row} {1e3 * t['p50']:.1f} | {1e3 * t['p95']:.1f} |"
    yield ""
    yield "| papers | store | recall@10 | 1, 4, 16 clients, questions/s | memory, MB | disk, MB |"
    yield "|---" * 6 + "|"
    for r in runs:
        rates = ", ".join(f"{rate:.0f}" for rate in r["clients"].values())
        yield (
            f"| {r['papers']:,} | {r['store']} | {r['recall@10']:.3f} | {rates} | "
            f"{r['memory_mb']:,.0f} | {sum(r['disk_mb'].values()):,.0f} |"
        )


def _grown_table(grown: list[dict[str, Any]]) -> Iterator[str]:
    yield (
        "| vectors | store | order | insert/s | p50, ms | p95, ms | 200 allowed, p50 | recall@10 "
        "| memory, MB | disk, MB |"
    )
    yield "|---" * 10 + "|"
    for g in grown:
        q, few = g["query"], g["query, 200 allowed"]
        yield (
            f"| {g['vectors']:,} | {g['store']} | {g['order']} | {g['insert_per_second']:,.0f} | "
            f"{1e3 * q['p50']:.1f} | {1e3 * q['p95']:.1f} | {1e3 * few['p50']:.1f} | "
            f"{g['recall@10']:.3f} | {g['memory_mb']:,.0f} | {g['disk_mb']:,.0f} |"
        )


def _size(found: dict[str, Any]) -> tuple[str, int]:
    return found["store"], found.get("papers") or found["vectors"]


def _first(records: Iterator[Any], size: int) -> Iterator[Any]:
    left = size
    for record in records:
        if left <= 0:
            return
        yield record
        left -= 1


def _times(ask: Callable[[Any], object], questions: list[Any]) -> dict[str, float]:
    ask(questions[0])
    taken = []
    for _ in range(REPEATS):
        for question in questions:
            begun = time.perf_counter()
            ask(question)
            taken.append(time.perf_counter() - begun)
    return {"p50": float(np.percentile(taken, 50)), "p95": float(np.percentile(taken, 95))}


def _seconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("run", "perturb", "report"):
        command = commands.add_parser(name)
        if name == "run":
            command.add_argument("papers", type=Path)
        if name == "report":
            command.add_argument("--docs", type=Path, required=True)
        else:
            command.add_argument("--size", type=int, nargs="+", required=True)
            command.add_argument("--vectors", type=Path)
            command.add_argument("--store", default="chroma")
            command.add_argument("--fill", action="store_true", help="make up what is missing")
            command.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
        if name == "perturb":
            command.add_argument("--order", default="given")
        command.add_argument("--out", type=Path, required=True)
    return parser.parse_args()


if __name__ == "__main__":
    main()
