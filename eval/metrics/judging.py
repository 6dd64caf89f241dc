"""How well scores tell true from false: for judging a judge. nan where only one label is there."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike


def auroc(score: ArrayLike, positive: ArrayLike) -> float:
    """Chance that a positive scores above a negative, ties counting half.

    Hanley and McNeil, The Meaning and Use of the Area under a ROC Curve, Radiology 1982.
    """
    from scipy.stats import rankdata

    y = np.asarray(positive, bool)
    n, m = int(y.sum()), int((~y).sum())
    if not n or not m:
        return float("nan")
    above = float(rankdata(np.asarray(score, float))[y].sum()) - n * (n + 1) / 2
    return above / (n * m)


def balanced_accuracy(said: ArrayLike, positive: ArrayLike) -> float:
    """Mean of the share of positives and of the share of negatives that were called right.

    Brodersen et al., The Balanced Accuracy and Its Posterior Distribution, ICPR 2010.
    """
    yes, y = np.asarray(said, bool), np.asarray(positive, bool)
    if not y.any() or y.all():
        return float("nan")
    return (float(yes[y].mean()) + float((~yes)[~y].mean())) / 2
