"""What the openai backend asks for, what it needs, and what it says where that is missing."""

import socket
import subprocess
import sys
import time

import pytest

from rag.backends.openai import OpenAIBackend
from rag.config import BackendSettings
from rag.errors import BackendInterrupted, BackendNotReady, BackendUnreachable
from rag.types import Message, Usage
from tests.servers import DONE, ChatServer, closed_port, data, event, fails, says, sends


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch):
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_MODEL"):
        monkeypatch.delenv(name, raising=False)


def made(**settings):
    return OpenAIBackend.from_settings(BackendSettings(**settings))


def answer(backend):
    return "".join(backend.complete([Message("user", "hi", question="q", sources=())]))


def test_only_role_and_content_are_sent():
    with ChatServer(says("Hello", " there.")) as server:
        backend = made(base_url=server.url, model="m", max_tokens=7, temperature=0.5)
        assert answer(backend) == "Hello there."
    (request,) = server.requests
    assert request.path == "/v1/chat/completions"
    assert request.body == {
        "model": "m",
        "messages": [{"role": "user", "content": "hi"}],
        "temperature": 0.5,
        "max_tokens": 7,
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def test_a_question_with_a_lone_surrogate_can_be_sent():
    with ChatServer(says("Yes.")) as server:
        backend = made(base_url=server.url, model="m")
        assert "".join(backend.complete([Message("user", "a\udce9b")])) == "Yes."
    assert server.requests[0].body["messages"][0]["content"] == "a?b"


def test_text_comes_as_it_is_written():
    with ChatServer(says("One", " two", " three.")) as server:
        pieces = list(made(base_url=server.url, model="m").complete([Message("user", "hi")]))
    assert pieces == ["One", " two", " three."]


def test_leading_blanks_are_dropped():
    with ChatServer(says("\n\n", " One", " two")) as server:
        assert answer(made(base_url=server.url, model="m")) == "One two"


def test_a_loopback_server_needs_no_key():
    with ChatServer(says("Yes.")) as server:
        assert answer(made(base_url=server.url, model="m")) == "Yes."
    assert server.requests[0].headers["Authorization"] == "Bearer none"


def test_the_environment_fills_what_settings_leave_out(monkeypatch):
    with ChatServer(says("Yes.")) as server:
        monkeypatch.setenv("OPENAI_API_KEY", " sk-from-environment\n")
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        monkeypatch.setenv("OPENAI_MODEL", "from-environment")
        backend = made()
        assert backend.model == "from-environment"
        assert answer(backend) == "Yes."
    assert server.requests[0].headers["Authorization"] == "Bearer sk-from-environment"
    assert server.requests[0].body["model"] == "from-environment"


def test_settings_go_before_the_environment(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-from-environment")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://nowhere.invalid/v1")
    monkeypatch.setenv("OPENAI_MODEL", "from-environment")
    with ChatServer(says("Yes.")) as server:
        answer(made(base_url=server.url, model="m", api_key="sk-from-settings"))
    assert server.requests[0].headers["Authorization"] == "Bearer sk-from-settings"
    assert server.requests[0].body["model"] == "m"


def test_a_proxy_is_not_asked_for_this_machine(monkeypatch):
    with socket.socket() as dead:
        dead.bind(("127.0.0.1", 0))
        proxy = f"http://127.0.0.1:{dead.getsockname()[1]}"
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy)
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        with ChatServer(says("Yes.")) as server:
            assert answer(made(base_url=server.url, model="m")) == "Yes."


def test_thinking_is_a_sign_of_life_and_no_text():
    thought = data({"choices": [{"delta": {"reasoning_content": "hm"}}]})
    packets = [thought] * 8 + [event("32 GB.", "stop"), DONE]
    with ChatServer(sends(*packets, gap=0.1)) as server:
        backend = made(base_url=server.url, model="m", first_token_timeout=0.6)
        assert answer(backend) == "32 GB."


def test_usage_and_comments_are_passed_over():
    packets = [b": hello\n\n", data({"choices": []}), event("Yes."), event(None, "stop"), DONE]
    with ChatServer(sends(*packets)) as server:
        assert answer(made(base_url=server.url, model="m")) == "Yes."


def test_content_in_parts():
    parts = [{"type": "text", "text": "Yes"}, {"type": "text", "text": "."}, {"type": "other"}]
    with ChatServer(sends(data({"choices": [{"delta": {"content": parts}}]}), DONE)) as server:
        assert answer(made(base_url=server.url, model="m")) == "Yes."


@pytest.mark.parametrize(
    ("url", "name"),
    [(None, "max_completion_tokens"), ("http://localhost:1/v1", "max_tokens")],
)
def test_openai_itself_wants_the_newer_name_of_the_limit(url, name):
    body = made(base_url=url, model="m", api_key="sk-1234567")._body([])
    assert body[name] == 800


NOT_READY = [
    ({"model": "m"}, "OPENAI_API_KEY"),
    ({"model": "m"}, "--base-url"),
    ({"model": "m"}, "--backend extractive"),
    ({"model": "m", "base_url": "https://api.example.org/v1"}, "OPENAI_API_KEY"),
    ({"model": "m", "api_key": "sk-caf\xe9"}, "OPENAI_API_KEY"),
    ({"model": "m", "api_key": "sk-two words"}, "OPENAI_API_KEY"),
    ({"model": "m", "base_url": "localhost:8000"}, "http://localhost:8000/v1"),
    ({"model": "m", "base_url": "http://[::1"}, "http://localhost:8000/v1"),
    ({"model": "m", "base_url": "http://localhost:99999/v1"}, "http://localhost:8000/v1"),
    ({"base_url": "http://localhost:8000/v1"}, "--model"),
    ({"api_key": "sk-1234567"}, "--model"),
]


@pytest.mark.parametrize(("settings", "fix"), NOT_READY)
def test_what_is_missing_is_said_when_it_is_made(settings, fix):
    with pytest.raises(BackendNotReady) as raised:
        made(**settings)
    assert fix in str(raised.value)
    assert "sk-" not in str(raised.value)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.1.2.3", "[::1]", "a.localhost"])
def test_what_counts_as_this_machine(host):
    assert made(base_url=f"http://{host}:8000/v1", model="m").model == "m"


def test_secrets_in_the_address_are_not_shown():
    url = "http://user:hunter22@localhost:1/v1?token=abcdefgh"
    backend = made(base_url=url, model="m", retries=0)
    setup = backend._plan().setup
    assert setup.where == "http://localhost:1/v1"
    assert setup.scrub("hunter22 token=abcdefgh") == "*** ***"
    assert "hunter22" not in repr(backend)


def test_nothing_heavy_is_imported_before_it_is_used():
    script = (
        "import sys; from rag.config import BackendSettings\n"
        "from rag.backends.openai import OpenAIBackend\n"
        "from rag.backends.llama_index import LlamaIndexBackend\n"
        "OpenAIBackend(BackendSettings(base_url='http://localhost:1/v1', model='m'))\n"
        "print(sorted({'openai', 'httpx', 'llama_index'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


# --- tokens


def spent(backend):
    """The usage that a call returns when its text is out."""
    pieces = backend.complete([Message("user", "hi")])
    while True:
        try:
            next(pieces)
        except StopIteration as end:
            return end.value


COUNTS = {"prompt_tokens": 12, "completion_tokens": 3}


@pytest.mark.parametrize(
    "packets",
    [
        [event("Hello."), event(None, "stop"), data({"choices": [], "usage": COUNTS}), DONE],
        [event("Hello.", "stop"), data({"choices": [], "usage": COUNTS})],
        [event("Hello."), data({"choices": [], "usage": COUNTS}), DONE],
        [
            data(
                {
                    "choices": [{"delta": {"content": "Hi"}, "finish_reason": "stop"}],
                    "usage": COUNTS,
                }
            )
        ],
    ],
)
def test_tokens_are_those_that_the_server_counted(packets):
    with ChatServer(sends(*packets)) as server:
        assert spent(made(base_url=server.url, model="m")) == Usage(12, 3)


@pytest.mark.parametrize(
    ("pieces", "usage"),
    [
        (
            [event("He"), event(None, "length"), data({"choices": [], "usage": COUNTS})],
            Usage(12, 3),
        ),
        ([event("He"), event(None, "length"), DONE], Usage()),
        ([event("He"), data({"choices": [], "usage": COUNTS})], Usage(12, 3)),
        ([event("He")], Usage()),
    ],
)
def test_of_an_answer_cut_off_what_was_told_is_kept(pieces, usage):
    with ChatServer(sends(*pieces)) as server, pytest.raises(BackendInterrupted) as cut:
        list(made(base_url=server.url, model="m").complete([Message("user", "hi")]))
    assert cut.value.usage == usage


@pytest.mark.parametrize("odd", [None, [], "12", {"prompt_tokens": "x"}, {"completion_tokens": -1}])
def test_odd_counts_are_none(odd):
    with ChatServer(sends(event("Hi", "stop"), data({"usage": odd}), DONE)) as server:
        assert spent(made(base_url=server.url, model="m")) == Usage(0, 0)


def test_an_open_line_after_the_end_is_not_waited_for():
    def behave(wire):
        wire.head()
        wire.send(event("Hello.", "stop"))
        wire.wait(30)

    began = time.monotonic()
    with ChatServer(behave) as server:
        assert spent(made(base_url=server.url, model="m")) == Usage()
    assert time.monotonic() - began < 3


def test_a_server_that_does_not_know_the_option_is_asked_without_it():
    unknown = fails(400, {"error": {"message": "Unrecognized argument: stream_options"}})
    with ChatServer(unknown, says("Hello.")) as server:
        assert answer(made(base_url=server.url, model="m")) == "Hello."
    assert ["stream_options" in r.body for r in server.requests] == [True, False]


def test_whether_a_local_server_listens_can_be_asked_without_a_request():
    with ChatServer(says("Hello.")) as server:
        made(base_url=server.url, model="m").check()
        assert server.requests == []
    with closed_port() as url, pytest.raises(BackendUnreachable, match="Start it"):
        made(base_url=url, model="m").check()
