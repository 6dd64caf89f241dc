"""Servers that fail, over a real socket: none fails silently, none is waited for for ever."""

import json
import threading
import time
import traceback

import pytest

from rag.backends import _attempts
from rag.backends.openai import OpenAIBackend
from rag.config import BackendSettings
from rag.errors import BackendError, BackendInterrupted, BackendRefused, BackendUnreachable
from rag.types import Message
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
QUESTION = [Message("user", "How much memory does SPANN need?")]


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch):
    monkeypatch.setattr(_attempts, "PAUSE", 0.01)
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_MODEL"):
        monkeypatch.delenv(name, raising=False)


def backend(url, **changes):
    quick = {"timeout": 5.0, "first_token_timeout": 2.0, "token_timeout": 2.0}
    given = {"base_url": url, "model": "m", "api_key": KEY, **quick, **changes}
    return OpenAIBackend(BackendSettings(**given))


def ask(url, **changes):
    """What arrived, and the error that ended it."""
    arrived = []
    try:
        for piece in backend(url, **changes).complete(QUESTION):
            arrived.append(piece)
    except BackendError as error:
        shown = "".join(traceback.format_exception(error))
        assert KEY not in shown
        assert error.__cause__ is None
        assert error.__context__ is None
        return "".join(arrived), error
    return "".join(arrived), None


def ask_of(*behaviours, **changes):
    with ChatServer(*behaviours) as server:
        text, error = ask(server.url, **changes)
    return text, error, len(server.requests)


def stall_after(*pieces):
    def behave(wire: Wire) -> None:
        wire.head()
        for piece in pieces:
            wire.text(piece)
        wire.wait(30)

    return behave


def endless(wire: Wire) -> None:
    wire.head()
    while not wire.wait(0):
        wire.text("and so on ")


def endless_keep_alive(wire: Wire) -> None:
    wire.head()
    while not wire.wait(0.02):
        wire.send(b": still here\n\n")


def cut(wire: Wire) -> None:
    wire.head(Content_Length="100000")
    wire.text("SPANN needs ")
    time.sleep(0.05)
    wire.reset()


# --- no connection, no reply -------------------------------------------------------------


def test_refused_connection_is_tried_again_and_names_the_address():
    with closed_port() as url:
        text, error = ask(url)
    assert isinstance(error, BackendUnreachable)
    assert text == ""
    assert url in str(error)
    assert "--base-url" in str(error)
    assert "refused" in str(error).lower()


def test_accept_then_close_is_tried_again():
    text, error, requests = ask_of(lambda wire: wire.reset())
    assert isinstance(error, BackendUnreachable)
    assert (text, requests) == ("", 3)
    assert "Start the server" in str(error)


def test_a_server_that_comes_back_is_answered_from():
    text, error, requests = ask_of(lambda wire: wire.reset(), says("32 GB."))
    assert (text, error, requests) == ("32 GB.", None, 2)


@pytest.mark.parametrize("behaviour", [hang, stall_after(), endless_keep_alive, drip])
def test_nothing_in_time_is_not_tried_again(behaviour):
    began = time.monotonic()
    text, error, requests = ask_of(behaviour, first_token_timeout=0.4)
    assert isinstance(error, BackendUnreachable)
    assert (text, requests) == ("", 1)
    assert "backend.first_token_timeout" in str(error)
    assert time.monotonic() - began < 3


def test_the_total_deadline_holds_over_a_slow_stream():
    _text, error, requests = ask_of(
        sends(*(event("word ") for _ in range(1000)), gap=0.05), timeout=0.5
    )
    assert isinstance(error, BackendInterrupted)
    assert requests == 1
    assert "backend.timeout" in str(error)


# --- broken off --------------------------------------------------------------------------


def test_a_stall_keeps_what_arrived():
    text, error, requests = ask_of(stall_after("SPANN needs ", "32"), token_timeout=0.3)
    assert isinstance(error, BackendInterrupted)
    assert (text, requests) == ("SPANN needs 32", 1)
    assert "backend.token_timeout" in str(error)


def test_a_cut_keeps_what_arrived_and_is_not_tried_again():
    text, error, requests = ask_of(cut)
    assert isinstance(error, BackendInterrupted)
    assert (text, requests) == ("SPANN needs ", 1)
    assert "Start the server" in str(error)


def test_an_end_without_finish_is_no_whole_answer():
    text, error, requests = ask_of(says("SPANN needs ", finish=None, done=False))
    assert isinstance(error, BackendInterrupted)
    assert (text, requests) == ("SPANN needs ", 1)
    assert "Ask again" in str(error)


@pytest.mark.parametrize(("finish", "done"), [("stop", False), (None, True)])
def test_either_sign_of_the_end_will_do(finish, done):
    assert ask_of(says("All of it.", finish=finish, done=done)) == ("All of it.", None, 1)


def test_an_endless_stream_is_cut():
    text, error, requests = ask_of(endless, max_tokens=5)
    assert isinstance(error, BackendInterrupted)
    assert (len(text), requests) == (200, 1)
    assert "backend.max_tokens" in str(error)


def test_an_endless_line_is_no_stream():
    line = b"data: " + b"x" * 65536
    _text, error, requests = ask_of(sends(line, *[b"x" * 65536] * 20))
    assert isinstance(error, BackendRefused)
    assert requests == 1


def test_the_limit_of_tokens_is_named():
    text, error, requests = ask_of(says("SPANN needs", finish="length"))
    assert isinstance(error, BackendInterrupted)
    assert (text, requests) == ("SPANN needs", 1)
    assert "Raise backend.max_tokens" in str(error)


def test_the_limit_of_tokens_before_any_text_is_no_answer():
    text, error, _requests = ask_of(says(finish="length"))
    assert isinstance(error, BackendRefused)
    assert text == ""
    assert "Raise backend.max_tokens" in str(error)


def test_a_filtered_answer_is_marked():
    _text, error, _requests = ask_of(says("SPANN", finish="content_filter"))
    assert isinstance(error, BackendInterrupted)
    assert "content_filter" in str(error)


# --- malformed ---------------------------------------------------------------------------

MALFORMED = {
    "half an event": b'data: {"choices": [{"delta"\n\n',
    "no colon": b'data {"choices": []}\n\n',
    "a list": b"data: [1]\n\n",
    "deep": b"data: " + b'{"a":' * 100_000 + b"\n\n",
    "not UTF-8": event("caf\xe9").replace(b"\\u00e9", b"\xe9"),
}


@pytest.mark.parametrize("bad", MALFORMED.values(), ids=MALFORMED)
def test_malformed_events(bad):
    text, error, requests = ask_of(sends(bad))
    assert isinstance(error, BackendRefused)
    assert (text, requests) == ("", 1)
    assert "--base-url" in str(error) or "Ask again" in str(error)


@pytest.mark.parametrize("bad", MALFORMED.values(), ids=MALFORMED)
def test_malformed_events_after_text(bad):
    text, error, requests = ask_of(sends(event("SPANN "), bad, event("x", "stop"), DONE))
    assert isinstance(error, BackendInterrupted)
    assert (text, requests) == ("SPANN ", 1)


def test_a_character_split_across_packets_is_whole():
    raw = json.dumps({"choices": [{"delta": {"content": "café 🧪 naïve"}}]}, ensure_ascii=False)
    packets = [bytes([byte]) for byte in f"data: {raw}\r\n\r\n".encode()]
    text, error, _ = ask_of(sends(*packets, DONE))
    assert (text, error) == ("café 🧪 naïve", None)


def test_a_line_separator_in_the_text_ends_no_line():
    raw = json.dumps({"choices": [{"delta": {"content": "a\u2028b\x85c"}}]}, ensure_ascii=False)
    text, error, _ = ask_of(sends(f"data: {raw}\n\n".encode(), DONE))
    assert (text, error) == ("a\u2028b\x85c", None)


def test_a_lone_surrogate_can_be_printed():
    text, error, _ = ask_of(sends(event("a\ud800b"), DONE))
    assert (text, error) == ("a?b", None)


@pytest.mark.parametrize("name", [b"", b"event: error\n"])
def test_an_error_event_in_mid_stream(name):
    failure = name + data({"error": {"message": "out of memory", "type": "server_error"}})
    text, error, requests = ask_of(sends(event("SPANN "), failure))
    assert isinstance(error, BackendInterrupted)
    assert (text, requests) == ("SPANN ", 1)
    assert "out of memory" in str(error)
    assert "server's own log" in str(error)


@pytest.mark.parametrize("kind", ["application/json", "text/event-stream"])
def test_a_200_with_an_error_body(kind):
    body = json.dumps({"error": {"message": f"no GPU for {KEY}"}}, indent=2).encode()
    text, error, requests = ask_of(sends(body, kind=kind))
    assert isinstance(error, BackendRefused)
    assert (text, requests) == ("", 1)
    assert "no GPU for ***" in str(error)


def test_json_in_answer_to_a_stream_request():
    whole = {"choices": [{"message": {"content": "32 GB"}, "finish_reason": "stop"}]}
    text, error, requests = ask_of(sends(json.dumps(whole).encode(), kind="application/json"))
    assert isinstance(error, BackendRefused)
    assert (text, requests) == ("", 1)
    assert "JSON" in str(error)
    assert "--base-url" in str(error)


def test_html_in_answer_to_a_stream_request():
    text, error, requests = ask_of(sends(b"<html>\n<p>Sign in</p>\n</html>", kind="text/html"))
    assert isinstance(error, BackendRefused)
    assert (text, requests) == ("", 1)
    assert "web page" in str(error)
    assert "--base-url" in str(error)


EMPTY = {
    "choices empty": data({"choices": []}),
    "choices missing": data({}),
    "choices null": data({"choices": None}),
    "choice null": data({"choices": [None]}),
    "delta null": data({"choices": [{"delta": None}]}),
    "content null": event(None),
    "content blank": event(" \n"),
    "content a number": data({"choices": [{"delta": {"content": 1}}]}),
}


@pytest.mark.parametrize("chunk", EMPTY.values(), ids=EMPTY)
def test_an_empty_answer(chunk):
    text, error, requests = ask_of(sends(chunk, chunk, DONE))
    assert isinstance(error, BackendRefused)
    assert (text, requests) == ("", 1)
    assert "empty answer" in str(error)
    assert "--model" in str(error)


def test_an_empty_body():
    _text, error, requests = ask_of(sends(b""))
    assert isinstance(error, BackendRefused)
    assert requests == 1


# --- refused -----------------------------------------------------------------------------


def told(message, **more):
    return {"error": {"message": message, "type": "some_error", **more}}


def test_429_waits_as_long_as_asked():
    began = time.monotonic()
    text, error, requests = ask_of(fails(429, told("slow down"), Retry_After="1"), says("Yes."))
    assert (text, error, requests) == ("Yes.", None, 2)
    assert 1 <= time.monotonic() - began < 3


@pytest.mark.parametrize("after", ["300", "Fri, 01 Jan 2100 00:00:00 GMT"])
def test_429_with_a_wait_longer_than_the_deadline(after):
    began = time.monotonic()
    _text, error, requests = ask_of(fails(429, told("slow down"), Retry_After=after))
    assert isinstance(error, BackendRefused)
    assert (error.status, requests) == (429, 1)
    assert "Wait and ask again" in str(error)
    assert "asks to wait" in str(error)
    assert time.monotonic() - began < 2


@pytest.mark.parametrize("after", ["soon", "-5", "nan", "inf"])
def test_429_with_a_wait_that_means_nothing(after):
    _text, error, requests = ask_of(fails(429, told("slow down"), Retry_After=after))
    assert isinstance(error, BackendRefused)
    assert requests == 3


def test_no_credit_is_not_tried_again():
    _text, error, requests = ask_of(fails(429, told("quota", code="insufficient_quota")))
    assert isinstance(error, BackendRefused)
    assert (error.status, requests) == (429, 1)
    assert "credit" in str(error)
    assert "--backend extractive" in str(error)


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_failing_server_is_tried_again(status):
    _text, error, requests = ask_of(fails(status, told("boom")))
    assert isinstance(error, BackendRefused)
    assert (error.status, requests) == (status, 3)
    assert "boom" in str(error)
    assert "server's own log" in str(error)


REFUSALS = [
    (401, told("bad key"), "OPENAI_API_KEY"),
    (403, told("not yours"), "OPENAI_API_KEY"),
    (404, told("no model m"), "--model"),
    (404, {"detail": "Not Found"}, "/v1"),
    (404, {"error": "model 'm' not found"}, "model 'm' not found"),
    (400, told("This model's maximum context length is 8192 tokens"), "retrieval.k"),
    (400, told("no", code="context_length_exceeded"), "retrieval.k"),
    (400, told("temperature must be 1"), "temperature"),
    (422, {"detail": [{"msg": "bad"}]}, "--model"),
    (302, "", "--base-url"),
]


@pytest.mark.parametrize(("status", "body", "fix"), REFUSALS)
def test_a_refusal_is_not_tried_again(status, body, fix):
    text, error, requests = ask_of(fails(status, body))
    assert isinstance(error, BackendRefused)
    assert (text, error.status, requests) == ("", status, 1)
    assert fix in str(error)


def test_a_page_of_html_is_cut_to_its_words():
    page = f"<html><h1>Bad gateway</h1><p>{'x' * 5000}</p></html>"
    _text, error, _requests = ask_of(fails(502, page, kind="text/html"), retries=0)
    assert "Bad gateway" in str(error)
    assert "<" not in str(error)
    assert len(str(error)) < 600


@pytest.mark.parametrize("status", [400, 401, 500])
def test_an_echoed_key_is_scrubbed_even_at_the_cut(status):
    for before in (0, 285):
        body = told("x" * before + f" Incorrect API key provided: {KEY}. " + KEY)
        _text, error, _requests = ask_of(fails(status, body), retries=0)
        assert "sk-secret" not in str(error)


def test_an_error_body_without_end_is_not_waited_for():
    def behave(wire: Wire) -> None:
        wire.head(500, "application/json")
        while not wire.wait(0.02):
            wire.send(b" ")

    _text, error, requests = ask_of(behave, first_token_timeout=0.4)
    assert isinstance(error, BackendUnreachable)
    assert requests == 1


# --- what is left behind -----------------------------------------------------------------


@pytest.mark.parametrize("behaviour", [stall_after("SPANN "), endless, drip])
def test_giving_up_leaves_no_thread(behaviour):
    with ChatServer(behaviour) as server:
        ask(server.url, token_timeout=0.2, first_token_timeout=0.2)
        _wait_for_threads()


def test_a_reader_who_leaves_hangs_up():
    with ChatServer(stall_after("SPANN ", "needs ")) as server:
        pieces = backend(server.url).complete(QUESTION)
        assert next(pieces) == "SPANN "
        pieces.close()
        _wait_for_threads()


def _wait_for_threads():
    until = time.monotonic() + 2
    while any(thread.name == "footnoted-backend" for thread in threading.enumerate()):
        assert time.monotonic() < until, "the reading thread is still there"
        time.sleep(0.01)
