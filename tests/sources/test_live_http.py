"""The HTTP client under all live queries, against a real server that misbehaves."""

from __future__ import annotations

import gzip
import logging
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from time import monotonic

import pytest

from rag.errors import SourceError, SourceUnreachable, SourceUnreadable
from rag.sources import _http
from rag.sources._failures import Garbled, Refused
from rag.sources._http import Http, Patience
from rag.sources._service import Service
from tests.live_servers import (
    HTML,
    LiveServer,
    Reply,
    cut,
    drips,
    hangs,
    reset,
    sends,
    status,
)
from tests.servers import closed_port

KEY = "k3y-that-nobody-may-see"


@pytest.fixture
def server():
    with LiveServer() as running:
        yield running


def service(url: str, **more) -> Service:
    return Service("Testland", "connectors.test_url", url, more.pop("pause", 0.0), **more)


def ask(url: str, read=bytes.decode, patience=None, handled=(), **more):
    with Http(service(url, **more), patience or Patience(2, 5, 4)) as http:
        return http.get("/api", {"q": "a b&c"}, read, handled)


def words(body: bytes) -> str:
    if body != b"ok":
        raise Garbled("something else")
    return body.decode()


def test_asks_with_the_parameters_and_says_who_asks(server):
    assert ask(server.url + "/", mailto="ada@example.org") == "ok"
    assert (server.asked[0].method, server.asked[0].path) == ("GET", "/api")
    assert server.asked[0].params == {"q": "a b&c"}
    assert server.asked[0].headers["User-Agent"].startswith("footnoted/")
    assert "mailto:ada@example.org" in server.asked[0].headers["User-Agent"]


@pytest.mark.parametrize(
    "fault",
    [status(429), status(500), status(502), status(503), status(504), cut, reset, HTML,
     sends(b""), sends(b"\x1f\x8b not gzip", "text/plain")],
)  # fmt: skip
def test_what_passes_is_tried_again(server, fault):
    server.faults = {1: fault, 2: fault}
    assert ask(server.url, words) == "ok"
    assert len(server.asked) == 3


def test_what_will_not_pass_is_not_tried_again(server):
    for code, kind in ((400, SourceUnreadable), (404, SourceUnreachable), (401, SourceUnreachable)):
        server.asked.clear()
        server.faults = {1: status(code, '{"error": "x", "message": "no such field: colour"}')}
        with pytest.raises(kind, match=rf"Testland .*HTTP {code}: no such field: colour\)"):
            ask(server.url)
        assert len(server.asked) == 1


def test_retry_after_is_waited_for(server):
    server.faults = {1: status(429, Retry_After="1")}
    assert ask(server.url) == "ok"
    assert 1.0 <= server.asked[1].at - server.asked[0].at < 3


def test_retry_after_may_be_a_date(server):
    when = format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True)
    server.faults = {1: status(503, Retry_After=when)}
    assert ask(server.url) == "ok"
    assert server.asked[1].at - server.asked[0].at > 0.5


@pytest.mark.parametrize("value", ["soon", "-5", "nan", "inf", ""])
def test_a_retry_after_that_means_nothing_is_passed_over(server, value):
    server.faults = {1: status(503, Retry_After=value)}
    assert ask(server.url) == "ok"


def test_a_wait_that_is_longer_than_the_patience_is_told_at_once(server):
    server.faults = {1: status(429, "Rate exceeded.", Retry_After="3600")}
    began = monotonic()
    with pytest.raises(SourceUnreachable, match=r"Rate exceeded\).*asks to wait 3600 s.*again"):
        ask(server.url)
    assert monotonic() - began < 2
    assert len(server.asked) == 1


def test_retries_come_to_an_end(server):
    server.faults = dict.fromkeys(range(1, 99), status(503, "<h1>Backend fetch failed</h1>"))
    with pytest.raises(SourceUnreachable, match=r"HTTP 503: Backend fetch failed.*again later"):
        ask(server.url)
    assert len(server.asked) == 5


def test_what_stays_garbled_is_named(server):
    server.faults = dict.fromkeys(range(1, 99), HTML)
    with pytest.raises(SourceUnreachable, match=r"sent something else\. Check connectors\."):
        ask(server.url, words)


@pytest.mark.parametrize("fault", [hangs, drips])
def test_a_reply_that_never_ends_is_given_up(server, fault):
    server.faults = {1: fault, 2: fault}
    began = monotonic()
    with pytest.raises(SourceUnreachable, match=r"not done .*connectors\.(?:timeout|patience)"):
        ask(server.url, patience=Patience(0.3, 0.5, 1))
    assert monotonic() - began < 3


def test_an_endless_reply_is_not_kept(server, monkeypatch):
    monkeypatch.setattr(_http, "MAX_BODY", 2**20)
    server.faults = {1: sends(gzip.compress(b" " * 2**22))}
    server.faults[1] = lambda wire: wire.send(
        Reply(gzip.compress(b" " * 2**24), headers={"Content-Encoding": "gzip"})
    )
    with pytest.raises(SourceUnreadable, match="over 1 MB"):
        ask(server.url)


def test_nobody_there():
    with (
        closed_port() as url,
        pytest.raises(SourceUnreachable, match=r"cannot be reached .*Check the network"),
    ):
        ask(url)


def test_a_server_that_sends_elsewhere_is_not_followed(server):
    server.faults = {1: status(302, Location="http://127.0.0.1:9/")}
    with pytest.raises(SourceUnreachable, match=r"elsewhere: set connectors\.test_url"):
        ask(server.url)
    assert len(server.asked) == 1


def test_a_status_that_the_caller_handles_is_raised_as_it_is(server):
    server.faults = {1: status(401)}
    with pytest.raises(Refused) as refused:
        ask(server.url, handled=(401,))
    assert refused.value.status == 401


@pytest.mark.parametrize("url", ["", "arxiv.org", "ftp://x.org", "http://", "http://x:99999", "//"])
def test_an_address_that_is_none(url):
    with pytest.raises(SourceUnreadable, match=r"connectors\.test_url is no complete address"):
        ask(url)


def test_requests_keep_the_pause_also_across_clients_and_after_a_failure(server):
    server.faults = {2: status(503)}
    for _ in range(3):
        ask(server.url, pause=0.2)
    gaps = [b.at - a.at for a, b in zip(server.asked, server.asked[1:], strict=False)]
    assert len(gaps) == 3
    assert min(gaps) > 0.19


@pytest.mark.parametrize(
    "fault",
    [status(400, f"bad key {KEY}"), status(500, f'{{"error": "{KEY} " , "api-key": "{KEY}"}}'),
     status(403, "x" * 290 + KEY), status(429, KEY), HTML, cut, reset],
)  # fmt: skip
def test_a_key_is_in_no_message_no_log_and_no_address(server, fault, caplog):
    server.faults = dict.fromkeys(range(1, 9), fault)
    caplog.set_level(logging.DEBUG)
    keyed = {"form": {"api_key": KEY}, "headers": {"Authorization": f"Bearer {KEY}"}}
    with pytest.raises(SourceError) as failed:
        ask(server.url.replace("//", f"//ada:{KEY}@"), words, secrets=(KEY,), **keyed)
    shown = [str(failed.value), repr(failed.value), caplog.text]
    error = failed.value
    while error := error.__cause__ or error.__context__:
        shown.append(repr(error))
    assert not any(KEY in text or KEY[:12] in text for text in shown)
    assert server.asked[0].params["api_key"] == KEY
    assert KEY not in server.asked[0].query


def test_a_refused_key_names_its_setting(server):
    server.faults = {1: status(400, '{"error":"API key invalid","api-key":"x"}')}
    with pytest.raises(SourceError, match=r"Set connectors\.some_key to a key that is valid"):
        ask(server.url, key_setting="connectors.some_key")


def test_an_interrupt_is_not_swallowed(server):
    def stop(body):
        raise KeyboardInterrupt

    with suppress(SourceError), pytest.raises(KeyboardInterrupt):
        ask(server.url, stop)
