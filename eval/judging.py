"""Judges the sentences of an answer against the quotes they cite.

Any grounder of the registry may be the judge, also another than the chatbot's own: a system
that is measured by its own judge is flattered.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from eval import _inside
from eval.metrics.grounding import citation_precision, citation_recall
from rag import Chatbot
from rag.ground import Grounder, Judgement

DEFAULT = "embedding"


class Judge:
    """A grounder that remembers what it said."""

    def __init__(self, name: str, grounder: Grounder) -> None:
        self.name = name
        self._grounder = grounder
        self._known: dict[tuple[str, tuple[str, ...], tuple[str, ...]], Judgement] = {}

    def judge(self, claim: str, evidence: Sequence[str], contexts: Sequence[str] = ()) -> Judgement:
        if not evidence:
            return Judgement("unsupported", 0.0, None)
        key = (claim, tuple(evidence), tuple(contexts))
        if key not in self._known:
            self._known[key] = self._grounder.judge(claim, evidence, contexts)
        return self._known[key]


def judge_for(bot: Chatbot, name: str = DEFAULT) -> Judge:
    """The judge of that name, made as the chatbot makes its own.

    Raises ConfigError for a name that is not in the registry and no module:Class, and for one
    that lacks its model.
    """
    return Judge(name, _inside.grounder_of(bot, name))


def judged(answer: Mapping[str, Any], judge: Judge) -> dict[str, Any]:
    """The verdict on each sentence by what it cites, and citation recall and precision."""
    cited = {c["marker"]: c for c in answer["citations"]}
    titles = {c["quote"]: c["title"] for c in answer["citations"]}
    sentences = [
        (s["text"], [cited[m]["quote"] for m in s["citations"] if m in cited])
        for s in answer["sentences"]
    ]

    def look(text: str, evidence: Sequence[str]) -> Judgement:
        return judge.judge(text, evidence, [titles[quote] for quote in evidence])

    found = [look(text, quotes) for text, quotes in sentences]
    return {
        "sentences": [{"verdict": j.verdict, "score": round(j.score, 4)} for j in found],
        "citation_recall": citation_recall([j.verdict == "supported" for j in found]),
        "citation_precision": citation_precision(
            sentences, lambda text, quotes: look(text, quotes).verdict == "supported"
        ),
    }
