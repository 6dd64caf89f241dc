"""What every backend keeps to. A new one needs a line in FACTORIES, and nothing else."""

import inspect
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest

from rag.backends import BACKENDS
from rag.chunking import sentences
from rag.config import BackendSettings
from rag.registry import lookup
from rag.types import Chunk, Hit, Message, Paper
from tests.servers import ChatServer, says

ABSTRACT = "SPANN keeps posting lists on disk. SPANN needs 32 GB of memory for a billion vectors."
PAPER = Paper("SPANN: a disk-based index", ABSTRACT, id="spann", year=2021)
HIT = Hit(1, 0.9, PAPER, Chunk("spann#0", "spann", ABSTRACT, 0, len(ABSTRACT)), 0.9, 9.0)
QUESTION = "How much memory does SPANN need?"
CONVERSATION = (
    Message("system", "Answer from the sources."),
    Message("user", "What is SPANN?"),
    Message("assistant", "A disk-based index [1]."),
    Message("user", f"[1] {PAPER.title}\n{ABSTRACT}\n\n{QUESTION}", QUESTION, (HIT,)),
)


def build(name: str, **settings: Any) -> Any:
    kind = lookup("backend", name, BACKENDS)
    return kind.from_settings(BackendSettings(name=name, **settings))


def openai(stack: ExitStack) -> Any:
    server = stack.enter_context(ChatServer(says("SPANN needs ", "32 GB [1].")))
    return build("openai", base_url=server.url, model="m")


def extractive() -> Any:
    kind = lookup("backend", "extractive", BACKENDS)
    settings = BackendSettings(name="extractive")
    return kind.from_settings(settings, fits=fits, rarity=lambda word: 0.5, rare=str.isupper)


def fits(question: str, hits: Any) -> Any:
    """Every sentence as well as the next."""
    return [np.ones(len(sentences(hit.paper.abstract)), np.float32) for hit in hits]


class Llama:
    """Stands for xllamacpp, whose real server is met in tests marked `llm`."""

    class Server:
        def __init__(self, params: Any) -> None:
            pass

        def handle_chat_completions(self, asked: Any, take: Callable[[Any], bool]) -> None:
            for word in ("SPANN needs ", "32 GB [1]."):
                take({"choices": [{"delta": {"content": word}, "finish_reason": None}]})
            take({"choices": [{"delta": {}, "finish_reason": "stop"}]})

    @staticmethod
    def CommonParams() -> Any:  # noqa: N802 - theirs
        return SimpleNamespace(model=SimpleNamespace())


def llama_cpp(stack: ExitStack) -> Any:
    stack.enter_context(patch.dict(sys.modules, xllamacpp=Llama))
    folder = stack.enter_context(tempfile.TemporaryDirectory())
    (Path(folder) / "m.gguf").write_bytes(b"GGUF")
    return build("llama_cpp", model=str(Path(folder) / "m.gguf"))


# The stack closes, after the test, what a backend needs while it runs.
FACTORIES: dict[str, Callable[[ExitStack], Any]] = {
    "extractive": lambda stack: extractive(),
    "openai": openai,
    "llama_cpp": llama_cpp,
    "llama_index": lambda stack: build("llama_index", llm="llama_index.core.llms:MockLLM"),
    "scripted": lambda stack: build("scripted", llm_kwargs={"replies": "32 GB [1]."}),
}


@pytest.fixture(params=FACTORIES)
def backend(request) -> Iterator[Any]:
    with ExitStack() as stack:
        yield FACTORIES[request.param](stack)


@pytest.mark.parametrize("name", BACKENDS)
def test_every_registered_backend_is_tested_here(name):
    assert name in FACTORIES


def test_text_comes_as_an_iterator_of_strings(backend):
    pieces = backend.complete(CONVERSATION)
    assert isinstance(pieces, Iterator)
    found = list(pieces)
    assert found
    assert all(isinstance(piece, str) and piece for piece in found)
    assert "".join(found).strip()


def test_a_list_of_messages_is_as_good_as_a_tuple_and_stays_as_it_is(backend):
    messages = list(CONVERSATION)
    once = "".join(backend.complete(messages))
    assert messages == list(CONVERSATION)
    assert "".join(backend.complete(CONVERSATION)) == once


def test_calls_at_the_same_time_do_not_mix(backend):
    expected = "".join(backend.complete(CONVERSATION))
    found: list[str] = []

    def ask() -> None:
        found.append("".join(backend.complete(CONVERSATION)))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected] * 4


def test_a_reader_may_leave_early_and_ask_again(backend):
    pieces = backend.complete(CONVERSATION)
    next(pieces)
    pieces.close()
    assert "".join(backend.complete(CONVERSATION))


def test_it_names_its_model_and_holds_no_state_of_a_call(backend):
    assert backend.model is None or isinstance(backend.model, str)
    "".join(backend.complete(CONVERSATION))
    assert not hasattr(backend, "truncated")


def test_it_is_made_from_settings_and_resources_it_may_not_need(backend):
    signature = inspect.signature(type(backend).from_settings)
    first, last = (list(signature.parameters.values())[i] for i in (0, -1))
    assert first.name == "settings"
    assert last.kind is inspect.Parameter.VAR_KEYWORD
