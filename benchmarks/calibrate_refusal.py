"""Fits when to refuse: python benchmarks/calibrate_refusal.py --work DIR [--write]

Asks the development questions of eval/data on the sample papers and on SciFact's abstracts, takes
the features of `rag.refuse`, and fits two logistic models: with how the cross-encoder reads the
best sentences, and without. DIR is that of train_reader.py, where the readings of each question by
a model that was not trained on it are. What is printed is cross-validated (ten folds, five times):
no question is judged by a model that was fitted to it. `--write` stores the coefficients, fitted to
all questions, in rag/data/refusal.json.
"""

from __future__ import annotations

import argparse
import json
import pickle
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from reader_pairs import Found, found_questions
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from rag import refuse
from rag._sentences import answered

ROOT = Path(__file__).parent.parent
MODEL = ROOT / "rag" / "data" / "refusal.json"
REGULARISATION = 0.3
MOST_LOST = 0.05  # share of the answerable questions that may be refused
KINDS = ("other_field", "near", "not_stated", "direct", "paraphrase")


class Written:
    """Answers as `rag._reader.Reader` would, from what was written down."""

    def __init__(self, readings: dict[tuple[str, str], np.ndarray]) -> None:
        self._readings = readings

    def answers(self, question: str, passage: str) -> float:
        return float(self._readings[question, passage][3])


def features(found: Found, reader: Written) -> dict[str, float]:
    question, hits, fits = found.question["question"], found.hits, found.fits[: refuse.READ]
    odds = answered(question, hits[0].paper, fits[0], reader)  # type: ignore[arg-type]
    return refuse.read(refuse.features(question, hits, fits, found.lexicon), max(odds))


def classifier() -> LogisticRegression:
    return make_pipeline(StandardScaler(), LogisticRegression(C=REGULARISATION))


def choose_threshold(scores: np.ndarray, answerable: np.ndarray) -> float:
    """The highest that loses no more of what has an answer."""
    return float(np.quantile(scores[answerable], MOST_LOST))


def report(scores: np.ndarray, found: Sequence[Found]) -> None:
    """The risk-coverage curve, by collection at thresholds that are chosen over all."""
    answerable = np.array([f.question["answerable"] for f in found])
    print("share lost: answerable refused   precision of refusals   recall   by kind")
    for lost in (0.02, 0.03, 0.04, 0.05, 0.06, 0.08, 0.1):
        line(f"{lost:.2f}", scores < np.quantile(scores[answerable], lost), found)
    refused = scores < choose_threshold(scores, answerable)
    for name in dict.fromkeys(f.file for f in found):
        rows = [i for i, f in enumerate(found) if f.file == name]
        line(name, refused[rows], [found[i] for i in rows])
    print(f"AUROC {roc_auc_score(answerable, scores):.3f}")


def line(name: str, refused: np.ndarray, found: Sequence[Found]) -> None:
    answerable = np.array([f.question["answerable"] for f in found])
    groups = {k: [kind(f.question) == k for f in found] for k in KINDS}
    shares = ", ".join(f"{k} {refused[m].mean():.2f}" for k, m in groups.items() if any(m))
    print(f"{name}   {refused[answerable].mean():.3f}   {(~answerable[refused]).mean():.3f}   "
          f"{refused[~answerable].mean():.3f}   {shares}")  # fmt: skip


def kind(question: dict) -> str:
    return question["type"] if question["type"] in KINDS else "direct"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--work", type=Path, required=True, help="where train_reader.py worked")
    parser.add_argument("--write", action="store_true", help="store the coefficients")
    options = parser.parse_args()
    reader = Written(pickle.loads((options.work / "readings.pkl").read_bytes()))
    found = found_questions(options.data, options.work)
    rows = [features(f, reader) for f in found]
    stored = {}
    for name, names in (("read", refuse.READ_FEATURES), ("plain", refuse.FEATURES)):
        print(f"\n{name}")
        stored[name] = fitted(found, np.array([[row[n] for n in names] for row in rows]), names)
    if options.write:
        MODEL.write_text(json.dumps(stored, indent=1) + "\n", encoding="utf-8")


def fitted(found: Sequence[Found], x: np.ndarray, names: Sequence[str]) -> dict:
    y = np.array([f.question["answerable"] for f in found])
    folds = [StratifiedKFold(10, shuffle=True, random_state=seed) for seed in range(5)]
    scores = np.mean(
        [cross_val_predict(classifier(), x, y, cv=f, method="predict_proba")[:, 1] for f in folds],
        axis=0,
    )
    report(scores, found)
    scaler, model = (step for _, step in classifier().fit(x, y).steps)
    weights = model.coef_[0] / scaler.scale_
    for name, weight in zip(names, weights, strict=True):
        print(f"  {name:24s} {weight:+.3f}")
    return {
        "weights": dict(zip(names, np.round(weights, 4).tolist(), strict=True)),
        "intercept": round(float(model.intercept_[0] - (weights * scaler.mean_).sum()), 4),
        "threshold": round(choose_threshold(scores, y), 3),
    }


if __name__ == "__main__":
    main()
