"""The official MCP client, in process, over HTTP and against the command."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from mcp.client.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

from rag.chatbot import Chatbot
from tests.conftest import ROOT
from tests.ui.conftest import QUESTION, make_bot
from tests.ui.test_serve import TOML
from ui.mcp_server import make
from ui.options import Options
from ui.service import Service

Serving = Callable[..., AbstractContextManager[str]]


async def use(where: Any) -> tuple[list[str], dict[str, Any], dict[str, Any], Any]:
    async with Client(where) as client:
        tools = [tool.name for tool in (await client.list_tools()).tools]
        hits = await client.call_tool("search", {"query": "memory for a billion vectors"})
        assert (hits.structured_content or {})["hits"][0]["paper_id"] == "spann"
        answer = await client.call_tool("ask", {"question": QUESTION})
        assert answer.structured_content is not None
        name = answer.structured_content["citations"][0]["paper_id"]
        paper = await client.call_tool("get_paper", {"paper_id": name})
        missing = await client.call_tool("get_paper", {"paper_id": "nowhere"})
        return tools, answer.structured_content, paper.structured_content or {}, missing


def check(tools: list[str], answer: dict[str, Any], paper: dict[str, Any], missing: Any) -> None:
    assert tools == ["search", "ask", "get_paper"]
    cited = answer["citations"][0]
    assert paper["abstract"][cited["start"] : cited["end"]] == cited["quote"]
    assert "[1] SPANN: Search on disk" in answer["with_footnotes"]
    assert missing.is_error and "search" in missing.content[0].text


def test_in_process(bot: Chatbot) -> None:
    service = Service(bot, Options(home=bot.home))
    check(*asyncio.run(use(make(service))))

    async def filtered() -> Any:
        async with Client(make(service)) as client:
            return await client.call_tool("search", {"query": "index", "year_to": 2019})

    hits = asyncio.run(filtered()).structured_content["hits"]
    assert [hit["paper_id"] for hit in hits] == ["diskann"]
    service.close()


def test_over_http(serving: Serving) -> None:
    with serving() as url:
        check(*asyncio.run(use(f"{url}/mcp")))


def test_the_command(tmp_path: Path) -> None:
    home = tmp_path / "home"
    make_bot(home).close()
    (home / "footnoted.toml").write_text(TOML)
    words = ["-m", "rag.cli", "mcp", "--home", str(home)]
    parameters = StdioServerParameters(
        command=sys.executable, args=words, cwd=ROOT, env=dict(os.environ)
    )
    check(*asyncio.run(use(stdio_client(parameters))))


def test_it_does_not_hold_pydantic_back() -> None:
    from importlib.metadata import version

    assert int(version("pydantic").split(".")[1]) >= 12


@pytest.mark.parametrize("arguments", [{}, {"question": ""}, {"question": "x" * 2001}])
def test_what_cannot_be_asked_is_an_error_and_no_crash(
    bot: Chatbot, arguments: dict[str, Any]
) -> None:
    service = Service(bot, Options(home=bot.home))

    async def call() -> Any:
        async with Client(make(service)) as client:
            return await client.call_tool("ask", arguments)

    assert asyncio.run(call()).is_error
    service.close()
