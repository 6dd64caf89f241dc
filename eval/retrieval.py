"""Runs a retrieval set through `Chatbot.search`, mode by mode, with error bars."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from eval.datasets import RetrievalSet
from eval.metrics.retrieval import RETRIEVAL, per_query
from eval.stats import Difference, Estimate, estimate, holm, paired
from rag import Chatbot, Settings
from rag.ingest import Progress, silent
from rag.library import normalised_title, paper_id
from rag.sources import open_source
from rag.types import Paper, Rejected

DEPTH = 100  # papers asked for: what R@100 needs


@dataclass(frozen=True)
class System:
    """One way to search: its values by measure and query, and its seconds a query."""

    name: str
    values: Mapping[str, Mapping[str, float]]
    seconds: Sequence[float]

    def row(self, measure: str, queries: Sequence[str]) -> list[float]:
        return [self.values[measure][q] for q in queries]


@dataclass
class RetrievalReport:
    """All systems on one set; the first is the one that others are compared with."""

    dataset: str
    queries: list[str]
    systems: list[System]
    corpus: int
    seed: int = 0
    notes: list[str] = field(default_factory=list)

    def estimate(self, system: System, measure: str) -> Estimate:
        return estimate(system.row(measure, self.queries), seed=self.seed)

    def difference(self, system: System, measure: str) -> Difference:
        """Of this system to the first."""
        first = self.systems[0].row(measure, self.queries)
        return paired(first, system.row(measure, self.queries), self.seed)

    def adjusted(self, measure: str) -> dict[str, float]:
        """P-value of each further system against the first, corrected after Holm."""
        rest = self.systems[1:]
        return holm({s.name: self.difference(s, measure).p_t for s in rest})

    def to_dict(self) -> dict[str, Any]:
        return {
            "dataset": self.dataset,
            "n": len(self.queries),
            "corpus": self.corpus,
            "systems": {s.name: self._system(s) for s in self.systems},
            "notes": self.notes,
        }

    def _system(self, system: System) -> dict[str, Any]:
        metrics = {m: self.estimate(system, m).to_dict() for m in RETRIEVAL}
        found: dict[str, Any] = {"metrics": metrics, "seconds": seconds(system.seconds)}
        if system is not self.systems[0]:
            found["against"] = self.systems[0].name
            found["differences"] = {m: self._difference(system, m) for m in RETRIEVAL}
        return found

    def _difference(self, system: System, measure: str) -> dict[str, Any]:
        gap = self.difference(system, measure)
        return {
            "mean": round(gap.mean, 6),
            "low": round(gap.low, 6),
            "high": round(gap.high, 6),
            "p_t": gap.p_t,
            "p_randomisation": gap.p_randomisation,
            "p_t_holm": self.adjusted(measure)[system.name],
        }


@dataclass(frozen=True)
class Names:
    """Which documents of the corpus each paper of the home stands for, and which are missing."""

    documents: dict[str, list[str]]
    missing: set[str]
    rejected: int


def run_retrieval(
    dataset: RetrievalSet,
    home: str | Path,
    modes: Sequence[str] = ("hybrid", "dense", "lexical"),
    *,
    variants: Mapping[str, Settings] | None = None,
    seed: int = 0,
    limit: int | None = None,
    progress: Progress = silent,
) -> RetrievalReport:
    """Search every query in every mode of every variant; the corpus is ingested where it is not.

    `limit` takes a sample of the queries, the same one for a seed.
    """
    notes: list[str] = []
    all_settings = variants or {"": Settings.load(home)}
    with Chatbot.open(home, next(iter(all_settings.values()))) as bot:
        names = prepare(dataset, bot, progress, notes)
    queries = sample(sorted(dataset.qrels), limit, seed)
    qrels = {q: dataset.qrels[q] for q in queries}
    _tell(dataset, names, qrels, notes)
    systems: list[System] = []
    for label, settings in all_settings.items():
        with Chatbot.open(home, settings) as bot:
            for mode in modes:
                name = " ".join(part for part in (mode, label) if part)
                ranked, took = _search(
                    bot, dataset, queries, mode, names,
                    progress=_named(progress, name, len(queries)),
                )  # fmt: skip
                systems.append(System(name, per_query(qrels, ranked), took))
    corpus = sum(map(len, names.documents.values()))
    return RetrievalReport(dataset.name, queries, systems, corpus, seed, notes)


def prepare(dataset: RetrievalSet, bot: Chatbot, progress: Progress, notes: list[str]) -> Names:
    """Ingest the corpus where a paper of it is not in the home; ids stay those of the corpus."""
    names = name_papers(dataset.corpus, bot)
    if names.missing or bot.is_behind():
        report = bot.ingest(dataset.corpus, format="beir", progress=progress)
        notes.append(f"ingested {dataset.corpus}: {report}")
        names = name_papers(dataset.corpus, bot)
    strangers = sum(paper.id not in names.documents for paper in bot.papers())
    if strangers:
        notes.append(
            f"the home holds {strangers:,} papers that are not of this set; they count as wrong"
        )
    return names


def name_papers(corpus: Path, bot: Chatbot) -> Names:
    """Match documents to papers by the id that the library gives, else by title.

    A document whose `_id` is a DOI or an arXiv id goes by another name in the library, and two
    documents may be one paper there: then both are found at its rank.
    """
    held = {paper.id: paper.title for paper in bot.papers()}
    titles = {normalised_title(title): name for name, title in held.items()}
    documents: dict[str, list[str]] = {}
    missing: set[str] = set()
    rejected = 0
    for record in open_source(str(corpus), "beir"):
        if isinstance(record, Rejected):
            rejected += 1
            continue
        name = _held_as(record, held, titles)
        if name is None:
            missing.add(record.id)
        elif record.id not in documents.setdefault(name, []):
            documents[name].append(record.id)
    return Names(documents, missing, rejected)


def sample(names: Sequence[str], limit: int | None, seed: int) -> list[str]:
    """At most `limit` of the names, drawn by the seed, in their order."""
    if limit is None or limit >= len(names):
        return list(names)
    drawn = np.random.default_rng(seed).choice(len(names), limit, replace=False)
    return [names[i] for i in sorted(drawn)]


def seconds(values: Sequence[float]) -> dict[str, float]:
    """Median and 95th percentile of seconds, and their sum."""
    p50, p95 = np.percentile(values, [50, 95]) if len(values) else (0.0, 0.0)
    return {
        "p50": round(float(p50), 4),
        "p95": round(float(p95), 4),
        "total": round(sum(values), 2),
    }


def _held_as(record: Paper, held: Mapping[str, str], titles: Mapping[str, str]) -> str | None:
    name = paper_id(record)
    return name if name in held else titles.get(normalised_title(record.title))


def _search(
    bot: Chatbot,
    dataset: RetrievalSet,
    queries: Sequence[str],
    mode: Any,
    names: Names,
    *,
    progress: Callable[[int], None],
) -> tuple[dict[str, list[str]], list[float]]:
    bot.search(dataset.queries[queries[0]], k=1, mode=mode)  # loads what is loaded once
    ranked: dict[str, list[str]] = {}
    took: list[float] = []
    for done, query in enumerate(queries, 1):
        start = time.perf_counter()
        hits = bot.search(dataset.queries[query], k=DEPTH, mode=mode)
        took.append(time.perf_counter() - start)
        ranked[query] = list(_documents(hits, names, query))
        progress(done)
    return ranked, took


def _documents(hits: Sequence[Any], names: Names, query: str) -> Iterator[str]:
    """Document ids, best first; a paper that is the query itself is left out, as in BEIR."""
    for hit in hits:
        for document in names.documents.get(hit.paper.id, [f"not of this set: {hit.paper.id}"]):
            if document != query:
                yield document


def _named(progress: Progress, name: str, total: int) -> Callable[[int], None]:
    return lambda done: progress(f"searching, {name}", done, total)


def _tell(
    dataset: RetrievalSet, names: Names, qrels: Mapping[str, Mapping[str, int]], notes: list[str]
) -> None:
    notes += [f"left out {item.id or f'line {item.line}'}: {item.why}" for item in dataset.left_out]
    known = {document for several in names.documents.values() for document in several}
    lost = {document for grades in qrels.values() for document in grades} - known
    if names.rejected:
        notes.append(f"{names.rejected} records of the corpus could not be taken as papers")
    if lost:
        notes.append(f"{len(lost)} right papers are not in the home: each counts as not found")
