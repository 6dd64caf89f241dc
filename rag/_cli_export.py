"""`footnoted export`: the library as a file for other programs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rag._cli_output import say

if TYPE_CHECKING:
    from argparse import Namespace


_FORMATS = ("bibtex", "ris", "jsonl", "csv")
_HELP = """\
Your own citation keys are kept; papers without one get a key such as byron2021sparse.
Without a PAPER_ID all papers are written, or those that the filters admit.

examples:
  footnoted export > library.bib
  footnoted export --format jsonl --output library.jsonl
  footnoted export --format ris --year 2020- --author Byron > byron.ris
  footnoted export arxiv:2401.01234 doi:10.1000/182
"""


def add(commands: Any) -> None:
    from rag._cli_parser import _command, years

    parser = _command(commands, "export", "write the papers as BibTeX, RIS, JSONL or CSV", _HELP)
    parser.add_argument("paper_id", nargs="*", metavar="PAPER_ID", help="as `search` prints it")
    parser.add_argument(
        "--format", choices=_FORMATS, default="bibtex", help="the format (default: bibtex)"
    )
    parser.add_argument("--output", "-o", metavar="F", help="the file (default: standard output)")
    parser.add_argument(
        "--year", type=years, metavar="YEARS", help="2020-2024, 2020-, -2024 or 2023"
    )
    parser.add_argument("--venue", metavar="V", help="part of the venue's name")
    parser.add_argument(
        "--author", metavar="A", help="part of an author's name, with or without its accents"
    )
    parser.add_argument("--category", metavar="C", help="part of a category, such as cs.IR")


def run(args: Namespace) -> int:
    from rag.cli import DONE, FAILED, _bot, _filters

    with _bot(args) as (bot, _):
        missing = [i for i in args.paper_id if bot.paper(i) is None]
        pieces = bot.export(args.format, args.paper_id or None, _filters(args))
        if args.output:
            _write(Path(args.output), pieces)
        else:
            sys.stdout.writelines(pieces)
    if missing:
        say(f"no such paper: {', '.join(missing)}. `footnoted search` prints ids.")
    return FAILED if missing else DONE


def _write(path: Path, pieces: Any) -> None:
    """Aside first: a file that is there stays whole if this ends early."""
    from rag.errors import LibraryError

    part = path.with_name(path.name + ".part")
    try:
        with part.open("w", encoding="utf-8", newline="") as file:
            file.writelines(pieces)
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise LibraryError(f"{path} cannot be written ({error.strerror}).") from error
    say(f"written to {path}")
