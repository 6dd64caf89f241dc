"""What the harness takes from inside a chatbot, all in one place.

Its public face says what it answers; how sure it was of answering, and its sentence vectors, it
keeps to itself.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import rag
from rag import Chatbot, Settings, refuse
from rag.ground import Grounder
from rag.library import Library
from rag.prompt import FOLDER as PROMPTS
from rag.types import Backend, Hit

Embed = Callable[[Sequence[str]], NDArray[np.float32]]


def embed_of(bot: Chatbot) -> Embed:
    """The chatbot's own sentence vectors, those made before remembered."""
    return bot._collection.embed


def backend_of(bot: Chatbot, settings: Settings | None = None) -> Backend:
    """Whoever writes the chatbot's answers. Raises BackendNotReady, ConfigError."""
    return bot._writer(settings or bot.settings)


def grounder_of(bot: Chatbot, name: str) -> Grounder:
    """The grounder of that name as `ask` would use it. Raises ConfigError."""
    answer = bot.settings.answer.model_copy(update={"grounder": name})
    return bot._grounder(bot.settings.model_copy(update={"answer": answer}))


def confidence(bot: Chatbot, question: str, hits: Sequence[Hit]) -> float:
    """Probability that the hits answer the question: what the chatbot's refusal rests on."""
    if not hits or not question.strip():
        return 0.0
    lexicon = bot._collection.index().lexical
    fits = bot._collection.fits(question, hits[: refuse.READ])
    return refuse.probability(refuse.features(question, hits, fits, lexicon))


def revision(home: Path) -> int:
    """Rises with every change of the home's papers."""
    library = Library(home / "library.sqlite", read_only=True)
    try:
        return library.revision()
    finally:
        library.close()


def content_of(bot: Chatbot) -> str:
    """Hash of all papers of the home: the same papers give the same answers."""
    parts = sorted(repr(paper) for paper in bot.papers())
    return _short("\n".join(parts).encode())


@cache
def code() -> str:
    """Hash of the engine and its prompts: other code may answer otherwise."""
    engine = Path(rag.__file__).parent
    files = [*engine.rglob("*.py"), *engine.rglob("*.json"), *PROMPTS.rglob("*.md")]
    digest = hashlib.sha256()
    for path in sorted(files):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def _short(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]
