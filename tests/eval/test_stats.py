"""Intervals and tests: against scipy, scikit-learn and worked examples, and laws that must hold."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eval.stats import estimate, holm, kappa, paired, prediction_powered


def test_an_interval_of_a_mean_is_close_to_the_normal_one():
    values = np.random.default_rng(1).normal(0.6, 0.2, 400)
    found = estimate(values)
    half = 1.96 * values.std(ddof=1) / 20
    assert found.value == pytest.approx(values.mean())
    assert found.low == pytest.approx(values.mean() - half, abs=0.004)
    assert found.high == pytest.approx(values.mean() + half, abs=0.004)
    assert found.n == 400


def test_it_covers_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(2)
    held = 0
    for _ in range(100):
        found = estimate(rng.random(60) < 0.7)
        held += found.low <= 0.7 <= found.high
    assert 88 <= held <= 100


def test_no_row_is_no_figure_and_agreement_of_all_is_not_certainty():
    assert estimate([]).value is None
    found = estimate([1.0] * 20)
    assert (found.value, found.high) == (1.0, 1.0)
    assert found.low == pytest.approx(0.025 ** (1 / 20))  # Clopper and Pearson, in closed form


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12), st.integers(0, 3))
@settings(max_examples=15)
def test_the_figure_lies_in_its_interval_and_the_seed_decides(values, seed):
    found = estimate(values, seed=seed)
    assert found.low - 1e-9 <= found.value <= found.high + 1e-9
    assert found == estimate(values, seed=seed)


def test_a_statistic_of_several_columns_is_drawn_by_row():
    rows = [[1, 2], [3, 4], [0, 1]] * 20
    found = estimate(rows, lambda r: float(r[:, 0].sum() / r[:, 1].sum()))
    assert found.value == pytest.approx(4 / 7)
    assert found.low < 4 / 7 < found.high


def test_paired_tests_agree_with_scipy():
    from scipy.stats import permutation_test, ttest_rel

    rng = np.random.default_rng(3)
    a = rng.random(40)
    b = a + rng.normal(0.03, 0.1, 40)
    found = paired(a, b)
    exact = permutation_test(
        (b - a,), lambda x: x.mean(), permutation_type="samples", n_resamples=9999, rng=rng
    )
    assert found.p_t == pytest.approx(ttest_rel(b, a).pvalue)
    assert found.p_randomisation == pytest.approx(exact.pvalue, abs=0.02)
    assert found.low < found.mean < found.high


def test_the_verdict_needs_evidence():
    a = np.linspace(0, 0.5, 50)
    noise = np.tile([0.1, -0.1], 25)
    assert paired(a, a).verdict == "no difference to be seen"
    assert paired(a, a + noise).verdict == "no difference to be seen"
    assert paired(a, a + 0.1 + noise / 2).verdict == "better"
    assert paired(a, a - 0.1 + noise / 2).verdict == "worse"
    assert paired(a, a).low == paired(a, a).high == 0.0


def test_lists_of_other_lengths_are_no_pairs():
    with pytest.raises(ValueError, match="pair them by question"):
        paired([1.0], [1.0, 0.0])


def test_kappa_equals_scikit_learn():
    from sklearn.metrics import cohen_kappa_score

    rng = np.random.default_rng(4)
    a = rng.choice(["supported", "partial", "unsupported"], 80).tolist()
    b = [x if rng.random() < 0.6 else "partial" for x in a]
    assert kappa(a, b) == pytest.approx(cohen_kappa_score(a, b))
    assert kappa(a, a) == 1.0
    assert np.isnan(kappa(["x"], ["x"]))


def test_holm_by_hand():
    assert holm({"a": 0.01, "b": 0.04, "c": 0.03}) == pytest.approx(
        {"a": 0.03, "c": 0.06, "b": 0.06}
    )


def test_prediction_powered_inference_corrects_a_judge_that_is_too_kind():
    rng = np.random.default_rng(5)
    truth = rng.random(3000) < 0.6
    judged = (truth | (rng.random(3000) < 0.3)).astype(float)  # calls false ones true
    labelled = slice(0, 300)
    found = prediction_powered(judged[300:], judged[labelled], truth[labelled])
    plain = truth[labelled].std(ddof=1) * 1.96 / 300**0.5
    assert judged.mean() > 0.7
    assert found.low < 0.6 < found.high
    assert found.high - found.low < 2 * plain  # many judgements help beside few labels


def test_a_useless_judge_costs_nothing_and_one_label_is_none():
    rng = np.random.default_rng(6)
    truth = (rng.random(100) < 0.5).astype(float)
    noise = rng.random(2100)
    found = prediction_powered(noise[100:], noise[:100], truth)
    assert found.value == pytest.approx(truth.mean(), abs=0.02)
    assert prediction_powered([0.0, 1.0], [1.0], [1.0]).value is None
