"""Any LlamaIndex LLM: mocks, one that cannot stream, and OpenAILike against a real server."""

import time
import traceback

import pytest
from llama_index.core.llms import (
    ChatMessage,
    ChatResponse,
    CompletionResponse,
    CustomLLM,
    LLMMetadata,
    MockLLM,
)
from llama_index.llms.openai_like import OpenAILike
from pydantic import Field

from rag.backends import _attempts
from rag.backends._watch import Limits
from rag.backends.llama_index import LlamaIndexBackend
from rag.config import BackendSettings
from rag.errors import BackendInterrupted, BackendNotReady, BackendRefused, BackendUnreachable
from rag.types import Message
from tests.servers import ChatServer, closed_port, event, fails, says, sends

KEY = "sk-secret-0123456789"
QUESTION = [Message("system", "Be brief."), Message("user", "How much memory?", "q")]
OPENAI_LIKE = "llama_index.llms.openai_like:OpenAILike"


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch):
    monkeypatch.setattr(_attempts, "PAUSE", 0.01)


class Fake(CustomLLM):
    """Streams `pieces`, pauses where one is a number, and raises one that is an error."""

    pieces: list = Field(default_factory=list)
    model: str = "fake-1"

    @property
    def metadata(self):
        return LLMMetadata(model_name=self.model)

    def complete(self, prompt, formatted=False, **kwargs):
        return CompletionResponse(text="".join(self.pieces))

    def stream_complete(self, prompt, formatted=False, **kwargs):
        def stream():
            for piece in self.pieces:
                if isinstance(piece, Exception):
                    raise piece
                if isinstance(piece, float):
                    time.sleep(piece)
                else:
                    yield CompletionResponse(text=piece, delta=piece)

        return stream()


class Unstreamed(Fake):
    wait: float = 0.0

    def stream_chat(self, messages, **kwargs):
        raise NotImplementedError

    def chat(self, messages, **kwargs):
        time.sleep(self.wait)
        return ChatResponse(message=ChatMessage(role="assistant", content="whole"))


class OnlyCompletes(Unstreamed):
    def chat(self, messages, **kwargs):
        raise NotImplementedError


def said(backend):
    return "".join(backend.complete(QUESTION))


def openai_like(url, **changes):
    kwargs = {"api_base": url, "model": "m", "api_key": KEY, **changes}
    return LlamaIndexBackend.from_settings(BackendSettings(llm=OPENAI_LIKE, llm_kwargs=kwargs))


def test_a_mock_echoes_what_it_is_asked():
    backend = LlamaIndexBackend(MockLLM())
    assert "How much memory?" in said(backend)
    assert backend.model is None


def test_the_model_is_named():
    assert LlamaIndexBackend(Fake(pieces=["x"])).model == "fake-1"


def test_text_comes_in_pieces():
    pieces = list(LlamaIndexBackend(Fake(pieces=["SPANN ", "needs ", "32 GB."])).complete(QUESTION))
    assert pieces == ["SPANN ", "needs ", "32 GB."]


@pytest.mark.parametrize(("kind", "text"), [(Unstreamed, "whole"), (OnlyCompletes, "at once")])
def test_an_llm_that_cannot_stream(kind, text):
    assert said(LlamaIndexBackend(kind(pieces=["at ", "once"]))) == text


def test_a_whole_reply_is_waited_for_as_long_as_everything_may_take():
    limits = Limits(total=5, first=0.3, between=0.3)
    assert said(LlamaIndexBackend(Unstreamed(wait=0.6), limits)) == "whole"


class SoFar:
    """Not a LlamaIndex class at all: only the text so far, and no delta."""

    def stream_chat(self, messages):
        for text in ("one", "one two"):
            message = ChatMessage(role="assistant", content=text)
            yield ChatResponse(message=message, delta=None)


def test_an_llm_that_gives_the_text_so_far():
    backend = LlamaIndexBackend(SoFar())
    assert said(backend) == "one two"
    assert backend.model is None


def test_any_error_becomes_ours():
    with pytest.raises(BackendRefused, match="KeyError") as raised:
        said(LlamaIndexBackend(Fake(pieces=[KeyError("boom")])))
    assert raised.value.__context__ is None


def test_an_error_after_text_keeps_the_text():
    pieces = LlamaIndexBackend(Fake(pieces=["SPANN ", IndexError("boom")])).complete(QUESTION)
    assert next(pieces) == "SPANN "
    with pytest.raises(BackendInterrupted, match="incomplete"):
        next(pieces)


def test_an_empty_answer_is_said_to_be_one():
    with pytest.raises(BackendRefused, match="empty answer"):
        said(LlamaIndexBackend(Fake(pieces=[""])))


def test_limits_hold_for_any_llm():
    limits = Limits(total=5, first=0.2, between=0.2)
    with pytest.raises(BackendUnreachable, match="first_token_timeout"):
        said(LlamaIndexBackend(Fake(pieces=[0.5, "late"]), limits))
    with pytest.raises(BackendInterrupted, match=r"backend\.token_timeout"):
        said(LlamaIndexBackend(Fake(pieces=["SPANN ", 0.5, "late"]), limits))


def test_openai_like_over_a_real_server():
    with ChatServer(says("SPANN ", "needs 32 GB.")) as server:
        backend = openai_like(server.url)
        assert said(backend) == "SPANN needs 32 GB."
    assert backend.model == "m"
    (request,) = server.requests
    assert request.path == "/v1/chat/completions"
    assert request.body["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "How much memory?"},
    ]


def test_one_failure_makes_the_requests_of_one_retry_loop():
    boom = fails(500, {"error": {"message": "boom"}})
    with ChatServer(boom) as server, pytest.raises(BackendRefused, match="boom") as raised:
        said(openai_like(server.url))
    assert raised.value.status == 500
    assert len(server.requests) == 3


def test_a_key_is_in_no_message():
    echo = fails(401, {"error": {"message": f"Incorrect API key provided: {KEY}"}})
    with ChatServer(echo) as server, pytest.raises(BackendRefused, match="api_key in") as raised:
        said(openai_like(server.url))
    assert KEY not in "".join(traceback.format_exception(raised.value))
    assert len(server.requests) == 1


def test_no_connection():
    with closed_port() as url, pytest.raises(BackendUnreachable, match="the address in"):
        said(openai_like(url))


@pytest.mark.parametrize(
    ("behaviour", "fix"),
    [
        (says("SPANN ", finish="length"), "max_tokens"),
        (says("SPANN ", finish=None, done=False), "Ask again"),
        (sends(event("SPANN "), b"data: {half\n\n"), "malformed"),
    ],
)
def test_what_openai_like_would_not_notice(behaviour, fix):
    with ChatServer(behaviour) as server, pytest.raises(BackendInterrupted, match=fix):
        said(openai_like(server.url))


def test_settings_reach_the_llm():
    settings = BackendSettings(
        llm=OPENAI_LIKE, model="named", api_key=KEY, max_tokens=9, llm_kwargs={"model": "other"}
    )
    llm = LlamaIndexBackend.from_settings(settings)._llm
    assert isinstance(llm, OpenAILike)
    assert (llm.model, llm.api_key, llm.max_tokens) == ("named", KEY, 9)
    assert (llm.max_retries, llm.is_chat_model) == (0, True)


def test_a_question_with_a_lone_surrogate_can_be_sent():
    text = "".join(LlamaIndexBackend(MockLLM()).complete([Message("user", "a\udce9b")]))
    assert "a?b" in text


def test_an_llm_of_the_callers():
    llm = Fake(pieces=["mine"])
    assert said(LlamaIndexBackend.from_settings(BackendSettings(), llm=llm)) == "mine"


NOT_READY = [
    ({}, "set backend.llm"),
    ({"llm": "no_colon"}, "set backend.llm"),
    ({"llm": "llama_index.llms.no_such:LLM"}, "pip install llama-index-llms-no-such"),
    ({"llm": "llama_index.core.llms:NoSuch"}, "correct backend.llm"),
    (
        {"llm": OPENAI_LIKE, "llm_kwargs": {"api_key": KEY, "max_tokens": KEY}},
        "Check backend.llm_kwargs",
    ),
]


@pytest.mark.parametrize(("settings", "fix"), NOT_READY)
def test_what_is_missing_is_said_when_it_is_made(settings, fix):
    with pytest.raises(BackendNotReady) as raised:
        LlamaIndexBackend.from_settings(BackendSettings(**settings))
    assert fix in str(raised.value)
    assert KEY not in "".join(traceback.format_exception(raised.value))
