"""The official client against /v1."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import openai
import pytest

from rag.chatbot import Chatbot
from tests.ui.conftest import QUESTION, live, make_bot, scripted
from ui.access import Access

Serving = Callable[..., AbstractContextManager[str]]


@pytest.fixture
def client(serving: Serving) -> Iterator[openai.OpenAI]:
    with serving() as url, openai.OpenAI(base_url=f"{url}/v1", api_key="none") as client:
        yield client


def test_the_text_has_its_footnotes_and_the_answer_comes_along(client: openai.OpenAI) -> None:
    found = client.chat.completions.create(
        model="footnoted", messages=[{"role": "user", "content": QUESTION}]
    )
    text = found.choices[0].message.content or ""
    answer = found.model_extra["footnoted"]  # type: ignore[index]
    assert text.startswith(answer["text"]) and "[1] SPANN: Search on disk (2021)." in text
    assert answer["citations"][0]["paper_id"] == "spann"
    assert found.choices[0].finish_reason == "stop"


def test_a_stream_says_the_same(client: openai.OpenAI) -> None:
    messages = [{"role": "user", "content": [{"type": "text", "text": QUESTION}]}]
    whole = client.chat.completions.create(model="footnoted", messages=messages)  # type: ignore[arg-type]
    chunks = list(
        client.chat.completions.create(
            model="footnoted", messages=messages, stream=True,  # type: ignore[arg-type]
            stream_options={"include_usage": True},
        )
    )  # fmt: skip
    pieces = [c.choices[0].delta.content or "" for c in chunks if c.choices]
    assert "".join(pieces) == whole.choices[0].message.content
    assert len(pieces) > 5
    assert chunks[-1].usage is not None
    assert chunks[-2].model_extra["footnoted"]["citations"]  # type: ignore[index]


def test_a_conversation_leans_on_what_was_said(client: openai.OpenAI) -> None:
    found = client.chat.completions.create(
        model="footnoted/extractive",
        messages=[
            {"role": "system", "content": "You are helpful."},
            {"role": "user", "content": QUESTION},
            {"role": "assistant", "content": "SPANN needs 32 GB."},
            {"role": "user", "content": "Does it beat DiskANN?"},
        ],
    )
    answer = found.model_extra["footnoted"]  # type: ignore[index]
    assert "SPANN" in answer["standalone_question"]


def test_the_models_are_the_backends(client: openai.OpenAI) -> None:
    assert [m.id for m in client.models.list()] == ["footnoted", "footnoted/extractive"]
    assert client.models.retrieve("footnoted/extractive").owned_by == "footnoted"
    with pytest.raises(openai.NotFoundError):
        client.chat.completions.create(model="gpt-9", messages=[{"role": "user", "content": "x"}])
    with pytest.raises(openai.BadRequestError, match="no message of the user"):
        client.chat.completions.create(
            model="footnoted", messages=[{"role": "system", "content": "x"}]
        )


def test_a_backend_that_fails_is_an_error(tmp_path: object, bot: Chatbot) -> None:
    asked: Any = {"model": "footnoted", "messages": [{"role": "user", "content": QUESTION}]}
    with (
        make_bot(bot.home.parent / "other", **scripted()) as failing,
        live(failing) as (url, _),
        openai.OpenAI(base_url=f"{url}/v1", api_key="x", max_retries=0) as client,
    ):
        with pytest.raises(openai.InternalServerError, match="scripted backend"):
            client.chat.completions.create(**asked)
        with pytest.raises(openai.APIError, match="scripted backend"):
            list(client.chat.completions.create(**asked, stream=True))


def test_a_token_is_the_key(serving: Serving, bot: Chatbot) -> None:
    token = Access(bot.home / "access").add_token("chat-ui")
    with serving() as url:
        with openai.OpenAI(base_url=f"{url}/v1", api_key=token) as client:
            assert client.models.list().data
        wrong = openai.OpenAI(base_url=f"{url}/v1", api_key="wrong", max_retries=0)
        with wrong, pytest.raises(openai.AuthenticationError):
            wrong.models.list()
