"""`footnoted backends`: who can write answers now, and what the others lack."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rag._cli_output import put, put_json, width

if TYPE_CHECKING:
    from argparse import Namespace

_HELP = """\
What is missing is told with the command or setting that mends it. Nothing is sent anywhere; of a
server on this machine it is tried whether it listens.

examples:
  footnoted backends
  footnoted backends --json
"""


def add(commands: Any) -> None:
    from rag._cli_parser import _command, _json

    _json(_command(commands, "backends", "list who can write answers, and what they lack", _HELP))


def run(args: Namespace) -> int:
    from rag._cli_format import listed_text
    from rag.backends._offered import offered
    from rag.cli import _home
    from rag.config import Settings

    settings = Settings.load(_home(args))
    found = offered(settings.backend, settings.plugins.backends)
    if args.json:
        put_json([{**item._asdict(), "usable": item.usable} for item in found])
        return 0
    for item in found:
        mark = "*" if item.name == settings.backend.name else " "
        put(listed_text(f"{mark} {item.name}", item.lacks or f"ready{_of(item.model)}", width()))
    return 0


def _of(model: str | None) -> str:
    return f" ({model})" if model else ""
