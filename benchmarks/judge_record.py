"""Writes down how well each judge does on labels by people that it had not seen.

    python benchmarks/judge_record.py --readings FILE [--data DIR] [--cache FILE] [--dry-run]

Three minutes, where calibrate_grounding.py has left its vectors in the cache.

The shipped coefficients are fitted to SciFact train, Check-COVID and AttributionBench dev, so
their figures there flatter them. Here each judge is fitted anew, by calibrate_grounding.py, for
every fifth of these sets without the papers or claims of that fifth, and its verdicts on it are
measured by the code of `footnoted eval grounders`. Renews eval/data/judges.json and the table in
eval/README.md; run it after calibrate_grounding.py, with the same --cache. Printed beside it: each
judge fitted to the two other sets alone.
"""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
from calibrate_grounding import OUT, Example, Fit, Vectors, asked_for, matches, readings

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from eval.datasets import Labelled
from eval.floors import FLOORS
from eval.grounders import Judged, judge_all
from eval.judges import Judges
from eval.record import CROSS_VALIDATED, PATH, record, tables
from eval.text import grounders_text
from rag import Settings
from rag.ground import Judgement, LexicalGrounder, Match, decide

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "eval" / "README.md"
LABELS = {"support": "supported", "contradict": "contradicted"}
TIMED = 20


def judgement(example: Example, match: Match, probability: float) -> Judgement:
    """As the grounder puts it together, with another probability of support."""
    # What is quoted word for word is told without coefficients.
    plain = LexicalGrounder().judge(example.claim, example.evidence)
    if plain.score in (0.0, 1.0):
        return plain
    return Judgement(*decide(match, probability), match.best, match.second)


def judged(
    name: str, examples: Sequence[Example], found: Sequence[Match], chances: np.ndarray
) -> list[Judged]:
    out = []
    for source in sorted({e.source for e in examples}):
        rows = [i for i, e in enumerate(examples) if e.source == source]
        verdicts = [judgement(examples[i], found[i], float(chances[i])) for i in rows]
        labels = [LABELS.get(examples[i].label, "unsupported") for i in rows]
        out.append(Judged(name, source.lower(), verdicts, labels, seconds(name, source, examples)))
    return out


def seconds(name: str, source: str, examples: Sequence[Example]) -> float:
    """Of a claim, by the judge that ships, with nothing embedded yet."""
    some = [e for e in examples if e.source == source][:TIMED]
    judge = _judges().make(name)
    start = time.perf_counter()
    for e in some:
        judge.judge(e.claim, e.evidence, [e.title] * len(e.evidence) if e.title else ())
    return (time.perf_counter() - start) / len(some)


@cache
def _judges() -> Judges:
    judges = Judges.of(Settings())
    judges.embed(["the weights are read before the clock runs"])
    return judges


def floors(examples: Sequence[Example]) -> list[Judged]:
    sets: dict[str, list[Labelled]] = {}
    for e in examples:
        label = LABELS.get(e.label, "unsupported")
        one = Labelled(e.claim, tuple(e.evidence), label, e.source, e.title)
        sets.setdefault(e.source.lower(), []).append(one)
    return judge_all(sets, _judges(), list(FLOORS))


def main() -> int:
    options, examples = asked_for(__doc__.split("\n", 1)[0])
    vectors = Vectors(options.cache)
    vectors.prepare([t for e in examples for t in (e.claim, *e.evidence)])
    inside: list[Judged] = []
    outside: list[Judged] = []
    # With the encoder that ships, the embedding judge has vectors of words and the cross-encoder.
    shipped = json.loads(OUT.read_text(encoding="utf-8"))
    for name, model, embed, words, read in (
        ("embedding", "read", vectors.embed, vectors.tokens, readings(options.readings)),
        ("lexical", "lexical", None, None, None),
    ):
        found = matches(examples, embed, words, read)
        fit = Fit(examples, found, [n for n in shipped[model] if n != "intercept"])
        inside += judged(name, examples, found, fit.cross_validated())
        outside += judged(name, examples, found, fit.unseen_set())
    vectors.save()
    print(grounders_text([*inside, *floors(examples)], {}))
    print(f"\nfitted to the two other sets alone:\n\n{grounders_text(outside, {})}")
    if not options.dry_run:
        write([*inside, *floors(examples)], outside)
    return 0


def write(found: Sequence[Judged], unseen: Sequence[Judged]) -> None:
    """Renew the record, and the table of it that the README shows."""
    record(found, PATH, fit=CROSS_VALIDATED, unseen=unseen)
    table = tables(json.loads(PATH.read_text(encoding="utf-8")))
    text = README.read_text(encoding="utf-8")
    marked = re.compile(r"(<!-- judges -->\n).*?(\n<!-- end -->)", re.DOTALL)
    README.write_text(marked.sub(lambda m: m[1] + table + m[2], text), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
