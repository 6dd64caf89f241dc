"""How busy an ingest keeps the encoder: python benchmarks/ingest_rate.py [--papers N]

Ingests SciFact's abstracts through the whole path, and encodes the very same texts with a bare
SentenceTransformer.encode in the same process, in turns of `--part` papers so that a machine that
is slower for a while is so for both. Prints texts per second of each, their ratio, what the ingest
takes besides its encoder as a share of the encoder's time (wall clock and processor time), the
seconds of every stage and the peak memory.
"""

from __future__ import annotations

import argparse
import itertools
import json
import resource
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rag import Chatbot
from rag.chunking import context_text
from rag.index import cut
from rag.sources import open_source

CORPUS = Path(__file__).parent.parent.parent / "shared" / "data" / "scifact" / "corpus.jsonl.gz"


class Stopwatch:
    """Seconds by stage of an ingest, from its progress."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self.last = time.perf_counter()

    def __call__(self, stage: str, done: int, total: int | None) -> None:
        now = time.perf_counter()
        self.seconds[stage] += now - self.last
        self.last = now


class Watched:
    """An embedder, and the time spent inside it."""

    def __init__(self, embedder: Any) -> None:
        self._embedder = embedder
        self.wall = self.own = 0.0

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._embedder, name)
        return self._timed(found) if name in ("embed", "embed_with_tokens") else found

    def _timed(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any) -> Any:
            wall, own = time.perf_counter(), time.process_time()
            try:
                return method(*args)
            finally:
                self.wall += time.perf_counter() - wall
                self.own += time.process_time() - own

        return call


def write_part(papers: list, path: Path) -> None:
    with path.open("w", encoding="utf-8") as file:
        for paper in papers:
            file.write(json.dumps({**asdict(paper), "_id": paper.id}) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--papers", type=int, default=5183)
    parser.add_argument("--part", type=int, default=1000, help="papers a turn")
    parser.add_argument("--corpus", type=Path, default=CORPUS)
    args = parser.parse_args()
    if not args.corpus.is_file():
        raise SystemExit(f"no corpus at {args.corpus}: name a JSONL of papers with --corpus")
    papers = list(itertools.islice(open_source(str(args.corpus)), args.papers))
    watch, bare, ours, own, texts = Stopwatch(), 0.0, 0.0, 0.0, 0
    with tempfile.TemporaryDirectory() as folder, Chatbot.open(Path(folder) / "home") as bot:
        model = bot._collection.embedder._torch  # loading it is nobody's work here
        bot._collection.embedder.embed(["warm"] * 65)
        encoder = Watched(bot._collection.embedder)
        bot.__dict__["_embedder"] = encoder
        for start in range(0, len(papers), args.part):
            part = papers[start : start + args.part]
            same = [context_text(p.title, c) for c, p, _ in cut(part, 1000)]
            texts += len(same)
            begin = time.perf_counter()
            model.encode(same, batch_size=32, normalize_embeddings=True, show_progress_bar=False)
            bare += time.perf_counter() - begin
            path = Path(folder) / f"{start}.jsonl"
            write_part(part, path)
            begin, began = time.perf_counter(), time.process_time()
            watch.last = begin
            bot.ingest(path, progress=watch)
            ours += time.perf_counter() - begin
            own += time.process_time() - began
            print(f"{start + len(part)} papers, {texts} texts: bare {texts / bare:.1f}/s, "
                  f"ingest {texts / ours:.1f}/s, ratio {bare / ours:.3f}; besides the encoder "
                  f"{ours / encoder.wall - 1:.1%} of its time, {own / encoder.own - 1:.1%} of its "
                  f"processor time", flush=True)  # fmt: skip
    print({stage: round(seconds, 1) for stage, seconds in watch.seconds.items()})
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")


if __name__ == "__main__":
    main()
