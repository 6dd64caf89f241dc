"""`footnoted serve`: the page and the service. Everything but the options lives in `ui`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from rag._cli_output import put, say

if TYPE_CHECKING:
    from argparse import Namespace
    from pathlib import Path

_HELP = """\
The page is at /, the API at /api and /openapi.json, an OpenAI-compatible model at /v1, an MCP
server at /mcp, and /healthz, /readyz and /metrics tell how it is. Log lines go to standard
error. Ctrl-C or SIGTERM ends it when what is being answered has been answered.

Others can only reach it with --host, and then it wants to know them: --add-user asks for a
password (or reads it from standard input), --add-token prints a token for a program. Both are
kept, hashed, in the file `access` of the home. See docs/serving.md.

examples:
  footnoted serve
  footnoted serve --home ./papers --port 8080 --read-only
  footnoted serve --add-user ada
  footnoted serve --host 0.0.0.0 --behind-tls --allow-host papers.example.org
"""


def add(commands: Any) -> None:
    from rag._cli_parser import _backend, _command

    parser = _command(commands, "serve", "serve the page and the API", _HELP)
    parser.add_argument("--host", default="127.0.0.1", help="address (default: 127.0.0.1)")
    parser.add_argument("--port", type=_port, default=7860, help="port (default: 7860)")
    parser.add_argument("--read-only", action="store_true", help="nobody may add or delete papers")
    parser.add_argument("--no-page", action="store_true", help="only the API, which starts faster")
    _backend(parser)
    _who(parser.add_argument_group("who may come in"))
    _limits(parser.add_argument_group("limits"))


def run(args: Namespace) -> int:
    from rag.cli import _bot, _home

    home = _home(args)
    if args.add_user or args.add_token:
        return _add(args, home)
    _import_ui()
    from ui.serve import say_to_stderr, serve

    with _bot(args) as (bot, _):
        return serve(bot, _options(args, home), say=say_to_stderr, page=not args.no_page)


def _who(group: Any) -> None:
    group.add_argument("--access", metavar="FILE", help="users and tokens (default: HOME/access)")
    group.add_argument("--add-user", metavar="NAME", help="add a user or change the password")
    group.add_argument("--add-token", metavar="NAME", help="make and print a token for a program")
    group.add_argument(
        "--allow-host", action="append", default=[], metavar="NAME",
        help="a host name that requests may use (can be repeated)",
    )  # fmt: skip
    group.add_argument(
        "--behind-tls", action="store_true", help="a proxy in front speaks https: secure cookies"
    )


def _limits(group: Any) -> None:
    for flag, default, text in (
        ("--concurrent", 16, "answers made at the same time"),
        ("--waiting", 64, "questions that may wait in line"),
        ("--seconds", 180, "time for one answer, waiting included"),
        ("--drain", 30, "seconds to finish answers when stopped"),
        ("--max-question", 2000, "characters of a question"),
        ("--max-upload", 50, "megabytes of an upload"),
    ):
        group.add_argument(
            flag, type=_positive, default=default, metavar="N", help=f"{text} (default: {default})"
        )
    group.add_argument(
        "--per-minute", type=int, metavar="N",
        help="requests a minute of one client, 0 for any number (default: 120; on loopback: 0)",
    )  # fmt: skip
    group.add_argument(
        "--log-text",
        action="store_true",
        help="write questions into the log, which leaves them out",
    )


def _options(args: Namespace, home: Path) -> Any:
    from pathlib import Path

    from ui.options import Options

    return Options(
        home=home,
        host=args.host,
        port=args.port,
        concurrent=args.concurrent,
        waiting=args.waiting,
        per_minute=args.per_minute,
        total_seconds=args.seconds,
        drain_seconds=args.drain,
        max_question=args.max_question,
        max_upload=args.max_upload * 1_000_000,
        read_only=args.read_only,
        access=Path(args.access) if args.access else None,
        allowed_hosts=tuple(args.allow_host),
        behind_tls=args.behind_tls,
        log_text=args.log_text,
    )


def _add(args: Namespace, home: Path) -> int:
    _import_ui()
    from ui.access import Access

    access = Access(_options(args, home).access_file)
    if args.add_user:
        access.add_user(args.add_user, _password())
        say(f"'{args.add_user}' may come in; kept in {access.path}")
    if args.add_token:
        put(access.add_token(args.add_token))
        say(f"the token of '{args.add_token}'; it is shown this once. Kept hashed in {access.path}")
    return 0


def _password() -> str:
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\n")
    from getpass import getpass

    from rag.errors import ConfigError

    password = getpass("Password: ")
    if getpass("Again: ") != password:
        raise ConfigError("the two passwords differ. Run the same command again.")
    return password


def _import_ui() -> None:
    from importlib.util import find_spec

    from rag.errors import ConfigError

    if find_spec("ui") is None:
        raise ConfigError("the package `ui` is not installed; reinstall footnoted")


def _port(text: str) -> int:
    import argparse

    if not text.isdecimal() or int(text) > 65_535:
        raise argparse.ArgumentTypeError(f"'{text}' is no port: 1 to 65535, or 0 for a free one")
    return int(text)


def _positive(text: str) -> int:
    from rag._cli_parser import _positive as positive

    return positive(text)
