"""`footnoted conversations`: what was asked before, to list, read, export, rename or delete."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rag._cli_output import put, put_json, say
from rag.errors import ConversationNotFound

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable

    from rag.conversations import Conversations

ACTIONS = ("list", "show", "export", "rename", "delete")
FORMATS = ("markdown", "json", "bibtex", "ris")
_HELP = """\
An ID may be cut short as long as it fits one conversation alone; `last` is the one used last.
`export` prints the conversation (markdown, json), or the papers that it cites (bibtex, ris).

examples:
  footnoted conversations
  footnoted conversations show last
  footnoted conversations export 3f2a --format bibtex > cited.bib
  footnoted conversations rename last "Graph indexes on disk"
"""


def add(commands: Any) -> None:
    from rag._cli_parser import _command, _json

    parser: ArgumentParser = _command(
        commands, "conversations", "list, show, export, rename or delete what was asked", _HELP
    )
    parser.add_argument("action", nargs="?", choices=ACTIONS, default="list", metavar="ACTION",
                        help="list (default), show, export, rename or delete")  # fmt: skip
    parser.add_argument("id", nargs="?", metavar="ID", help="which one, as `list` prints it")
    parser.add_argument("title", nargs="*", metavar="TITLE", help="the new name, for rename")
    parser.add_argument(
        "--format", choices=FORMATS, default="markdown", help="of an export (default: markdown)"
    )
    _json(parser)


def run(args: Namespace) -> int:
    from rag.cli import _home

    return run_in(_home(args), args)


def run_in(home: Path, args: Namespace) -> int:
    """Do what `args` say with the conversations of `home`; the exit status."""
    from rag.conversations import Conversations

    kept = Conversations(home)
    if args.action == "list":
        return _list(kept, args)
    if not args.id or (args.action == "rename") != bool(args.title):
        say(f"{args.action} takes {'an ID and a TITLE' if args.action == 'rename' else 'one ID'}. "
            "Run: footnoted conversations --help")  # fmt: skip
        return 2
    return _ACTIONS[args.action](kept, find(kept, args.id), args)


def find(kept: Conversations, given: str, owner: str = "") -> str:
    """The id that `given` stands for: itself, its beginning, or "last"."""
    ids = [listed.id for listed in kept.list(owner)]
    if given == "last" and ids:
        return ids[0]
    fitting = [name for name in ids if name.startswith(given)]
    if len(fitting) != 1:
        what = "several conversations begin with" if fitting else "there is no conversation"
        raise ConversationNotFound(f"{what} '{given}'. Run: footnoted conversations list")
    return fitting[0]


def _list(kept: Conversations, args: Namespace) -> int:
    found = kept.list()
    if args.json:
        put_json([listed._asdict() for listed in found])
    elif not found:
        say("no conversation yet. Begin one: footnoted chat")
    for listed in () if args.json else found:
        day = listed.updated[:16].replace("T", " ")
        put(f"{listed.id}  {day}  {listed.turns:>3}  {listed.title}")
    return 0


def _show(kept: Conversations, name: str, args: Namespace) -> int:
    if args.json:
        put(kept.export(name, "json").rstrip())
        return 0
    from rag._cli_format import answer_text, one_line
    from rag._cli_output import width
    from rag.conversations import answer_of

    for turn in kept.turns(name):
        put(f"> {one_line(turn['question'])}\n\n{answer_text(answer_of(turn), width())}\n")
    return 0


def _export(kept: Conversations, name: str, args: Namespace) -> int:
    sys.stdout.write(kept.export(name, "json" if args.json else args.format))
    return 0


def _rename(kept: Conversations, name: str, args: Namespace) -> int:
    kept.rename(name, " ".join(args.title))
    return _done(args, renamed=name)


def _delete(kept: Conversations, name: str, args: Namespace) -> int:
    kept.delete(name)
    return _done(args, deleted=name)


def _done(args: Namespace, **what: str) -> int:
    ((word, name),) = what.items()
    if args.json:
        put_json(what)
    else:
        put(f"{name} {word}")
    return 0


_ACTIONS: dict[str, Callable[[Conversations, str, Namespace], int]] = {
    "show": _show,
    "export": _export,
    "rename": _rename,
    "delete": _delete,
}
