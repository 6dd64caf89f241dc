"""Fits what rag/ground.py takes from overlap to a probability of support.

    python benchmarks/calibrate_grounding.py [--data ../shared/data] [--dry-run]

Trained on SciFact train (a claim against every sentence of a cited abstract) and AttributionBench
dev (a claim against the sentences of its references), each set with the same weight. Every figure
printed is cross-validated: no claim is judged by coefficients that saw it. Writes
rag/data/grounding.json. About three minutes on one core.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold

from rag.chunking import sentences
from rag.embedding import SentenceTransformersEmbedder
from rag.ground import Embed, Match, compare, decide
from rag.lexical import tokens

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "rag" / "data" / "grounding.json"
MOST_SENTENCES = 40  # of a web page cited in AttributionBench
STRENGTH = 1.0  # of regularisation, as scikit-learn's C


@dataclass(frozen=True)
class Example:
    group: str
    claim: str
    evidence: list[str]
    title: str
    label: str


def scifact(folder: Path) -> Iterator[Example]:
    with gzip.open(folder / "corpus.jsonl.gz", "rt", encoding="utf-8") as file:
        papers = {p["doc_id"]: p for p in map(json.loads, file)}
    with (folder / "claims_train.jsonl").open(encoding="utf-8") as file:
        for claim in map(json.loads, file):
            for doc_id in claim["cited_doc_ids"]:
                found = claim["evidence"].get(str(doc_id))
                label = found[0]["label"].lower() if found else "none"
                paper = papers[doc_id]
                group = f"scifact-{claim['id']}"
                yield Example(group, claim["claim"], paper["abstract"], paper["title"], label)


def attributionbench(path: Path, limit: int) -> Iterator[Example]:
    with path.open(encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    random.Random(0).shuffle(rows)
    for row in rows[:limit]:
        found = [s for text in row["references"] for s in sentences(text)][:MOST_SENTENCES]
        label = "support" if row["attribution_label"] == "attributable" else "none"
        if found:
            yield Example(row["question"], row["claim"], found, "", label)


def cached(texts: Sequence[str]) -> Embed:
    """All texts embedded in one go, and looked up ever after."""
    unique = sorted(set(texts))
    print(f"embedding {len(unique)} sentences ...", file=sys.stderr)
    vectors = SentenceTransformersEmbedder("default").embed(unique)
    row_of = {text: row for row, text in enumerate(unique)}
    return lambda wanted: vectors[[row_of[text] for text in wanted]]


def coverage(example: Example) -> float:
    """The yardstick: the share of the claim's words that stand anywhere in the evidence."""
    words = set(tokens(example.claim))
    return len(words & set(tokens(" ".join(example.evidence)))) / max(1, len(words))


def matches(examples: Sequence[Example], embed: Embed | None) -> list[Match]:
    return [
        compare(e.claim, e.evidence, [e.title] * len(e.evidence) if e.title else (), embed)
        for e in examples
    ]


class Fit:
    """A logistic regression over named features, cross-validated by claim."""

    def __init__(
        self,
        examples: Sequence[Example],
        sets: Sequence[str],
        found: Sequence[Match],
        names: list[str],
    ) -> None:
        self.names = names
        self.x = np.array([[m.features[n] for n in names] for m in found])
        self.y = np.array([e.label == "support" for e in examples], int)
        self.groups = [e.group for e in examples]
        sizes = Counter(sets)
        self.weights = np.array([1.0 / sizes[s] for s in sets]) * len(sets) / len(sizes)

    def _model(self, rows: NDArray[np.int64]) -> LogisticRegression:
        model = LogisticRegression(C=STRENGTH, max_iter=2000)
        return model.fit(self.x[rows], self.y[rows], sample_weight=self.weights[rows])

    def unseen(self) -> NDArray[np.float64]:
        out = np.zeros(len(self.y))
        for train, test in GroupKFold(5).split(self.x, self.y, self.groups):
            out[test] = self._model(train).predict_proba(self.x[test])[:, 1]
        return out

    def coefficients(self) -> dict[str, float]:
        model = self._model(np.arange(len(self.y)))
        pairs = zip(self.names, model.coef_[0], strict=True)
        return {"intercept": round(float(model.intercept_[0]), 4)} | {
            name: round(float(value), 4) for name, value in pairs
        }


def calibration_error(y: NDArray[np.int64], p: NDArray[np.float64], bins: int = 10) -> float:
    """Expected calibration error (Naeini et al., 2015), over ten equal bins."""
    place = np.minimum((p * bins).astype(int), bins - 1)
    parts = [place == b for b in range(bins)]
    return float(sum(abs(y[m].mean() - p[m].mean()) * m.mean() for m in parts if m.any()))


def report(
    name: str,
    examples: Sequence[Example],
    sets: Sequence[str],
    found: Sequence[Match],
    p: NDArray[np.float64],
) -> None:
    decided = [decide(m, float(v)) for m, v in zip(found, p, strict=True)]
    for which in sorted(set(sets)):
        rows = np.array([s == which for s in sets])
        chosen = [e for e, keep in zip(examples, rows, strict=True) if keep]
        y = np.array([e.label == "support" for e in chosen], int)
        score = np.array([s for _, s in decided])[rows]
        plain = np.array([coverage(e) for e in chosen])
        print(
            f"{name:9} {which:17} n={len(y):5} AUROC {roc_auc_score(y, score):.3f} "
            f"(logistic alone {roc_auc_score(y, p[rows]):.3f}, token coverage "
            f"{roc_auc_score(y, plain):.3f}), calibration error {calibration_error(y, score):.3f}"
        )
        verdicts = [v for (v, _), keep in zip(decided, rows, strict=True) if keep]
        counts: dict[str, Counter[str]] = defaultdict(Counter)
        for example, verdict in zip(chosen, verdicts, strict=True):
            counts[example.label][verdict] += 1
        for label, seen in sorted(counts.items()):
            print(f"          {label:11}", dict(seen.most_common()))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--limit", type=int, default=600, help="rows of AttributionBench")
    parser.add_argument("--dry-run", action="store_true", help="print, write nothing")
    options = parser.parse_args()
    bench = options.data / "attributionbench" / "dev_all_subset_balanced.jsonl"
    needed = [options.data / "scifact" / "corpus.jsonl.gz", bench]
    if missing := [str(path) for path in needed if not path.is_file()]:
        print(f"not found: {', '.join(missing)}. Name the data with --data DIR.", file=sys.stderr)
        return 1
    science = list(scifact(options.data / "scifact"))
    web = list(attributionbench(bench, options.limit))
    examples = [*science, *web]
    sets = ["SciFact"] * len(science) + ["AttributionBench"] * len(web)
    embed = cached([t for e in examples for t in (e.claim, *e.evidence)])
    fitted: dict[str, dict[str, float]] = {}
    for name, embedder in (("embedding", embed), ("lexical", None)):
        found = matches(examples, embedder)
        names = [n for n in found[0].features if n != "cosine" or embedder]
        fit = Fit(examples, sets, found, names)
        report(name, examples, sets, found, fit.unseen())
        fitted[name] = fit.coefficients()
        print(f"          {fitted[name]}")
    if not options.dry_run:
        OUT.parent.mkdir(exist_ok=True)
        OUT.write_text(json.dumps(fitted, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
