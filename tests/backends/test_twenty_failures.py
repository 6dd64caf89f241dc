"""Twenty ways in which a server fails, through the whole chatbot and over a real socket.

For each: what the person who asked is told, the state of the answer, and how many requests that
took. The backend's own tests (test_openai_failures.py) go into the details.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import NamedTuple

import pytest

from rag import Chatbot, Settings
from rag.backends import _attempts
from tests.servers import (
    DONE,
    ChatServer,
    Wire,
    closed_port,
    data,
    drip,
    event,
    fails,
    hang,
    says,
    sends,
)

KEY = "sk-secret-0123456789"
FIRST = "SPANN needs 32 GB of memory for a billion vectors."
PAPER = {"title": "SPANN: an index on disk", "abstract": f"{FIRST} Its lists lie on disk."}
LIMITS = {"timeout": 4.0, "first_token_timeout": 1.0, "token_timeout": 0.5, "max_tokens": 50}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("twenty")
    (folder / "papers.jsonl").write_text(json.dumps(PAPER) + "\n")
    with Chatbot.open(folder / "home", settings()) as bot:
        bot.ingest(folder / "papers.jsonl")
    return folder / "home"


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch):
    monkeypatch.setattr(_attempts, "PAUSE", 0.01)
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_MODEL"):
        monkeypatch.delenv(name, raising=False)


def settings(url="http://127.0.0.1:9/v1"):
    given = {"name": "openai", "base_url": url, "model": "m", "api_key": KEY, **LIMITS}
    return Settings.model_validate(
        {
            "embedding": {"name": "hashing"},
            "store": {"name": "memory"},
            "answer": {"refuse_below": 0.0, "grounder": "lexical"},
            "backend": given,
        }
    )


def accept_and_close(wire: Wire) -> None:
    wire.reset()


def endless(wire: Wire) -> None:
    wire.head()
    wire.text(f"{FIRST} [1] ")
    while not wire.wait(0):
        wire.text("and so on ")


def stall(wire: Wire) -> None:
    wire.head()
    wire.text(f"{FIRST} [1]")
    wire.wait(30)


def cut(wire: Wire) -> None:
    wire.head(Content_Length="100000")
    wire.text(f"{FIRST} [1]")
    time.sleep(0.05)
    wire.reset()


def body(value: object, kind: str = "application/json") -> Callable[[Wire], None]:
    return sends(value if isinstance(value, bytes) else json.dumps(value).encode(), kind=kind)


def told(message, **more):
    return {"error": {"message": message, **more}}


SAID = event(f"{FIRST} [1]")
WHOLE = {"choices": [{"message": {"content": FIRST}, "finish_reason": "stop"}]}
SPLIT = [
    bytes([b]) for b in f'data: {{"choices": [{{"delta": {{"content": "{FIRST} é [1]"'.encode()
]


class Case(NamedTuple):
    """What the server does; the words of the message; the answer's state; requests made."""

    behaviour: Callable[[Wire], None]
    message: str
    state: str  # "failed": refused as backend_failed; "cut": kept and marked; "whole"
    requests: int


CASES = {
    "accept then close": Case(accept_and_close, "Start the server", "failed", 3),
    "hang before the first byte": Case(hang, "backend.first_token_timeout", "failed", 1),
    "slow drip of the body": Case(drip, "backend.first_token_timeout", "failed", 1),
    "endless stream": Case(endless, "", "cut", 1),
    "stall in mid-stream": Case(stall, "", "cut", 1),
    "cut in mid-stream": Case(cut, "", "cut", 1),
    "end without a sign of it": Case(sends(SAID), "", "cut", 1),
    "malformed SSE": Case(sends(b'data: {"cho\n\n'), "malformed data", "failed", 1),
    "malformed SSE after text": Case(sends(SAID, b'data: {"cho\n\n'), "", "cut", 1),
    "invalid UTF-8": Case(sends(b"data: \xff\xfe\n\n"), "malformed data", "failed", 1),
    "UTF-8 split across packets": Case(sends(*SPLIT, b"}}]}\n\n", DONE), "", "whole", 1),
    "error event in mid-stream": Case(sends(SAID, data(told("no memory"))), "", "cut", 1),
    "JSON for a stream": Case(body(WHOLE), "can stream", "failed", 1),
    "HTML for a stream": Case(body(b"<html>hi</html>", "text/html"), "web page", "failed", 1),
    "empty choices": Case(sends(data({"choices": []}), DONE), "empty answer", "failed", 1),
    "missing choices": Case(sends(data({}), DONE), "empty answer", "failed", 1),
    "null content": Case(sends(event(None, "stop"), DONE), "empty answer", "failed", 1),
    "finish_reason=length": Case(says(f"{FIRST} [1]", finish="length"), "", "cut", 1),
    "200 with an error body": Case(body(told("no GPU")), "no GPU", "failed", 1),
    "429, wait 300": Case(fails(429, told("busy"), Retry_After="300"), "300 s", "failed", 1),
    "insufficient_quota": Case(
        fails(429, told("quota", code="insufficient_quota")), "no credit left", "failed", 1
    ),
    "500": Case(fails(500, told("boom")), "the server's own log", "failed", 3),
    "503": Case(fails(503, told("boom")), "the server's own log", "failed", 3),
    "401": Case(fails(401, told(f"bad key {KEY}")), "OPENAI_API_KEY", "failed", 1),
    "404, no such model": Case(fails(404, told("no model m")), "--model", "failed", 1),
    "400, context too long": Case(
        fails(400, told("maximum context length is 512")), "retrieval.k", "failed", 1
    ),
}


def ask(home, url):
    with Chatbot.open(home, settings(url)) as bot:
        return bot.ask("How much memory does SPANN need?")


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_no_failure_is_silent(home, case):
    with ChatServer(case.behaviour) as server:
        answer = ask(home, server.url)
    shown = json.dumps(answer.to_dict())
    assert KEY not in shown
    assert len(server.requests) == case.requests
    if case.state == "failed":
        assert answer.refusal is not None
        assert (answer.refusal.kind, answer.truncated) == ("backend_failed", False)
        assert case.message in answer.text == answer.refusal.message
        assert not answer.sentences
    else:
        assert answer.refusal is None
        assert answer.truncated is (case.state == "cut")
        assert answer.text.startswith(FIRST[:-1])
        assert answer.citations[0].quote == FIRST


def test_a_refused_connection_names_the_address(home):
    with closed_port() as url:
        answer = ask(home, url)
    assert answer.refusal.kind == "backend_failed"
    assert url in answer.text
    assert "Start the server" in answer.text


def test_429_that_asks_to_wait_a_second_is_answered_after_it(home):
    behaviours = (fails(429, told("busy"), Retry_After="1"), says(f"{FIRST} [1]"))
    with ChatServer(*behaviours) as server:
        answer = ask(home, server.url)
    assert (answer.refused, answer.truncated, len(server.requests)) == (False, False, 2)
