"""Questions written by a language model, and kept only where they can be checked by rule."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from eval.making.rules import Draft, gives_away
from rag.chunking import sentences
from rag.errors import BackendError
from rag.prompt import template
from rag.types import Backend, Message, Paper

_LINE = re.compile(r"^\W*(?P<question>[^|]{10,300}\?)\s*\|\s*(?P<answer>[^|]{1,120}?)\s*$")


def by_model(model: Backend, papers: Iterable[Paper]) -> Iterator[Draft]:
    """What the model asks of each abstract. Raises BackendError where it fails at once.

    Kept are lines `question? | answer` whose answer stands word for word in a sentence of the
    abstract, which is then the gold one, and not in the question.
    """
    answered = False
    for paper in papers:
        try:
            text = "".join(model.complete(_messages(paper)))
        except BackendError:
            if not answered:
                raise
            continue
        answered = True
        yield from read(text, paper)


def read(text: str, paper: Paper) -> Iterator[Draft]:
    """The sound questions in what a model wrote."""
    for line in text.splitlines():
        match = _LINE.match(line.strip())
        if not match:
            continue
        answer = match["answer"].strip().strip("\"'“”").rstrip(".")
        gold = [s for s in sentences(paper.abstract) if answer.lower() in s.lower()]
        draft = Draft(
            match["question"], "model", paper, gold[0] if gold else "", ((answer.lower(),),)
        )
        if gold and answer and not gives_away(draft):
            yield draft


def _messages(paper: Paper) -> list[Message]:
    content = f"Title: {paper.title}\n\nAbstract: {paper.abstract}"
    return [Message("system", template("questions")), Message("user", content, question=content)]
