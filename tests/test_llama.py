from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from llama_index.core.base.base_query_engine import BaseQueryEngine
from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.schema import Document

from rag.chatbot import Chatbot
from rag.config import Settings

ABSTRACT = (
    "SPANN keeps its lists on disk. SPANN needs 32 GB of memory for a billion vectors. It is fast."
)
QUESTION = "How much memory does SPANN need?"
SETTINGS = Settings.model_validate(
    {"embedding": {"name": "hashing"}, "store": {"name": "memory"}, "answer": {"refuse_below": 0.0}}
)


def documents() -> list[Document]:
    paper = {"title": "SPANN", "author": "Qi Chen", "year": 2021, "doi": "10.1000/spann"}
    return [
        Document(text=ABSTRACT, metadata=paper),
        Document(text="Kernels compare two graphs.", metadata={"file_name": "kernels.txt"}),
        Document(text="nameless", metadata={}),
    ]


@pytest.fixture
def bot(tmp_path: Path) -> Iterator[Chatbot]:
    with Chatbot.open(tmp_path / "home", SETTINGS) as bot:
        report = bot.ingest(documents())
        assert (report.ingested, report.rejected) == (2, 1)
        yield bot


def test_documents_are_a_source_and_the_same_ones_change_nothing(bot: Chatbot) -> None:
    again = bot.ingest(document for document in documents())
    assert (again.ingested, again.unchanged, again.rejected) == (0, 2, 1)
    paper = bot.paper("doi:10.1000/spann")
    assert paper is not None
    assert (paper.title, paper.authors, paper.year) == ("SPANN", ("Qi Chen",), 2021)


def test_the_retriever_gives_nodes_with_spans(bot: Chatbot) -> None:
    retriever = bot.as_retriever(k=1)
    assert isinstance(retriever, BaseRetriever)
    (found,) = retriever.retrieve("SPANN memory")
    (later,) = asyncio.run(retriever.aretrieve("SPANN memory"))
    start, end = found.node.start_char_idx, found.node.end_char_idx
    assert ABSTRACT[start:end] == found.node.text
    assert found.node.metadata["paper_id"] == "doi:10.1000/spann"
    assert found.node.source_node.node_id == "doi:10.1000/spann"
    assert 0 < found.score <= 1 and later.node_id == found.node_id
    assert bot.as_retriever(filters={"year": (2022, None)}).retrieve("SPANN") == []


def test_the_query_engine_gives_the_answer_with_its_footnotes_as_nodes(bot: Chatbot) -> None:
    engine = bot.as_query_engine()
    assert isinstance(engine, BaseQueryEngine)
    response = engine.query(QUESTION)
    assert "32 GB" in str(response) and "[1]" in str(response)
    node = response.source_nodes[0].node
    assert node.metadata["marker"] == 1
    assert ABSTRACT[node.start_char_idx : node.end_char_idx] == node.text
    assert response.metadata["answer"]["citations"][0]["quote"] == node.text
    assert "32 GB" in str(asyncio.run(engine.aquery(QUESTION)))


def test_a_refusal_says_so(tmp_path: Path) -> None:
    with Chatbot.open(tmp_path / "empty", SETTINGS) as bot:
        response = bot.as_query_engine().query(QUESTION)
    assert response.metadata["refused"] and response.source_nodes == []
