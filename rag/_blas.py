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
_inside: list[Any] = []  # the limit in force, once for each thread that asked for it


@contextmanager
def one_thread() -> Iterator[None]:
    """Keep BLAS on one thread; the last one out restores what was there."""
    with _lock:
        limit = _inside[0] if _inside else _controller().limit(limits=1, user_api="blas")
        _inside.append(limit)
    try:
        yield
    finally:
        with _lock:
            _inside.pop()
            if not _inside:
                limit.restore_original_limits()


@cache
def _controller() -> Any:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
