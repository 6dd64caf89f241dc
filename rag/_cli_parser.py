"""The command line as argparse sees it: options, their checks, and the help that teaches."""

from __future__ import annotations

import argparse
import re
import shutil
from collections.abc import Sequence
from datetime import date
from typing import Any

from rag import (
    _cli_backends,
    _cli_chat,
    _cli_conversations,
    _cli_doctor,
    _cli_export,
    _cli_mcp,
    _cli_serve,
    _cli_snapshot,
)

_WIDEST = 100
_YEARS = re.compile(r"(?P<low>\d{4})?(?P<dash>-)?(?P<high>\d{4})?")

_MAIN = """\
examples:
  footnoted ingest sample:            the papers that ship with Footnoted
  footnoted ask "How does a language model gain from a larger datastore?"
  footnoted COMMAND --help            what a command can do, with examples

exit status: 0 done; 1 failed; 2 wrong usage; 3 done, but some input was rejected and
--strict was given; 4 refused and --fail-on-refusal was given; 130 interrupted.
Settings are read from flags, then FOOTNOTED_* variables, then footnoted.toml.
"""
_INGEST = """\
A SOURCE is a file, a folder, a glob in quotes, - for standard input, or a live query:

  arxiv:QUERY        as arXiv's API takes it: 'arxiv:cat:cs.IR AND abs:"dense retrieval"';
                     or ids: arxiv:2401.01234,2401.05678
  pubmed:QUERY       as PubMed takes it: 'pubmed:crispr[Title] AND 2024[dp]'
  openalex:QUERY     words, or 'openalex:filter=publication_year:2024&search=moss'
  hf:daily[:DATE]    Hugging Face's papers of a day, a week (2026-W47), a month (2026-11)

Papers that are there already are left alone, so running it again is cheap; without a
SOURCE it goes on with what an interrupted run left to do. A live query that was cut off
goes on where it stopped when the same command is run again; one that was finished starts
anew. More on queries, keys and limits: docs/connectors.md. Papers can be searched by
their words seconds after they are read, also from another terminal, while the vectors
for searching by meaning are still being made.

examples:
  footnoted ingest sample:
  footnoted ingest library.bib export.ris more/*.csv.gz --home ./papers
  footnoted ingest 'arxiv:cat:cs.IR' --since 2026-11-01
  footnoted ingest theses.csv --map title=Titel,abstract=Kurzfassung
  footnoted ingest library.bib --prune --dry-run
  footnoted ingest ./.footnoted/rejected.jsonl       once its records are mended
  zcat dump.jsonl.gz | footnoted ingest - --format jsonl --limit 1000
"""
_SEARCH = """\
examples:
  footnoted search "graph index on disk"
  footnoted search "protein folding" -k 5 --year 2020-2024 --author Jumper
  footnoted search BM25 --mode lexical --json
"""
_ASK = """\
Each sentence of the answer is footnoted to the sentence of an abstract that supports it.
Where the papers hold no answer there is none: the nearest papers are listed instead.

examples:
  footnoted ask "Which methods make diffusion models faster?" --year 2023-
  OPENAI_API_KEY=... footnoted ask "..." --backend openai --model gpt-4o-mini
  footnoted ask --batch questions.jsonl > answers.jsonl

A line of --batch is {"id": ..., "question": "..."}, perhaps with "turns", the conversation
so far: earlier questions, or objects with "question" and "answer". --history takes a JSON
list, or JSONL, of the same.
"""
_INFO = """\
examples:
  footnoted info
  footnoted info --home ./papers --json
"""
_DELETE = """\
The ids are those that `footnoted search` prints.

examples:
  footnoted delete arxiv:2401.01234
  footnoted delete doi:10.1000/182 title:0123456789abcdef --home ./papers
"""


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Read the arguments. Raises SystemExit, as argparse does, with 0 for help and 2 for misuse."""
    parser = build_parser()
    args = parser.parse_args(argv)
    if args.command == "ask":
        _check_ask(parser, args)
    return args


def build_parser() -> argparse.ArgumentParser:
    from rag._cli_eval import add as add_eval

    parser = argparse.ArgumentParser(
        prog="footnoted",
        description="Ask a pile of scientific abstracts; every sentence of an answer is footnoted.",
        epilog=_MAIN,
        formatter_class=_formatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and exit")
    parser.set_defaults(home=None, quiet=False)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    _ingest(_command(commands, "ingest", "read papers into the collection", _INGEST))
    _search(_command(commands, "search", "find the papers nearest to a query", _SEARCH))
    _ask(_command(commands, "ask", "answer a question, with footnotes", _ASK))
    _cli_chat.add(commands)
    _cli_conversations.add(commands)
    _cli_backends.add(commands)
    _cli_serve.add(commands)
    _cli_mcp.add(commands)
    _json(_command(commands, "info", "say what is in the collection", _INFO))
    _delete(_command(commands, "delete", "remove papers", _DELETE))
    _cli_doctor.add(commands)
    _cli_export.add(commands)
    _cli_snapshot.add(commands)
    add_eval(commands)
    return parser


def years(text: str) -> tuple[int | None, int | None]:
    """Read `2020-2024`, `2020-`, `-2024` or `2023` as inclusive bounds."""
    match = _YEARS.fullmatch(text.strip())
    low, high = (match["low"], match["high"]) if match else (None, None)
    if not match or not (low or high) or (low and high and not match["dash"]):
        raise argparse.ArgumentTypeError(
            f"'{text}' is no range of years. Write 2020-2024, 2020-, -2024 or 2023"
        )
    first = int(low) if low else None
    last = int(high) if high else (None if match["dash"] else first)
    if first is not None and last is not None and first > last:
        raise argparse.ArgumentTypeError(f"'{text}' ends before it begins. Write {last}-{first}")
    return first, last


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number of at least 1")
    return int(text)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text.strip())
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' is no day. Write 2026-11-20") from None


def _words(text: str) -> str:
    if not text.strip():
        raise argparse.ArgumentTypeError("it is empty. Put some words in quotes")
    return text


def _check_ask(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    if bool(args.question) == bool(args.batch):
        parser.error("ask: give either a QUESTION or --batch FILE.jsonl")
    if args.batch and args.history:
        parser.error("ask: with --batch, the history is the 'turns' of each line, not --history")


class _Pairs(argparse.Action):
    """Gathers `title=Name,abstract=Text`, given once or several times, into one mapping."""

    def __call__(
        self, _: Any, args: argparse.Namespace, text: Any, option: str | None = None
    ) -> None:
        found = dict(getattr(args, self.dest) or {})
        for pair in re.split(r",(?=\s*\w+=)", text):
            ours, sign, theirs = pair.partition("=")
            if not (sign and ours.strip() and theirs):
                raise argparse.ArgumentError(self, f"'{pair}' is no pair. Write title=Name")
            found[ours.strip()] = theirs
        setattr(args, self.dest, found)


class _Version(argparse.Action):
    # argparse's own would look the version up, which takes long, at every start.
    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        from importlib.metadata import PackageNotFoundError, version

        try:
            found = version("footnoted")
        except PackageNotFoundError:
            found = "(not installed)"
        parser.exit(message=f"footnoted {found}\n")


def _formatter(prog: str) -> argparse.HelpFormatter:
    width = min(shutil.get_terminal_size().columns, _WIDEST) - 2
    return argparse.RawDescriptionHelpFormatter(prog, max_help_position=28, width=width)


def _command(commands: Any, name: str, summary: str, epilog: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=summary,
        description=f"{summary[0].upper()}{summary[1:]}.",
        epilog=epilog,
        formatter_class=_formatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--home", metavar="DIR", help="the collection (default: $FOOTNOTED_HOME, else ./.footnoted)"
    )
    return parser


def _json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON")


def _quiet(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--quiet", action="store_true", help="show no progress")


def _ingest(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", nargs="*", metavar="SOURCE", help="where the papers are")
    parser.add_argument("--format", metavar="NAME", help="the format, where the guess is wrong")
    parser.add_argument(
        "--map",
        action=_Pairs,
        metavar="OURS=THEIRS,...",
        help="what fields are called in a CSV, JSON or Parquet: title=Name,abstract=Beschreibung",
    )
    parser.add_argument("--limit", type=_positive, metavar="N", help="take the first N records")
    parser.add_argument(
        "--since",
        type=_day,
        metavar="DATE",
        help="of live queries, only what came out since (2026-11-20); files are read whole",
    )
    parser.add_argument("--strict", action="store_true", help="exit 3 if a record was rejected")
    parser.add_argument(
        "--dry-run", action="store_true", help="say what would happen, and write nothing"
    )
    parser.add_argument(
        "--prune", action="store_true", help="remove papers that are gone from the SOURCE"
    )
    parser.add_argument(
        "--rebuild", action="store_true", help="make the index anew from the stored papers"
    )
    parser.add_argument(
        "--later",
        action="store_true",
        help="make the vectors in a later run; until then papers are found by words alone",
    )
    _quiet(parser)
    _json(parser)


def _search(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("query", nargs="+", type=_words, metavar="QUERY", help="words, or a title")
    _filters(parser, 10)
    _json(parser)


def _ask(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("question", nargs="*", type=_words, metavar="QUESTION", help="in words")
    _filters(parser)
    _backend(parser)
    parser.add_argument("--history", metavar="FILE", help="the conversation so far")
    parser.add_argument(
        "--batch", metavar="FILE", help="answer each line of a JSONL file (- for standard input)"
    )
    parser.add_argument(
        "--fail-on-refusal", action="store_true", help="exit 4 if there is no answer"
    )
    _quiet(parser)
    _json(parser)


def _delete(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("paper_id", nargs="+", metavar="PAPER_ID", help="as `search` prints it")
    _json(parser)


def _filters(parser: argparse.ArgumentParser, k: int | None = None) -> None:
    group = parser.add_argument_group("which papers")
    group.add_argument(
        "-k", type=_positive, default=k, metavar="N", help=f"how many to find (default: {k or 8})"
    )
    group.add_argument(
        "--year", type=years, metavar="YEARS", help="2020-2024, 2020-, -2024 or 2023"
    )
    group.add_argument("--venue", metavar="V", help="part of the venue's name")
    group.add_argument(
        "--author", metavar="A", help="part of an author's name, with or without its accents"
    )
    group.add_argument("--category", metavar="C", help="part of a category, such as cs.IR")
    group.add_argument(
        "--mode", choices=("hybrid", "dense", "lexical"), help="how to search (default: hybrid)"
    )


def _backend(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("who writes the answer")
    group.add_argument("--backend", metavar="NAME", help="extractive (default), openai, ...")
    group.add_argument("--model", metavar="M", help="the backend's model")
    group.add_argument("--base-url", metavar="URL", help="an OpenAI-compatible server")
    group.add_argument(
        "--policy",
        choices=("flag", "drop", "keep"),
        help="what to do with a sentence that no abstract supports (default: flag)",
    )
