"""Trains the small cross-encoder of rag/_reader.py and writes rag/data/reader.npz.

    python benchmarks/train_reader.py [--data ../shared/data] [--work DIR] [--minutes 30]

From the encoder that ships, its layers alone: first on pairs made of abstracts (reader_pairs.py),
for so many minutes, then on claims and questions that were written about abstracts, then on what
people labelled. The last is done four times: without the claims of one set and a third of the
questions each, whose readings by a model that had not seen them are what calibrate_grounding.py
and calibrate_refusal.py fit to; and at last with all, which is what ships. An hour and a half on
two cores. What was made so far is kept in DIR, and used again.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import pickle
import random
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from calibrate_grounding import Vectors, matches, read_all
from reader_pairs import (
    Pair,
    Questions,
    Statements,
    abstracts,
    asked,
    candidates,
    claims,
    found_questions,
    unbiased,
    written,
)
from sklearn.metrics import roc_auc_score
from tokenizers import Tokenizer
from torch.nn import functional
from transformers import BertModel

from rag._bert import BertWeights
from rag._reader import FILE, differences
from rag.embedding import SentenceTransformersEmbedder

ROOT = Path(__file__).resolve().parent.parent
MADE_STATEMENTS, MADE_QUESTIONS = 24_000, 4_000
SETS = ("SciFact", "Check-COVID", "AttributionBench")
LONGEST = 128  # word pieces of a pair
BATCH = 16
RATE_MADE, RATE_WRITTEN, RATE_TUNED = 1.6e-4, 1.2e-4, 1e-4
HALF = torch.cpu._is_avx512_bf16_supported()  # elsewhere half the bits take fifty times as long
EVERY_AWAY = 20  # of so many abstracts about which something was written, one is kept for a test
FROZEN = 2  # lowest layers that only the made pairs change


class Model(torch.nn.Module):
    """Four logits of the mean hidden state: three of a statement, one of a question."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.encoder = BertModel.from_pretrained(
            folder, attn_implementation="sdpa", attention_probs_dropout_prob=0.0
        )
        self.head = torch.nn.Linear(self.encoder.config.hidden_size, 4)
        for parameter in self.encoder.embeddings.parameters():
            parameter.requires_grad_(False)
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.enable_truncation(LONGEST)
        self.tokenizer.enable_padding()

    def forward(self, pairs: Sequence[Pair]) -> torch.Tensor:
        read = self.tokenizer.encode_batch([(p.first, p.second) for p in pairs])
        mask = torch.tensor([e.attention_mask for e in read])
        half = torch.autocast("cpu", torch.bfloat16)
        with half if self.training and HALF else contextlib.nullcontext():
            hidden = self.encoder(
                input_ids=torch.tensor([e.ids for e in read]),
                token_type_ids=torch.tensor([e.type_ids for e in read]),
                attention_mask=mask,
            ).last_hidden_state
        weight = mask[..., None].to(torch.float32)
        return self.head((hidden.float() * weight).sum(1) / weight.sum(1))

    def loss(self, pairs: Sequence[Pair]) -> torch.Tensor:
        logits = self(pairs)
        labels = torch.tensor([p.label for p in pairs])
        of_question = torch.tensor([p.kind == "question" for p in pairs])
        total = logits.sum() * 0
        if not of_question.all():
            said = ~of_question
            total = total + functional.cross_entropy(
                logits[said, :3], labels[said], label_smoothing=0.03, reduction="sum"
            )
        if of_question.any():
            total = total + functional.binary_cross_entropy_with_logits(
                logits[of_question, 3], labels[of_question] * 0.95 + 0.02, reduction="sum",
                pos_weight=torch.tensor(1.5),
            )  # fmt: skip
        return total / len(pairs)

    @torch.no_grad()
    def read(self, pairs: Sequence[Pair], size: int = 32) -> np.ndarray:
        self.eval()
        order = sorted(range(len(pairs)), key=lambda i: _length(pairs[i]))
        out = np.zeros((len(pairs), 4), np.float32)
        for start in range(0, len(order), size):
            rows = order[start : start + size]
            out[rows] = self([pairs[i] for i in rows]).numpy()
        return out


def train(model: Model, pairs: Sequence[Pair], rate: float, *, minutes: float = 1e9) -> None:
    """Once, with a rate that rises for a moment and then falls to nothing."""
    rng = random.Random(0)
    learnt = [p for p in model.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(learnt, lr=rate, weight_decay=0.01)
    batches = _batches(pairs, rng)
    began = time.monotonic()
    seen = 0.0
    for step, batch in enumerate(batches, start=1):
        model.train()
        done = max(step / len(batches), (time.monotonic() - began) / 60 / minutes)
        if done > 1:
            break
        for group in optimiser.param_groups:
            group["lr"] = rate * min(1.0, step / (0.06 * len(batches))) * max(0.03, 1 - done)
        loss = model.loss(batch)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(learnt, 1.0)
        optimiser.step()
        seen += (loss.item() - seen) * max(0.03, 1 / step)
        if step % 50 == 0:
            print(f"  {step} of {len(batches)}: loss {seen:.3f}", flush=True)


def _batches(pairs: Sequence[Pair], rng: random.Random) -> list[list[Pair]]:
    """Of pairs of like length, in no order."""
    shuffled = rng.sample(pairs, len(pairs))
    out: list[list[Pair]] = []
    for start in range(0, len(shuffled), 16 * BATCH):
        part = sorted(shuffled[start : start + 16 * BATCH], key=_length)
        out += [part[i : i + BATCH] for i in range(0, len(part), BATCH)]
    rng.shuffle(out)
    return out


def _length(pair: Pair) -> int:
    return len(pair.first) + len(pair.second)


def made_pairs(data: Path) -> list[Pair]:
    rng = random.Random(11)
    papers = abstracts(data, rng)
    statements = itertools.islice(Statements(papers, rng), MADE_STATEMENTS)
    questions = itertools.islice(Questions(papers, rng), MADE_QUESTIONS)
    return [*statements, *questions]


def labelled_claims(data: Path, cache: Path) -> list[Pair]:
    examples = read_all(data)
    vectors = Vectors(cache)
    vectors.prepare([t for e in examples for t in (e.claim, *e.evidence)])
    pairs = claims(examples, matches(examples, vectors.embed, vectors.tokens))
    vectors.save()
    return pairs


def tune(start: Path, folder: Path, pairs: Sequence[Pair]) -> Model:
    model = resumed(start, folder)
    train(model, pairs, RATE_TUNED)
    return model


def resumed(start: Path, folder: Path) -> Model:
    model = Model(folder)
    model.load_state_dict(torch.load(start))
    for layer in model.encoder.encoder.layer[:FROZEN]:
        layer.requires_grad_(False)
    return model


def write(model: Model, weights: BertWeights, folder: Path) -> None:
    """The differences to the encoder that ships."""
    tuned = BertWeights(folder, {k: v.numpy() for k, v in model.encoder.state_dict().items()})
    head = model.head.state_dict()
    kept = differences(weights.layers, tuned.layers)
    kept["head.weight"] = np.ascontiguousarray(head["weight"].numpy().T)
    kept["head.bias"] = head["bias"].numpy()
    np.savez_compressed(FILE, **kept)
    print(f"{FILE}: {FILE.stat().st_size / 2**20:.1f} MB")


def report(name: str, pairs: Sequence[Pair], read: np.ndarray) -> None:
    labels = np.array([p.label for p in pairs])
    if pairs[0].kind == "question":
        print(f"{name}: AUROC {roc_auc_score(labels, read[:, 3]):.3f} of {len(labels)}", flush=True)
        return
    margin = read[:, 0] - np.logaddexp(read[:, 1], read[:, 2])
    print(f"{name}: AUROC {roc_auc_score(labels == 0, margin):.3f} of {len(labels)}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--work", type=Path, default=Path("reader-work"), help="kept between runs")
    parser.add_argument("--minutes", type=float, default=13, help="on the pairs that were made")
    options = parser.parse_args()
    work: Path = options.work
    work.mkdir(exist_ok=True)
    torch.manual_seed(0)
    folder = SentenceTransformersEmbedder("default")._folder
    made, start = work / "made.pt", work / "written.pt"
    if not made.is_file():
        model = Model(folder)
        train(model, made_pairs(options.data), RATE_MADE, minutes=options.minutes)
        torch.save(model.state_dict(), made)
    if not start.is_file():
        model = resumed(made, folder)
        pairs = list(written(options.data))
        away = set(sorted({p.group for p in pairs})[::EVERY_AWAY])
        kept = unbiased([p for p in pairs if p.group not in away], random.Random(5))
        train(model, kept, RATE_WRITTEN)
        for kind in ("statement", "question"):
            some = [p for p in pairs if p.group in away and p.kind == kind]
            report(f"{kind}s written, not seen", some, model.read(some))
        torch.save(model.state_dict(), start)
    said = labelled_claims(options.data, work / "vectors.pkl")
    found = found_questions(options.data, work)
    pairs = [pair for f in found for pair in asked(f.question, f.hits, f.fits)]
    readings: dict[tuple[str, str], np.ndarray] = {}
    for fold, left_out in enumerate(SETS):
        away = {f.question["id"] for f in found[fold :: len(SETS)]}
        kept = [p for p in said if p.group != left_out] + [p for p in pairs if p.group not in away]
        model = tune(start, folder, kept)
        for name, some in (
            (left_out, [p for p in said if p.group == left_out]),
            ("questions", [p for p in pairs if p.group in away]),
            ("", [p for f in found if f.question["id"] in away for p in candidates(f)]),
        ):
            read = model.read(some)
            readings |= {(p.first, p.second): r for p, r in zip(some, read, strict=True)}
            if name:
                report(f"{name}, not seen", some, read)
        (work / "readings.pkl").write_bytes(pickle.dumps(readings))
    write(tune(start, folder, [*said, *pairs]), BertWeights(folder), folder)


if __name__ == "__main__":
    main()
