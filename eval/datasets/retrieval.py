"""Queries and which papers are right for them: the BEIR layout, and SciFact as it is released.

BEIR (Thakur et al., 2021): `corpus.jsonl`, `queries.jsonl`, `qrels/SPLIT.tsv`. SciFact (Wadden et
al., 2020): `corpus.jsonl`, `claims_SPLIT.jsonl`, whose `cited_doc_ids` are the right papers where
there is no `qrels_SPLIT.tsv`. `.gz` of each.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from eval.datasets import fetched
from eval.datasets._lines import LeftOut, first_file, records, rows
from eval.errors import EvalError

_NAME = re.compile(r"(?:beir[:/])?[a-z0-9-]+(?:/[a-z]+)?", re.IGNORECASE)  # as BEIR names its sets
_SPLITS = ("test", "dev", "train")


@dataclass(frozen=True, slots=True)
class RetrievalSet:
    """`qrels`: query id -> document id -> grade above 0, for queries that have text."""

    name: str
    corpus: Path
    queries: dict[str, str]
    qrels: dict[str, dict[str, int]]
    left_out: tuple[LeftOut, ...] = ()


def load_retrieval(folder: str | Path, qrels: str | None = None) -> RetrievalSet:
    """Read a retrieval set; `qrels` is a file or a split, by default test, dev or train.

    A name that is no folder is fetched from BEIR, where there is a network. A query without a
    right paper is left out and told. Raises EvalError where files are missing.
    """
    root = Path(folder).expanduser()
    if not root.exists() and _NAME.fullmatch(str(folder)):
        root = fetched.retrieval(str(folder))
    corpus = first_file(root, "corpus.jsonl")
    if corpus is None:
        raise EvalError(f"{root} has no corpus.jsonl. Name a folder of the BEIR layout.")
    judged = _find_qrels(root, qrels)
    split = _split_of(judged) if judged else qrels
    queries, cited, left = _read_queries(_find_queries(root, split))
    grades = _read_qrels(judged) if judged else cited
    kept = {q: grades[q] for q in queries if grades.get(q)}
    # A file of all queries serves every split: those of the others were not meant.
    strangers = [q for q in grades if q not in queries]
    left += [LeftOut(0, q, "in the qrels, but not among the queries") for q in strangers]
    if not kept:
        raise EvalError(f"{root}: no query has a right paper. Name its qrels with --qrels FILE.")
    name = f"{root.resolve().name}{f'/{split}' if split else ''}"
    return RetrievalSet(name, corpus, queries, kept, tuple(left))


def _find_qrels(root: Path, named: str | None) -> Path | None:
    if named and (path := Path(named).expanduser()).is_file():
        return path
    found = {_split_of(path): path for path in _qrels_files(root)}
    if named:
        if named in found:
            return found[named]
        if not found and first_file(root, f"claims_{named}.jsonl"):
            return None
        known = ", ".join(sorted(found)) or "none"
        raise EvalError(f"{root} has no qrels called '{named}' (there: {known}).")
    if len(found) == 1:
        return next(iter(found.values()))
    return next((found[split] for split in _SPLITS if split in found), None)


def _qrels_files(root: Path) -> Iterator[Path]:
    for pattern in ("qrels/*.tsv", "qrels/*.tsv.gz", "qrels*.tsv", "qrels*.tsv.gz"):
        yield from sorted(root.glob(pattern))


def _split_of(path: Path) -> str:
    return path.name.partition(".")[0].removeprefix("qrels").lstrip("_-")


def _find_queries(root: Path, split: str | None) -> Path:
    splits = [split] if split else list(_SPLITS)
    claims = [f"claims_{name}.jsonl" for name in splits]
    path = first_file(root, "queries.jsonl", *claims)
    if path is None:
        raise EvalError(f"{root} has neither queries.jsonl nor {claims[0]}.")
    return path


def _read_queries(
    path: Path,
) -> tuple[dict[str, str], dict[str, dict[str, int]], list[LeftOut]]:
    queries: dict[str, str] = {}
    cited: dict[str, dict[str, int]] = {}
    left: list[LeftOut] = []
    for line, record in records(path, left):
        name = str(record.get("_id", record.get("id", "")))
        text = record.get("text", record.get("claim"))
        if not name or not isinstance(text, str) or not text.strip():
            left.append(LeftOut(line, name, "no id, or no text"))
        elif name in queries:
            left.append(LeftOut(line, name, "this id again"))
        else:
            queries[name] = text
            cited[name] = {str(doc): 1 for doc in record.get("cited_doc_ids") or ()}
    return queries, cited, left


def _read_qrels(path: Path) -> dict[str, dict[str, int]]:
    """Three columns with a header as in BEIR, or four without as in TREC; grades above 0."""
    out: dict[str, dict[str, int]] = {}
    for number, columns in enumerate(rows(path), 1):
        query, doc, grade = _three(columns)
        try:
            value = int(float(grade))
        except ValueError:
            if number == 1:
                continue
            raise EvalError(f"{path}, line {number}: '{grade}' is no grade.") from None
        if value > 0:
            out.setdefault(query, {})[doc] = value
    return out


def _three(columns: list[str]) -> tuple[str, str, str]:
    if len(columns) == 4:
        return columns[0], columns[2], columns[3]
    if len(columns) >= 3:
        return columns[0], columns[1], columns[2]
    return (columns[0], columns[1], "1") if len(columns) == 2 else (columns[0], "", "none")
