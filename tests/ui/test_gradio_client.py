"""Gradio's own client, against the page."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from rag.chatbot import Chatbot
from tests.ui.conftest import QUESTION, live
from ui.access import Access

pytestmark = [
    pytest.mark.browser,  # runs beside those tests, for which Gradio is loaded anyway
    pytest.mark.timeout(120),
    pytest.mark.filterwarnings("ignore"),  # of Gradio, as it starts and ends
]
# In a process of its own: the client leaves event loops and sockets open behind it.
PROGRAM = """
import json, sys
from gradio_client import Client
url, question, headers = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
client = Client(url, verbose=False, analytics_enabled=False, headers=headers)
said = {
    "answer": client.predict(question=question, api_name="/ask"),
    "found": client.predict(query="graph index on disk", k=2, api_name="/search"),
    "later": client.submit(question=question, api_name="/ask").result(timeout=30),
    "offered": client.view_api(return_format="dict"),
}
print(json.dumps(said))
"""


@pytest.fixture
def url(bot: Chatbot) -> Iterator[str]:
    with live(bot, page=True) as (url, _):
        yield url


def client(url: str, **headers: str) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-c", PROGRAM, url, QUESTION, json.dumps(headers)]
    return subprocess.run(words, capture_output=True, text=True, timeout=100)


def said(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])  # the client has its say before


def test_it_asks_and_searches_and_is_offered_no_more(url: str) -> None:
    found = said(client(url))
    cited = found["answer"]["citations"][0]
    assert cited["paper_id"] == "spann" and cited["quote"] in found["answer"]["text"]
    assert {hit["paper_id"] for hit in found["found"]["hits"]} == {"diskann", "spann"}
    assert found["later"]["text"] == found["answer"]["text"]
    assert set(found["offered"]["named_endpoints"]) == {"/ask", "/search"}
    assert found["offered"]["unnamed_endpoints"] == {}


def test_a_token_lets_it_in_and_nothing_else_does(bot: Chatbot) -> None:
    token = Access(bot.home / "access").add_token("notebook")
    with live(bot, page=True) as (url, _):
        assert said(client(url, Authorization=f"Bearer {token}"))["answer"]["citations"]
        turned_away = client(url)
    assert turned_away.returncode != 0 and QUESTION not in turned_away.stdout
