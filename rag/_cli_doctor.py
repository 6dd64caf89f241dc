"""`footnoted doctor`: is everything in the home as it was stored?"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rag._cli_output import put, put_json, say

if TYPE_CHECKING:
    from argparse import Namespace

_HELP = """\
Reads the whole library and checks it, compares the files of the index with their hashes, and
asks for stored vectors and titles, which must find themselves. Writes nothing without --repair.
What --repair makes again takes its vectors from the library: nothing is embedded anew.
Exit status 1 says that something is wrong, and each line names the command that mends it.

examples:
  footnoted doctor
  footnoted doctor --home ./papers --json
  footnoted doctor --repair
"""


def add(commands: Any) -> None:
    from rag._cli_parser import _command, _json, _quiet

    parser = _command(commands, "doctor", "find what is damaged, and mend it", _HELP)
    parser.add_argument("--repair", action="store_true", help="mend what is found")
    _quiet(parser)
    _json(parser)


def run(args: Namespace) -> int:
    from rag.cli import DONE, FAILED, _at_home, _flags, _home
    from rag.config import Settings
    from rag.doctor import examine

    home = _home(args)
    stores = Settings.load(home, _flags(args)).plugins.stores
    found = examine(home, stores)
    if found and args.repair:
        for line in _repair(args, found):
            say(line)
        found = examine(home, stores)
    if args.json:
        put_json({"sound": not found, "findings": [asdict(finding) for finding in found]})
    else:
        for finding in found:
            put(_at_home(str(finding), args.home))
        if not found:
            put("nothing is wrong")
    return FAILED if found else DONE


def _repair(args: Namespace, found: list[Any]) -> list[str]:
    from rag.cli import _bot, _home, _progress
    from rag.doctor import INGEST, LIBRARY, repair_library
    from rag.ingest import writing

    home = _home(args)
    said = []
    if any(finding.part == LIBRARY for finding in found):
        with writing(home):
            said += repair_library(home)
    anew = any(finding.mend != INGEST for finding in found)
    with _bot(args) as (bot, _), _progress(args) as progress:
        bot.ingest(rebuild=anew, progress=progress)
    return [*said, "the index was made again from the library"]
