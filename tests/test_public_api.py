"""What users may lean on: the exported names, their annotations, and the keys of the JSON."""

from __future__ import annotations

import importlib
import inspect
import subprocess
import sys
import typing

import pytest

import rag
from rag.types import Answer, Chunk, Citation, Hit, Nearest, Paper, Refusal, Sentence
from tests.conftest import ROOT

# Adding a name is a promise, taking one away breaks somebody's script: both are done here too.
EXPORTED = [
    "Answer", "Chatbot", "Citation", "Event", "Filters", "Hit", "IngestReport", "Paper",
    "RagError", "Refusal", "Rejected", "Sentence", "Settings",
]  # fmt: skip
METHODS = [
    "aask", "as_query_engine", "as_retriever", "ask", "backends", "close", "delete", "export",
    "info", "ingest", "is_behind", "open", "paper", "papers", "rehearse", "search", "search_mode",
    "stream", "timed_search", "wait",
]  # fmt: skip
PAPER = Paper("A title", "It reaches 81 percent.", "p1", ("Ada",), 2024, "ACL", "https://x.org/1")


def functions(cls):
    """The public functions that a class itself defines, properties and class methods as well."""
    for name, member in vars(cls).items():
        if name.startswith("_"):
            continue
        if isinstance(member, property):
            yield name, member.fget
        elif isinstance(member, classmethod | staticmethod):
            yield name, member.__func__
        elif inspect.isfunction(member):
            yield name, member


def public_classes():
    return [getattr(rag, name) for name in EXPORTED]


def test_the_exported_names_are_these():
    assert rag.__all__ == EXPORTED


@pytest.mark.parametrize("name", EXPORTED)
def test_each_exported_name_can_be_imported(name):
    found = getattr(importlib.import_module("rag"), name)
    assert found.__name__ == name
    assert found.__module__.startswith("rag.")


def test_a_name_that_is_not_exported_is_no_attribute():
    with pytest.raises(AttributeError, match="'Oracle'"):
        _ = rag.Oracle
    with pytest.raises(ImportError, match="Oracle"):
        exec("from rag import Oracle")


def test_the_methods_of_the_chatbot_are_these():
    assert sorted(name for name, _ in functions(rag.Chatbot)) == METHODS


@pytest.mark.parametrize("name", METHODS)
def test_each_method_of_the_chatbot_says_what_it_does(name):
    assert len(inspect.getdoc(getattr(rag.Chatbot, name)) or "") > 20


@pytest.mark.parametrize("cls", public_classes(), ids=EXPORTED)
def test_each_public_class_says_what_it_is(cls):
    written = vars(cls).get("__doc__") or ""
    assert written.strip()
    assert not written.startswith(f"{cls.__name__}("), "that is only what dataclass makes"


@pytest.mark.parametrize("cls", public_classes(), ids=EXPORTED)
def test_each_public_function_is_annotated(cls):
    for name, function in functions(cls):
        hints = typing.get_type_hints(function)
        wanted = {*inspect.signature(function).parameters, "return"} - {"self", "cls"}
        assert hints.keys() >= wanted, name


def test_the_values_are_frozen():
    with pytest.raises(AttributeError):
        PAPER.title = "Another"


# --- the JSON of the contracts, key by key and in this order


def full_answer(**changes):
    given = {
        "sentences": (Sentence("It reaches 81 percent.", (1,), "supported", 0.9),),
        "citations": (
            Citation(1, "p1", "A title", ("Ada",), 2024, None, None, PAPER.abstract, 0, 22, 0.9),
        ),
        "nearest": (Nearest("p1", "A title", 0.3),),
        **changes,
    }
    return Answer("a1", "Why?", "Why?", "It reaches 81 percent. [1]", **given).to_dict()


def test_an_answer_has_the_keys_of_the_contract():
    assert list(full_answer()) == [
        "id", "question", "standalone_question", "text", "refused", "refusal", "sentences",
        "citations", "nearest", "backend", "model", "truncated", "seconds", "tokens", "prompt",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("part", "keys"),
    [
        ("sentences", "text citations verdict score against lead"),
        (
            "citations",
            "marker paper_id title authors year venue url quote start end score",
        ),
        ("nearest", "paper_id title score"),
    ],
)
def test_each_part_of_an_answer_has_the_keys_of_the_contract(part, keys):
    assert [list(item) for item in full_answer()[part]] == [keys.split()]


def test_what_json_cannot_hold_is_a_list():
    found = full_answer()
    assert found["sentences"][0]["citations"] == [1]
    assert found["citations"][0]["authors"] == ["Ada"]
    assert (found["refused"], found["refusal"]) == (False, None)


@pytest.mark.parametrize(
    ("refusal", "told"),
    [
        (Refusal("not_in_collection", "No."), {"kind": "not_in_collection", "message": "No."}),
        (
            Refusal("not_stated", "No.", "p1"),
            {"kind": "not_stated", "message": "No.", "paper_id": "p1"},
        ),
    ],
)
def test_a_refusal_names_a_paper_only_where_there_is_one(refusal, told):
    found = full_answer(refusal=refusal)
    assert (found["refused"], found["refusal"]) == (True, told)


def test_a_hit_has_the_keys_of_the_contract():
    found = Hit(1, 0.83, PAPER, Chunk("p1#0", "p1", PAPER.abstract, 0, 22)).to_dict()
    assert found == {
        "rank": 1, "score": 0.83, "paper_id": "p1", "title": "A title", "year": 2024,
        "chunk_id": "p1#0", "text": PAPER.abstract, "start": 0, "end": 22,
    }  # fmt: skip
    assert list(found)[:2] + list(found)[-2:] == ["rank", "score", "start", "end"]


# --- what an import costs


@pytest.mark.parametrize(
    ("code", "kept_out"),
    [
        ("import rag", "rag.chatbot rag.types numpy pydantic sqlite3 asyncio"),
        ("from rag import Answer, RagError", "rag.chatbot numpy pydantic sqlite3 asyncio"),
        ("from rag import Chatbot", "rag.backends.openai rag.stores.chroma"),
    ],
)
def test_an_import_loads_no_more_than_it_names(code, kept_out):
    heavy = (
        "torch transformers sentence_transformers chromadb llama_index openai httpx gradio bm25s"
    )
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; {code}; print(*sys.modules)"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert not {*kept_out.split(), *heavy.split()} & set(done.stdout.split())
    assert done.stderr == ""
