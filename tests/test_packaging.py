"""What a user installs: the wheel's contents, the pins, and the files that set all up."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*==[0-9][A-Za-z0-9.]*")


def pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    named = [line for line in lines if line and not line.startswith("#")]
    wrong = [line for line in named if not PIN.fullmatch(line)]
    assert not wrong
    return {normal(name): version for name, _, version in (n.partition("==") for n in named)}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def requirements() -> list[str]:
    return [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["dev"]]


@pytest.mark.parametrize("requirement", requirements())
def test_each_dependency_is_pinned_within_its_bounds(requirement):
    from packaging.requirements import Requirement

    wanted = Requirement(requirement)
    assert wanted.specifier.contains(pins()[normal(wanted.name)])


def test_torch_is_pinned_as_a_plain_version():
    assert "torch==2.13.0" in PROJECT["dependencies"]
    assert pins()["torch"] == "2.13.0"


def test_nothing_that_installs_itself_or_was_only_tried_is_pinned():
    tried = {"blingfire", "pysbd", "llama-index-embeddings-huggingface", "llama-index"}
    assert not pins().keys() & {"pip", "setuptools", "footnoted", *tried}


@pytest.mark.parametrize("name", ["Makefile", "constraints.txt", ".ci/run", "pyproject.toml"])
def test_no_package_index_is_named(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    assert not re.search(r"index-url|find-links|trusted-host|/opt/|\.whl", text)


@pytest.fixture(scope="module")
def wheel_files():
    """Ask the build backend which files it would pack, without packing them."""
    builder = pytest.importorskip("hatchling.builders.wheel").WheelBuilder(str(ROOT))
    return {file.distribution_path for file in builder.recurse_included_files()}


def test_the_wheel_holds_code_sample_and_prompts(wheel_files):
    assert "rag/cli.py" in wheel_files
    assert "rag/sample/papers.jsonl" in wheel_files
    prompts = {f"prompts/{path.name}" for path in (ROOT / "prompts").glob("*.md")}
    assert prompts <= wheel_files


def test_the_wheel_holds_nothing_else(wheel_files):
    tops = {name.split("/")[0] for name in wheel_files}
    assert tops <= {"rag", "ui", "eval", "prompts"}
    assert not [name for name in wheel_files if name.endswith((".pyc", ".sqlite", ".log"))]


def test_make_alone_lists_what_it_can_do():
    out = subprocess.run(
        ["make"], cwd=ROOT, capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL
    ).stdout
    for target in ("demo", "test", "lint", "clean"):
        assert f"make {target}" in out


def test_make_says_which_python_it_wants(tmp_path):
    (tmp_path / "Makefile").write_text((ROOT / "Makefile").read_text(encoding="utf-8"))
    old = tmp_path / "old-python"
    old.write_text("#!/bin/sh\n[ \"$1\" = --version ] && echo 'Python 3.9.1' && exit 0\nexit 1\n")
    old.chmod(0o755)
    done = subprocess.run(
        ["make", ".venv/bin/python", f"PYTHONS={old} no-such-python"],
        cwd=tmp_path, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.returncode != 0
    assert "needs Python 3.11, 3.12 or 3.13" in done.stderr


def test_ci_runs_the_tests_before_the_linters():
    script = ROOT / ".ci" / "run"
    assert script.stat().st_mode & 0o111
    text = script.read_text(encoding="utf-8")
    assert "set -euo pipefail" in text
    assert 0 < text.index("make test") < text.index("make lint")
