"""Fits what rag/ground.py takes from a claim and its evidence to a probability of support.

    python benchmarks/calibrate_grounding.py --readings FILE [--data DIR] [--dry-run] [--cache FILE]

Trained on SciFact train and Check-COVID (a claim against every sentence of an abstract) and
AttributionBench dev (a claim against the sentences of its references), each set with the same
weight. Two figures are printed for each: with its own claims among those fitted to, but none that
shares the claim or a paper ("cross-validated"), and fitted to the two other sets alone ("unseen
set"); then how many of the claims that were given a probability are supported. Writes
rag/data/grounding.json: four logistic models, some KB. Ten minutes on one core, most of it
embedding; --cache keeps the vectors.
"""

from __future__ import annotations

import argparse
import gzip
import json
import pickle
import random
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from rag._alignment import EmbedTokens
from rag._reader import Read
from rag.chunking import sentences
from rag.embedding import SentenceTransformersEmbedder
from rag.ground import Embed, Match, compare, decide
from rag.lexical import tokens

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "rag" / "data" / "grounding.json"
MOST_SENTENCES = 40  # of a web page cited in AttributionBench
STRENGTH = 0.01  # of regularisation, as scikit-learn's C


@dataclass(frozen=True)
class Example:
    source: str
    group: str
    claim: str
    evidence: list[str]
    title: str
    label: str


def scifact(folder: Path) -> Iterator[Example]:
    with gzip.open(folder / "corpus.jsonl.gz", "rt", encoding="utf-8") as file:
        papers = {p["doc_id"]: p for p in map(json.loads, file)}
    with (folder / "claims_train.jsonl").open(encoding="utf-8") as file:
        claims = list(map(json.loads, file))
    groups = connected([c["cited_doc_ids"] for c in claims])
    for claim, group in zip(claims, groups, strict=True):
        for doc_id in claim["cited_doc_ids"]:
            found = claim["evidence"].get(str(doc_id))
            label = found[0]["label"].lower() if found else "none"
            paper = papers[doc_id]
            yield Example(
                "SciFact", f"scifact-{group}", claim["claim"], paper["abstract"],
                paper["title"], label,
            )  # fmt: skip


def connected(papers: Sequence[Sequence[int]]) -> list[int]:
    """A number for each list of papers, the same for lists that share one, or are linked."""
    parent: dict[int, int] = {}

    def root(paper: int) -> int:
        while parent.setdefault(paper, paper) != paper:
            paper = parent[paper]
        return paper

    for first, *others in papers:
        for other in others:
            parent[root(other)] = root(first)
    return [root(first) for first, *_ in papers]


def check_covid(folder: Path) -> Iterator[Example]:
    """Against the sentences that the annotators looked at: the same claim and abstract are there
    twice, once with a sentence that decides and once with one that does not."""
    with (folder / "corpus.json").open(encoding="utf-8") as file:
        papers = {p["cord_id"]: p for p in map(json.loads, file)}
    labels = {"SUPPORT": "support", "REFUTE": "contradict"}
    with (folder / "Check-COVID_all.json").open(encoding="utf-8") as file:
        for row in map(json.loads, file):
            paper, label = papers[row["cord_id"]], labels.get(row["label"], "none")
            group = f"covid-{row['cord_id']}"
            shown = sorted({e["sent_index"] for e in row["evidence_set"]})
            evidence = [paper["abstract"][i] for i in shown if i < len(paper["abstract"])]
            if evidence:
                claim = row["claim"].strip()
                yield Example("Check-COVID", group, claim, evidence, paper["title"], label)


def attributionbench(path: Path) -> Iterator[Example]:
    with path.open(encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    for row in rows:
        found = [s for text in row["references"] for s in sentences(text)][:MOST_SENTENCES]
        label = "support" if row["attribution_label"] == "attributable" else "none"
        if found:
            yield Example(
                "AttributionBench", f"ab-{row['question']}", row["claim"], found, "", label
            )


class Vectors:
    """Embeds each text once, and keeps what it made in a file."""

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._embedder = SentenceTransformersEmbedder("default")
        self._texts: dict[str, NDArray[np.float16]] = {}
        self._tokens: dict[str, tuple] = {}
        if file and file.is_file():
            self._texts, self._tokens = pickle.loads(file.read_bytes())

    def prepare(self, texts: Sequence[str]) -> None:
        missing = sorted(set(texts) - self._texts.keys(), key=len)
        print(f"embedding {len(missing)} sentences ...", file=sys.stderr)
        for start in range(0, len(missing), 256):
            part = missing[start : start + 256]
            found = self._embedder.embed(part).astype(np.float16)
            self._texts.update(zip(part, found, strict=True))

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        found = np.stack([self._texts[t] for t in texts]).astype(np.float32)
        return found / np.linalg.norm(found, axis=1, keepdims=True)

    def tokens(self, text: str) -> tuple:
        if text not in self._tokens:
            read = self._embedder.embed_question(text)
            vectors, spans = read.tokens, read.spans
            self._tokens[text] = (vectors.astype(np.float16), spans)
        vectors, spans = self._tokens[text]
        return vectors.astype(np.float32), spans

    def save(self) -> None:
        if self._file:
            self._file.write_bytes(pickle.dumps((self._texts, self._tokens)))


def readings(file: Path) -> Read:
    """How the cross-encoder reads the pairs that train_reader.py wrote down."""
    known = pickle.loads(file.read_bytes())
    return lambda claim, text: known[claim, text][:3]


def coverage(example: Example) -> float:
    """The yardstick: the share of the claim's words that stand anywhere in the evidence."""
    words = set(tokens(example.claim))
    return len(words & set(tokens(" ".join(example.evidence)))) / max(1, len(words))


def matches(
    examples: Sequence[Example],
    embed: Embed | None = None,
    embed_tokens: EmbedTokens | None = None,
    read: Read | None = None,
) -> list[Match]:
    return [
        compare(
            e.claim, e.evidence, [e.title] * len(e.evidence) if e.title else (),
            embed=embed, embed_tokens=embed_tokens, read=read,
        )
        for e in examples
    ]  # fmt: skip


class Fit:
    """A logistic regression over named features, each set with the same weight."""

    def __init__(
        self, examples: Sequence[Example], found: Sequence[Match], names: list[str]
    ) -> None:
        self.names = names
        self.x = np.array([[m.features[n] for n in names] for m in found])
        self.y = np.array([e.label == "support" for e in examples], int)
        self.groups = [e.group for e in examples]
        self.sets = np.array([e.source for e in examples])
        sizes = Counter(self.sets)
        self.weights = np.array([len(self.y) / sizes[s] / len(sizes) for s in self.sets])

    def model(self, rows: NDArray) -> LogisticRegression:
        pipe = make_pipeline(StandardScaler(), LogisticRegression(C=STRENGTH, max_iter=3000))
        weights = {"logisticregression__sample_weight": self.weights[rows]}
        return pipe.fit(self.x[rows], self.y[rows], **weights)

    def cross_validated(self) -> NDArray[np.float64]:
        out = np.zeros(len(self.y))
        for train, test in GroupKFold(5).split(self.x, self.y, self.groups):
            out[test] = self.model(train).predict_proba(self.x[test])[:, 1]
        return out

    def unseen_set(self) -> NDArray[np.float64]:
        out = np.zeros(len(self.y))
        for name in set(self.sets):
            test = self.sets == name
            out[test] = self.model(~test).predict_proba(self.x[test])[:, 1]
        return out

    def coefficients(self) -> dict[str, float]:
        scaler, logistic = self.model(np.arange(len(self.y)))
        weights = logistic.coef_[0] / scaler.scale_
        intercept = float(logistic.intercept_[0] - (weights * scaler.mean_).sum())
        return {"intercept": round(intercept, 4)} | {
            name: round(float(value), 4) for name, value in zip(self.names, weights, strict=True)
        }


def calibration_error(y: NDArray[np.int64], p: NDArray[np.float64], bins: int = 10) -> float:
    """Expected calibration error (Naeini et al., 2015), over ten equal bins."""
    place = np.minimum((p * bins).astype(int), bins - 1)
    parts = [place == b for b in range(bins)]
    return float(sum(abs(y[m].mean() - p[m].mean()) * m.mean() for m in parts if m.any()))


def report(name: str, examples: Sequence[Example], found: Sequence[Match], fit: Fit) -> None:
    inside, outside = fit.cross_validated(), fit.unseen_set()
    for which in dict.fromkeys(fit.sets):
        rows = fit.sets == which
        chosen = [e for e, keep in zip(examples, rows, strict=True) if keep]
        here = [m for m, keep in zip(found, rows, strict=True) if keep]
        labels = np.array([e.label for e in chosen])
        y = fit.y[rows]
        decided = [decide(m, float(v)) for m, v in zip(here, inside[rows], strict=True)]
        score = np.array([s for _, s in decided])
        apart = np.array([decide(m, float(v))[1] for m, v in zip(here, outside[rows], strict=True)])
        plain = np.array([coverage(e) for e in chosen])
        parts = [
            f"against {label} alone {roc_auc_score(y[mask], score[mask]):.3f} and "
            f"{roc_auc_score(y[mask], apart[mask]):.3f}"
            for label in ("none", "contradict")
            if (mask := (labels == "support") | (labels == label)).any() and (labels == label).any()
        ]
        print(
            f"{name:9} {which:16} n={len(y)} AUROC cross-validated {roc_auc_score(y, score):.3f}, "
            f"unseen set {roc_auc_score(y, apart):.3f} ({', '.join(parts)}), token coverage "
            f"{roc_auc_score(y, plain):.3f}; calibration error {calibration_error(y, score):.3f}"
        )
        counts: dict[str, Counter[str]] = defaultdict(Counter)
        for example, (verdict, _) in zip(chosen, decided, strict=True):
            counts[example.label][verdict] += 1
        for label, seen in sorted(counts.items()):
            print(f"          {label:11}", dict(seen.most_common()))
    for title, values in (("cross-validated", inside), ("unseen set", outside)):
        scores = [decide(m, float(v))[1] for m, v in zip(found, values, strict=True)]
        print(f"          {title:15}", reliability(fit.y, np.array(scores)))


def reliability(y: NDArray[np.int64], p: NDArray[np.float64]) -> str:
    """Share supported of the claims around each tenth: of those given 0.8, how many are?"""
    near = [(tenth / 10, np.abs(p - tenth / 10) <= 0.05) for tenth in range(1, 10)]
    return ", ".join(f"{at:.1f}: {y[m].mean():.2f} of {m.sum()}" for at, m in near if m.any())


def read_all(data: Path) -> list[Example]:
    bench = data / "attributionbench" / "dev_all_subset_balanced.jsonl"
    return [
        *scifact(data / "scifact"),
        *check_covid(data / "check-covid"),
        *attributionbench(bench),
    ]


def asked_for(does: str) -> tuple[argparse.Namespace, list[Example]]:
    """What the command line says, and the claims that it names. Exits where there are none."""
    parser = argparse.ArgumentParser(description=does)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--cache", type=Path, help="a file to keep vectors in")
    parser.add_argument(
        "--readings",
        type=Path,
        required=True,
        help="what train_reader.py left: how pairs are read by a model that had not seen them",
    )
    parser.add_argument("--dry-run", action="store_true", help="print, write nothing")
    options = parser.parse_args()
    try:
        return options, read_all(options.data)
    except FileNotFoundError as error:
        sys.exit(f"not found: {error.filename}. Name the data with --data DIR.")


def main() -> int:
    options, examples = asked_for(__doc__.split("\n", 1)[0])
    random.Random(0).shuffle(examples)
    vectors = Vectors(options.cache)
    vectors.prepare([t for e in examples for t in (e.claim, *e.evidence)])
    fitted: dict[str, dict[str, float]] = {}
    kinds = (
        ("read", vectors.embed, vectors.tokens, readings(options.readings)),
        ("aligned", vectors.embed, vectors.tokens, None),
        ("embedding", vectors.embed, None, None),
        ("lexical", None, None, None),
    )
    for name, embed, embed_tokens, read in kinds:
        began = time.perf_counter()
        found = matches(examples, embed, embed_tokens, read)
        took = time.perf_counter() - began
        names = [n for n in found[0].features if n != "close"]
        names = [n for n in names if embed or not n.startswith("cosine")]
        fit = Fit(examples, found, names)
        report(name, examples, found, fit)
        fitted[name] = fit.coefficients()
        print(f"          {took / len(examples) * 1000:.1f} ms a claim beside embedding")
    vectors.save()
    if not options.dry_run:
        OUT.write_text(json.dumps(fitted, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
