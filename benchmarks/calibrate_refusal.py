"""Fits when to refuse: python benchmarks/calibrate_refusal.py [--write]

Asks the development questions of eval/data on the sample papers, takes the features of
`rag.refuse`, and fits a logistic model. What is printed is cross-validated (ten folds, five
times): no question is judged by a model that was fitted to it. `--write` stores the coefficients,
fitted to all questions, in rag/data/refusal.json.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from rag import Chatbot, refuse

ROOT = Path(__file__).parent.parent
QUESTIONS = ROOT / "eval" / "data" / "sample_questions.jsonl"
MODEL = ROOT / "rag" / "data" / "refusal.json"
REGULARISATION = 0.3
MOST_LOST = 0.03  # share of the answerable questions that may be refused


def read_questions() -> list[dict]:
    return [json.loads(line) for line in QUESTIONS.read_text(encoding="utf-8").splitlines()]


def question_features(bot: Chatbot, question: str) -> dict[str, float]:
    stream = bot.stream(question)
    hits = next(stream).value
    stream.close()
    fits = bot._collection.fits(question, hits[: refuse.READ])
    return refuse.features(question, hits, fits, bot._collection.index().lexical)


def classifier() -> LogisticRegression:
    return make_pipeline(StandardScaler(), LogisticRegression(C=REGULARISATION))


def choose_threshold(scores: np.ndarray, answerable: np.ndarray) -> float:
    """The highest that loses no more of what has an answer."""
    return float(np.quantile(scores[answerable], MOST_LOST))


def report(scores: np.ndarray, questions: list[dict], threshold: float) -> None:
    answerable = np.array([q["answerable"] for q in questions])
    print(f"AUROC {roc_auc_score(answerable, scores):.3f}   threshold {threshold:.2f}")
    print("answerable refused   precision of refusals   recall   by kind")
    for lost in (0.02, 0.03, 0.04, 0.05, 0.06, 0.08, 0.1):  # the risk-coverage curve
        refused = scores < np.quantile(scores[answerable], lost)
        kinds = {
            group: refused[[kind(q) == group for q in questions]].mean()
            for group in ("other_field", "near", "not_stated", "direct", "paraphrase")
        }
        shown = ", ".join(f"{group} {share:.2f}" for group, share in kinds.items())
        print(f"{lost:.2f}   {(~answerable[refused]).mean():.3f}   "
              f"{refused[~answerable].mean():.3f}   {shown}")  # fmt: skip


def kind(question: dict) -> str:
    named = ("paraphrase", "other_field", "near", "not_stated")
    return question["type"] if question["type"] in named else "direct"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="store the coefficients")
    write = parser.parse_args().write
    questions = read_questions()
    with tempfile.TemporaryDirectory() as home, Chatbot.open(home) as bot:
        bot.ingest("sample:")
        rows = [question_features(bot, q["question"]) for q in questions]
    names = list(rows[0])
    x = np.array([[row[name] for name in names] for row in rows])
    y = np.array([q["answerable"] for q in questions])
    folds = [StratifiedKFold(10, shuffle=True, random_state=seed) for seed in range(5)]
    scores = np.mean(
        [cross_val_predict(classifier(), x, y, cv=f, method="predict_proba")[:, 1] for f in folds],
        axis=0,
    )
    threshold = choose_threshold(scores, y)
    report(scores, questions, threshold)
    fitted = classifier().fit(x, y)
    scaler, model = fitted[0], fitted[1]
    weights = model.coef_[0] / scaler.scale_
    intercept = float(model.intercept_[0] - (weights * scaler.mean_).sum())
    for name, weight in zip(names, weights, strict=True):
        print(f"  {name:24s} {weight:+.3f}")
    if write:
        MODEL.parent.mkdir(exist_ok=True)
        stored = {
            "weights": dict(zip(names, np.round(weights, 4).tolist(), strict=True)),
            "intercept": round(intercept, 4),
            "threshold": round(threshold, 3),
        }
        MODEL.write_text(json.dumps(stored, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
