"""What reading gives the choice of quotes: python benchmarks/choosing.py --work DIR

Answers the development questions that can be answered, with nothing refused, by the extractive
backend: with sentences chosen as without a cross-encoder, and with readings of some of the best.
DIR is that of train_reader.py, where each question was read by a model that was not trained on it;
a sentence that was not read there counts as no answer. Printed by set: the share of questions with
all key facts in the answer, and with a right paper cited.
"""

from __future__ import annotations

import argparse
import pickle
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from reader_pairs import Found, found_questions

from rag._reader import under
from rag.backends import extractive
from rag.prompt import build

ROOT = Path(__file__).resolve().parent.parent
READ = (2, 4, 6)
NOTHING = -9.0  # log-odds of a sentence that was not read
Answers = Callable[[str, str, str], float]


def judged(found: Found, answers: Answers | None) -> tuple[bool | None, bool]:
    """Whether all key facts are in the answer (None: it has none), and a right paper is cited."""
    question, lexicon = found.question, found.lexicon
    backend = extractive.ExtractiveBackend(
        lambda _, hits: found.fits[: len(hits)], lexicon.rarity, lexicon.names, answers
    )
    lines = list(backend.complete(build(question["question"], found.hits)))
    text = " ".join(line.rpartition(" [")[0] for line in lines).lower()
    cited = {int(line.rstrip("]\n").rpartition("[")[2]) for line in lines}
    facts = question.get("key_facts", [])
    held = all(any(fact in text for fact in group) for group in facts) if facts else None
    titles = {found.hits[number - 1].paper.title for number in cited}
    return held, bool(titles & set(question.get("gold_titles", [])))


def line(name: str, questions: Sequence[Found], answers: Answers | None) -> None:
    parts = []
    for file in dict.fromkeys(f.file for f in questions):
        results = [judged(f, answers) for f in questions if f.file == file]
        facts = np.mean([held for held, _ in results if held is not None])
        parts.append(f"{file} {facts:.3f}, {np.mean([cited for _, cited in results]):.3f}")
    print(f"{name}: {'; '.join(parts)}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--work", type=Path, required=True, help="where train_reader.py worked")
    options = parser.parse_args()
    read = pickle.loads((options.work / "readings.pkl").read_bytes())

    def answers(question: str, title: str, sentence: str) -> float:
        logits = read.get((question, under(title, sentence)))
        return NOTHING if logits is None else float(logits[3])

    found = found_questions(options.data, options.work)
    questions = [f for f in found if f.question["answerable"]]
    print("key facts, cited")
    line("none read", questions, None)
    for extractive._READ in READ:
        line(f"{extractive._READ} read", questions, answers)


if __name__ == "__main__":
    main()
