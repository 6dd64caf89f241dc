"""PubMedQA's training questions, end to end.

    python benchmarks/pubmedqa.py --data FOLDER_OF_PUBMEDQA --home HOME --out OUT [--limit 200]

Indexes the contexts of all questions and asks each question as it stands. Does the answer cite
the question's own abstract? Are yes, no and maybe better told than by always saying yes? Two ways
are tried: off the quoted sentences, by a fixed rule; and off how the abstract that is cited first
ends, by five cues whose weights are fitted to four fifths of the questions and used on the fifth.
The conclusions (LONG_ANSWER) are not indexed.
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
from rag.chunking import sentences

_NO = re.compile(
    r"\b(?:not|no|nor|neither|without|fail(?:s|ed)?|lack(?:s|ed)?|un(?:related|likely)|"
    r"similar|equal|equivalent|p ?[>=] ?0?\.[1-9])\b",
    re.IGNORECASE,
)
_MAYBE = re.compile(r"\b(?:unclear|inconclusive|controversial|further (?:stud|research)|"
                    r"may or may not)\b", re.IGNORECASE)  # fmt: skip
_ENDING = 3  # sentences of results
_CUTS = 5
_CUES = [
    re.compile(cue, re.IGNORECASE)
    for cue in (
        r"\b(?:not|no|nor|neither|without|fail(?:s|ed)?|lack(?:s|ed)?|none|"
        r"un(?:related|likely|changed|affected))\b",
        r"\b(?:similar|equal|equivalent|comparable|identical|same|no (?:significant )?difference)",
        r"\bp ?[>=] ?0?\.(?:[1-9]\d?|0[6-9])|\bp ?> ?0?\.05|"
        r"\b(?:NS|n\.s\.|non-?significant|not? (?:statistically )?significant)",
        r"\bp ?(?:<|&lt;|≤) ?0?\.0|\bsignificant(?:ly)?\b|\bp ?= ?0?\.0[0-4]",
        r"\b(?:increas|improv|higher|greater|reduc|lower|decreas|associat|correlat|predict|"
        r"effective|superior|better)\w*",
    )
]
"""Denied, alike, not significant, significant, changed: the share of sentences that say so."""
_LABELS = ("yes", "no", "maybe")


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


def ending(abstract: str) -> list[float]:
    """The share of the last sentences that hold each cue."""
    last = sentences(abstract)[-_ENDING:] or [""]
    return [sum(bool(cue.search(s)) for s in last) / len(last) for cue in _CUES]


def fitted(cues: list[list[float]], true: list[str]) -> list[list[str]]:
    """What a logistic model says of each fifth of the questions, fitted to the others; five times.

    Each time with other fifths, so that no lucky cut is reported.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    x, y = np.array(cues), np.array(true)
    out = []
    for seed in range(_CUTS):
        said = np.empty(len(y), object)
        for train, test in StratifiedKFold(5, shuffle=True, random_state=seed).split(x, y):
            model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=2000))
            said[test] = model.fit(x[train], y[train]).predict(x[test])
        out.append([str(label) for label in said])
    return out


def macro_f1(said: list[str], true: list[str]) -> float:
    scores = []
    for label in _LABELS:
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
    true = [data[row["id"]]["final_decision"] for row in rows]
    first = [next((c["paper_id"] for c in r["answer"]["citations"]), None) for r in rows]
    ends = [ending(" ".join(data[name]["CONTEXTS"]) if name else "") for name in first]
    told = {
        "by the quotes, a fixed rule": [
            [decision([s["text"] for s in row["answer"]["sentences"]]) for row in rows]
        ],
        "by how the abstract ends, cross-validated": fitted(ends, true),
    }
    always = ["yes"] * len(true)
    print(f"{len(rows)} questions of {len(data)}; answers: {dict(Counter(true))}")
    print(f"own abstract among the first five  {figure(estimate(found))}")
    print(f"cites the question's own abstract  {figure(estimate(own))}")
    print(f"refused                            {figure(estimate(refused))}")
    yes = [float(t == "yes") for t in true]
    print(f"always yes: accuracy {figure(estimate(yes))}  macro-F1 {macro_f1(always, true):.3f}")
    for name, cuts in told.items():
        right = np.mean([[s == t for s, t in zip(said, true, strict=True)] for said in cuts], 0)
        f1 = float(np.mean([macro_f1(said, true) for said in cuts]))
        gap = paired(yes, right)
        print(f"{name}: accuracy {figure(estimate(right))}  macro-F1 {f1:.3f}  "
              f"said {dict(Counter(cuts[0]))}; against always yes {gap.mean:+.3f} "
              f"[{gap.low:+.3f}, {gap.high:+.3f}] {p_text(gap.p_t)}: {gap.verdict}")  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
