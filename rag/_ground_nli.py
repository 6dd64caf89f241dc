"""A cross-encoder as the judge: any NLI or fact-checking model, by name or folder.

Models differ in their labels: three (entailment, neutral, contradiction), two (unsupported,
supported: MiniCheck, FactCG), or one score. Which is which is read from the model's own
configuration, else from how many there are.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from rag.errors import ConfigError
from rag.ground import PARTIAL, SUPPORTED, Judgement

if TYPE_CHECKING:
    from rag.config import AnswerSettings

_SUPPORT = ("entail", "support", "consistent", "label_1", "true", "yes")
_AGAINST = ("contradict", "refute")


class NliGrounder:
    """Reads claim and evidence together. The whole abstract is one more piece of evidence, for
    claims that rest on two of its sentences.
    """

    def __init__(self, model: str) -> None:
        self._encoder = _loaded(model)
        self._support, self._against = _columns(self._encoder)

    @classmethod
    def from_settings(cls, settings: AnswerSettings, **_: Any) -> Self:
        """Raises ConfigError where no model is named, or it cannot be loaded."""
        if not settings.grounder_model:
            raise ConfigError(
                "the grounder 'nli' needs a model: set answer.grounder_model to the name or folder "
                "of a cross-encoder."
            )
        return cls(settings.grounder_model)

    def judge(self, claim: str, evidence: Sequence[str], contexts: Sequence[str] = ()) -> Judgement:
        if not evidence or not claim.strip():
            return Judgement("unsupported", 0.0, None)
        whole = " ".join(evidence)
        scores = self._scores([(text, claim) for text in (*evidence, whole)])
        best = int(scores[:-1, 0].argmax())
        support, against = (float(value) for value in scores.max(axis=0))
        if support >= SUPPORTED or support >= against:
            return Judgement(_verdict(support), support, best)
        if against >= SUPPORTED:
            return Judgement("contradicted", support, int(scores[:-1, 1].argmax()))
        return Judgement(_verdict(support), support, best)

    def _scores(self, pairs: Sequence[tuple[str, str]]) -> NDArray[np.float64]:
        """Probability of support and of contradiction, shape (len(pairs), 2)."""
        from torch.nn import Identity

        logits = np.asarray(
            self._encoder.predict(
                list(pairs), activation_fn=Identity(), show_progress_bar=False
            ),
            np.float64,
        )  # fmt: skip
        if logits.ndim == 1 or logits.shape[1] == 1:
            support = 1.0 / (1.0 + np.exp(-logits.reshape(-1)))
            return np.stack([support, np.zeros_like(support)], axis=1)
        odds = np.exp(logits - logits.max(axis=1, keepdims=True))
        share = odds / odds.sum(axis=1, keepdims=True)
        against = np.zeros(len(share)) if self._against is None else share[:, self._against]
        return np.stack([share[:, self._support], against], axis=1)


def _verdict(support: float) -> Any:
    if support >= SUPPORTED:
        return "supported"
    return "partial" if support >= PARTIAL else "unsupported"


@lru_cache(maxsize=2)
def _loaded(model: str) -> Any:
    before = set(os.environ)
    from sentence_transformers import CrossEncoder

    for name in set(os.environ) - before:  # torch leaves its own behind: not ours to set
        os.environ.pop(name)
    try:
        return CrossEncoder(model)
    except Exception as error:
        said = (str(error).strip() or type(error).__name__).split("\n", 1)[0][:200]
        raise ConfigError(
            f"the cross-encoder '{model}' cannot be loaded ({said}). Check answer.grounder_model: "
            "a folder, or a name, which needs a network the first time."
        ) from error


def _columns(encoder: Any) -> tuple[int, int | None]:
    """Which outputs stand for support and for contradiction."""
    names = {int(i): str(n).lower() for i, n in encoder.model.config.id2label.items()}
    support = [i for i, name in names.items() if name.startswith(_SUPPORT)]
    against = [i for i, name in names.items() if name.startswith(_AGAINST)]
    if len(names) > 2 and not against:
        raise ConfigError(
            f"the cross-encoder's labels are {', '.join(names.values())}: none says which means "
            "'entailment' and which 'contradiction'. Name them in id2label of its config.json."
        )
    return (support[0] if support else len(names) - 1), (against[0] if against else None)
