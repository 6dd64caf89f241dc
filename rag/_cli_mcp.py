"""`footnoted mcp`: the collection as a Model Context Protocol server on standard input/output."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from argparse import Namespace

_HELP = """\
A program that speaks MCP starts this command and asks over its standard input and output. It
offers three tools: search, ask and get_paper. Over HTTP the same is at /mcp of `footnoted serve`.

examples:
  footnoted mcp --home ./papers
  footnoted mcp --backend openai --base-url http://localhost:8000/v1 --model NAME
"""


def add(commands: Any) -> None:
    from rag._cli_parser import _backend, _command

    _backend(_command(commands, "mcp", "answer programs that speak MCP", _HELP))


def run(args: Namespace) -> int:
    from rag.cli import _bot

    with _bot(args) as (bot, _):
        from ui.mcp_server import make
        from ui.options import Options
        from ui.service import Service

        service = Service(bot, Options(home=bot.home, waiting=16))
        try:
            make(service).run("stdio")
        finally:
            service.close()
    return 0
