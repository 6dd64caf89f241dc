from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import httpx
import pytest

from rag.chatbot import Chatbot
from tests.ui.conftest import QUESTION
from ui.access import Access
from ui.options import Options
from ui.service import Service
from ui.work import TooOften

Serving = Callable[..., AbstractContextManager[str]]
BODY = {"question": QUESTION}


def test_every_response_carries_the_headers(serving: Serving) -> None:
    with serving() as url:
        replies = [httpx.get(url + path) for path in ("/healthz", "/login", "/nowhere")]
    for reply in replies:
        policy = reply.headers["content-security-policy"]
        assert "default-src 'self'" in policy and "frame-ancestors 'none'" in policy
        script = policy.split("script-src ")[1].split(";")[0]
        assert "unsafe" not in script and "*" not in script
        assert reply.headers["x-content-type-options"] == "nosniff"
        assert reply.headers["referrer-policy"] == "same-origin"
        assert "server" not in reply.headers


def test_a_name_that_is_not_ours_is_turned_away(serving: Serving) -> None:
    with serving() as url:
        rebound = httpx.get(f"{url}/api/papers", headers={"Host": "evil.example"})
        local = httpx.get(url.replace("127.0.0.1", "localhost") + "/api/papers")
    assert (rebound.status_code, local.status_code) == (421, 200)


def test_a_name_that_was_allowed_is_ours(serving: Serving, known: dict[str, str]) -> None:
    with serving(allowed_hosts=("papers.example.org",)) as url:
        named = httpx.get(f"{url}/healthz", headers={"Host": "papers.example.org:443"})
    assert named.status_code == 200


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}],
)
def test_another_site_can_neither_write_nor_read(serving: Serving, headers: dict[str, str]) -> None:
    with serving() as url:
        reply = httpx.post(f"{url}/api/ask", json=BODY, headers=headers)
        read = httpx.get(f"{url}/api/papers", headers={"Origin": "https://evil.example"})
        mine = httpx.post(f"{url}/api/ask", json=BODY, headers={"Origin": url})
    assert reply.status_code == 403
    assert not any(name.startswith("access-control") for name in read.headers)
    assert mine.status_code == 200


def test_a_body_that_is_too_long_is_refused_declared_or_not(serving: Serving) -> None:
    def drip() -> Iterator[bytes]:
        for _ in range(20):
            yield b"x" * 1000

    files = [("files", ("x.jsonl", io.BytesIO(b"x" * 30_000)))]
    with serving(max_body=10_000, max_upload=20_000) as url:
        declared = httpx.post(f"{url}/api/ask", content=b"x" * 20_000)
        dripped = httpx.post(f"{url}/api/ask", content=drip())
        upload = httpx.post(f"{url}/api/ingest", files=files)
        still = httpx.get(f"{url}/healthz")
    assert [r.status_code for r in (declared, dripped, upload, still)] == [413, 413, 413, 200]


def test_one_client_cannot_ask_without_end(serving: Serving) -> None:
    with serving(per_minute=3) as url:
        codes = [httpx.get(f"{url}/api/papers").status_code for _ in range(5)]
        last = httpx.get(f"{url}/api/papers")
        health = httpx.get(f"{url}/healthz")
    assert codes == [200, 200, 200, 429, 429]
    assert 0 < int(last.headers["retry-after"]) <= 61
    assert health.status_code == 200


def test_what_a_page_says_while_somebody_types_is_counted_apart(serving: Serving) -> None:
    with serving(per_minute=2) as url, httpx.Client(base_url=url) as client:
        chatter = [client.get("/gradio_api/queue/data").status_code for _ in range(41)]
        papers = [client.get("/api/papers").status_code for _ in range(3)]
    assert chatter == [404] * 40 + [429]  # there is no page here; the guard stands before it
    assert papers == [200, 200, 429]


def test_a_question_on_the_page_counts_as_one(bot: Chatbot) -> None:
    service = Service(bot, Options(home=bot.home, per_minute=2))
    for _ in range(2):
        service.pace("ada")
    with pytest.raises(TooOften, match=r"again in \d+ s"):
        service.pace("ada")
    service.pace("bob")
    service.close()


@pytest.mark.parametrize(
    "path",
    ["/monitoring", "/gradio_api/proxy=http://evil.example", "/gradio_api/vibe-code",
     "/gradio_api/dev/reload", "/gradio_api/deep_link", "/gradio_api/run-history/connect"],
)  # fmt: skip
def test_what_gradio_brings_and_nobody_needs_is_not_there(serving: Serving, path: str) -> None:
    with serving() as url:
        assert httpx.get(url + path).status_code == 404


@pytest.fixture
def known(bot: Chatbot) -> dict[str, str]:
    access = Access(bot.home / "access")
    access.add_user("ada", "a long password")
    return {"Authorization": f"Bearer {access.add_token('script')}"}


def test_where_somebody_is_known_nobody_else_comes_in(
    serving: Serving, known: dict[str, str]
) -> None:
    with serving() as url:
        closed = [
            httpx.get(f"{url}/api/papers"), httpx.post(f"{url}/api/ask", json=BODY),
            httpx.get(f"{url}/v1/models"), httpx.get(f"{url}/metrics"), httpx.get(f"{url}/"),
            httpx.get(f"{url}/openapi.json"), httpx.get(f"{url}/gradio_api/info"),
            httpx.get(f"{url}/api/papers", headers={"Authorization": "Bearer wrong"}),
        ]  # fmt: skip
        page = httpx.get(f"{url}/", headers={"Accept": "text/html"})
        opened = httpx.get(f"{url}/api/papers", headers=known)
        health = [httpx.get(f"{url}{path}") for path in ("/healthz", "/readyz")]
    assert {reply.status_code for reply in closed} == {401}
    assert page.status_code == 303 and page.headers["location"] == "/login"
    assert opened.status_code == 200
    assert [reply.status_code for reply in health] == [200, 200]


def test_a_password_opens_a_session_and_leaving_ends_it(
    serving: Serving, known: dict[str, str]
) -> None:
    with serving() as url, httpx.Client(base_url=url) as client:
        wrong = client.post("/login", data={"name": "ada", "password": "a wrong one"})
        right = client.post("/login", data={"name": "ada", "password": "a long password"})
        inside = client.get("/api/papers")
        cookie = right.headers["set-cookie"]
        client.post("/logout")
        outside = client.get("/api/papers")
    assert (wrong.status_code, right.status_code) == (401, 303)
    assert "HttpOnly" in cookie and "SameSite=lax" in cookie
    assert (inside.status_code, outside.status_code) == (200, 401)


def test_attempts_are_limited(serving: Serving, known: dict[str, str]) -> None:
    def attempt(client: Any, password: str) -> int:
        return int(client.post("/login", data={"name": "ada", "password": password}).status_code)

    with serving() as url, httpx.Client(base_url=url) as client:
        codes = [attempt(client, f"guess number {n}") for n in range(5)]
        locked = attempt(client, "a long password")
    assert codes == [401] * 5 and locked == 429
