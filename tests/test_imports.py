"""Who may import whom: the picture in the contracts, enforced."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT

HEAVY = {
    "llama_index", "chromadb", "torch", "gradio", "openai", "sentence_transformers", "transformers",
    "bm25s", "Stemmer", "tokenizers", "safetensors", "scipy", "httpx", "pyarrow", "bibtexparser",
    "rispy", "defusedxml", "backports",
}  # fmt: skip
# Values and names that any module may lean on.
_SHARED = {"rag.types", "rag.errors"}
# What a module of rag/ may import of ours besides; the longest prefix that fits decides.
_TABLE: dict[str, set[str]] = {
    "rag.types": set(),
    "rag.errors": set(),
    "rag.config": set(),
    "rag.registry": set(),
    "rag.chunking": set(),
    "rag._npy": set(),
    "rag.lexical": {"rag._npy"},
    "rag._bert": {"rag._blas", "rag._codes"},
    "rag._reader": {"rag._bert"},
    "rag._blas": set(),
    "rag._torch_bert": {"rag._bert"},
    "rag._codes": {"rag.lexical"},
    "rag._torch_encoder": {"rag._codes"},
    "rag._retry_after": set(),
    "rag.library": {"rag.library"},
    "rag._hashing": {"rag._codes", "rag.config", "rag.lexical"},
    "rag.embedding": {
        "rag._bert",
        "rag._codes",
        "rag._hashing",
        "rag._reader",
        "rag._torch_bert",
        "rag._torch_encoder",
        "rag.config",
        "rag.registry",
    },
    "rag.stores": {"rag._npy", "rag.stores"},
    "rag.sources": {"rag.sources", "rag._retry_after", "rag.registry"},
    "rag.backends": {
        "rag.backends",
        "rag._asked",
        "rag._retry_after",
        "rag.config",
        "rag.chunking",
        "rag.lexical",
        "rag.registry",
    },
    "rag._asked": {"rag.lexical"},
    "rag._leads": {"rag._asked", "rag._facts"},
    "rag._directions": {"rag._opposites", "rag.lexical"},
    "rag._opposites": {"rag.lexical"},
    "rag._facts": {"rag._directions", "rag.lexical"},
    "rag._polarity": {"rag.lexical"},
    "rag._alignment": {"rag.lexical"},
    "rag.ground": {
        "rag._alignment",
        "rag._directions",
        "rag._facts",
        "rag._polarity",
        "rag._reader",
    },
    "rag._ground_llm": {"rag.config", "rag.ground"},
    "rag._ground_nli": {"rag.config", "rag.ground"},
    "rag.rank": {"rag.lexical", "rag.chunking"},
    "rag._echoes": {"rag.chunking", "rag.lexical"},
    "rag._follow_ups": {
        "rag._leaning",
        "rag._record_questions",
        "rag._small_talk",
        "rag.lexical",
    },
    "rag._record_questions": set(),
    "rag._records": {
        "rag._follow_ups",
        "rag._record_questions",
        "rag._small_talk",
        "rag.lexical",
        "rag.library",
    },
    "rag._leaning": {"rag.lexical"},
    "rag._small_talk": set(),
    "rag.prompt": {"rag._follow_ups", "rag.lexical"},
}
# The commands that start what sits on top, and import it when they run.
_HOOKS = ("rag.cli", "rag._cli_serve", "rag._cli_mcp")
_BARE = {"rag.types", "rag.errors"}  # these two not even each other


def modules() -> dict[str, Path]:
    out = {}
    for path in sorted((ROOT / "rag").rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        out[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return out


MODULES = modules()


def imports(path: Path, *, inside: bool) -> Iterator[str]:
    """Names imported by a file, with those inside functions if `inside`; typing-only ones not."""
    stack: list[ast.AST] = [ast.parse(path.read_text(encoding="utf-8"))]
    while stack:
        node = stack.pop()
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: a relative import hides from this test"
            yield from (
                f"{node.module}.{alias.name}" if node.module == "rag" else str(node.module)
                for alias in node.names
            )
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) and not inside:
            continue
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            stack.extend(node.orelse)
        else:
            stack.extend(ast.iter_child_nodes(node))


def rule_for(module: str) -> str | None:
    fitting = [name for name in _TABLE if module == name or module.startswith(name + ".")]
    return max(fitting, key=len, default=None)


@pytest.mark.parametrize("module", [name for name in MODULES if rule_for(name)])
def test_a_leaf_imports_only_what_the_table_allows(module: str) -> None:
    rule = rule_for(module)
    assert rule is not None
    allowed = _TABLE[rule] | (set() if rule in _BARE else _SHARED)
    ours = {name for name in imports(MODULES[module], inside=True) if name.startswith("rag")}
    assert {n for n in ours if not any(n == a or n.startswith(a + ".") for a in allowed)} == set()


@pytest.mark.parametrize("module", MODULES)
def test_nothing_heavy_is_imported_before_it_is_used(module: str) -> None:
    roots = {name.partition(".")[0] for name in imports(MODULES[module], inside=False)}
    assert roots & HEAVY == set()


@pytest.mark.parametrize("module", [name for name in MODULES if not name.startswith(_HOOKS)])
def test_nothing_below_imports_what_sits_on_top(module: str) -> None:
    roots = {name.partition(".")[0] for name in imports(MODULES[module], inside=True)}
    assert roots & {"ui", "eval", "benchmarks", "tests"} == set()
    if not module.startswith("rag._cli"):
        assert not any(
            n.startswith(("rag.cli", "rag._cli")) for n in imports(MODULES[module], inside=True)
        )


def test_the_test_sees_what_it_looks_for(tmp_path: Path) -> None:
    path = tmp_path / "bad.py"
    path.write_text(
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import gradio\n"
        "try:\n    import torch.nn\nexcept ImportError:\n    pass\n"
        "class A:\n    import chromadb\n    def f(self):\n        from rag import ui\n"
    )
    assert set(imports(path, inside=False)) == {"typing", "torch.nn", "chromadb"}
    assert set(imports(path, inside=True)) == {"typing", "torch.nn", "chromadb", "rag.ui"}


def test_importing_rag_loads_nothing_heavy() -> None:
    leaves = [m for m in MODULES if rule_for(m) and "backends." not in m and "stores." not in m]
    slow = HEAVY - {"Stemmer"}  # 3 ms, and the leaves stem their own word lists
    code = f"import sys, rag, {', '.join(leaves)}; print(sorted({slow!r} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
