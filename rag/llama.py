"""For LlamaIndex: a home as its retriever and query engine, and its Documents as a source.

Nodes carry the span of their text in the abstract, and the footnotes of an answer, in their
metadata. LlamaIndex is imported when one of these is made, and its global Settings stay alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rag.sources import make_paper
from rag.types import Answer, Citation, Filters, Hit, Mode, Record

if TYPE_CHECKING:
    from rag.chatbot import Chatbot

Wanted = Filters | Mapping[str, Any] | None
# What a Document's metadata may call the fields of a paper besides their own names.
_ALSO = {"title": ("title", "document_title", "file_name"), "authors": ("authors", "author")}
_FIELDS = ("year", "venue", "url", "categories", "doi", "arxiv_id")


def retriever(bot: Chatbot, k: int = 8, filters: Wanted = None, mode: Mode | None = None) -> Any:
    """A `BaseRetriever` whose nodes are the best chunks, one a paper, best first."""
    from llama_index.core.base.base_retriever import BaseRetriever

    class FootnotedRetriever(BaseRetriever):  # type: ignore[misc]
        def _retrieve(self, query_bundle: Any) -> list[Any]:
            return [node_of_hit(h) for h in bot.search(query_bundle.query_str, k, filters, mode)]

        async def _aretrieve(self, query_bundle: Any) -> list[Any]:
            return await asyncio.to_thread(self._retrieve, query_bundle)

    return FootnotedRetriever()


def query_engine(bot: Chatbot, filters: Wanted = None) -> Any:
    """A `BaseQueryEngine` whose response is the answer, its source nodes the footnotes.

    `response.metadata["answer"]` is `Answer.to_dict()`, `response.source_nodes[i]` the sentence
    behind footnote i + 1.
    """
    from llama_index.core.base.base_query_engine import BaseQueryEngine

    class FootnotedQueryEngine(BaseQueryEngine):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__(callback_manager=None)

        def _query(self, query_bundle: Any) -> Any:
            return response_of(bot.ask(query_bundle.query_str, filters))

        async def _aquery(self, query_bundle: Any) -> Any:
            return response_of(await bot.aask(query_bundle.query_str, filters))

        def _get_prompt_modules(self) -> dict[str, Any]:
            return {}

    return FootnotedQueryEngine()


def records(documents: Iterable[Any]) -> Iterator[Record]:
    """Papers from Documents: the text is the abstract, the metadata the rest.

    A Document's own id is random unless its maker chose it, so it names no paper: DOI, arXiv id or
    title do.
    """
    for number, document in enumerate(documents, 1):
        given = dict(getattr(document, "metadata", None) or {})
        fields = {name: given.get(name) for name in _FIELDS}
        for name, names in _ALSO.items():
            fields[name] = next((given[n] for n in names if given.get(n)), None)
        text = str(getattr(document, "text", "") or "")
        yield make_paper({**fields, "abstract": text}, "LlamaIndex documents", number, text[:200])


def node_of_hit(hit: Hit) -> Any:
    """A chunk as a node with its score; `start` and `end` are its span in the abstract."""
    paper, chunk = hit.paper, hit.chunk
    metadata = {
        "paper_id": paper.id, "title": paper.title, "authors": list(paper.authors),
        "year": paper.year, "venue": paper.venue, "url": paper.url, "start": chunk.start,
        "end": chunk.end,
    }  # fmt: skip
    return _node(chunk.id, chunk.text, metadata, hit.score)


def response_of(answer: Answer) -> Any:
    """An answer as LlamaIndex's Response."""
    from llama_index.core.base.response.schema import Response

    nodes = [_node_of_citation(citation) for citation in answer.citations]
    metadata = {"answer": answer.to_dict(), "refused": answer.refused}
    return Response(response=answer.text, source_nodes=nodes, metadata=metadata)


def _node_of_citation(citation: Citation) -> Any:
    found = asdict(citation)
    metadata = {**found, "authors": list(citation.authors)}
    quote, score = metadata.pop("quote"), metadata.pop("score")
    name = f"{citation.paper_id}@{citation.start}-{citation.end}"
    return _node(name, quote, metadata, score)


def _node(name: str, text: str, metadata: dict[str, Any], score: float) -> Any:
    from llama_index.core.schema import (
        NodeRelationship,
        NodeWithScore,
        RelatedNodeInfo,
        TextNode,
    )

    hidden = ["start", "end", "paper_id", "marker"]
    node = TextNode(
        id_=name,
        text=text,
        metadata=metadata,
        start_char_idx=metadata["start"],
        end_char_idx=metadata["end"],
        excluded_llm_metadata_keys=hidden,
        excluded_embed_metadata_keys=hidden,
        relationships={NodeRelationship.SOURCE: RelatedNodeInfo(node_id=metadata["paper_id"])},
    )
    return NodeWithScore(node=node, score=score)
