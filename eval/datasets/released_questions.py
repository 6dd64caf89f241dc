"""Known sets of questions, as they are released: a folder or file -> lines as in our own format."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from eval.datasets._lines import LeftOut, first_file, objects, read_json
from eval.errors import EvalError

Line = dict[str, Any]


def pubmedqa(path: Path) -> Iterator[Line]:
    """Jin et al., PubMedQA, EMNLP 2019: the question of each abstract; its id is the PMID."""
    data = read_json(_file(path, "ori_pqal.json", "ori_pqal_train.json", "test_set.json"))
    for name, row in data.items():
        yield {
            "id": str(name),
            "question": row["QUESTION"],
            "gold_papers": [str(name)],
            "answer": row.get("LONG_ANSWER", ""),
            "type": row.get("final_decision", "other"),
        }


def bioasq(path: Path) -> Iterator[Line]:
    """Krithara et al., BioASQ-QA, Scientific Data 2023: documents and snippets as gold."""
    file = path if path.is_file() else _file(path, *(p.name for p in sorted(path.glob("*.json"))))
    for row in read_json(file)["questions"]:
        ideal = row.get("ideal_answer") or ""
        documents = [str(url).rpartition("/")[2] for url in row.get("documents", [])]
        yield {
            "id": str(row["id"]),
            "question": row["body"],
            "gold_papers": list(dict.fromkeys(documents)),
            "gold_sentences": [s["text"] for s in row.get("snippets", []) if s.get("text")],
            "answer": ideal[0] if isinstance(ideal, list) and ideal else ideal or "",
            "type": row.get("type", "other"),
        }


def litsearch(path: Path) -> Iterator[Line]:
    """Ajith et al., LitSearch, EMNLP 2024, as JSONL: query, corpusids, query_set."""
    file = (
        path if path.is_file() else _file(path, "query.jsonl", "queries.jsonl", "query_full.jsonl")
    )
    for number, found in enumerate(objects(file), 1):
        if not isinstance(found, LeftOut):
            row = found[1]
            yield {
                "id": str(row.get("id", number)),
                "question": row["query"],
                "gold_papers": [str(name) for name in row["corpusids"]],
                "type": str(row.get("query_set", "other")),
            }


def _file(path: Path, *names: str) -> Path:
    found = path if path.is_file() else first_file(path, *names)
    if found is None:
        raise EvalError(f"{path} has none of {', '.join(names)}. Name the released folder.")
    return found
