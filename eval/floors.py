"""What a judge must beat: two grounders that know nothing of meaning."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

from rag.ground import Judgement
from rag.lexical import tokens

FLOORS: dict[str, str] = {
    "token coverage": "eval.floors:TokenCoverage",
    "always supported": "eval.floors:AlwaysSupported",
}


class TokenCoverage:
    """Share of the claim's words that stand anywhere in the evidence; half of them is support."""

    @classmethod
    def from_settings(cls, settings: Any, **_: Any) -> Self:
        return cls()

    def judge(self, claim: str, evidence: Sequence[str], contexts: Sequence[str] = ()) -> Judgement:
        words = set(tokens(claim))
        held = words & set(tokens(" ".join(evidence)))
        score = len(held) / len(words) if words else 0.0
        return Judgement("supported" if score >= 0.5 else "unsupported", score, None)


class AlwaysSupported:
    """Says yes to all."""

    @classmethod
    def from_settings(cls, settings: Any, **_: Any) -> Self:
        return cls()

    def judge(self, claim: str, evidence: Sequence[str], contexts: Sequence[str] = ()) -> Judgement:
        return Judgement("supported", 1.0, None)
