"""The backend as the judge: prompts/judge.md, one request for a claim and a paper."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Self

from rag.ground import Judgement
from rag.types import Message, Verdict

if TYPE_CHECKING:
    from rag.config import AnswerSettings

Complete = Callable[[Sequence[Message]], Iterator[str]]

_REPLY = re.compile(r"(SUPPORTED|PARTIAL|CONTRADICTED|UNSUPPORTED) (\d{1,3})\.?")
# A word is no probability: these only keep the verdicts apart.
_SCORES: dict[Verdict, float] = {
    "supported": 0.9, "partial": 0.4, "contradicted": 0.1, "unsupported": 0.1,
}  # fmt: skip


class LLMGrounder:
    """What it says is read strictly: a reply of another form supports nothing.

    `complete` is a backend's, at temperature 0; what it raises (BackendError) is passed on.
    """

    def __init__(self, complete: Complete, instructions: str) -> None:
        self._complete = complete
        self._instructions = instructions

    @classmethod
    def from_settings(cls, settings: AnswerSettings, **resources: Any) -> Self:
        return cls(resources["complete"], resources["instructions"])

    def judge(self, claim: str, evidence: Sequence[str], contexts: Sequence[str] = ()) -> Judgement:
        if not evidence or not claim.strip():
            return Judgement("unsupported", 0.0, None)
        title = contexts[0] if len(set(contexts)) == 1 else ""
        listed = "\n".join(f"{n}. {' '.join(s.split())}" for n, s in enumerate(evidence, 1))
        asked = f"{f'From: {title}' if title else ''}\n{listed}\n\nClaim: {claim}".strip()
        messages = [Message("system", self._instructions), Message("user", asked, question=claim)]
        return parse("".join(self._complete(messages)), len(evidence))


def parse(reply: str, count: int) -> Judgement:
    """The judgement that a reply states about `count` sentences."""
    found = _REPLY.fullmatch(reply.strip())
    verdict: Verdict = found[1].lower() if found else "unsupported"  # type: ignore[assignment]
    number = int(found[2]) if found else 0
    if verdict == "unsupported" or not 1 <= number <= count:
        return Judgement("unsupported", _SCORES["unsupported"] if found else 0.0, None)
    return Judgement(verdict, _SCORES[verdict], number - 1)
