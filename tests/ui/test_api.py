from __future__ import annotations

import io
import json
import logging
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx
import pytest

from rag.chatbot import Chatbot
from rag.config import Settings
from tests.ui.conftest import PAPERS, QUESTION, SETTINGS, as_record, live, make_bot, scripted
from ui.access import Access

Serving = Callable[..., AbstractContextManager[str]]
KEYS = [
    "id", "question", "standalone_question", "text", "refused", "refusal", "sentences",
    "citations", "nearest", "backend", "model", "truncated", "seconds", "tokens",
]  # fmt: skip


def events(text: str) -> list[tuple[str, Any]]:
    blocks = [block for block in text.split("\n\n") if block.startswith("event:")]
    pairs = (block.split("\ndata: ", 1) for block in blocks)
    return [(name.removeprefix("event: "), json.loads(data)) for name, data in pairs]


def wait_for(client: httpx.Client, job: str) -> dict[str, Any]:
    for _ in range(400):
        found = client.get(f"/api/ingest/{job}").json()
        if found["state"] in ("done", "failed"):
            return dict(found)
        time.sleep(0.02)
    raise AssertionError("the job did not end")


def test_ask_gives_the_object_of_the_contract_with_true_quotes(serving: Serving) -> None:
    with serving() as url:
        answer = httpx.post(f"{url}/api/ask", json={"question": QUESTION}).json()
        paper = httpx.get(f"{url}/api/papers/{answer['citations'][0]['paper_id']}").json()
    assert list(answer)[: len(KEYS)] == KEYS  # later ones come behind
    cited = answer["citations"][0]
    assert paper["abstract"][cited["start"] : cited["end"]] == cited["quote"]
    assert "32 GB" in answer["text"] and "[1]" in answer["text"]


def test_a_stream_tells_the_steps_and_ends_with_the_same_answer(serving: Serving) -> None:
    with serving() as url:
        reply = httpx.post(
            f"{url}/api/ask", json={"question": QUESTION}, headers={"Accept": "text/event-stream"}
        )
    found = events(reply.text)
    assert reply.headers["content-type"].startswith("text/event-stream")
    names = [name for name, _ in found]
    assert names[0] == "retrieval" and names[-1] == "answer" and "verdict" in names
    written = "".join(data["text"] for name, data in found if name == "token")
    assert "32 GB" in written
    assert list(found[-1][1])[: len(KEYS)] == KEYS


def test_filters_backend_and_policy_are_obeyed(serving: Serving) -> None:
    body = {"question": QUESTION, "filters": {"year": [None, 2020]}, "policy": "drop"}
    with serving() as url:
        answer = httpx.post(f"{url}/api/ask", json={**body, "backend": "extractive"}).json()
        bad = httpx.post(f"{url}/api/ask", json={**body, "backend": "openai"})
    assert {c["paper_id"] for c in answer["citations"]} <= {"diskann"}
    assert bad.status_code == 400 and "no backend 'openai' here" in bad.text


def test_a_variant_writes_with_its_own_backend(tmp_path: Path) -> None:
    replies = scripted("SPANN needs 32 GB of memory [1].")
    body = {"question": QUESTION, "backend": "extractive"}
    with make_bot(tmp_path / "home", **replies) as bot, live(bot) as (url, _):
        told = httpx.post(f"{url}/api/ask", json={"question": QUESTION}).json()
        quoted = httpx.post(f"{url}/api/ask", json=body).json()
    assert (told["backend"], quoted["backend"]) == ("scripted", "extractive")
    assert told["text"] == "SPANN needs 32 GB of memory. [1]"


def test_search_gives_the_object_of_the_contract(serving: Serving) -> None:
    with serving() as url:
        found = httpx.post(f"{url}/api/search", json={"query": "SPANN on disk", "k": 2}).json()
    assert list(found) == ["query", "mode", "hits", "seconds"]
    assert found["hits"][0]["paper_id"] == "spann" and len(found["hits"]) == 2


def test_a_search_says_how_it_was_done(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(json.dumps(as_record(PAPERS[0])), encoding="utf-8")
    with Chatbot.open(tmp_path / "home", Settings.model_validate(SETTINGS)) as bot:
        bot.ingest(tmp_path / "a.jsonl", vectors="later")
        with live(bot) as (url, _):
            found = httpx.post(f"{url}/api/search", json={"query": "SPANN"}).json()
    assert (found["mode"], len(found["hits"])) == ("lexical", 1)


def test_a_conversation_goes_on_and_belongs_to_its_owner(serving: Serving, bot: Chatbot) -> None:
    access = Access(bot.home / "access")
    ada = {"Authorization": f"Bearer {access.add_token('ada')}"}
    bob = {"Authorization": f"Bearer {access.add_token('bob')}"}
    with serving() as url:
        talk = httpx.post(f"{url}/api/conversations", headers=ada).json()["id"]
        for question in (QUESTION, "And does it beat DiskANN?"):
            body = {"question": question, "conversation": talk}
            assert httpx.post(f"{url}/api/ask", json=body, headers=ada).status_code == 200
        mine = httpx.get(f"{url}/api/conversations/{talk}", headers=ada).json()
        export = f"{url}/api/conversations/{talk}/export"
        text = httpx.get(export, headers=ada).text
        theirs = [
            httpx.get(f"{url}/api/conversations/{talk}", headers=bob),
            httpx.get(export, headers=bob),
            httpx.delete(f"{url}/api/conversations/{talk}", headers=bob),
            httpx.patch(f"{url}/api/conversations/{talk}", json={"title": "x"}, headers=bob),
            httpx.post(f"{url}/api/ask", json=body, headers=bob),
        ]
        renamed = httpx.patch(
            f"{url}/api/conversations/{talk}", json={"title": "Of memory"}, headers=ada
        )
        titles = httpx.get(f"{url}/api/conversations", headers=ada).json()["conversations"]
        listed = httpx.get(f"{url}/api/conversations", headers=bob).json()
        unknown = httpx.get(f"{url}/api/conversations")
    assert [turn["question"] for turn in mine["turns"]] == [QUESTION, body["question"]]
    assert QUESTION in text
    assert [reply.status_code for reply in theirs] == [404] * 5
    assert renamed.status_code == 204 and [item["title"] for item in titles] == ["Of memory"]
    assert listed == {"conversations": []}
    assert unknown.status_code == 401


def test_a_dropped_file_is_ingested_and_its_rejects_have_reasons(serving: Serving) -> None:
    good = {"title": "Kernels for graphs", "abstract": "Zyxomat kernels compare two graphs."}
    lines = f"{json.dumps(good)}\n" + '{"title": "no abstract"}\n'
    files = [("files", ("../../etc/my papers.jsonl", io.BytesIO(lines.encode())))]
    with serving() as url, httpx.Client(base_url=url) as client:
        reply = client.post("/api/ingest", files=files)
        job = wait_for(client, reply.json()["id"])
        answer = client.post("/api/ask", json={"question": "What do Zyxomat kernels compare?"})
        listed = client.get("/api/ingest").json()["jobs"]
    assert reply.status_code == 202
    assert {name: n for name, n in job["report"].items() if n} == {"ingested": 1, "rejected": 1}
    assert job["rejects"][0]["reason"] == "no abstract" and job["rejects"][0]["line"] == 2
    assert job["rejects"][0]["source"] == "../../etc/my papers.jsonl"  # what its owner calls it
    assert "two graphs" in answer.json()["text"]
    assert [item["id"] for item in listed] == [job["id"]]


def test_a_file_that_is_no_source_fails_with_a_reason(serving: Serving) -> None:
    files = [("files", ("x.pdf", io.BytesIO(b"%PDF-1.7")))]
    with serving() as url, httpx.Client(base_url=url) as client:
        job = wait_for(client, client.post("/api/ingest", files=files).json()["id"])
    assert job["state"] == "failed" and "x.pdf is a PDF" in job["error"]


def test_a_paper_can_be_deleted_unless_the_collection_is_read_only(serving: Serving) -> None:
    files = [("files", ("x.jsonl", io.BytesIO(json.dumps(as_record(PAPERS[0])).encode())))]
    with serving(read_only=True) as url:
        assert httpx.delete(f"{url}/api/papers/fold").status_code == 403
        assert httpx.post(f"{url}/api/ingest", files=files).status_code == 403
    with serving() as url:
        assert httpx.delete(f"{url}/api/papers/fold").json() == {"deleted": 1}
        assert httpx.delete(f"{url}/api/papers/fold").status_code == 404
        assert httpx.get(f"{url}/api/papers").json()["total"] == 2


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/api/ask", {"question": "x" * 2001}, 400),
        ("/api/ask", {"question": "   "}, 400),
        ("/api/ask", {}, 422),
        ("/api/ask", {"question": "x", "colour": "red"}, 422),
        ("/api/ask", {"question": "x", "policy": "shout"}, 422),
        ("/api/ask", {"question": "x", "conversation": "none"}, 404),
        ("/api/search", {"query": "x", "k": 0}, 422),
        ("/api/search", {"query": "x", "mode": "magic"}, 422),
        ("/api/feedback", {"answer": "", "good": True}, 422),
    ],
)
def test_what_cannot_be_asked_is_told_in_one_shape(
    serving: Serving, path: str, body: dict[str, Any], status: int
) -> None:
    with serving() as url:
        reply = httpx.post(url + path, json=body)
    assert reply.status_code == status
    assert set(reply.json()["error"]) == {"message", "type", "code"}


def test_an_empty_collection_is_ready_and_says_what_to_do(tmp_path: Path) -> None:
    settings = Settings.model_validate(SETTINGS)
    with Chatbot.open(tmp_path / "home", settings) as bot, live(bot) as (url, _):
        ready = httpx.get(f"{url}/readyz")
        answer = httpx.post(f"{url}/api/ask", json={"question": "What is new?"}).json()
    assert ready.status_code == 200 and ready.json()["papers"] == 0
    assert answer["refusal"]["kind"] == "empty_collection"


def test_a_broken_index_is_not_ready(serving: Serving, bot: Chatbot) -> None:
    with serving() as url:
        assert httpx.get(f"{url}/readyz").json() == {"ready": True, "papers": 3, "reason": ""}
    (bot.home / "index" / "current.json").write_text("{")
    bot.close()
    with serving() as url:
        reply = httpx.get(f"{url}/readyz")
    assert reply.status_code == 503 and reply.json()["reason"] == "IndexFailure"


def test_a_thumb_down_is_kept_with_its_reason(serving: Serving, bot: Chatbot) -> None:
    body = {"answer": "a1", "question": "Why?", "good": False, "reason": "wrong"}
    with serving() as url:
        assert httpx.post(f"{url}/api/feedback", json=body).status_code == 204
    kept = json.loads((bot.home / "feedback.jsonl").read_text())
    assert {key: kept[key] for key in body} == body


def test_the_log_says_what_happened_and_not_what_was_asked(
    serving: Serving, caplog: pytest.LogCaptureFixture
) -> None:
    secret = "Is the xylophone secret?"
    with caplog.at_level(logging.INFO, "footnoted.ui"), serving() as url:
        reply = httpx.post(
            f"{url}/api/ask", json={"question": secret}, headers={"X-Request-ID": "mine-1"}
        )
        metrics = httpx.get(f"{url}/metrics").text
    assert reply.headers["x-request-id"] == "mine-1"
    fields = [getattr(record, "fields", {}) for record in caplog.records]
    request = next(f for f in fields if f.get("route") == "/api/ask")
    assert request["id"] == "mine-1" and request["status"] == 200
    assert "xylophone" not in json.dumps(fields) + metrics
    assert 'route="/api/ask",status="200"} 1.0' in metrics
