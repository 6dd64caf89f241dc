"""A worker for all crash tests: see worker.py."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from tests.conftest import ROOT

LIMIT = 64 * 2**20  # bytes of a file: a damaged index once grew one to 64 GB


class Worker:
    """Commands run in forks of a process that has imported everything."""

    def __init__(self) -> None:
        env = {**os.environ, "FOOTNOTED_EMBEDDING_NAME": "hashing", "PYTHONPATH": str(ROOT)}
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "tests.crash.worker"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=env,
        )  # fmt: skip

    def __call__(
        self,
        *words: str,
        after: float | None = None,
        limit: int = LIMIT,
        user: int | None = None,
    ) -> dict[str, Any]:
        assert self._process.stdin
        assert self._process.stdout
        order = {"words": list(words), "after": after, "limit": limit, "user": user}
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        done: dict[str, Any] = json.loads(self._process.stdout.readline())
        return done

    def close(self) -> None:
        self._process.communicate()


@pytest.fixture(scope="session")
def run() -> Iterator[Worker]:
    worker = Worker()
    yield worker
    worker.close()
