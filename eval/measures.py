"""What a report measures: a name, how it is read off one question, and how it is put together.

To add one: a `Measure` and a line in METRICS. `of` gives the numbers of a question (one, or
several for a figure made of several), None where the question cannot speak to it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from eval import metrics as m
from eval.datasets import Question
from eval.registered import METRICS
from eval.stats import Estimate, Statistic, estimate, mean_of
from rag.registry import lookup

FALSE_PREMISE = "false_premise"
"""The type of a question whose premise is false."""

Better = Literal["higher", "lower", "neither"]


@dataclass(frozen=True)
class Case:
    """A question with its answer (as `Answer.to_dict`), judged; no failure of the backend."""

    question: Question
    answer: Mapping[str, Any]
    judged: Mapping[str, Any]
    retrieved: Sequence[str] = ()
    confidence: float = 0.0
    relevance: float | None = None
    abstracts: Mapping[str, str] = field(default_factory=dict)

    @property
    def refused(self) -> bool:
        return bool(self.answer["refused"])

    @property
    def said(self) -> str:
        """The answer's text; nothing where it refused, whose words are no answer."""
        return "" if self.refused else str(self.answer["text"])

    @property
    def cited(self) -> list[str]:
        """The cited papers, one a citation."""
        return [citation["paper_id"] for citation in self.answer["citations"]]

    @property
    def quotes(self) -> list[str]:
        return [citation["quote"] for citation in self.answer["citations"]]

    @property
    def verdicts(self) -> list[str]:
        return [sentence["verdict"] for sentence in self.judged["sentences"]]

    @property
    def should_answer(self) -> bool:
        return self.question.answerable is not False


Value = float | Sequence[float] | None


@dataclass(frozen=True)
class Measure:
    """A figure of a report; `figure` puts the rows of all questions together."""

    title: str
    group: str
    of: Callable[[Case], Value]
    better: Better = "higher"
    figure: Statistic = mean_of
    unit: str = ""

    def row(self, case: Case) -> list[float] | None:
        found = self.of(case)
        if found is None:
            return None
        return [float(found)] if isinstance(found, int | float) else [float(x) for x in found]

    def estimate(
        self, rows: Sequence[Sequence[float]], seed: int = 0, few: bool = False
    ) -> Estimate:
        """With its interval; `few` resamples where there are many figures to make."""
        return estimate(list(rows), self.figure, seed, few=few)


def measure(name: str) -> Measure:
    """The measure of that name, ours or a `package.module:NAME` of yours."""
    found: Measure = lookup("metric", name, METRICS)
    return found


def measures(extra: Sequence[str] = ()) -> dict[str, Measure]:
    return {name: measure(name) for name in [*METRICS, *extra]}


# --- retrieval: of what the backend was given


def _retrieval(name: str) -> Callable[[Case], Value]:
    def of(case: Case) -> Value:
        gold = case.question.gold_papers
        if not gold or not case.should_answer:
            return None
        found = m.per_query({"q": dict.fromkeys(gold, 1)}, {"q": list(case.retrieved)}, [name])
        return found[name]["q"]

    return of


NDCG = Measure("nDCG@10", "retrieval", _retrieval("nDCG@10"))
RR = Measure("reciprocal rank", "retrieval", _retrieval("RR"))
SUCCESS = Measure("a right paper in the first five", "retrieval", _retrieval("Success@5"))


def _recall(case: Case) -> Value:
    if not case.should_answer:
        return None
    return m.relevant_found(case.retrieved, case.question.gold_papers, len(case.retrieved))


RECALL = Measure("right papers among those read", "retrieval", _recall)


# --- grounding: of answers given


def _share(verdict: str) -> Callable[[Case], Value]:
    return lambda case: None if case.refused else m.verdict_share(case.verdicts, verdict)


def _exact(case: Case) -> Value:
    spans = [(c["paper_id"], c["quote"], c["start"], c["end"]) for c in case.answer["citations"]]
    return m.quote_exactness(spans, case.abstracts)


CITATION_RECALL = Measure(
    "sentences their citations support", "grounding", lambda c: c.judged["citation_recall"]
)
CITATION_PRECISION = Measure(
    "citations that are needed", "grounding", lambda c: c.judged["citation_precision"]
)
SUPPORTED = Measure("sentences supported", "grounding", _share("supported"))
PARTIAL = Measure("sentences partly supported", "grounding", _share("partial"), "neither")
CONTRADICTED = Measure("sentences contradicted", "grounding", _share("contradicted"), "lower")
UNSUPPORTED = Measure("sentences unsupported", "grounding", _share("unsupported"), "lower")
QUOTES = Measure("quotes that are exact", "grounding", _exact)
SOURCES = Measure(
    "citations of a right paper",
    "grounding",
    lambda c: m.source_exactness(c.cited, c.question.gold_papers) if c.should_answer else None,
)


# --- answers: of questions that can be answered; a refusal has said nothing


def _answer(title: str, of: Callable[[Case], Value]) -> Measure:
    return Measure(title, "answer", lambda case: of(case) if case.should_answer else None)


def _f1(case: Case) -> Value:
    asked = case.question
    reference = asked.answer or asked.correction or " ".join(asked.gold_sentences)
    return m.token_f1(case.said, reference)


def right(case: Case) -> float | None:
    """1 where all that the question names is met: a right paper cited, all key facts said.

    An answer to what cannot be answered is wrong, unless it corrects a false premise. None where
    the question names nothing.
    """
    if case.question.answerable is False:
        return None if case.refused else float(corrects(case))
    asked = case.question
    parts = [
        m.cites_gold(case.cited, asked.gold_papers),
        m.all_key_facts(case.said, asked.key_facts),
    ]
    if parts == [None, None]:
        parts = [m.gold_sentence_recall(case.quotes, asked.gold_sentences)]
    known = [part for part in parts if part is not None]
    return float(all(part == 1.0 for part in known)) if known else None


def corrects(case: Case) -> bool:
    """Whether an answer to a false premise cites the right paper and says what is so instead.

    What is so are the key facts; where there are none, that it is not so must be said.
    """
    asked = case.question
    if (
        asked.type != FALSE_PREMISE
        or case.refused
        or not m.cites_gold(case.cited, asked.gold_papers)
    ):
        return False
    said = m.all_key_facts(case.said, asked.key_facts)
    return m.denies(case.said) if said is None else said == 1.0


RIGHT = _answer("right paper and all key facts", right)
CITES_GOLD = _answer("cites a right paper", lambda c: m.cites_gold(c.cited, c.question.gold_papers))
SOURCE_RECALL = _answer(
    "right papers cited", lambda c: m.source_recall(c.cited, c.question.gold_papers)
)
KEY_FACTS = _answer("key facts said", lambda c: m.key_facts_found(c.said, c.question.key_facts))
ALL_FACTS = _answer("all key facts said", lambda c: m.all_key_facts(c.said, c.question.key_facts))
GOLD_SENTENCES = _answer(
    "gold sentences quoted", lambda c: m.gold_sentence_recall(c.quotes, c.question.gold_sentences)
)
TOKEN_F1 = _answer("token F1 with the reference", _f1)
RELEVANCE = Measure(
    "answer is on the question's topic",
    "answer",
    lambda c: None if c.refused else c.relevance,
)


# --- refusals and confidence


def _refusal(case: Case) -> Value:
    answerable = case.question.answerable
    return None if answerable is None else (float(case.refused), float(answerable))


def _refused(case: Case) -> Value:
    if case.question.answerable is not False or corrects(case):
        return None
    return float(case.refused)


def _premise(case: Case) -> Value:
    if case.question.type != FALSE_PREMISE:
        return None
    return 1.0 if case.refused and not case.should_answer else right(case)


def _risk(case: Case) -> Value:
    wrong = right(case)
    return None if case.refused or wrong is None else (case.confidence, 1.0 - wrong)


def _certainty(case: Case) -> Value:
    asked = case.question
    if asked.answerable is None or (asked.answerable is False and corrects(case)):
        return None
    there = not asked.gold_papers or bool(set(asked.gold_papers) & set(case.retrieved))
    return case.confidence, float(asked.answerable and there)


def _pair(function: Callable[..., float]) -> Statistic:
    return lambda rows: function(rows[:, 0], rows[:, 1])


REFUSAL_PRECISION = Measure(
    "refusals that were right", "refusals", _refusal, figure=_pair(m.refusal_precision)
)
REFUSAL_RECALL = Measure("unanswerable questions refused", "refusals", _refused)
PREMISES = Measure("false premises corrected, or refused", "refusals", _premise)
AURC = Measure("risk over coverage (area)", "refusals", _risk, "lower", _pair(m.aurc))
CALIBRATION = Measure(
    "calibration error of the confidence", "refusals", _certainty, "lower",
    _pair(m.calibration_error),
)  # fmt: skip
