"""Questions without an answer: of another field, of a detail not stated, of a false premise."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from eval.making.rules import Draft, accepted, name_of
from rag.types import Paper

KINDS = ("other_field", "not_stated", "false_premise")
# Asked of what abstracts seldom say; taken only where the abstract has none of the words.
_DETAILS = (
    ("How many GPUs were used to train {}?", ("gpu", "tpu", "hardware", "accelerator")),
    ("Which learning rate was used for {}?", ("learning rate", "learning-rate", "optimizer")),
    ("Who funded the work on {}?", ("fund", "grant", "sponsor", "support from")),
    ("How much did it cost to develop {}?", ("cost", "price", "dollar", "$", "budget")),
    ("Which random seeds were used to evaluate {}?", ("seed",)),
    ("At which university was {} developed?", ("universit", "institut", "laborator")),
    ("How many annotators took part in {}?", ("annotat", "crowd", "labell", "labeler", "rater")),
    ("Under which licence is {} released?", ("licen", "apache", "creative commons", "mit ")),
    ("Which batch size was used for {}?", ("batch",)),
    ("How much electricity did {} consume?", ("energy", "electric", "carbon", "power", "watt")),
)
# Everyday matters; a home that holds papers on one of them drops it by looking.
_ELSEWHERE = (
    "How long should sourdough proof in a cold kitchen?",
    "Which country won the first football World Cup?",
    "How is a wooden violin varnished?",
    "What is the notice period for ending a flat lease in Vienna?",
    "Which pigments did medieval monks use for blue?",
    "How do I prune an old apple tree in winter?",
    "What was the price of a loaf of bread in 1923?",
    "Who composed the opera about a barber in Seville?",
    "How deep must a fence post be set in sandy soil?",
    "Which mountain pass did Hannibal cross with elephants?",
    "How many players are on a water polo team?",
    "What does a notary charge for a will?",
    "When do storks leave for the south?",
    "How is Parmesan cheese aged?",
    "Which knot holds best on a mooring ring?",
    "How are cathedral bells tuned?",
    "What is the speed limit on rural roads in Norway?",
    "How do you remove red wine from linen?",
    "Which emperor built the wall in northern Britain?",
    "How often should a cello be restrung?",
    "What tax is due on an inherited farm?",
    "How is saffron harvested?",
    "Which dances were popular at the court of Versailles?",
    "How do glassblowers anneal a vase?",
)


@dataclass(frozen=True, slots=True)
class Trap:
    """A question that the papers do not answer; `about` is the paper it seems to be about.

    `truth` is what that paper states where the question states something else, with its key facts:
    a correction that cites it is as right as a refusal.
    """

    question: str
    type: str
    about: Paper | None = None
    truth: str = ""
    facts: tuple[tuple[str, ...], ...] = ()

    def to_dict(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = {
            "id": name, "question": self.question, "answerable": False, "type": self.type,
        }  # fmt: skip
        if self.about:
            found["about_title"] = self.about.title
        if self.about and self.type == "false_premise":
            found["gold_papers"] = [self.about.id]
        if self.truth:
            found |= {"correction": self.truth, "key_facts": [list(group) for group in self.facts]}
        return found


def other_field(rng: random.Random) -> Iterator[Trap]:
    """Matters of everyday life, in an order of their own for each seed."""
    for question in rng.sample(_ELSEWHERE, len(_ELSEWHERE)):
        yield Trap(question, "other_field")


def not_stated(papers: Sequence[Paper], rng: random.Random) -> Iterator[Trap]:
    """A detail of a paper that its abstract has no word of."""
    for paper in rng.sample(list(papers), len(papers)):
        lower = f"{paper.title} {paper.abstract}".lower()
        open_ = [text for text, words in _DETAILS if not any(word in lower for word in words)]
        if open_:
            yield Trap(rng.choice(open_).format(name_of(paper)), "not_stated", paper)


def false_premise(drafts: Sequence[Draft], rng: random.Random) -> Iterator[Trap]:
    """A true statement with its number swapped, asked as if it were so; or another's name in it."""
    for draft in rng.sample(list(drafts), len(drafts)):
        if draft.number:
            yield from _swapped_number(draft, rng)
        else:
            yield from _swapped_name(draft, drafts, rng)


def _swapped_number(draft: Draft, rng: random.Random) -> Iterator[Trap]:
    plain = re.sub(r"[^\d.]", "", draft.number).strip(".")
    if not plain or ("How many" not in draft.question and "%" not in draft.number):
        return
    share = float(plain) <= 100 and ("%" in draft.number or "percent" in draft.number)
    factors = [f for f in (0.4, 0.6, 1.7, 2.3) if not share or float(plain) * f < 100]
    value = float(plain) * rng.choice(factors)
    wrong = f"{value:.1f}" if "." in plain else f"{max(2, round(value))}"
    unit = re.sub(r"^[\d.,\s]+", "", draft.number)
    stated = any(form in draft.paper.abstract.lower() for form in accepted(f"{wrong}{unit}"))
    if not stated:
        yield Trap(
            f"{draft.question.rstrip('?')}, and why is it {wrong}{unit}?",
            "false_premise", draft.paper, draft.sentence, draft.facts,
        )  # fmt: skip


def _swapped_name(draft: Draft, drafts: Sequence[Draft], rng: random.Random) -> Iterator[Trap]:
    others = [d for d in drafts if d.paper.id != draft.paper.id and name_of(d.paper)[0] != '"']
    if not others or draft.type != "what_is":
        return
    name = draft.question.removeprefix("What is ").rstrip("?")
    other = rng.choice(others).paper
    if name_of(other) not in draft.paper.abstract and name not in other.abstract:
        yield Trap(f"How does {name_of(other)} build on {name}?", "false_premise", other)
