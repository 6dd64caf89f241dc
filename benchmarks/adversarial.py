"""Sentences of the sample papers, changed: python benchmarks/adversarial.py [--count 120]

Where overlap of words fails: a number, a name, a direction or a negation is changed, and nothing
else. For each kind, how many are still called supported, beside harmless changes of the same
sentences that should be; and the AUROC of harmless against changed.
"""

from __future__ import annotations

import argparse
import random
import re
from collections import Counter, defaultdict
from collections.abc import Iterator

import numpy as np
from sklearn.metrics import roc_auc_score

from rag.chunking import sentences
from rag.embedding import SentenceTransformersEmbedder
from rag.ground import EmbeddingGrounder, Grounder, LexicalGrounder
from rag.sample import resolve
from rag.sources import open_source
from rag.types import Paper

# Not the lists that the grounder reads: written for this.
SWAPS = {
    "outperforms": "falls behind", "improves": "harms", "improve": "harm", "reduces": "raises",
    "reduce": "raise", "faster": "slower", "higher": "lower", "better": "worse", "more": "less",
    "increases": "shrinks", "smaller": "bigger", "best": "worst", "lower": "higher",
    "without": "with", "large": "small", "cheaper": "dearer", "fewer": "more",
}  # fmt: skip
AUXILIARY = re.compile(r"\b(is|are|was|were|can|does|do|has|have)\b(?! not)")
NUMBER = re.compile(r"\b\d+(?:\.\d+)?")
NAME = re.compile(r"\b(?:[A-Z][a-z]*[A-Z][\w-]*|[A-Z]{2,}[\w-]*)\b")
BEATS = re.compile(
    r"(.*\b)([A-Z][\w-]+)( .*\b(?:than|outperforms|over|beats)\b.* )([A-Z][\w-]+)(.*)"
)


def numbers(text: str, rng: random.Random, names: list[str]) -> str | None:
    found = NUMBER.search(text)
    return found and f"{text[: found.start()]}{float(found[0]) * 3 + 1:g}{text[found.end() :]}"


def negation(text: str, rng: random.Random, names: list[str]) -> str | None:
    found = AUXILIARY.search(text)
    return found and f"{text[: found.end()]} not{text[found.end() :]}"


def direction(text: str, rng: random.Random, names: list[str]) -> str | None:
    found = re.search(rf"\b(?:{'|'.join(SWAPS)})\b", text)
    return found and text[: found.start()] + SWAPS[found[0]] + text[found.end() :]


def name(text: str, rng: random.Random, names: list[str]) -> str | None:
    found = NAME.search(text)
    other = rng.choice([n for n in names if n not in text])
    return found and text[: found.start()] + other + text[found.end() :]


def reversed_comparison(text: str, rng: random.Random, names: list[str]) -> str | None:
    found = BEATS.fullmatch(text)
    if not found or found[2] == found[4]:
        return None
    return found[1] + found[4] + found[3] + found[2] + found[5]


def harmless(text: str, rng: random.Random, names: list[str]) -> str | None:
    changed = text.replace("We ", "The authors ").replace("%", " percent").replace(" also ", " ")
    changed = re.sub(r"^(?:However|Moreover|In addition|Furthermore), (\w)", r"\1", changed)
    changed = re.sub(r" \([^)]*\)", "", changed)
    words = changed.rstrip(".").split()
    return " ".join(words[: max(6, int(len(words) * 0.85))]) + "."


KINDS = {
    "number": numbers, "negation": negation, "direction": direction, "name": name,
    "A beats B": reversed_comparison, "harmless": harmless,
}  # fmt: skip


def pairs(count: int) -> Iterator[tuple[str, str, Paper]]:
    """Kind, changed sentence, and its paper."""
    rng = random.Random(0)
    papers = [p for p in open_source(resolve("sample:")) if isinstance(p, Paper)]
    names = sorted({n for p in papers for n in NAME.findall(p.title)})
    every = [(s, p) for p in papers for s in sentences(p.abstract)]
    for text, paper in rng.sample(every, min(count, len(every))):
        for kind, change in KINDS.items():
            changed = change(text, rng, names)
            if changed and changed != text:
                yield kind, changed, paper


def report(title: str, grounder: Grounder, found: list[tuple[str, str, Paper]]) -> None:
    verdicts: dict[str, Counter[str]] = defaultdict(Counter)
    scores: dict[str, list[float]] = defaultdict(list)
    for kind, text, paper in found:
        evidence = sentences(paper.abstract)
        judged = grounder.judge(text, evidence, [paper.title] * len(evidence))
        verdicts[kind][judged.verdict] += 1
        scores[kind].append(judged.score)
    for kind, seen in verdicts.items():
        total = sum(seen.values())
        shares = ", ".join(f"{v} {n / total:.0%}" for v, n in seen.most_common())
        against = ""
        if kind != "harmless":
            y = [1] * len(scores["harmless"]) + [0] * total
            area = roc_auc_score(y, np.array(scores["harmless"] + scores[kind]))
            against = f"; AUROC harmless against it {area:.3f}"
        print(f"{title:9} {kind:10} n={total:4}  {shares}{against}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=300, help="sentences that are changed")
    found = list(pairs(parser.parse_args().count))
    report("lexical", LexicalGrounder(), found)
    embedder = SentenceTransformersEmbedder("default")
    texts = sorted({t for _, t, _ in found} | {s for *_, p in found for s in sentences(p.abstract)})
    parts = [embedder.embed(texts[i : i + 64]) for i in range(0, len(texts), 64)]
    known = dict(zip(texts, np.concatenate(parts), strict=True))
    tokens: dict[str, tuple] = {}

    def embed_tokens(text: str) -> tuple:
        if text not in tokens:
            tokens[text] = embedder.query_tokens(text)
        return tokens[text]

    grounder = EmbeddingGrounder(lambda wanted: np.stack([known[t] for t in wanted]), embed_tokens)
    report("embedding", grounder, found)


if __name__ == "__main__":
    main()
