"""How far the reading has come, counted in the bytes that lie on the disk, packed or not."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import BinaryIO, Self

Progress = Callable[[str, int, int | None], None]
_current = threading.local()


class Meter:
    """Bytes read of how many; `total` is None where it cannot be known. Safe between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._done = 0
        self._total: int | None = 0

    @property
    def done(self) -> int:
        return self._done

    @property
    def total(self) -> int | None:
        return self._total

    def add(self, count: int) -> None:
        with self._lock:
            self._done += count

    def expect(self, count: int | None) -> None:
        """Say how many bytes are still to come; None (a pipe, a query) makes the total unknown."""
        with self._lock:
            known = self._total is not None and count is not None
            self._total = (self._total or 0) + (count or 0) if known else None

    def estimate(self, records: int) -> int | None:
        """About how many records there will be, at the rate of those that were read."""
        if not self._total or not self._done or records < 1:
            return None
        return max(records, round(records * self._total / min(self._done, self._total)))

    def watched(self, progress: Progress, limit: int | None = None) -> Progress:
        """A progress that also knows about how many papers are still to be read."""

        def report(stage: str, done: int, total: int | None) -> None:
            if stage == "reading" and total is None and (guess := self.estimate(done)):
                total = guess if limit is None else min(limit, guess)
            progress(stage, done, total)

        return report

    @contextmanager
    def counting(self) -> Iterator[Self]:
        """Count what this thread opens inside, for as long as it is read."""
        before = current()
        _current.meter = self
        try:
            yield self
        finally:
            _current.meter = before


def current() -> Meter | None:
    """The meter that counts what this thread opens now."""
    return getattr(_current, "meter", None)


class Counted(io.RawIOBase):
    """A file whose reads are told to a meter. Closing it closes the file."""

    def __init__(self, file: BinaryIO, meter: Meter) -> None:
        self._file = file
        self._meter = meter

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return self._file.seekable()

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data = self._file.read(len(buffer))
        self._meter.add(len(data))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._file.close()
        super().close()
