"""Progress on standard error: a bar in a terminal, now and then a plain line elsewhere."""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from typing import Any, Self

from rag._cli_output import say

_EVERY = 10.0  # seconds between two plain lines: a log wants few
_UNITS = {
    "reading": "paper",
    "words": "paper",
    "comparing": "paper",
    "embedding": "chunk",
    "indexing": "chunk",
    "asking": "question",
}


class Progress:
    """Called as (stage, done, total or None). A context manager: leaving it ends the last bar."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._stage = ""
        self._bar: Any = None
        self._began = self._spoke = 0.0
        self._last: tuple[int, int | None] = (0, None)
        self._now = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._finish()

    def __call__(self, stage: str, done: int, total: int | None) -> None:
        if self._quiet:
            return
        if stage != self._stage:
            self._finish()
            self._start(stage, total)
        self._last = (done, total)
        if self._bar is not None:
            self._bar.total = total
            self._bar.update(done - self._bar.n)
        elif time.monotonic() - self._spoke >= _EVERY:
            self._say()

    def now(self, text: str) -> None:
        """Say beside the count what is being done: a line of text, already cut to some length."""
        self._now = text
        if self._bar is not None:
            self._bar.set_postfix_str(text)

    def aside(self, text: str) -> None:
        """Tell something at once, above a bar."""
        if self._quiet:
            return
        if self._bar is not None:
            self._bar.clear()
        say(text)
        if self._bar is not None:
            self._bar.refresh()

    def _start(self, stage: str, total: int | None) -> None:
        self._stage = stage
        self._began = self._spoke = time.monotonic()
        if sys.stderr.isatty():
            from tqdm import tqdm

            unit = f" {_UNITS.get(stage, 'item')}s"
            self._bar = tqdm(desc=stage, total=total, unit=unit, dynamic_ncols=True, leave=True)

    def _finish(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None
        elif self._spoke > self._began:  # whoever saw it begin wants to see it end
            self._say()
        self._stage = self._now = ""

    def _say(self) -> None:
        self._spoke = time.monotonic()
        line = progress_line(self._stage, *self._last, self._spoke - self._began)
        done, total = self._last
        if self._now and done != total:
            line += f", now: {self._now}"
        with suppress(OSError):
            sys.stderr.write(f"{line}\n")
            sys.stderr.flush()


def progress_line(stage: str, done: int, total: int | None, seconds: float) -> str:
    """Write `embedding: 1,024 of 5,183 chunks, 33.0 per second, 2:06 left`."""
    rate = done / seconds if seconds > 0 else 0.0
    # How many papers there are is an estimate, from the share of the bytes that were read.
    of = "" if total is None else f" of {'about ' * (stage == 'reading')}{total:,}"
    parts = [f"{stage}: {done:,}{of} {_UNITS.get(stage, 'item')}s", f"{rate:,.1f} per second"]
    if total is not None and rate > 0 and done < total:
        minutes, rest = divmod(round((total - done) / rate), 60)
        parts.append(f"{minutes}:{rest:02d} left")
    return ", ".join(parts)
