"""The help of `footnoted eval`: what the page says, and examples that parse."""

from __future__ import annotations

import argparse
import re

import pytest

from eval._cli_parser import build_parser, parse
from tests.conftest import ROOT


def subcommands():
    parser = build_parser()
    action = next(a for a in parser._actions if isinstance(a, argparse._SubParsersAction))
    return {"": parser, **action.choices}


def test_the_page_of_help_is_what_help_prints(monkeypatch):
    monkeypatch.setenv("COLUMNS", "92")
    page = (ROOT / "docs" / "eval-cli.md").read_text(encoding="utf-8")
    blocks = re.findall(r"## footnoted eval ?([\w-]*)\n\n```text\n(.*?)```", page, re.DOTALL)
    shown = {name: text.split() for name, text in blocks}  # Pythons differ in where they wrap
    assert shown == {name: p.format_help().split() for name, p in subcommands().items()}


@pytest.mark.parametrize("name", [name for name in subcommands() if name])
def test_help_teaches_by_examples_that_parse(name):
    epilog = subcommands()[name].epilog
    examples = re.findall(rf"^  footnoted eval ({name} .*)", epilog, re.M)
    assert len(examples) >= 2
    for example in examples:
        parse(re.split(r"  +", example)[0].split())
