"""The subcommands of `footnoted eval`: options, and the help that teaches."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from rag._cli_parser import _command, _formatter, _json, _positive, _quiet

_MAIN = """\
examples:
  footnoted eval retrieval SciFact/          how well are the right papers found
  footnoted eval COMMAND --help              what a command can do, with examples
"""
_RETRIEVAL = """\
DATASET is a folder of the BEIR layout (corpus.jsonl, queries.jsonl, qrels/*.tsv; .gz too), or
SciFact as it is released. Its corpus is ingested into the home where it is not there yet: by
default ./.footnoted-eval/NAME, so that no papers of yours are mixed with it. The first mode is
what the others are compared with.

examples:
  footnoted eval retrieval scifact/ --qrels train
  footnoted eval retrieval nfcorpus/ --mode hybrid lexical --json
  footnoted eval retrieval scifact/ --mode hybrid --vary retrieval.dense_weight=0.6,0.4,0.8
"""


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Read the arguments. Raises SystemExit, as argparse does, with 0 for help and 2 for misuse."""
    return build_parser().parse_args(argv)


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="footnoted eval",
        description="Measure the chatbot on your papers, and the measures themselves.",
        epilog=_MAIN,
        formatter_class=_formatter,
        allow_abbrev=False,
    )
    parser.set_defaults(home=None, quiet=False)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    _retrieval(_command(commands, "retrieval", "measure how well papers are found", _RETRIEVAL))
    return parser


def _retrieval(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("dataset", metavar="DATASET", help="a folder of the BEIR layout")
    parser.add_argument("--qrels", metavar="FILE", help="a file of qrels, or the name of a split")
    parser.add_argument(
        "--mode",
        nargs="+",
        choices=("hybrid", "dense", "lexical"),
        default=["hybrid", "dense", "lexical"],
        help="how to search (default: all three)",
    )
    _settings(parser)
    _sampling(parser, "queries")
    _quiet(parser)
    _json(parser)


def _settings(parser: Any) -> None:
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="a setting for all"
    )
    parser.add_argument(
        "--vary",
        action="append",
        default=[],
        metavar="KEY=V1,V2",
        help="settings to run side by side; given twice, every combination",
    )


def _sampling(parser: Any, what: str) -> None:
    parser.add_argument("--limit", type=_positive, metavar="N", help=f"a sample of N {what}")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="of samples and intervals")
