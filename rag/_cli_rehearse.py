"""`footnoted ingest --dry-run`: what an ingest would do, done to a copy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rag._cli_output import put, put_json, say

if TYPE_CHECKING:
    from argparse import Namespace


def run(args: Namespace) -> int:
    """Print what would be reported, and why the first of the rejects would be rejected."""
    from dataclasses import asdict

    from rag import Chatbot
    from rag._cli_format import one_line
    from rag.cli import DONE, REJECTED, _flags, _home, _progress
    from rag.config import Settings

    home = _home(args)
    bot = Chatbot(home, Settings.load(home, _flags(args)))  # not `open`, which makes the home
    with _progress(args) as progress:
        report, rejects = bot.rehearse(
            *args.source,
            format=args.format,
            limit=args.limit,
            fields=args.map,
            since=args.since,
            prune=args.prune,
            progress=progress,
        )
    if args.json:
        put_json({**asdict(report), "rejects": None, "dry_run": True})
    else:
        put(f"would be {report}" + (f", {report.removed} removed" if report.removed else ""))
    for reject in rejects:
        say(one_line(f"{reject.source}, line {reject.line}: {reject.reason}"), "  ")
    say("nothing was written")
    return REJECTED if report.rejected and args.strict else DONE
