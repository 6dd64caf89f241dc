"""Known sets of labelled claims, as they are released: a folder or file -> `Labelled`."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from eval.datasets._lines import LeftOut, first_file, objects, read_json
from eval.datasets.evidence import Labelled, as_sentences
from eval.errors import EvalError
from rag.chunking import sentence_spans, sentences

MOST_SENTENCES = 40  # of a cited web page
_VERDICTS = {"SUPPORT": "supported", "CONTRADICT": "contradicted", "REFUTE": "contradicted"}


def scifact(path: Path) -> Iterator[Labelled]:
    """Wadden et al., Fact or Fiction, EMNLP 2020: each claim against each abstract it cites."""
    folder = path if path.is_dir() else path.parent
    claims = path if path.is_file() else _one(folder, "claims_train.jsonl", "claims_dev.jsonl")
    papers = {str(r["doc_id"]): r for r in _rows(_one(folder, "corpus.jsonl"))}
    for claim in _rows(claims):
        for doc in map(str, claim["cited_doc_ids"]):
            if doc in papers:
                found = claim["evidence"].get(doc)
                label = _VERDICTS[found[0]["label"]] if found else "unsupported"
                yield Labelled(
                    claim["claim"], tuple(papers[doc]["abstract"]), label, "scifact",
                    papers[doc]["title"], f"scifact {claim['id']}",
                )  # fmt: skip


def check_covid(path: Path) -> Iterator[Labelled]:
    """Wang et al., Check-COVID, Findings of ACL 2023: each claim against the sentences shown.

    Not against the whole abstract: the same claim and abstract are there twice, once with a
    sentence that decides, and once, labelled as not enough, with one that does not.
    """
    folder = path if path.is_dir() else path.parent
    claims = path if path.is_file() else _one(folder, "Check-COVID_all.json")
    papers = {r["cord_id"]: r for r in _rows(_one(folder, "corpus.json"))}
    for claim in _rows(claims):
        paper = papers.get(claim["cord_id"])
        if paper:
            label = _VERDICTS.get(claim["label"], "unsupported")
            group = str(claim["id"]).rpartition("_")[0]
            shown = sorted({e["sent_index"] for e in claim["evidence_set"]})
            evidence = tuple(paper["abstract"][i] for i in shown if i < len(paper["abstract"]))
            if evidence:
                yield Labelled(
                    claim["claim"], evidence, label, "check-covid", paper["title"],
                    f"check-covid {group}",
                )  # fmt: skip


def attributionbench(path: Path) -> Iterator[Labelled]:
    """Li et al., AttributionBench, Findings of ACL 2024: a claim against the pages it cites."""
    file = path if path.is_file() else _one(path, "dev_all_subset_balanced.jsonl", "test.jsonl")
    for row in _rows(file):
        evidence = [s for text in row["references"] for s in sentences(text)][:MOST_SENTENCES]
        label = "supported" if row["attribution_label"] == "attributable" else "unsupported"
        if evidence and row["claim"].strip():
            group = f"attributionbench {row['question']}"
            yield Labelled(row["claim"], tuple(evidence), label, row["src_dataset"], "", group)


def llm_aggrefact(path: Path) -> Iterator[Labelled]:
    """Tang et al., MiniCheck, EMNLP 2024: columns dataset, doc, claim, label (1 is supported)."""
    file = path if path.is_file() else _one(path, "test.jsonl", "dev.jsonl", "test.csv", "dev.csv")
    for row in _records(file):
        evidence = tuple(sentences(str(row["doc"])))
        label = "supported" if str(row["label"]) in {"1", "1.0"} else "unsupported"
        if evidence:
            yield Labelled(row["claim"], evidence, label, str(row["dataset"]), "", str(row["doc"]))


def ragtruth(path: Path) -> Iterator[Labelled]:
    """Niu et al., RAGTruth, ACL 2024: each sentence of a response against what it was given.

    A sentence that a marked span touches is contradicted (a conflict) or unsupported (baseless).
    """
    folder = path if path.is_dir() else path.parent
    sources = {str(r["source_id"]): r for r in _rows(_one(folder, "source_info.jsonl"))}
    for row in _rows(_one(folder, "response.jsonl")):
        source = sources.get(str(row["source_id"]))
        if source:
            yield from _of_response(row, source)


def _of_response(row: Mapping[str, Any], source: Mapping[str, Any]) -> Iterator[Labelled]:
    evidence = as_sentences(_given(source["source_info"]))
    name, group = f"ragtruth-{source['task_type']}", str(row["source_id"])
    for start, end in sentence_spans(row["response"]) if evidence else ():
        label = _marked(row["labels"], start, end)
        yield Labelled(row["response"][start:end], evidence, label, name, "", group)


def scihal(path: Path) -> Iterator[Labelled]:
    """SciHal 2025 (Scholarly Document Processing): columns claim, reference, label."""
    files = [path] if path.is_file() else sorted([*path.glob("*.csv"), *path.glob("*.jsonl")])
    for file in files:
        for row in _records(file):
            label = _scihal_label(str(row.get("label", "")))
            evidence = tuple(sentences(str(row.get("reference", ""))))
            if label and evidence and row.get("claim"):
                yield Labelled(row["claim"], evidence, label, "scihal", "", str(row["claim"]))


def _scihal_label(label: str) -> str:
    known = {"entail": "supported", "contra": "contradicted", "unver": "unsupported"}
    return next((ours for name, ours in known.items() if label.lower().startswith(name)), "")


def _marked(labels: list[Mapping[str, Any]], start: int, end: int) -> str:
    kinds = [str(m["label_type"]) for m in labels if m["start"] < end and m["end"] > start]
    if any("conflict" in kind.lower() for kind in kinds):
        return "contradicted"
    return "unsupported" if kinds else "supported"


def _given(info: Any) -> str:
    """What a response was made from: a text, the passages of a question, or a record."""
    if isinstance(info, str):
        return info
    passages = info.get("passages") if isinstance(info, dict) else None
    return passages if isinstance(passages, str) else json.dumps(info, ensure_ascii=False)


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    """The objects of JSONL, whatever its suffix."""
    for found in objects(path):
        if not isinstance(found, LeftOut):
            yield found[1]


def _records(path: Path) -> Iterator[dict[str, Any]]:
    if path.suffix == ".csv":
        with path.open(encoding="utf-8-sig", newline="") as file:
            yield from csv.DictReader(file)
    elif path.suffix == ".json":
        yield from read_json(path)
    else:
        yield from _rows(path)


def _one(folder: Path, *names: str) -> Path:
    path = first_file(folder, *names)
    if path is None:
        raise EvalError(f"{folder} has none of {', '.join(names)}. Name the released folder.")
    return path
