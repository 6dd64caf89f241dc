"""PubMedQA's training questions, end to end.

    python benchmarks/pubmedqa.py --data FOLDER_OF_PUBMEDQA [--limit 60]

Indexes the contexts of all questions and asks each question as it stands. Does the answer cite
the question's own abstract? Is yes, no or maybe, read off the quoted sentences by a rule that is
fixed here, better than always saying yes? The conclusions (LONG_ANSWER) are not indexed.
Jin et al., PubMedQA: A Dataset for Biomedical Research Question Answering, EMNLP 2019.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))

from eval.asking import ask_all, failed
from eval.datasets import Question
from eval.retrieval import sample
from eval.stats import estimate, paired
from eval.text import figure, p_text
from rag import Chatbot
from rag._cli_progress import Progress

_NO = re.compile(
    r"\b(?:not|no|nor|neither|without|fail(?:s|ed)?|lack(?:s|ed)?|un(?:related|likely)|"
    r"similar|equal|equivalent|p ?[>=] ?0?\.[1-9])\b",
    re.IGNORECASE,
)
_MAYBE = re.compile(r"\b(?:unclear|inconclusive|controversial|further (?:stud|research)|"
                    r"may or may not)\b", re.IGNORECASE)  # fmt: skip


def papers(data: dict) -> list[dict]:
    """Titled by number: the title of a context is its question, and would give it away."""
    return [
        {"_id": name, "title": f"PubMed {name}", "text": " ".join(row["CONTEXTS"])}
        for name, row in data.items()
    ]


def decision(sentences: list[str]) -> str:
    """yes, no or maybe, by the words of what was quoted; yes where nothing was."""
    text = " ".join(sentences)
    if _MAYBE.search(text):
        return "maybe"
    return "no" if _NO.search(text) else "yes"


def macro_f1(said: list[str], true: list[str]) -> float:
    scores = []
    for label in ("yes", "no", "maybe"):
        right = sum(s == t == label for s, t in zip(said, true, strict=True))
        total = said.count(label) + true.count(label)
        scores.append(2 * right / total if total else 0.0)
    return float(np.mean(scores))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="with ori_pqal_train.json")
    parser.add_argument("--home", type=Path, help="kept between runs (default: a temporary one)")
    parser.add_argument("--out", type=Path, help="where answers.jsonl is kept, to resume")
    parser.add_argument("--limit", type=int, help="ask a sample of the questions")
    args = parser.parse_args()
    path = args.data / "ori_pqal_train.json"
    if not path.is_file():
        print(f"not found: {path}. Name the folder with --data.", file=sys.stderr)
        return 1
    data = json.loads(path.read_text(encoding="utf-8"))
    names = sample(list(data), args.limit, 0)
    with tempfile.TemporaryDirectory() as temporary, Progress() as progress:
        home, out = args.home or Path(temporary) / "home", args.out or Path(temporary) / "out"
        corpus = Path(temporary) / "corpus.jsonl"
        corpus.write_text("".join(json.dumps(p) + "\n" for p in papers(data)), encoding="utf-8")
        with Chatbot.open(home) as bot:
            print(bot.ingest(corpus, format="beir", progress=progress), file=sys.stderr)
            questions = [Question(n, data[n]["QUESTION"], gold_papers=(n,)) for n in names]
            rows, _ = ask_all(bot, questions, out, progress)
    report([row for row in rows if not failed(row)], data)
    return 0


def report(rows: list[dict], data: dict) -> None:
    cited = [{c["paper_id"] for c in row["answer"]["citations"]} for row in rows]
    found = [row["id"] in row["retrieved"][:5] for row in rows]
    own = [row["id"] in papers for row, papers in zip(rows, cited, strict=True)]
    refused = [row["answer"]["refused"] for row in rows]
    said = [decision([s["text"] for s in row["answer"]["sentences"]]) for row in rows]
    true = [data[row["id"]]["final_decision"] for row in rows]
    right = [float(s == t) for s, t in zip(said, true, strict=True)]
    yes = [float(t == "yes") for t in true]
    print(f"{len(rows)} questions of {len(data)}; answers: {dict(Counter(true))}")
    print(f"own abstract among the first five  {figure(estimate(found))}")
    print(f"cites the question's own abstract  {figure(estimate(own))}")
    print(f"refused                            {figure(estimate(refused))}")
    print(f"yes/no/maybe, accuracy             {figure(estimate(right))}  "
          f"macro-F1 {macro_f1(said, true):.3f}  said {dict(Counter(said))}")  # fmt: skip
    print(f"always yes, accuracy               {figure(estimate(yes))}  "
          f"macro-F1 {macro_f1(['yes'] * len(true), true):.3f}")  # fmt: skip
    gap = paired(yes, right)
    print(f"against always yes: {gap.mean:+.3f} [{gap.low:+.3f}, {gap.high:+.3f}] "
          f"{p_text(gap.p_t)}: {gap.verdict}")  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
