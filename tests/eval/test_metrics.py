"""Each metric against an independent implementation or an example worked by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval import metrics

# --- retrieval


def test_retrieval_by_hand():
    qrels = {"q1": {"a": 1, "b": 1}, "q2": {"c": 1}, "q3": {"d": 1}}
    run = {"q1": ["x", "a", "y", "b"], "q2": ["c"]}
    found = metrics.per_query(qrels, run)
    ideal = 1 + 1 / math.log2(3)
    assert found["nDCG@10"]["q1"] == pytest.approx((1 / math.log2(3) + 1 / math.log2(5)) / ideal)
    assert found["RR"] == {"q1": 0.5, "q2": 1.0, "q3": 0.0}  # q3 was not run, and counts
    assert found["R@100"] == {"q1": 1.0, "q2": 1.0, "q3": 0.0}
    assert found["Success@5"]["q1"] == 1.0


@given(st.permutations(list("abcdefgh")), st.sets(st.sampled_from("abcdefgh"), min_size=1))
def test_ndcg_equals_its_formula(ranked, relevant):
    gain = sum(1 / math.log2(i + 2) for i, name in enumerate(ranked) if name in relevant)
    ideal = sum(1 / math.log2(i + 2) for i in range(len(relevant)))
    found = metrics.per_query({"q": dict.fromkeys(relevant, 1)}, {"q": ranked})
    assert found["nDCG@10"]["q"] == pytest.approx(gain / ideal)


def test_relevant_found():
    assert metrics.relevant_found(["a", "b", "c"], ["c", "d"], 2) == 0.0
    assert metrics.relevant_found(["a", "b", "c"], ["c", "d"], 3) == 0.5
    assert metrics.relevant_found(["a"], [], 3) is None


# --- grounding


def says_all(text, evidence):
    """Support by words: a judge whose mind is known."""
    return set(text.split()) <= set(" ".join(evidence).split())


def test_citation_precision_after_alce():
    sentences = [
        ("a b", ["a b c", "x y"]),  # the first suffices, the second is beside the point
        ("a b", ["a", "b"]),  # neither alone, both together
        ("a b", ["x"]),  # not supported: its citation counts for nothing
        ("a b", []),
    ]
    assert metrics.citation_precision(sentences, says_all) == pytest.approx(3 / 5)
    assert metrics.citation_precision([("a", [])], says_all) is None


def test_citation_recall_and_verdicts():
    assert metrics.citation_recall([True, False, True, True]) == 0.75
    assert metrics.citation_recall([]) is None
    assert metrics.verdict_share(["supported", "partial"], "partial") == 0.5
    assert metrics.verdict_share([], "partial") is None


def test_quotes_must_be_those_characters():
    abstracts = {"p": "One sentence. Another one."}
    good = ("p", "Another one.", 14, 26)
    assert metrics.quote_exactness([good], abstracts) == 1.0
    assert metrics.quote_exactness([good, ("p", "Another one", 14, 26)], abstracts) == 0.5
    assert metrics.quote_exactness([("gone", "x", 0, 1)], abstracts) == 0.0
    assert metrics.quote_exactness([("p", "", 3, 3)], abstracts) == 0.0  # an empty quote is none
    assert metrics.quote_exactness([], abstracts) is None


def test_sources():
    assert metrics.source_exactness(["a", "a", "b"], ["a"]) == pytest.approx(2 / 3)
    assert metrics.source_exactness([], ["a"]) is None
    assert metrics.source_recall(["a", "x"], ["a", "b"]) == 0.5
    assert metrics.source_recall([], ["a"]) == 0.0
    assert metrics.cites_gold(["x"], ["a"]) == 0.0
    assert metrics.cites_gold(["a"], []) is None


# --- answers


def test_key_facts():
    facts = [["three", "3 "], ["GPU"]]
    assert metrics.key_facts_found("Three tasks on one gpu.", facts) == 1.0
    assert metrics.key_facts_found("It took 3 days.", facts) == 0.5
    assert metrics.all_key_facts("It took 3 days.", facts) == 0.0
    assert metrics.key_facts_found("x", []) is None


def test_token_f1_after_squad():
    assert metrics.token_f1("The cat sat. [1]", "a cat sat") == 1.0
    assert metrics.token_f1("cat", "the cat sat down") == pytest.approx(2 * 1 * (1 / 3) / (4 / 3))
    assert metrics.token_f1("dog", "cat") == 0.0
    assert metrics.token_f1("dog", " the ") is None


@given(st.text("abc .", max_size=20), st.text("abc .", max_size=20))
def test_token_f1_is_symmetric_and_a_share(a, b):
    forward, backward = metrics.token_f1(a, b), metrics.token_f1(b, a)
    if forward is not None and backward is not None:
        assert forward == pytest.approx(backward)
        assert 0 <= forward <= 1


def test_gold_sentences_count_whole_or_inside_a_quote():
    gold = ["It is fast.", "It is small."]
    assert metrics.gold_sentence_recall(["In short: it  is fast. Very."], gold) == 0.5
    assert metrics.gold_sentence_recall([], gold) == 0.0
    assert metrics.gold_sentence_recall(["It"], gold) == 0.0
    assert metrics.gold_sentence_recall(["x"], []) is None


def test_relevance_is_a_cosine_that_is_never_negative():
    a, b = np.array([1.0, 0.0], np.float32), np.array([0.6, 0.8], np.float32)
    assert metrics.answer_relevance(a, b) == pytest.approx(0.6)
    assert metrics.answer_relevance(a, -a) == 0.0


# --- refusals and calibration


def test_refusals_by_hand():
    refused, answerable = [1, 1, 0, 0, 1], [0, 1, 0, 1, 0]
    assert metrics.refusal_precision(refused, answerable) == pytest.approx(2 / 3)
    assert metrics.refusal_recall(refused, answerable) == pytest.approx(2 / 3)
    assert math.isnan(metrics.refusal_precision([0], [1]))
    assert math.isnan(metrics.refusal_recall([0], [1]))


def test_risk_coverage_by_hand():
    coverage, risk = metrics.risk_coverage([0.9, 0.8, 0.7, 0.6], [0, 1, 0, 1])
    assert coverage.tolist() == [0.25, 0.5, 0.75, 1.0]
    assert risk.tolist() == pytest.approx([0, 1 / 2, 1 / 3, 1 / 2])
    assert metrics.aurc([0.9, 0.8, 0.7, 0.6], [0, 1, 0, 1]) == pytest.approx(1 / 3)
    # Best order: both right ones first, risks 0, 0, 1/3, 1/2.
    assert metrics.excess_aurc([0.9, 0.8, 0.7, 0.6], [0, 1, 0, 1]) == pytest.approx(1 / 3 - 5 / 24)


@given(st.lists(st.tuples(st.sampled_from([0.1, 0.5, 0.9]), st.booleans()), min_size=1))
def test_risk_ends_at_the_error_rate_and_order_decides_nothing(pairs):
    confidence, wrong = zip(*pairs, strict=True)
    _, risk = metrics.risk_coverage(confidence, wrong)
    assert risk[-1] == pytest.approx(np.mean(wrong))
    assert metrics.aurc(confidence, wrong) == pytest.approx(
        metrics.aurc(confidence[::-1], wrong[::-1])
    )
    assert metrics.excess_aurc(confidence, wrong) >= -1e-12


def test_calibration_error_by_hand():
    # Bin 0.8-0.9: two of four came true, said 0.8. Bin 0.2-0.3: none of two, said 0.2.
    p, y = [0.8, 0.8, 0.8, 0.8, 0.2, 0.2], [1, 1, 0, 0, 0, 0]
    assert metrics.calibration_error(p, y) == pytest.approx((0.3 * 4 + 0.2 * 2) / 6)
    assert metrics.reliability([1.0], [1]) == [(1.0, 1.0, 1)]  # the last bin holds 1
    assert math.isnan(metrics.calibration_error([], []))


# --- judges


@given(st.lists(st.tuples(st.sampled_from([0.0, 0.3, 0.3, 1.0]), st.booleans()), min_size=2))
def test_auroc_and_balanced_accuracy_equal_scikit_learn(pairs):
    from sklearn.metrics import balanced_accuracy_score, roc_auc_score

    score, positive = (list(x) for x in zip(*pairs, strict=True))
    if len(set(positive)) < 2:
        assert math.isnan(metrics.auroc(score, positive))
        assert math.isnan(metrics.balanced_accuracy(score, positive))
        return
    said = [s >= 0.3 for s in score]
    assert metrics.auroc(score, positive) == pytest.approx(roc_auc_score(positive, score))
    assert metrics.balanced_accuracy(said, positive) == pytest.approx(
        balanced_accuracy_score(positive, said)
    )


def test_denies_looks_at_how_an_answer_begins():
    assert metrics.denies("The abstract says otherwise: it takes 45 s.")
    assert metrics.denies("It isn't slower. It is faster.")
    assert not metrics.denies("It takes 45 s. That is not much.")
    assert not metrics.denies("")
