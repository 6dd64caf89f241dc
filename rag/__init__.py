"""Footnoted: ask a pile of scientific abstracts, and get answers whose every sentence is cited.

from rag import Chatbot
bot = Chatbot.open("my-papers")
bot.ingest("library.jsonl")
print(bot.ask("Which index beats DiskANN?").text)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rag.chatbot import Chatbot
    from rag.config import Settings
    from rag.errors import RagError
    from rag.types import (
        Answer,
        Citation,
        Event,
        Filters,
        Hit,
        IngestReport,
        Paper,
        Refusal,
        Rejected,
        Sentence,
    )

__version__ = "0.1.0"
__all__ = [
    "Answer",
    "Chatbot",
    "Citation",
    "Event",
    "Filters",
    "Hit",
    "IngestReport",
    "Paper",
    "RagError",
    "Refusal",
    "Rejected",
    "Sentence",
    "Settings",
]
_ELSEWHERE = {"Chatbot": "rag.chatbot", "Settings": "rag.config", "RagError": "rag.errors"}


def __getattr__(name: str) -> Any:
    """Import on first use, so that `import rag` costs nothing."""
    if name not in __all__:
        raise AttributeError(f"module 'rag' has no attribute '{name}'")
    return getattr(import_module(_ELSEWHERE.get(name, "rag.types")), name)
