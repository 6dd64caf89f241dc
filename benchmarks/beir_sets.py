"""Writes Check-COVID and PubMedQA in the BEIR layout, for `retrieval.py` to rank.

    python benchmarks/beir_sets.py --data FOLDER --out FOLDER

FOLDER holds check-covid/, pubmedqa/ and scifact/ as they are released. The few abstracts of each
set stand among the 5,183 of SciFact: without these, finding the right one would be too easy.
Check-COVID: claims, except those without enough evidence, and the abstract each is judged by.
PubMedQA: questions, which are the titles of their papers, and the contexts without title and
conclusion.
"""

from __future__ import annotations

import argparse
import gzip
import json
from collections.abc import Iterator
from pathlib import Path

Row = tuple[str, str, str]
"""Id, title, text of a document."""
Query = tuple[str, str, str]
"""Id and text of a query, and the id of its document."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    others = list(_scifact(args.data / "scifact"))
    for name, (rows, queries) in {
        "check-covid": _check_covid(args.data / "check-covid"),
        "pubmedqa": _pubmedqa(args.data / "pubmedqa"),
    }.items():
        _write(args.out / name, [*rows, *others], queries)
        sizes = f"{len(rows)} papers and {len(others)} others, {len(queries)} queries"
        print(f"{args.out / name}: {sizes}")


def _check_covid(folder: Path) -> tuple[list[Row], list[Query]]:
    rows = [
        (f"covid-{r['cord_id']}", r["title"], " ".join(r["abstract"]))
        for r in _lines(folder / "corpus.json")
    ]
    queries = [
        (c["id"], c["claim"], f"covid-{c['cord_id']}")
        for c in _lines(folder / "Check-COVID_all.json")
        if c["label"] in ("SUPPORT", "REFUTE")
    ]
    return rows, queries


def _pubmedqa(folder: Path) -> tuple[list[Row], list[Query]]:
    found = json.loads((folder / "ori_pqal_train.json").read_text(encoding="utf-8"))
    rows = [(f"pubmed-{i}", "", " ".join(r["CONTEXTS"])) for i, r in found.items()]
    return rows, [(i, r["QUESTION"], f"pubmed-{i}") for i, r in found.items()]


def _scifact(folder: Path) -> Iterator[Row]:
    with gzip.open(folder / "corpus.jsonl.gz", "rt", encoding="utf-8") as file:
        for line in file:
            record = json.loads(line)
            yield f"scifact-{record['doc_id']}", record["title"], " ".join(record["abstract"])


def _lines(path: Path) -> Iterator[dict]:
    for line in path.read_text(encoding="utf-8").split("\n"):
        if line.strip():
            yield json.loads(line)


def _write(folder: Path, rows: list[Row], queries: list[Query]) -> None:
    (folder / "qrels").mkdir(parents=True, exist_ok=True)
    with (folder / "corpus.jsonl").open("w", encoding="utf-8") as file:
        for name, title, text in rows:
            # A paper needs a title; where it would give the question away, its id stands for it.
            record = {"_id": name, "title": title or name, "text": text}
            file.write(json.dumps(record) + "\n")
    with (folder / "queries.jsonl").open("w", encoding="utf-8") as file:
        file.writelines(json.dumps({"_id": q, "text": text}) + "\n" for q, text, _ in queries)
    with (folder / "qrels" / "test.tsv").open("w", encoding="utf-8") as file:
        file.write("query-id\tcorpus-id\tscore\n")
        file.writelines(f"{q}\t{paper}\t1\n" for q, _, paper in queries)


if __name__ == "__main__":
    main()
