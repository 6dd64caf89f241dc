"""Does it refuse what it should, and does its confidence say when it is right?

Arrays hold one entry a question. A backend that failed is no refusal: leave such questions out.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


def refusal_precision(refused: ArrayLike, answerable: ArrayLike) -> float:
    """Of the questions refused, the share that cannot be answered; nan where none was."""
    said_no, can = np.asarray(refused, bool), np.asarray(answerable, bool)
    return float((~can)[said_no].mean()) if said_no.any() else float("nan")


def refusal_recall(refused: ArrayLike, answerable: ArrayLike) -> float:
    """Of the questions that cannot be answered, the share refused; nan where there are none."""
    said_no, can = np.asarray(refused, bool), np.asarray(answerable, bool)
    return float(said_no[~can].mean()) if (~can).any() else float("nan")


def risk_coverage(confidence: ArrayLike, wrong: ArrayLike) -> tuple[Array, Array]:
    """Coverage and risk as more and more questions are answered, the surest first.

    El-Yaniv and Wiener, On the Foundations of Noise-free Selective Classification, JMLR 2010.
    Questions of equal confidence are answered together, at their mean risk, so that the order
    of the data decides nothing. Returns two arrays of shape (n,), coverage from 1/n to 1.
    """
    sure, lost = np.asarray(confidence, float), np.asarray(wrong, float)
    if not len(sure):
        return np.zeros(0), np.zeros(0)
    _, group = np.unique(-sure, return_inverse=True)
    mean_loss = np.bincount(group, lost) / np.bincount(group)
    ordered = mean_loss[np.sort(group)]
    count = np.arange(1, len(sure) + 1)
    return count / len(sure), np.cumsum(ordered) / count


def aurc(confidence: ArrayLike, wrong: ArrayLike) -> float:
    """Mean risk over all coverages: the area under the risk-coverage curve; lower is better.

    Geifman, Uziel and El-Yaniv, Bias-Reduced Uncertainty Estimation for Deep Neural Classifiers,
    ICLR 2019. nan where there is nothing to rank.
    """
    _, risk = risk_coverage(confidence, wrong)
    return float(risk.mean()) if len(risk) else float("nan")


def excess_aurc(confidence: ArrayLike, wrong: ArrayLike) -> float:
    """AURC above that of the best possible order of the same answers (same paper): 0 is best."""
    lost = np.asarray(wrong, float)
    return aurc(confidence, lost) - aurc(-lost, lost)
