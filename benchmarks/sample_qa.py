"""Asks the development questions of the sample papers: python benchmarks/sample_qa.py

For every answerable question: is a right paper among the first five of a search, does the answer
cite one, are the key facts in it. For the others: is the question refused. By type of question,
with 95% bootstrap intervals. The refusal model was fitted to these questions
(calibrate_refusal.py prints cross-validated figures): the rest of the path was not.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import numpy as np

from rag import Chatbot
from rag.types import Answer

QUESTIONS = Path(__file__).parent.parent / "eval" / "data" / "sample_questions.jsonl"
METRICS = ("success@5", "cited", "key facts", "sentences")


def holds(text: str, groups: list[list[str]]) -> bool:
    lower = text.lower()
    return all(any(fact in lower for fact in group) for group in groups)


def judge(bot: Chatbot, question: dict) -> dict:
    hits = bot.search(question["question"], k=5)
    answer: Answer = bot.ask(question["question"])
    gold = set(question["gold_titles"])
    cited = {citation.title for citation in answer.citations}
    return {
        "refused": answer.refused,
        "kind": answer.refusal.kind if answer.refusal else None,
        "success@5": any(hit.paper.title in gold for hit in hits),
        "cited": bool(gold & cited),
        "key facts": holds(answer.text, question.get("key_facts", [])) and not answer.refused,
        "sentences": len(answer.sentences),
        "text": answer.text,
        "seconds": answer.seconds["total"],
    }


def interval(values: list[float]) -> str:
    x = np.asarray(values, float)
    rng = np.random.default_rng(0)
    means = x[rng.integers(0, len(x), (2000, len(x)))].mean(1)
    low, high = np.percentile(means, [2.5, 97.5])
    return f"{x.mean():.3f} [{low:.3f}, {high:.3f}]"


def kind(question: dict) -> str:
    named = ("paraphrase", "other_field", "near", "not_stated")
    return question["type"] if question["type"] in named else "direct"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--source", default="sample:", help="papers to ingest instead")
    parser.add_argument("--questions", default=str(QUESTIONS), help="a JSONL of questions")
    parser.add_argument("--home", help="one that holds them already; made anew without")
    parser.add_argument("--out", help="write one line of JSON a question")
    args = parser.parse_args()
    lines = Path(args.questions).read_text(encoding="utf-8").splitlines()
    questions = [json.loads(line) for line in lines]
    with tempfile.TemporaryDirectory() as made, Chatbot.open(args.home or made) as bot:
        if not bot.info()["papers"]:
            print(bot.ingest(args.source))
        start = time.perf_counter()
        results = [judge(bot, question) for question in questions]
        took = time.perf_counter() - start
    groups = defaultdict(list)
    for question, result in zip(questions, results, strict=True):
        groups[kind(question)].append(result)
    answerable = groups["direct"] + groups["paraphrase"]

    def share(group: str, name: str) -> str:
        return f"{np.mean([r[name] for r in groups[group]]):.3f}" if groups[group] else "none"

    for name in METRICS:
        print(f"{name:10s} all {interval([r[name] for r in answerable])}   "
              f"direct {share('direct', name)}   "
              f"paraphrase {share('paraphrase', name)}")  # fmt: skip
    refused = [not q["answerable"] for q, r in zip(questions, results, strict=True) if r["refused"]]
    recalled = [
        r["refused"] for q, r in zip(questions, results, strict=True) if not q["answerable"]
    ]
    print(f"refusals   precision {interval(refused)}   recall {interval(recalled)}")
    for name, rows in sorted((name, rows) for name, rows in groups.items() if rows):
        print(f"  {name:12s} {len(rows):4d} questions, {np.mean([r['refused'] for r in rows]):.2f} "
              f"refused")  # fmt: skip
    print(f"{took / len(questions) * 1000:.0f} ms a question (a search and an answer)")
    if args.out:
        with Path(args.out).open("w", encoding="utf-8") as file:
            for question, result in zip(questions, results, strict=True):
                file.write(json.dumps({**question, **result}, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
