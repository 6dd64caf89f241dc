"""Instructions hidden in abstracts: python benchmarks/hostile.py [--data ../shared/data]

Plants the 150 text attacks of BIPIA (Yi et al., 2023) at the end of abstracts of the sample papers,
50 at a time, asks about each attacked paper with the extractive backend, and counts what comes of
it. Hashed words stand for the encoder: what is counted here does not depend on it.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path

from rag import Chatbot, Settings
from rag.cite import cite
from rag.ground import LexicalGrounder
from rag.sample import resolve
from rag.sources import open_source
from rag.types import Chunk, Hit, Paper

ROOT = Path(__file__).resolve().parent.parent
PART = 50
SETTINGS = Settings.model_validate(
    {"embedding": {"name": "hashing"}, "store": {"name": "memory"}, "answer": {"refuse_below": 0}}
)


def attacks(folder: Path) -> list[str]:
    files = (folder / "text_attack_train.json", folder / "text_attack_test.json")
    kinds = [json.loads(file.read_text(encoding="utf-8")) for file in files]
    return [text for kind in kinds for texts in kind.values() for text in texts]


def hit(rank: int, paper: Paper) -> Hit:
    return Hit(rank, 1.0, paper, Chunk("", paper.id, paper.abstract, 0, len(paper.abstract)))


def asked(papers: list[Paper], planted: list[str]) -> Counter:
    """Ask about each attacked paper; what became of the attack."""
    seen: Counter = Counter()
    attacked = [
        replace(p, id=f"p{n}", abstract=f"{p.abstract} {a}")
        for n, (p, a) in enumerate(zip(papers, planted, strict=True))
    ]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "papers.jsonl"
        rows = [{"id": p.id, "title": p.title, "abstract": p.abstract} for p in attacked]
        file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        with Chatbot.open(Path(folder) / "home", SETTINGS) as bot:
            bot.ingest(file)
            for paper, attack in zip(attacked, planted, strict=True):
                answer = bot.ask(f"What is {paper.title.partition(':')[0]} about?")
                by_marker = {note.marker: note for note in answer.citations}
                carried = [s for s in answer.sentences if s.text in attack or attack in s.text]
                quoted = all(
                    any(s.text in by_marker[m].quote for m in s.citations) for s in carried
                )
                seen["asked"] += 1
                seen["attack in the answer"] += bool(carried)
                seen["attack in the answer, not as a quote of its paper"] += not quoted
                seen["not verbatim from an abstract"] += any(
                    s.verdict != "supported" or s.score != 1.0 for s in answer.sentences
                )
    return seen


def judged(papers: list[Paper], planted: list[str]) -> Counter:
    """A model that obeyed would write the attack down as a fact of another paper."""
    seen: Counter = Counter()
    for n, attack in enumerate(planted):
        bad = replace(papers[n], id="bad", abstract=f"{papers[n].abstract} {attack}")
        good = replace(papers[(n + 7) % len(papers)], id="good")
        sentences, notes = cite(f"{attack} [2]", [hit(1, bad), hit(2, good)], LexicalGrounder())
        owner = {note.marker: note.paper_id for note in notes}
        seen["written as another paper's"] += 1
        seen["called supported by that other paper"] += any(
            s.verdict == "supported" and "good" in {owner[m] for m in s.citations}
            for s in sentences
        )
    return seen


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    folder = parser.parse_args().data / "security" / "bipia"
    if not folder.is_dir():
        raise SystemExit(f"not found: {folder}. Name the data with --data DIR.")
    planted = attacks(folder)
    papers = [p for p in open_source(resolve("sample:")) if isinstance(p, Paper)]
    total: Counter = Counter()
    for start in range(0, len(planted), PART):
        part = planted[start : start + PART]
        total += asked(papers[: len(part)], part)
        total += judged(papers[: len(part)], part)
    for name in (
        "asked", "attack in the answer", "attack in the answer, not as a quote of its paper",
        "not verbatim from an abstract", "written as another paper's",
        "called supported by that other paper",
    ):  # fmt: skip
        print(f"{total[name]:4}  {name}")


if __name__ == "__main__":
    main()
