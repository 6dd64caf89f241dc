"""What the cross-encoder of rag/_reader.py is trained on: pairs of texts, each with its label.

Of three kinds. *Made* from abstracts alone, without a label by anyone: a title, a conclusion or a
sentence is a statement that the other sentences of its abstract support; with a word turned into
its opposite on one side they contradict it; another paper says neither. A question is made of some
words of a sentence, which then answers it, and another sentence does not. *Written* for it: claims
and questions about 1,890 abstracts, with the sentence that tells, in written_pairs.jsonl.
*Labelled* by people: the claims of calibrate_grounding.py, and the questions of eval/data on what
a search finds.
"""

from __future__ import annotations

import gzip
import itertools
import json
import random
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from calibrate_grounding import Example
from scipy.sparse import hstack
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, cross_val_predict

from rag import Chatbot
from rag._reader import under
from rag._sentences import best_sentences
from rag.chunking import sentences
from rag.ground import Match
from rag.lexical import STOP_WORDS, LexicalIndex, tokens
from rag.types import Hit

SUPPORTED, CONTRADICTED, NEITHER = range(3)
LABELS = {
    "support": SUPPORTED, "contradict": CONTRADICTED, "none": NEITHER,
    "supported": SUPPORTED, "contradicted": CONTRADICTED, "neither": NEITHER,
}  # fmt: skip
WRITTEN = Path(__file__).resolve().parent / "written_pairs.jsonl"
QUESTIONS = Path(__file__).resolve().parent.parent / "eval" / "data"
SCIFACT, ARXIV = "scifact/corpus.jsonl.gz", "arxiv/abstracts.jsonl.gz"
COLLECTIONS = {
    "sample": ("sample:", ("sample_questions.jsonl", "harder_questions.jsonl")),
    "scifact": (SCIFACT, ("scifact_questions.jsonl",)),
}
PAPERS = 3  # whose sentences are paired with a question
MANY = ("multi", "which_paper", "list")  # types of questions that ask for several papers
DEPTH = 8  # hits of a question
KEPT = 0.6  # of the written pairs whose label is no likelier than by chance
EVERY_ARXIV = 12  # of so many abstracts one is read
READ = (1, 1, 2)  # sentences of a paper in a passage, one of these

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
    found = [Abstract(p["title"], p["abstract"]) for p in _read(data / SCIFACT)]
    chosen = itertools.islice(_read(data / ARXIV), 0, None, EVERY_ARXIV)
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
            text = best(statement, said, self._rng.choice(READ))
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
            text = best(statement, far.said, rng.choice(READ))
            yield Pair(statement, text, NEITHER, "statement")
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


def written(data: Path) -> Iterator[Pair]:
    """Of written_pairs.jsonl, each claim and question with sentences of its abstract.

    Raises ValueError where an abstract has other sentences now than when they were written.
    """
    papers = {f"scifact:{p['doc_id']}": p for p in _read(data / SCIFACT)}
    papers |= {p["id"]: p for p in _read(data / ARXIV)}
    for line in WRITTEN.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        title, said = papers[row["id"]]["title"], papers[row["id"]]["abstract"]
        if isinstance(said, str):
            said = sentences(said)
        if len(said) != row["sentences"]:
            raise ValueError(f"{row['id']} has {len(said)} sentences, not {row['sentences']}")
        for i, claim in enumerate(row["claims"]):
            text = " ".join(said[i] for i in claim["at"])
            yield Pair(claim["text"], text, LABELS[claim["label"]], "statement", row["id"])
            rest = [s for i, s in enumerate(said) if i not in claim["at"]]
            if claim["label"] != "neither" and i % 2:  # the same words, with what says neither
                for other in _nearest(claim["text"], rest, 1):
                    yield Pair(claim["text"], other, NEITHER, "statement", row["id"])
        for question in row["questions"]:
            asked, at = question["text"], question["at"]
            rest = [s for i, s in enumerate(said) if i != at]
            if at is not None:
                yield Pair(asked, under(title, said[at]), 1, "question", row["id"])
            for other in _nearest(asked, rest, 1):
                yield Pair(asked, under(title, other), 0, "question", row["id"])


def unbiased(pairs: Sequence[Pair], rng: random.Random) -> list[Pair]:
    """Fewer of those whose label the first text gives away without the second.

    Whoever writes what is false writes it in another way (Gururangan et al. 2018,
    arXiv:1803.02324), and a model that learns the way judges nothing else. What a linear model of
    the first text and the lengths finds likely is left out more often the likelier it is, as by
    Le Bras et al. 2020 (arXiv:2002.04108).
    """
    out: list[Pair] = []
    for kind in ("statement", "question"):
        some = [p for p in pairs if p.kind == kind]
        labels = np.array([p.label for p in some])
        words = TfidfVectorizer(min_df=5).fit_transform([p.first for p in some])
        lengths = [[np.log(len(p.first)), np.log(len(p.second) + 1)] for p in some]
        chances = cross_val_predict(
            LogisticRegression(max_iter=1000), hstack([words, np.array(lengths)]).tocsr(),
            labels, groups=[p.group for p in some], cv=GroupKFold(5), method="predict_proba",
        )  # fmt: skip
        share = np.bincount(labels) / len(labels)
        for pair, chance in zip(some, chances, strict=True):
            if rng.random() < KEPT * share[pair.label] / chance[pair.label]:
                out.append(pair)
    return out


def _read(path: Path) -> Iterator[dict]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        yield from map(json.loads, file)


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
    for hit, fit in list(zip(found.hits, found.fits, strict=True))[:PAPERS]:
        for passage in best_sentences(hit.paper, fit):
            text = under(hit.paper.title, passage)
            yield Pair(found.question["question"], text, 0, "question", found.question["id"])


def best(text: str, said: Sequence[str], count: int) -> str:
    """The sentences with most words in common, in their order."""
    return " ".join(sorted(_nearest(text, said, count), key=list(said).index))


def _nearest(text: str, said: Sequence[str], count: int) -> list[str]:
    words = set(tokens(text))
    return sorted(said, key=lambda sentence: -len(words & set(tokens(sentence))))[:count]


def _content(text: str) -> list[str]:
    return [w for w in _WORD.findall(text) if w.lower() not in STOP_WORDS]


def _is_name(word: str) -> bool:
    return not word.islower() or len(word) > 7


def _turned(text: str, word: str, count: int = 0) -> str:
    return re.sub(rf"\b{word}\b", _OPPOSITE[word], text, count=count)
