"""Runs `footnoted` in processes that start at once, and kills them when told to.

What is slow to import is imported here, once; each command then runs in a fork of this process.
Reads a JSON object a line and writes one. Read are `words`, `after` (seconds until SIGKILL, or
null), `limit` (bytes that a file may have) and `user` (whose rights the command gets, or null);
written are `status` (negative for a signal), `out`, `err`, and `read`: how many records the command
had reported as stored.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import os
import resource
import select
import signal
import sys
import tempfile
from typing import Any

for _name in ("bm25s", "chromadb", "Stemmer", "rag.chatbot", "rag.cli", "rag.stores.chroma"):
    importlib.import_module(_name)

_BATCH = 16  # papers in a transaction: many moments between two of them


def serve() -> None:
    for line in sys.stdin:
        sys.stdout.write(json.dumps(_run(**json.loads(line))) + "\n")
        sys.stdout.flush()


def _run(words: list[str], after: float | None, limit: int, user: int | None) -> dict[str, Any]:
    reading, told = os.pipe()
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        child = os.fork()
        if child == 0:
            if user is not None:
                os.setuid(user)
            os._exit(_command(words, limit, told, out, err))
        os.close(told)
        status = _wait(child, after)
        with os.fdopen(reading, "rb") as pipe:
            counts = pipe.read().split()
        out.seek(0)
        err.seek(0)
        return {
            "status": status,
            "out": out.read(),
            "err": err.read(),
            "read": int(counts[-1]) if counts else 0,
        }


def _wait(child: int, after: float | None) -> int:
    handle = os.pidfd_open(child)
    try:
        if not select.select([handle], [], [], after)[0]:
            os.kill(child, signal.SIGKILL)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    finally:
        os.close(handle)


def _command(words: list[str], limit: int, told: int, out: Any, err: Any) -> int:
    from rag import cli, ingest
    from rag._cli_progress import Progress

    def tell(self: Progress, stage: str, done: int, total: int | None) -> None:
        if stage == "reading":
            os.write(told, b"%d " % done)

    Progress.__call__ = tell  # type: ignore[method-assign]
    ingest._PAPERS = _BATCH
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    os.dup2(out.fileno(), 1)
    os.dup2(err.fileno(), 2)
    sys.stdout = io.TextIOWrapper(os.fdopen(1, "wb", closefd=False), "utf-8")
    sys.stderr = io.TextIOWrapper(os.fdopen(2, "wb", closefd=False), "utf-8", write_through=True)
    with contextlib.suppress(BaseException):
        status = cli.main(words)
        sys.stdout.flush()
        return status
    return 99


if __name__ == "__main__":
    serve()
