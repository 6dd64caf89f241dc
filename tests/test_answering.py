"""A draft: what its backend is asked, and the tokens that it took."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from rag._answering import Draft
from rag.backends.scripted import ScriptedBackend
from rag.config import Settings
from rag.errors import BackendError, BackendInterrupted
from rag.types import Message, Usage


class Counting(ScriptedBackend):
    """Counts words as its tokens; it may know what a server told before it broke off."""

    writes = True

    def __init__(self, then: BackendError | None = None, told: Usage | None = None) -> None:
        super().__init__("Lapwing is small [1].", then)
        self._told = told

    def complete(self, messages: Sequence[Message]) -> Iterator[str]:
        yield from super().complete(messages)
        return self._told  # type: ignore[return-value]

    def count(self, text: str) -> int:
        return len(text.split())


def spent(writer: ScriptedBackend) -> Usage:
    draft = Draft("Is Lapwing small?", "Is Lapwing small?", "scripted")
    messages = draft.messages([], writer, Settings())
    try:
        assert "".join(draft.read(writer.complete(messages)))
    except BackendInterrupted:
        draft.interrupted = "cut"
    return draft.usage


def cut(usage: Usage | None) -> BackendInterrupted:
    error = BackendInterrupted("The line is cut.")
    error.usage = usage
    return error


@pytest.mark.parametrize("writer", [Counting(told=Usage(40, 4)), Counting(cut(Usage(40, 4)))])
def test_what_a_server_told_of_its_tokens_counts(writer: ScriptedBackend) -> None:
    assert spent(writer) == Usage(40, 4)


@pytest.mark.parametrize("writer", [Counting(), Counting(told=Usage()), Counting(cut(None))])
def test_where_nobody_told_the_models_tokenizer_counts_what_came(writer: ScriptedBackend) -> None:
    found = spent(writer)
    assert found.completion == len("Lapwing is small [1].".split())
    assert found.prompt > 50, "the instructions and the question"


def test_without_a_tokenizer_nothing_is_made_up() -> None:
    assert spent(ScriptedBackend("Yes [1].", cut(None))) == Usage(0, 0)


def test_a_tokenizer_that_fails_costs_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(self: Counting, text: str) -> int:
        raise OSError("the server is gone")

    monkeypatch.setattr(Counting, "count", fails)
    assert spent(Counting()) == Usage(0, 0)


def test_a_backend_that_quotes_is_asked_with_names_where_there_are_some() -> None:
    writer = ScriptedBackend("So [1].")
    named = Draft("The second one?", "Lapwing?", "scripted").messages([], writer, Settings())
    assert named[-1].question == "Lapwing?"
    whole = "Is Lapwing small? On what data?"
    alone = Draft("On what data?", whole, "scripted").messages([], writer, Settings())
    assert alone[-1].question == "Lapwing: On what data?"
    open_ = Draft("Why?", "Is Lapwing small? Why?", "scripted").messages([], writer, Settings())
    assert open_[-1].question == "Is Lapwing small? Why?"
