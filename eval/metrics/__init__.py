"""Metrics as pure functions of plain values; each names the paper it comes from.

>>> from eval import metrics
>>> metrics.token_f1("beam search on disk", "search on disk")
0.8571428571428571
"""

from __future__ import annotations

from eval.metrics.answers import (
    all_key_facts,
    answer_relevance,
    denies,
    gold_sentence_recall,
    key_facts_found,
    token_f1,
)
from eval.metrics.calibration import calibration_error, reliability
from eval.metrics.grounding import (
    citation_precision,
    citation_recall,
    cites_gold,
    quote_exactness,
    source_exactness,
    source_recall,
    verdict_share,
)
from eval.metrics.judging import auroc, balanced_accuracy
from eval.metrics.refusals import (
    aurc,
    excess_aurc,
    refusal_precision,
    refusal_recall,
    risk_coverage,
)
from eval.metrics.retrieval import RETRIEVAL, per_query, relevant_found

__all__ = [
    "RETRIEVAL",
    "all_key_facts",
    "answer_relevance",
    "aurc",
    "auroc",
    "balanced_accuracy",
    "calibration_error",
    "citation_precision",
    "citation_recall",
    "cites_gold",
    "denies",
    "excess_aurc",
    "gold_sentence_recall",
    "key_facts_found",
    "per_query",
    "quote_exactness",
    "refusal_precision",
    "refusal_recall",
    "relevant_found",
    "reliability",
    "risk_coverage",
    "source_exactness",
    "source_recall",
    "token_f1",
    "verdict_share",
]
