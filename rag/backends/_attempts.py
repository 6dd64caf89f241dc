"""The one retry loop: under one deadline, and never once text is out."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from itertools import count
from time import monotonic, sleep

from rag.backends._failures import Failure, Setup, explain
from rag.backends._watch import Limits, Reader, watched
from rag.errors import BackendInterrupted, BackendRefused

PAUSE = 0.5


@dataclass(frozen=True, slots=True)
class Plan:
    """How long to wait, how often to try again, and how much to take."""

    setup: Setup
    limits: Limits = field(default_factory=Limits)
    retries: int = 0
    max_chars: int = 200_000


def attempts(read: Reader, plan: Plan) -> Iterator[str]:
    """Yield the text that `read` yields; every failure is a BackendError."""
    deadline = monotonic() + plan.limits.total
    for attempt in count(1):
        failure = yield from _attempt(read, plan, deadline)
        if failure is None:
            return
        pause = PAUSE * 2 ** (attempt - 1) if failure.after is None else failure.after
        if not failure.again or attempt > plan.retries or monotonic() + pause >= deadline:
            # Raised here and not where it was caught: a client's own error would hang on as
            # its context, with the request's headers and the key in them.
            raise failure.error
        sleep(pause)


def _attempt(read: Reader, plan: Plan, deadline: float) -> Generator[str, None, Failure | None]:
    out = 0
    try:
        for piece in watched(read, plan.limits, deadline):
            text = printable(piece) if out else printable(piece).lstrip()
            if text:
                yield text[: plan.max_chars - out]
            out += len(text)
            if out > plan.max_chars:
                raise _endless(plan.max_chars)
        return None if out else Failure(_empty())
    except Exception as error:
        failure = explain(error, plan.setup)
    return _settled(failure, started=out > 0)


def _settled(failure: Failure, started: bool) -> Failure:
    if started:
        return Failure(BackendInterrupted(f"The answer is incomplete. {failure.error}"))
    if isinstance(failure.error, BackendInterrupted):
        return Failure(BackendRefused(f"There is no answer. {failure.error}"))
    return failure


def _empty() -> BackendRefused:
    return BackendRefused(
        "The server sent an empty answer. Ask again, or choose another model with --model."
    )


def _endless(limit: int) -> BackendInterrupted:
    return BackendInterrupted(
        f"The text went on after {limit} characters, so it was cut there. The server does not "
        "keep to backend.max_tokens: raise that, or choose another model with --model."
    )


def printable(text: str) -> str:
    """`text` without lone surrogates: legal in JSON, they can be neither sent nor printed."""
    return text.encode("utf-8", "replace").decode("utf-8")
