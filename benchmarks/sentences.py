"""Our sentence splitter against pysbd and blingfire, on the hand-split abstracts of SciFact.

    python benchmarks/sentences.py CORPUS.jsonl.gz [--limit N]

Gold borders that no reader would call one are dropped first, from the gold and from what is
found: behind '+/-', where the corpus was split by a tool that took the slash for an end, and
before a lower-case word with no mark in front. How many is printed.
"""

from __future__ import annotations

import argparse
import gzip
import json
import re
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from rag.chunking import sentence_spans

Splitter = Callable[[str], set[int]]
_IMPOSSIBLE = re.compile(r"\(?\+/-\s*$")
_MARKED = re.compile(r"[.!?:;]['\"”’)\]]*\s*$")


def main() -> None:
    args = _arguments()
    documents = list(_documents(args.corpus, args.limit))
    borders = sum(len(gold) for _, gold, _ in documents)
    dropped = sum(len(impossible) for _, _, impossible in documents)
    print(f"{len(documents)} abstracts, {borders} borders; {dropped} impossible ones left out\n")
    print(f"{'splitter':<10} {'precision':>9} {'recall':>9} {'F1':>9} {'seconds':>9}")
    for name, make in (("ours", ours), ("blingfire", blingfire), ("pysbd", pysbd)):
        try:
            splitter = make()
        except ImportError:
            print(f"{name:<10} not installed: pip install {name}")
            continue
        found = documents[: args.slow_limit] if name == "pysbd" and args.slow_limit else documents
        note = f"  (first {len(found)} abstracts)" if len(found) < len(documents) else ""
        print(f"{name:<10} {_row(splitter, found)}{note}", flush=True)


def ours() -> Splitter:
    return lambda text: {start for start, _ in sentence_spans(text)[1:]}


def blingfire() -> Splitter:
    from blingfire import text_to_sentences_and_offsets

    return lambda text: {start for start, _ in text_to_sentences_and_offsets(text)[1][1:]}


def pysbd() -> Splitter:
    import pysbd as package

    segmenter = package.Segmenter(language="en", clean=False, char_span=True)

    def split(text: str) -> set[int]:
        return {s.start + len(s.sent) - len(s.sent.lstrip()) for s in segmenter.segment(text)[1:]}

    return split


def _row(splitter: Splitter, documents: list[tuple[str, set[int], set[int]]]) -> str:
    right = found = wanted = 0
    started = time.perf_counter()
    for text, gold, impossible in documents:
        borders = splitter(text) - impossible
        right += len(borders & gold)
        found += len(borders)
        wanted += len(gold)
    seconds = time.perf_counter() - started
    precision, recall = right / max(1, found), right / max(1, wanted)
    f1 = 2 * right / max(1, found + wanted)
    return f"{precision:>9.4f} {recall:>9.4f} {f1:>9.4f} {seconds:>9.2f}"


def _documents(corpus: Path, limit: int | None) -> Iterator[tuple[str, set[int], set[int]]]:
    with gzip.open(corpus, "rt", encoding="utf-8") as file:
        for number, line in enumerate(file):
            if number == limit:
                return
            sentences = [s.strip() for s in json.loads(line)["abstract"] if s.strip()]
            yield _with_borders(sentences)


def _with_borders(sentences: list[str]) -> tuple[str, set[int], set[int]]:
    text, gold, impossible = "", set[int](), set[int]()
    for sentence in sentences:
        if text:
            text += " "
            (gold if _is_possible(text, sentence) else impossible).add(len(text))
        text += sentence
    return text, gold, impossible


def _is_possible(before: str, after: str) -> bool:
    if _IMPOSSIBLE.search(before):
        return False
    return bool(_MARKED.search(before)) or not after[0].islower()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--limit", type=int, help="abstracts to read, all by default")
    parser.add_argument("--slow-limit", type=int, default=0, help="abstracts for pysbd; 0: all")
    return parser.parse_args()


if __name__ == "__main__":
    main()
