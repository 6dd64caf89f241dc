"""Evaluation on top of `rag`: how good a chatbot is on one's own papers, with error bars.

from eval import compare, metrics, run
report = run("questions.jsonl", home="my-papers", out="runs/today")
report.metrics()  # a pandas frame
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from eval import datasets, metrics
    from eval.comparing import compare
    from eval.report import Report
    from eval.runner import run, run_matrix

__all__ = ["Report", "compare", "datasets", "metrics", "run", "run_matrix"]
_ELSEWHERE = {
    "Report": "eval.report",
    "compare": "eval.comparing",
    "run": "eval.runner",
    "run_matrix": "eval.runner",
}


def __getattr__(name: str) -> Any:
    """Import on first use: statistics and tables take a second to load."""
    if name in _ELSEWHERE:
        return getattr(import_module(_ELSEWHERE[name]), name)
    if name in __all__:
        return import_module(f"eval.{name}")
    raise AttributeError(f"module 'eval' has no attribute '{name}'")
