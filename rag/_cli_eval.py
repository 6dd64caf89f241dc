"""`footnoted eval`: only its name is known here. What it does is in eval/, imported when used."""

from __future__ import annotations

import argparse
from typing import Any

from rag._cli_parser import _command

_EVAL = """\
What follows `eval` is read by eval/cli.py: `footnoted eval -h` shows this page, and
`footnoted eval COMMAND --help` what a command can do. See docs/eval-cli.md.

examples:
  footnoted eval retrieval scifact/
  footnoted eval run questions.jsonl --home ./papers --out runs/today
"""


def add(commands: Any) -> None:
    parser: argparse.ArgumentParser = _command(
        commands, "eval", "measure how good the answers are, with error bars", _EVAL
    )
    parser.add_argument("words", nargs=argparse.REMAINDER, metavar="COMMAND ...", help="see above")
