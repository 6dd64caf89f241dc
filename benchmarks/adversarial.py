"""Sentences of abstracts, changed: python benchmarks/adversarial.py [--data ../shared/data]

Where overlap of words fails: a number, a name, a negation, a direction or the order of a comparison
is changed, and nothing else (`benchmarks/changes.py`). The sentences are those of the sample
papers and, where the data are there, of SciFact's and arXiv's abstracts, until there are enough of
each kind. For each kind, how many are still called supported, and the AUROC of harmless changes
against it; and how many of the harmless ones are not called supported. The rules were written on
--seed 1; the figures in docs/answers.md are of --seed 0, other sentences.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from changes import FALSE, HARMLESS, NAME, Change
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from rag.chunking import sentences
from rag.embedding import SentenceTransformersEmbedder
from rag.ground import EmbeddingGrounder, Grounder, Judgement, LexicalGrounder
from rag.sample import resolve
from rag.sources import open_source
from rag.types import Paper

ROOT = Path(__file__).resolve().parent.parent
SHARE_OF_ARXIV = 40  # one abstract in so many is read


class Abstract(NamedTuple):
    title: str
    sentences: list[str]


class Changed(NamedTuple):
    kind: str
    text: str
    original: str
    paper: Abstract


def sample() -> list[Abstract]:
    found = open_source(resolve("sample:"))
    return [Abstract(p.title, sentences(p.abstract)) for p in found if isinstance(p, Paper)]


def scifact(data: Path) -> list[Abstract]:
    with gzip.open(data / "scifact" / "corpus.jsonl.gz", "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    # Some of its sentences end in line ends.
    return [Abstract(r["title"], [" ".join(s.split()) for s in r["abstract"]]) for r in rows]


def arxiv(data: Path) -> list[Abstract]:
    with gzip.open(data / "arxiv" / "abstracts.jsonl.gz", "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for at, line in enumerate(file) if at % SHARE_OF_ARXIV == 0]
    return [Abstract(r["title"], sentences(" ".join(r["abstract"].split()))) for r in rows]


def changed(
    papers: Sequence[Abstract], kinds: dict[str, Change], count: int, rng: random.Random
) -> Iterator[Changed]:
    """Up to `count` of each kind, one of a kind from a paper."""
    names = sorted({n for p in papers for n in NAME.findall(p.title)})
    left = dict.fromkeys(kinds, count)
    for paper in rng.sample(papers, len(papers)):
        for kind in [k for k, n in left.items() if n]:
            for text in rng.sample(paper.sentences, len(paper.sentences)):
                new = kinds[kind](text, rng, names)
                if new and new != text:
                    left[kind] -= 1
                    yield Changed(kind, new, text, paper)
                    break


def collect(data: Path, count: int, seed: int) -> list[Changed]:
    """Of each kind `count`, half of them from SciFact; all that the sample papers give."""
    rng = random.Random(seed)
    kinds = FALSE | HARMLESS
    found = list(changed(sample(), kinds, count, rng))
    if not data.is_dir():
        print(f"no {data}: the sample papers alone. Name the data with --data DIR", file=sys.stderr)
        return found
    found += changed(scifact(data), kinds, count // 2, rng)
    have = Counter(c.kind for c in found)
    more = Counter(
        {kind: count - n for kind, n in have.items() if n < count}
        | {kind: count for kind in kinds if not have[kind]}
    )
    for kind, missing in more.items():
        found += changed(arxiv_of(data), {kind: kinds[kind]}, missing, rng)
    have = Counter(c.kind for c in found)
    for kind in [k for k in kinds if have[k] < count]:
        found += changed(scifact(data), {kind: kinds[kind]}, count - have[kind], rng)
    return found


_READ: dict[Path, list[Abstract]] = {}


def arxiv_of(data: Path) -> list[Abstract]:
    if data not in _READ:
        _READ[data] = arxiv(data)
    return _READ[data]


class Known:
    """Vectors of texts and words, each made once."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._embedder = SentenceTransformersEmbedder("default")
        order = sorted(set(texts), key=len)
        parts = [self._embedder.embed(order[i : i + 256]) for i in range(0, len(order), 256)]
        self._known = dict(zip(order, np.concatenate(parts), strict=True))
        self._tokens: dict[str, tuple] = {}

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return np.stack([self._known[t] for t in texts])

    def tokens(self, text: str) -> tuple:
        if text not in self._tokens:
            read = self._embedder.embed_question(text)
            self._tokens[text] = (read.tokens, read.spans)
        return self._tokens[text]


def judged(grounder: Grounder, found: Sequence[Changed]) -> list[Judgement]:
    return [
        grounder.judge(c.text, c.paper.sentences, [c.paper.title] * len(c.paper.sentences))
        for c in found
    ]


def report(title: str, found: Sequence[Changed], verdicts: Sequence[Judgement]) -> None:
    by_kind: dict[str, list[Judgement]] = defaultdict(list)
    for change, judgement in zip(found, verdicts, strict=True):
        by_kind[change.kind].append(judgement)
    good = [j.score for kind in HARMLESS for j in by_kind[kind]]
    for kind, here in by_kind.items():
        seen = Counter(j.verdict for j in here)
        shares = ", ".join(f"{v} {n / len(here):.0%}" for v, n in seen.most_common())
        area = ""
        if kind in FALSE:
            y = [1] * len(good) + [0] * len(here)
            scores = [*good, *(j.score for j in here)]
            area = f"; AUROC harmless against it {roc_auc_score(y, scores):.3f}"
        sort = "harmless: " if kind in HARMLESS else ""
        print(f"{title:9} {sort + kind:26} n={len(here):4}  {shares}{area}")
    for name, kinds in (("directions", set(FALSE) - _OTHERS), ("harmless", set(HARMLESS))):
        here = [j.verdict == "supported" for k in kinds for j in by_kind[k]]
        print(f"{title:9} all {name:22} n={len(here):4}  supported {np.mean(here):.1%}")


_OTHERS = {"number", "name", "negation", "A beats B", "from X to Y"}


def listed(
    found: Sequence[Changed], verdicts: Sequence[Judgement], wrong: Callable[[Changed, bool], bool]
) -> None:
    for change, judgement in zip(found, verdicts, strict=True):
        if wrong(change, judgement.verdict == "supported"):
            print(f"{change.kind} | {judgement.verdict} {judgement.score:.2f}")
            print(f"   was {change.original}\n   now {change.text}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--count", type=int, default=120, help="of each kind (default: 120)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--lexical", action="store_true", help="the judge without vectors alone")
    parser.add_argument("--list", action="store_true", help="print what was judged wrongly")
    options = parser.parse_args()
    found = collect(options.data, options.count, options.seed)
    grounders: dict[str, Grounder] = {"lexical": LexicalGrounder()}
    if not options.lexical:
        known = Known([t for c in found for t in (c.text, *c.paper.sentences)])
        grounders["embedding"] = EmbeddingGrounder(known.embed, known.tokens)
    for title, grounder in grounders.items():
        verdicts = judged(grounder, found)
        if options.list:
            listed(found, verdicts, lambda c, supported: supported == (c.kind in FALSE))
        report(title, found, verdicts)


if __name__ == "__main__":
    main()
