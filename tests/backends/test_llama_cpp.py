"""The backend that runs a GGUF file: what it needs, and what it makes of xllamacpp's replies."""

from __future__ import annotations

import sys
import time
from types import SimpleNamespace
from typing import ClassVar

import pytest

from rag.backends import llama_cpp
from rag.backends.llama_cpp import LlamaCppBackend
from rag.config import BackendSettings
from rag.errors import BackendInterrupted, BackendNotReady, BackendRefused
from rag.types import Message, Usage

ASKED = [Message("user", "How much memory?")]


def chunk(content=None, finish=None, **more):
    return {
        "choices": [{"index": 0, "delta": {"content": content}, "finish_reason": finish}],
        **more,
    }


class FakeServer:
    """Hands its chunks to the callback, until that says that nobody listens."""

    chunks: ClassVar[list] = []
    asked: ClassVar[list] = []
    stopped = False

    def __init__(self, params):
        self.params = params

    def handle_chat_completions(self, asked, take):
        type(self).asked.append(asked)
        for item in self.chunks:
            if take(item):
                type(self).stopped = True
                return
            time.sleep(0.001)


@pytest.fixture
def fake(monkeypatch, tmp_path):
    FakeServer.chunks, FakeServer.asked, FakeServer.stopped = [], [], False
    module = SimpleNamespace(
        Server=FakeServer, CommonParams=lambda: SimpleNamespace(model=SimpleNamespace())
    )
    monkeypatch.setitem(sys.modules, "xllamacpp", module)
    monkeypatch.setattr(llama_cpp, "_loaded", {})
    path = tmp_path / "small.gguf"
    path.write_bytes(b"GGUF....")
    return path


def made(path, **more):
    return LlamaCppBackend.from_settings(
        BackendSettings(name="llama_cpp", model=str(path) if path else None, **more)
    )


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda folder: None, "none is named"),
        (lambda folder: folder / "absent.gguf", "there is no file"),
        (lambda folder: folder, "there is no file"),
        (lambda folder: folder / "text.gguf", "no GGUF file"),
    ],
)
def test_without_a_model_file_it_says_how_to_name_one(tmp_path, make, message):
    (tmp_path / "text.gguf").write_text("a text")
    with pytest.raises(BackendNotReady, match=message) as failure:
        made(make(tmp_path))
    assert "--model" in str(failure.value)


def test_without_the_package_it_names_the_extra(fake, monkeypatch):
    monkeypatch.setitem(sys.modules, "xllamacpp", None)
    with pytest.raises(BackendNotReady, match=r"footnoted\[llama-cpp\]"):
        list(made(fake).complete(ASKED))


def test_text_and_tokens(fake):
    FakeServer.chunks = [
        chunk(), chunk("32 "), [chunk("GB."), chunk(None, "stop")],
        {"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 2}},
    ]  # fmt: skip
    backend = made(fake, max_tokens=9, window=512)
    pieces, found = backend.complete(ASKED), []
    with pytest.raises(StopIteration) as end:
        while True:
            found.append(next(pieces))
    assert ("".join(found), end.value.value) == ("32 GB.", Usage(7, 2))
    assert (backend.model, backend.window) == ("small.gguf", 512)
    (asked,) = FakeServer.asked
    assert (asked["max_tokens"], asked["temperature"]) == (9, 0.0)
    (server, _key) = llama_cpp._loaded[fake.resolve(), 512]
    assert server.params.n_ctx == 512
    assert len(server.params.api_keys[0]) > 30
    assert server.params.verbosity == 1, "what it logs would stand between the answers"


def test_the_model_is_loaded_once(fake):
    FakeServer.chunks = [chunk("Hi", "stop")]
    assert ["".join(made(fake).complete(ASKED)) for _ in range(2)] == ["Hi", "Hi"]
    assert len(llama_cpp._loaded) == 1


def test_an_answer_cut_at_its_limit_is_marked(fake):
    FakeServer.chunks = [
        chunk("32"), chunk(None, "length"),
        {"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 1}},
    ]  # fmt: skip
    with pytest.raises(BackendInterrupted, match=r"backend\.max_tokens") as cut:
        list(made(fake).complete(ASKED))
    assert cut.value.usage == Usage(7, 1)


def test_too_long_a_prompt_says_what_to_lower(fake):
    FakeServer.chunks = [{"code": 400, "message": "exceeds the available context size"}]
    with pytest.raises(BackendRefused, match=r"Lower retrieval\.k"):
        list(made(fake).complete(ASKED))


def test_a_reader_that_leaves_stops_the_writing(fake):
    FakeServer.chunks = [chunk("word ") for _ in range(5000)]
    pieces = made(fake).complete(ASKED)
    next(pieces)
    pieces.close()
    deadline = time.monotonic() + 5
    while not FakeServer.stopped and time.monotonic() < deadline:
        time.sleep(0.01)
    assert FakeServer.stopped
