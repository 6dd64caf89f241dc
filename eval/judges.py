"""What judges there are and what each needs, from settings alone: no home has to be open.

A judge is made as the chatbot makes it for `ask` (see `Chatbot._grounder`), or it would be another
judge that is measured.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eval.floors import FLOORS
from rag._alignment import EmbedTokens
from rag._answering import reader_of, words_of
from rag._reader import Reader
from rag.backends import BACKENDS
from rag.config import Settings
from rag.embedding import make_embedder
from rag.errors import ConfigError
from rag.ground import GROUNDERS, Grounder
from rag.prompt import template
from rag.registry import lookup
from rag.types import Message

Embed = Callable[[Sequence[str]], NDArray[np.float32]]


@dataclass(frozen=True)
class Judges:
    """Makes grounders by name. `words` gives what embeds the words of a text, with nothing
    remembered yet, or None where the encoder has no vectors of words.
    """

    settings: Settings
    embed: Embed
    words: Callable[[], EmbedTokens | None] = lambda: None
    reader: Reader | None = None

    @classmethod
    def of(cls, settings: Settings) -> Judges:
        """With the encoder that the settings name. Raises ConfigError, EmbeddingError."""
        embedder = make_embedder(settings.embedding, settings.plugins.embedders)
        return cls(settings, embedder.embed, lambda: words_of(embedder), reader_of(embedder))

    @property
    def registry(self) -> Mapping[str, str]:
        """Name -> "module:Class": those that ship, the user's own, and the floors."""
        return {**GROUNDERS, **self.settings.plugins.grounders, **FLOORS}

    def needs(self, name: str) -> str:
        """What to give so that this judge can be measured; empty where nothing is missing."""
        if name == "nli" and not self.settings.answer.grounder_model:
            return "name its cross-encoder with --grounder-model NAME_OR_FOLDER"
        if name == "llm" and self.settings.backend.name == "extractive":
            return "name who is to judge with --backend NAME, and --model M"
        return ""

    def chosen(self, names: Sequence[str] = ()) -> list[str]:
        """The judges of these names; by default all that need nothing more.

        Raises ConfigError for an unknown one, or one that lacks what it needs.
        """
        for name in names:
            lookup("grounder", name, self.registry)
            if need := self.needs(name):
                raise ConfigError(f"the judge '{name}' reads with a model of yours: {need}.")
        return list(names) or [name for name in self.registry if not self.needs(name)]

    def left_out(self) -> list[str]:
        """Those that the default list lacks, each with how to include it."""
        lacking = ((name, self.needs(name)) for name in self.registry)
        return [f"the judge '{name}' was left out: {need}" for name, need in lacking if need]

    def make(self, name: str, embed: Embed | None = None) -> Grounder:
        """The grounder of that name; `embed` in place of its own sentence vectors."""
        cls = lookup("grounder", name, self.registry)
        found: Grounder = cls.from_settings(
            self.settings.answer,
            embed=embed or self.embed,
            embed_tokens=self.words(),
            reader=self.reader,
            complete=self._complete(),
            instructions=template("judge"),
        )
        return found

    def _complete(self) -> Callable[[Sequence[Message]], Iterator[str]]:
        """The backend's, made when it is first asked: most judges ask none."""
        writers: list[Any] = []

        def complete(messages: Sequence[Message]) -> Iterator[str]:
            if not writers:
                cold = self.settings.at_zero()
                known = {**BACKENDS, **cold.plugins.backends}
                cls = lookup("backend", cold.backend.name, known)
                writers.append(cls.from_settings(cold.backend, embed=self.embed))
            replies: Iterator[str] = writers[0].complete(messages)
            return replies

        return complete
