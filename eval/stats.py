"""Error bars and tests: how much of a figure is chance.

Everything here takes plain arrays, one row a question, and a seed: the same data give the same
intervals.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
Statistic = Callable[[Array], float]
"""Rows, shape (n, d) -> the figure; nan where it is not defined."""

LEVEL = 0.95
RESAMPLES, FEW = 2000, 400
_SIGNS = 10_000  # random sign patterns of the paired randomisation test


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with its 95% interval; None where no row could speak to it."""

    value: float | None
    low: float | None
    high: float | None
    n: int

    def to_dict(self) -> dict[str, Any]:
        rounded = (None if x is None else round(x, 6) for x in (self.value, self.low, self.high))
        return {**dict(zip(("value", "low", "high"), rounded, strict=True)), "n": self.n}


@dataclass(frozen=True, slots=True)
class Difference:
    """B minus A over the same questions: the mean, its interval, and two p-values."""

    mean: float
    low: float
    high: float
    p_t: float
    p_randomisation: float
    n: int

    @property
    def verdict(self) -> str:
        """Whether b is better, worse, or no difference is to be seen (t-test, 5% level)."""
        return self.verdict_at(self.p_t)

    def verdict_at(self, p: float) -> str:
        """The same by another p-value, such as a corrected one."""
        if not p < 1 - LEVEL:
            return "no difference to be seen"
        return "better" if self.mean > 0 else "worse"


def mean_of(rows: Array) -> float:
    """Mean of the first column, of all rows."""
    return float(rows[:, 0].mean()) if len(rows) else float("nan")


def mean_amount(rows: Array) -> float:
    """The same of what is no share: of tokens, say."""
    return mean_of(rows)


def estimate(
    rows: ArrayLike, statistic: Statistic = mean_of, seed: int = 0, *, few: bool = False
) -> Estimate:
    """The statistic of all rows with a percentile bootstrap interval over them.

    Efron, Bootstrap Methods: Another Look at the Jackknife, 1979; by scipy. Questions are drawn,
    with all that belongs to them. Where a share is 0 or 1 in every row the bootstrap has no
    width, and the exact binomial interval (Clopper and Pearson, 1934) stands in. `few` resamples
    where there are many figures to make.
    """
    data = _as_rows(rows)
    value = statistic(data) if len(data) else float("nan")
    if np.isnan(value):
        return Estimate(None, None, None, len(data))
    exact = _exact(data) if statistic is mean_of else None
    low, high = exact or _bootstrap(data, statistic, value, seed, FEW if few else RESAMPLES)
    return Estimate(value, low, high, len(data))


def paired(a: ArrayLike, b: ArrayLike, seed: int = 0) -> Difference:
    """Compare two systems on the same questions, b against a.

    The paired t-test and the randomisation test that Smucker, Allan and Carterette (A Comparison
    of Statistical Significance Tests for IR Evaluation, CIKM 2007) found to agree; the interval
    is a bootstrap of the mean difference. Raises ValueError where the lengths differ.
    """
    first, second = np.asarray(a, float), np.asarray(b, float)
    if first.shape != second.shape:
        raise ValueError(f"{len(first)} values against {len(second)}: pair them by question first")
    gap = second - first
    if not len(gap):
        return Difference(float("nan"), float("nan"), float("nan"), 1.0, 1.0, 0)
    mean = float(gap.mean())
    low, high = _bootstrap(_as_rows(gap), mean_of, mean, seed, RESAMPLES)
    return Difference(mean, low, high, _t_test(gap), _signs(gap, seed), len(gap))


def paired_figure(a: Array, b: Array, statistic: Statistic, seed: int = 0) -> Difference:
    """`paired` for a figure that is no mean: both p-values are from the paired bootstrap.

    a and b have shape (n, d), row i of both from question i. p is twice the share of draws on
    the other side of 0 (Efron and Tibshirani, An Introduction to the Bootstrap, 1993).
    """
    rng = np.random.default_rng(seed)
    mean = statistic(b) - statistic(a)
    if len(a) < 2 or np.isnan(mean) or (a == b).all():
        return Difference(mean, mean, mean, 1.0, 1.0, len(a))
    drawn = [rng.integers(0, len(a), len(a)) for _ in range(RESAMPLES)]
    gaps = np.array([statistic(b[i]) - statistic(a[i]) for i in drawn])
    gaps = gaps[~np.isnan(gaps)]
    if not len(gaps):
        return Difference(mean, mean, mean, 1.0, 1.0, len(a))
    low, high = np.percentile(gaps, [50 * (1 - LEVEL), 100 - 50 * (1 - LEVEL)])
    tail = (min((gaps <= 0).sum(), (gaps >= 0).sum()) + 1) / (len(gaps) + 1)
    p = float(min(1.0, 2 * tail))
    return Difference(mean, float(low), float(high), p, p, len(a))


def kappa(a: Sequence[str], b: Sequence[str]) -> float:
    """Cohen's kappa of two judges (Cohen, 1960): 1 agree always, 0 as often as by chance.

    nan where both said one and the same thing throughout: there was no chance to disagree.
    """
    labels = sorted({*a, *b})
    place = {label: i for i, label in enumerate(labels)}
    table = np.zeros((len(labels), len(labels)))
    for x, y in zip(a, b, strict=True):
        table[place[x], place[y]] += 1
    total = table.sum()
    if not total:
        return float("nan")
    by_chance = float(table.sum(0) @ table.sum(1)) / total**2
    agreed = float(np.trace(table)) / total
    return (agreed - by_chance) / (1 - by_chance) if by_chance < 1 else float("nan")


def prediction_powered(judged: ArrayLike, judged_of_labelled: ArrayLike, labels: ArrayLike,
                       level: float = LEVEL) -> Estimate:  # fmt: skip
    """The mean that people would give, from many judgements and few labels.

    Angelopoulos et al., Prediction-Powered Inference, Science 2023, with the power tuning of
    PPI++ (2023): the judge's mean over the unlabelled, corrected by its mean error on the
    labelled, which also widens the interval. Needs two labels or more, else there is no estimate.
    """
    f, g, y = (np.asarray(x, float) for x in (judged, judged_of_labelled, labels))
    n, m = len(y), len(f)
    if n < 2 or m < 2:
        return Estimate(None, None, None, n)
    spread = float(np.concatenate([f, g]).var(ddof=1))
    shared = float(np.cov(y, g)[0, 1])
    weight = min(1.0, max(0.0, shared / ((1 + n / m) * spread))) if spread else 0.0
    value = float(weight * f.mean() + (y - weight * g).mean())
    variance = weight**2 * float(f.var(ddof=1)) / m + float((y - weight * g).var(ddof=1)) / n
    half = _normal_quantile(level) * variance**0.5
    return Estimate(value, value - half, value + half, n)


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """P-values adjusted for having asked several times (Holm, 1979)."""
    ordered = sorted(p_values.items(), key=lambda item: item[1])
    adjusted: dict[str, float] = {}
    worst = 0.0
    for rank, (name, p) in enumerate(ordered):
        worst = max(worst, min(1.0, p * (len(ordered) - rank)))
        adjusted[name] = worst
    return adjusted


def _as_rows(rows: ArrayLike) -> Array:
    data = np.asarray(rows, float)
    return data.reshape(len(data), -1) if data.size else np.zeros((0, 1))


def _exact(rows: Array) -> tuple[float, float] | None:
    """An interval for a share that every single row agrees on."""
    first = rows[0, 0]
    if first not in (0.0, 1.0) or not (rows[:, 0] == first).all():
        return None
    from scipy.stats import binomtest

    found = binomtest(int(rows[:, 0].sum()), len(rows)).proportion_ci(LEVEL, method="exact")
    return float(found.low), float(found.high)


def _bootstrap(
    rows: Array, statistic: Statistic, value: float, seed: int, resamples: int
) -> tuple[float, float]:
    from scipy.stats import bootstrap

    if len(rows) < 2 or (rows == rows[0]).all():
        return value, value
    places = np.arange(len(rows))
    if statistic is mean_of:
        column = rows[:, 0]

        def figure(drawn: Any, axis: int = -1) -> Any:
            return column[drawn].mean(axis=axis)

        vectorized = True
    else:

        def figure(drawn: Any, axis: int = -1) -> Any:
            return statistic(rows[drawn])

        vectorized = False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of draws for which the figure is not defined: left out
        found = bootstrap(
            (places,), figure, n_resamples=resamples, batch=200, vectorized=vectorized,
            confidence_level=LEVEL, method="percentile", rng=np.random.default_rng(seed),
        ).bootstrap_distribution  # fmt: skip
    found = found[~np.isnan(found)]
    tail = 100 * (1 - LEVEL) / 2
    low, high = np.percentile(found, [tail, 100 - tail]) if len(found) else (value, value)
    return float(low), float(high)


def _t_test(gap: Array) -> float:
    from scipy.stats import ttest_1samp

    if len(gap) < 2 or (gap == gap[0]).all():
        return 1.0 if len(gap) < 2 or gap[0] == 0 else 0.0
    return float(ttest_1samp(gap, 0.0).pvalue)


def _signs(gap: Array, seed: int) -> float:
    """Share of random sign flips with a mean at least as far from 0 (Fisher, 1935)."""
    signs = np.random.default_rng(seed).choice([-1.0, 1.0], (_SIGNS, len(gap)))
    reached = np.abs(signs @ gap) >= abs(gap.sum()) - 1e-12
    return float((reached.sum() + 1) / (_SIGNS + 1))


def _normal_quantile(level: float) -> float:
    from scipy.stats import norm

    return float(norm.ppf((1 + level) / 2))
