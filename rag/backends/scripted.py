"""Says what it was told to say: for tests, ours and yours.

>>> bot = ScriptedBackend("SPANN needs 32 GB [1].")
>>> "".join(bot.complete([Message("user", "How much memory?")]))
'SPANN needs 32 GB [1].'
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Self

from rag.errors import BackendError, BackendNotReady
from rag.types import Message

if TYPE_CHECKING:
    from rag.config import BackendSettings

PIECE = 5

Replies = Sequence[str] | str | Callable[[Sequence[Message]], str]


class ScriptedBackend:
    """Replies in order, or always the same one, or what a function makes of the messages.

    `then` is raised after each reply's text, as a server that breaks off would.
    """

    model: str | None = None
    writes = False  # each reply is for a question: none may be spent on condensing one

    def __init__(self, replies: Replies, then: BackendError | None = None) -> None:
        self._replies = replies
        self._then = then
        self.calls: list[tuple[Message, ...]] = []

    @classmethod
    def from_settings(cls, settings: BackendSettings, **resources: Any) -> Self:
        """Take `replies` from the caller, else from `backend.llm_kwargs`."""
        replies = resources.get("replies", settings.llm_kwargs.get("replies"))
        if replies is None:
            raise BackendNotReady(
                "The scripted backend has nothing to say: "
                'set backend.llm_kwargs = {replies = ["..."]} in footnoted.toml.'
            )
        return cls(replies)

    def complete(self, messages: Sequence[Message]) -> Iterator[str]:
        """Yield the reply a few characters at a time."""
        self.calls.append(tuple(messages))
        reply = self._reply(messages)
        for start in range(0, len(reply), PIECE):
            yield reply[start : start + PIECE]
        if self._then is not None:
            raise self._then

    def _reply(self, messages: Sequence[Message]) -> str:
        if callable(self._replies):
            return self._replies(messages)
        if isinstance(self._replies, str):
            return self._replies
        if len(self.calls) > len(self._replies):
            raise BackendNotReady(
                f"The scripted backend was called {len(self.calls)} times and has "
                f"{len(self._replies)} replies: give it one for each call."
            )
        return self._replies[len(self.calls) - 1]
