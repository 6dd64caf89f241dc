"""What to measure on: questions, retrieval sets, labelled evidence; from a file or a folder."""

from __future__ import annotations

from eval.datasets._lines import LeftOut
from eval.datasets.evidence import EVIDENCE, Labelled, load_evidence
from eval.datasets.questions import Question, QuestionSet, load_questions, match_gold
from eval.datasets.retrieval import RetrievalSet, load_retrieval

__all__ = [
    "EVIDENCE",
    "Labelled",
    "LeftOut",
    "Question",
    "QuestionSet",
    "RetrievalSet",
    "load_evidence",
    "load_questions",
    "load_retrieval",
    "match_gold",
]
