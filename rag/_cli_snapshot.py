"""`footnoted snapshot` and `footnoted restore`: a home in one file, and back."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rag._cli_output import put, put_json

if TYPE_CHECKING:
    from argparse import Namespace

_SNAPSHOT = """\
It may be taken while the collection is in use, also while papers are being ingested. The
vectors are in it; the index is not, since `restore` makes it again from them.

examples:
  footnoted snapshot papers.zip
  footnoted snapshot "backups/$(date +%F).zip" --home ./papers
"""
_RESTORE = """\
The file is checked against the hashes in it before anything is put in place, and the index
is made again, without embedding anew. The home must not be there yet, or be empty.

examples:
  footnoted restore papers.zip --home ./papers
  footnoted restore papers.zip --check
"""


def add(commands: Any) -> None:
    from rag._cli_parser import _command, _json, _quiet

    take = _command(commands, "snapshot", "copy the collection into one file", _SNAPSHOT)
    take.add_argument("file", metavar="FILE", help="where to write it")
    _json(take)
    restore = _command(commands, "restore", "make a collection from a snapshot", _RESTORE)
    restore.add_argument("file", metavar="FILE", help="what `snapshot` wrote")
    restore.add_argument("--check", action="store_true", help="only check the file")
    _quiet(restore)
    _json(restore)


def run(args: Namespace) -> int:
    from rag import snapshot
    from rag.cli import DONE, _home

    taken = snapshot.take(_home(args), Path(args.file))
    _show(args, taken, f"{taken.papers:,} papers written to {args.file}")
    return DONE


def run_restore(args: Namespace) -> int:
    from tempfile import TemporaryDirectory

    from rag import snapshot
    from rag.cli import DONE, _bot, _home, _progress

    if args.check:
        with TemporaryDirectory(prefix="footnoted-") as folder:
            found = snapshot.restore(Path(args.file), Path(folder) / "home")
        _show(args, found, f"{args.file} is whole: {found.papers:,} papers, taken {found.taken}")
        return DONE
    found = snapshot.restore(Path(args.file), _home(args))
    with _bot(args) as (bot, _), _progress(args) as progress:
        bot.ingest(progress=progress)
    _show(args, found, f"{found.papers:,} papers restored, as of {found.taken}")
    return DONE


def _show(args: Namespace, found: Any, text: str) -> None:
    if args.json:
        put_json({**asdict(found), "file": args.file})
    else:
        put(text)
