"""What the cross-encoder of rag/_reader.py is trained on: pairs of texts, each with its label.

Of two kinds. *Made* from abstracts alone, without a label by anyone: a title, a conclusion or a
sentence is a statement that the other sentences of its abstract support; with a word turned into
its opposite on one side they contradict it; another paper says neither. A question is made of some
words of a sentence, which then answers it, and another sentence does not. *Labelled* by people:
the claims of calibrate_grounding.py, and the questions of eval/data on what a search finds.
"""

from __future__ import annotations

import gzip
import json
import random
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from calibrate_grounding import Example

from rag import Chatbot
from rag._reader import under
from rag._sentences import best_sentences
from rag.chunking import sentences
from rag.ground import Match
from rag.lexical import STOP_WORDS, LexicalIndex, tokens
from rag.types import Hit

SUPPORTED, CONTRADICTED, NEITHER = range(3)
LABELS = {"support": SUPPORTED, "contradict": CONTRADICTED, "none": NEITHER}
QUESTIONS = Path(__file__).resolve().parent.parent / "eval" / "data"
COLLECTIONS = {
    "sample": ("sample:", ("sample_questions.jsonl", "harder_questions.jsonl")),
    "scifact": ("scifact/corpus.jsonl.gz", ("scifact_questions.jsonl",)),
}
PAPERS = 3  # whose sentences are paired with a question
MANY = ("multi", "which_paper", "list")  # types of questions that ask for several papers
DEPTH = 8  # hits of a question
EVERY_ARXIV = 12  # of so many abstracts one is read
READ = 3  # sentences of a paper in a passage

_OPPOSITES = """
increases/decreases, increase/decrease, increased/decreased, increasing/decreasing,
higher/lower, high/low, faster/slower, better/worse, more/fewer, gain/loss, improves/worsens,
improve/worsen, improved/worsened, improvement/deterioration, outperforms/underperforms,
outperform/underperform, before/after, with/without, sufficient/insufficient,
positive/negative, positively/negatively, inhibits/promotes, inhibit/promote,
inhibited/promoted, inhibition/promotion, upregulated/downregulated,
upregulates/downregulates, activates/inhibits, activate/suppress, activation/suppression,
induces/prevents, induce/prevent, reduces/raises, reduce/raise, reduced/raised,
reduction/rise, greater/smaller, larger/smaller, longer/shorter, effective/ineffective,
necessary/unnecessary, required/dispensable, associated/unrelated, protective/harmful,
enhances/impairs, enhance/impair, enhanced/impaired, strong/weak, early/late, present/absent,
able/unable, common/rare, best/worst, superior/inferior, most/least, similar/different,
stable/unstable, safe/unsafe, beneficial/harmful, efficient/inefficient,
efficiently/inefficiently, significantly/insignificantly, significant/insignificant,
accelerates/slows, accelerate/slow, expensive/cheap, cheaper/costlier, easy/hard,
simple/complex, achieves/misses, supports/contradicts, sensitive/resistant,
dependent/independent, above/below, risk/protection, susceptible/resistant, always/never,
all/none, can/cannot, less/more, lower/higher
"""
_OPPOSITE: dict[str, str] = {}
for _one, _other in (pair.split("/") for pair in re.split(r",\s*", _OPPOSITES.strip())):
    _OPPOSITE.setdefault(_one, _other)
    _OPPOSITE.setdefault(_other, _one)
_TURNS = re.compile(rf"\b(?:{'|'.join(sorted(_OPPOSITE, key=len, reverse=True))})\b")
_VERB = re.compile(r"\b(?:is|are|was|were|can|does|do|has|have|may|will|did)\b(?! not)")
_HEADING = re.compile(
    r"^(?:CONCLUSIONS?|RESULTS?|BACKGROUND|METHODS?|OBJECTIVES?|FINDINGS|INTERPRETATION|"
    r"SIGNIFICANCE|AIMS?|PURPOSE)[:.]? "
)
_WORD = re.compile(r"[A-Za-z][\w-]*|\d[\d.,]*%?")
_NAME = re.compile(r"\b[A-Za-z][\w-]{4,}\b")
_NUMBER = re.compile(r"(?<![\w.])\d+(?:\.\d+)?(?!\w)")
_COUNT = re.compile(
    r"(?<![\w.-])(?:\d[\d.,]*\d|\d|two|three|four|five|six|seven|eight|nine|ten|twelve)"
    r"(?:\s?%| percent)?\s+((?:[a-z][\w-]+\s+){0,2}[a-z][\w-]+s)\b"
)
_HOW_MANY = (
    "How many {what} are there in {about}?", "number of {what} in {about}",
    "How many {what} {near} {about}?", "What is the number of {what} {near}?",
    "{about}: how many {what}?", "How many {what} were {near}?", "How many {what} did {about} use?",
)  # fmt: skip
_OTHERWISE = (
    "What {what} {near} in {about}?", "Which {what} does {about} use?", "How is {what} {near}?",
    "How does {about} {what} {near}?", "Why {what} {near}?", "Does {about} {what} {near}?",
    "Is the {what} of {about} {near}?", "what is {what} in {about}", "Can {what} be {near}?",
    "Where {what} {near}, {about}?", "which {what} for {near}", "{about} {what} {near}",
    "When {what} {near}?", "How large is the {what} {near} for {about}?",
)  # fmt: skip


class Pair(NamedTuple):
    """`kind` "statement" has a label of the three above; "question" 1 where it is answered."""

    first: str
    second: str
    label: int
    kind: str
    group: str = ""  # what must not stand on both sides of a split


class Abstract(NamedTuple):
    title: str
    said: list[str]


def abstracts(data: Path, rng: random.Random) -> list[Abstract]:
    with gzip.open(data / "scifact" / "corpus.jsonl.gz", "rt", encoding="utf-8") as file:
        found = [Abstract(p["title"], p["abstract"]) for p in map(json.loads, file)]
    with gzip.open(data / "arxiv" / "abstracts.jsonl.gz", "rt", encoding="utf-8") as file:
        chosen = [json.loads(line) for i, line in enumerate(file) if i % EVERY_ARXIV == 0]
    found += [Abstract(p["title"], sentences(p["abstract"])) for p in chosen]
    found = [paper for paper in found if 4 <= len(paper.said) <= 25]
    rng.shuffle(found)
    return found


class Statements:
    """Statements made of abstracts, with what supports, contradicts or has nothing to do with."""

    def __init__(self, papers: Sequence[Abstract], rng: random.Random) -> None:
        self._papers, self._rng = papers, rng
        self._titles = [set(tokens(paper.title)) for paper in papers]

    def __iter__(self) -> Iterator[Pair]:
        for i in range(len(self._papers)):
            statement, said = self._statement(self._papers[i])
            if len(statement.split()) > 45:
                continue
            text = best(statement, said)
            yield Pair(statement, text, SUPPORTED, "statement")
            yield from self._opposed(statement, text)
            yield from self._other(i, statement, text)

    def _statement(self, paper: Abstract) -> tuple[str, list[str]]:
        draw = self._rng.random()
        if draw < 0.4 and len(paper.title.split()) > 6:
            return paper.title.rstrip(".") + ".", paper.said
        if draw < 0.7:
            return _HEADING.sub("", paper.said[-1]), paper.said[:-1]
        return self._shortened(self._rng.choice(paper.said)), paper.said

    def _shortened(self, sentence: str) -> str:
        sentence = _HEADING.sub("", sentence)
        sentence = re.sub(r"^(?:However|Moreover|In addition|Furthermore|Thus), ", "", sentence)
        sentence = re.sub(r" \([^)]*\)", "", sentence.replace(" also ", " "))
        words = sentence.rstrip(".").split()
        return " ".join(words[: max(6, int(len(words) * self._rng.choice([0.7, 0.85, 1])))]) + "."

    def _opposed(self, statement: str, text: str) -> Iterator[Pair]:
        """Turned on one side; now and then on both, so that no word by itself tells the label."""
        both = sorted({m[0] for m in _TURNS.finditer(statement)}.intersection(_TURNS.findall(text)))
        if both and self._rng.random() < 0.75:
            word, draw = self._rng.choice(both), self._rng.random()
            here, there = _turned(statement, word), _turned(text, word)
            if draw < 0.4:
                yield Pair(here, text, CONTRADICTED, "statement")
            elif draw < 0.75:
                yield Pair(statement, there, CONTRADICTED, "statement")
            else:
                yield Pair(here, there, SUPPORTED, "statement")
            return
        ways = [_turned(statement, m[0], 1) for m in _TURNS.finditer(statement)]
        if verb := _VERB.search(statement):
            ways.append(f"{statement[: verb.end()]} not{statement[verb.end() :]}")
        if " not " in statement:
            ways.append(statement.replace(" not ", " ", 1))
        if ways:
            yield Pair(self._rng.choice(ways), text, CONTRADICTED, "statement")

    def _other(self, i: int, statement: str, text: str) -> Iterator[Pair]:
        draw, rng = self._rng.random(), self._rng
        if draw < 0.55:
            far = self._papers[self._near(i)]
            yield Pair(statement, best(statement, far.said), NEITHER, "statement")
        elif draw < 0.8:
            names = [w for w in _NAME.findall(statement) if w in text and _is_name(w)]
            others = [w for w in _NAME.findall(rng.choice(self._papers).title) if w not in text]
            if names and others:
                swapped = statement.replace(rng.choice(names), rng.choice(others))
                yield Pair(swapped, text, NEITHER, "statement")
        elif numbers := [n for n in _NUMBER.findall(statement) if n in text]:
            was = rng.choice(numbers)
            becomes = f"{float(was) * rng.choice([0.3, 0.5, 1.5, 2, 3]):.{1 if '.' in was else 0}f}"
            if becomes != was:
                pattern = rf"(?<![\w.]){re.escape(was)}(?!\w)"
                swapped = re.sub(pattern, becomes, statement, count=1)
                yield Pair(swapped, text, CONTRADICTED, "statement")

    def _near(self, i: int) -> int:
        """Of 200 papers the one whose title has most words in common."""
        drawn = (self._rng.randrange(len(self._papers)) for _ in range(200))
        return max(drawn, key=lambda j: len(self._titles[i] & self._titles[j]) - 99 * (i == j))


class Questions:
    """Questions made of the words of a sentence, by patterns: crude, but there are many."""

    def __init__(self, papers: Sequence[Abstract], rng: random.Random) -> None:
        self._papers, self._rng = papers, rng

    def __iter__(self) -> Iterator[Pair]:
        last: tuple[str, str, str] | None = None
        for paper in self._papers:
            said = self._rng.choice(paper.said)
            made = self._made(said)
            if made is None:
                continue
            asked = self._asked(made, paper)
            yield Pair(asked, under(paper.title, said), 1, "question")
            rest = [s for s in paper.said if s != said]
            yield Pair(asked, under(paper.title, best(asked, rest, 1)), 0, "question")
            if last:  # the same about another paper, whose abstract will hardly say
                other = self._asked((*last[:2], self._rng.choice([made[2], last[2]])), paper)
                yield Pair(other, under(paper.title, best(other, paper.said, 1)), 0, "question")
            last = made

    def _made(self, said: str) -> tuple[str, str, str] | None:
        """A pattern, what is asked for, and some words that stand with it."""
        rng, words = self._rng, _content(said)
        kinds: list[tuple[str, str, str]] = []
        if count := _COUNT.search(said):
            near = " ".join(_content(said[count.end() :])[: rng.choice([0, 2, 3, 4])])
            kinds.append((rng.choice(_HOW_MANY), count[1], near))
        if len(words) > 6:
            i = rng.randrange(len(words) - 4)
            asked, rest = words[i : i + rng.choice([2, 3])], words[:i] + words[i + 3 :]
            j = rng.randrange(max(1, len(rest) - 3))
            near = " ".join(rest[j : j + rng.choice([2, 3, 4])])
            kinds.append((rng.choice(_OTHERWISE), " ".join(asked), near))
        return rng.choice(kinds) if kinds else None

    def _asked(self, made: tuple[str, str, str], paper: Abstract) -> str:
        pattern, what, near = made
        text = pattern.format(what=what, near=near, about=self._about(paper.title))
        text = re.sub(r"\s+", " ", text).replace(" ?", "?")
        draw = self._rng.random()
        return text.lower() if draw < 0.3 else text.rstrip("?") if draw > 0.8 else text

    def _about(self, title: str) -> str:
        head, colon, _ = title.partition(":")
        if colon and len(head.split()) <= 2 and self._rng.random() < 0.8:
            return head
        words = _content(title)
        if len(words) < 3 or self._rng.random() < 0.25:
            return f'"{title.rstrip(".")}"'
        i = self._rng.randrange(max(1, len(words) - 4))
        return " ".join(words[i : i + self._rng.choice([2, 3, 4])])


def claims(examples: Sequence[Example], found: Sequence[Match]) -> list[Pair]:
    """What people labelled, against the sentence that a grounder finds."""
    return [
        Pair(e.claim, e.evidence[m.best], LABELS[e.label], "statement", e.source)
        for e, m in zip(examples, found, strict=True)
    ]


def asked(question: dict, hits: Sequence[Hit], fits: Sequence[np.ndarray]) -> Iterator[Pair]:
    """A question by hand with the sentences that fit it best, of the papers that a search found.

    Which of them answer it is told by the key facts.
    """
    text, group = question["question"], question["id"]
    facts = [fact for group in question.get("key_facts", []) for fact in group]
    for rank, (hit, fit) in enumerate(zip(hits[:PAPERS], fits, strict=False)):
        said = sentences(hit.paper.abstract)
        first = list(np.argsort(-fit)[: 2 if rank == 0 else 1])
        right = hit.paper.title in question.get("gold_titles", [])
        if right and not facts:
            continue
        if right:
            held = [any(fact in sentence.lower() for fact in facts) for sentence in said]
            first = [i for i in range(len(said)) if held[i] or i in first]
        else:
            held = [False] * len(said)
            if question["answerable"] and (rank or question["type"] in MANY):
                first = []  # another paper may answer as well
        for i in first:
            yield Pair(text, under(hit.paper.title, said[i]), int(held[i]), "question", group)


class Found(NamedTuple):
    question: dict
    hits: list[Hit]
    fits: list[np.ndarray]
    lexicon: LexicalIndex
    file: str


def found_questions(data: Path, work: Path) -> list[Found]:
    """The development questions with what a search finds of each."""
    out: list[Found] = []
    for name, (source, files) in COLLECTIONS.items():
        with Chatbot.open(work / name) as bot:
            if not bot.info()["papers"]:
                bot.ingest(source if source.endswith(":") else str(data / source))
            for file in files:
                for question in map(json.loads, (QUESTIONS / file).open(encoding="utf-8")):
                    hits = bot.search(question["question"], k=DEPTH)
                    fits = bot._collection.fits(question["question"], hits)
                    lexicon = bot._collection.index().lexical
                    out.append(Found(question, hits, fits, lexicon, file))
    return out


def candidates(found: Found) -> Iterator[Pair]:
    """What is read for a question when it is asked."""
    text, title = found.question["question"], found.hits[0].paper.title
    for passage in best_sentences(found.hits[0].paper, found.fits[0]):
        yield Pair(text, under(title, passage), 0, "question", found.question["id"])


def best(text: str, said: Sequence[str], count: int = READ) -> str:
    """The sentences with most words in common, in their order."""
    words = set(tokens(text))
    shared = [len(words & set(tokens(sentence))) for sentence in said]
    chosen = sorted(sorted(range(len(said)), key=lambda i: -shared[i])[:count])
    return " ".join(said[i] for i in chosen)


def _content(text: str) -> list[str]:
    return [w for w in _WORD.findall(text) if w.lower() not in STOP_WORDS]


def _is_name(word: str) -> bool:
    return not word.islower() or len(word) > 7


def _turned(text: str, word: str, count: int = 0) -> str:
    return re.sub(rf"\b{word}\b", _OPPOSITE[word], text, count=count)
