"""SciFact's training claims, asked as yes/no questions, end to end.

    python benchmarks/scifact_claims.py --data FOLDER_OF_SCIFACT --home HOME --out OUT [--limit 60]

Does the answer cite a right abstract, and which sentences of it? Does what is cited support or
refute the claim, by the grounder's verdict on the claim itself? Sentence and abstract F1 after
Wadden et al., Fact or Fiction: Verifying Scientific Claims, EMNLP 2020: a sentence counts if all of
its rationale is selected ("selection only"), and, with the label, if the abstract's is right too.
Sentences are selected in two ways: those that the answer quotes, and those on which the grounder
rests its verdict, of abstracts where it has one. The grounder that ships was fitted to these very
claims, which flatters what is read off its verdicts. With --papers the index holds the cited
abstracts of the claims asked and others up to that number: an easier task than all 5,183.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))

from eval.asking import ask_all, failed
from eval.datasets import Question
from eval.judging import judge_for
from eval.retrieval import sample
from eval.stats import estimate
from eval.text import figure
from rag import Chatbot, Settings
from rag._cli_progress import Progress

_LABELS = {"supported": "SUPPORT", "contradicted": "CONTRADICT"}


class Found(NamedTuple):
    """What the grounder says of one abstract, and the numbers of the sentences it rests on."""

    label: str
    sentences: set[int]


def read(folder: Path) -> tuple[dict[str, dict], dict[str, dict]]:
    with gzip.open(folder / "corpus.jsonl.gz", "rt", encoding="utf-8") as file:
        papers = {str(p["doc_id"]): p for p in map(json.loads, file)}
    with (folder / "claims_train.jsonl").open(encoding="utf-8") as file:
        claims = {str(c["id"]): c for c in map(json.loads, file)}
    return papers, claims


def chosen(papers: dict, claims: list[dict], most: int | None) -> list[str]:
    """The abstracts that these claims cite, and others up to `most`."""
    if most is None:
        return list(papers)
    cited = {str(doc) for claim in claims for doc in claim["cited_doc_ids"]}
    rest = [name for name in papers if name not in cited]
    random.Random(0).shuffle(rest)
    return [*cited, *rest[: max(0, most - len(cited))]]


def cited_sentences(row: dict, papers: dict) -> dict[str, set[int]]:
    """Abstract -> the numbers of its hand-split sentences that a quote covers."""
    out: dict[str, set[int]] = {}
    for citation in row["answer"]["citations"]:
        quote = squeeze(citation["quote"])
        for number, sentence in enumerate(papers[citation["paper_id"]]["abstract"]):
            plain = squeeze(sentence)
            if plain and (plain in quote or quote in plain):
                out.setdefault(citation["paper_id"], set()).add(number)
    return out


def squeeze(text: str) -> str:
    return "".join(text.split()).lower()


def counts(
    cited: dict[str, set[int]], claim: dict, labels: dict[str, Found] | None = None
) -> tuple[float, float, float]:
    """Right sentences, selected sentences, gold sentences of one claim; right also by label."""
    right = gold = 0
    for doc, rationales in claim["evidence"].items():
        told = labels.get(doc, Found("", set())).label if labels is not None else None
        for rationale in rationales:
            wanted = set(rationale["sentences"])
            gold += len(wanted)
            if wanted <= cited.get(doc, set()) and told in (None, rationale["label"]):
                right += len(wanted)
    return right, sum(map(len, cited.values())), gold


def f1(rows: np.ndarray) -> float:
    right, said, gold = rows.sum(0)[:3]
    return float(2 * right / (said + gold)) if said + gold else float("nan")


def abstract_counts(claim: dict, labels: dict[str, Found]) -> tuple[float, float, float]:
    """Abstracts cited with the right label, cited with a label, and gold ones."""
    gold = claim["evidence"]
    right = sum(doc in labels and labels[doc].label == found[0]["label"]
                for doc, found in gold.items())  # fmt: skip
    return float(right), float(sum(f.label != "" for f in labels.values())), float(len(gold))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--home", type=Path, help="kept between runs (default: a temporary one)")
    parser.add_argument("--out", type=Path, help="where answers.jsonl is kept, to resume")
    parser.add_argument("--limit", type=int, help="ask a sample of the claims")
    parser.add_argument("--papers", type=int, help="index only so many abstracts")
    args = parser.parse_args()
    if not (args.data / "corpus.jsonl.gz").is_file():
        print(f"not found: {args.data}/corpus.jsonl.gz. Name it with --data.", file=sys.stderr)
        return 1
    papers, claims = read(args.data)
    asked = [claims[name] for name in sample(list(claims), args.limit, 0)]
    names = chosen(papers, asked, args.papers)
    with tempfile.TemporaryDirectory() as temporary, Progress() as progress:
        home, out = args.home or Path(temporary) / "home", args.out or Path(temporary) / "out"
        corpus = Path(temporary) / "corpus.jsonl"
        corpus.write_text("".join(json.dumps(papers[n]) + "\n" for n in names), encoding="utf-8")
        # A claim is no question that may lack an answer: it is taken up in any case.
        with Chatbot.open(home, Settings.load(home, {"answer.refuse_below": 0.0})) as bot:
            print(bot.ingest(corpus, format="beir", progress=progress), file=sys.stderr)
            questions = [
                Question(str(c["id"]), f"Is it true that {c['claim'].rstrip('.')}?") for c in asked
            ]
            rows, _ = ask_all(bot, questions, out, progress)
            rows = [row for row in rows if not failed(row)]
            labels = [verdicts(bot, row, claims[row["id"]]["claim"], papers) for row in rows]
    report(rows, [claims[row["id"]] for row in rows], papers, labels, len(names))
    return 0


def verdicts(bot: Chatbot, row: dict, claim: str, papers: dict) -> dict[str, Found]:
    """Cited abstract -> SUPPORT, CONTRADICT or nothing, and the sentences that this rests on."""
    judge, out = judge_for(bot), {}
    for name in {c["paper_id"] for c in row["answer"]["citations"]}:
        given = papers[name]["abstract"]
        told = judge.judge(claim, given, [papers[name]["title"]] * len(given))
        label = _LABELS.get(told.verdict, "")
        rests = {i for i in (told.evidence, told.more) if i is not None}
        out[name] = Found(label, rests if label else set())
    return out


def report(
    rows: list[dict],
    claims: list[dict],
    papers: dict,
    labels: list[dict[str, Found]],
    size: int,
) -> None:
    with_gold = [i for i, claim in enumerate(claims) if claim["evidence"]]
    cited = [cited_sentences(row, papers) for row in rows]
    rests = [{doc: f.sentences for doc, f in told.items() if f.sentences} for told in labels]
    own = [float(bool(set(cited[i]) & set(claims[i]["evidence"]))) for i in with_gold]
    five = [float(bool(set(rows[i]["retrieved"][:5]) & set(claims[i]["evidence"])))
            for i in with_gold]  # fmt: skip
    every = range(len(rows))
    told = [
        float(labels[i][doc].label == found[0]["label"])
        for i in with_gold
        for doc, found in claims[i]["evidence"].items()
        if doc in labels[i]
    ]
    marked = [abstract_counts(claims[i], labels[i]) for i in every]
    quoted = [counts(cited[i], claims[i]) for i in every]
    rested = [counts(rests[i], claims[i]) for i in every]
    labelled = [counts(rests[i], claims[i], labels[i]) for i in every]
    print(f"{len(rows)} claims, {len(with_gold)} of them with evidence; {size} abstracts indexed")
    print(f"a right abstract among the first five        {figure(estimate(five))}")
    print(f"cites a right abstract                       {figure(estimate(own))}")
    print(f"sentence F1, what the answer quotes          {figure(estimate(quoted, f1))}")
    print(f"sentence F1, what the grounder rests on      {figure(estimate(rested, f1))}")
    print(f"sentence F1, the same with the right label   {figure(estimate(labelled, f1))}")
    print(f"abstract F1, with the right label            {figure(estimate(marked, f1))}")
    print(f"right label where a right abstract is cited  {figure(estimate(told))} n={len(told)}")


if __name__ == "__main__":
    sys.exit(main())
