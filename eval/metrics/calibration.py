"""When it says 0.8, is it right eight times of ten?"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

BINS = 10


def reliability(
    probability: ArrayLike, outcome: ArrayLike, bins: int = BINS
) -> list[tuple[float, float, int]]:
    """For each bin of equal width that is not empty: mean probability, share that came true, n."""
    p, y = np.asarray(probability, float), np.asarray(outcome, float)
    place = np.clip((p * bins).astype(int), 0, bins - 1)
    return [
        (float(p[place == b].mean()), float(y[place == b].mean()), int((place == b).sum()))
        for b in range(bins)
        if (place == b).any()
    ]


def calibration_error(probability: ArrayLike, outcome: ArrayLike, bins: int = BINS) -> float:
    """Expected calibration error over bins of equal width; nan where there is nothing.

    Naeini, Cooper and Hauskrecht, Obtaining Well Calibrated Probabilities Using Bayesian Binning,
    AAAI 2015.
    """
    found = reliability(probability, outcome, bins)
    total = sum(n for _, _, n in found)
    return sum(abs(p - y) * n for p, y, n in found) / total if total else float("nan")
