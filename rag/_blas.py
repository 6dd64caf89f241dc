"""Small matrix products on one thread each.

A question is a row of products too small to share: BLAS's threads then wait for each other by
spinning, which on a busy machine makes the answer ten times later (`docs/benchmarks/encoders.md`).
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

_lock = threading.Lock()
_before: list[int] = []
_inside = 0


@contextmanager
def one_thread() -> Iterator[None]:
    """Keep BLAS on one thread; the last thread out restores what the first one found."""
    global _inside  # noqa: PLW0603 - BLAS's own setting is of the whole process
    with _lock:
        if not _inside:
            _before[:] = [library.num_threads for library in _libraries()]
            _limit([1] * len(_before))
        _inside += 1
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if not _inside:
                _limit(_before)


def _limit(numbers: list[int]) -> None:
    for library, number in zip(_libraries(), numbers, strict=True):
        # threadpoolctl 3.8 heeds only the thread that set OpenBLAS first; here any may be last.
        getattr(library, "_real_set_num_threads", library.set_num_threads)(number)


@cache
def _libraries() -> list[Any]:
    from threadpoolctl import ThreadpoolController

    return list(ThreadpoolController().select(user_api="blas").lib_controllers)
