"""Files that were dropped in: kept in the home until they are ingested, one job after another.

A job is a folder `uploads/ID` with the files and `job.json`. One that a stop cut off is begun
again at the next start, and costs nothing twice: ingesting can be repeated.
"""

from __future__ import annotations

import json
import re
import secrets
import shutil
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from rag.chatbot import Chatbot
from rag.errors import HomeLocked, RagError
from ui.observe import log

State = Literal["waiting", "running", "done", "failed"]
REJECTS = 200  # shown of one job; all of them are in rejected.jsonl
_KEPT = 50  # finished jobs that are remembered
_NOT_PLAIN = re.compile(r"[^A-Za-z0-9._-]+")
_LOCK_SECONDS = 60.0


@dataclass
class Job:
    """What became of some files; counts are those of the IngestReport."""

    id: str
    names: list[str]
    owner: str
    state: State = "waiting"
    stage: str = ""
    done: int = 0
    total: int | None = None
    report: dict[str, int] = field(default_factory=dict)
    rejects: list[dict[str, Any]] = field(default_factory=list)
    error: str = ""

    @property
    def open(self) -> bool:
        return self.state in ("waiting", "running")

    def to_dict(self) -> dict[str, Any]:
        return {key: value for key, value in asdict(self).items() if key != "owner"}


class Stopped(Exception):
    """The server is being stopped while papers are read; they stay, and the job goes on later."""


class Jobs:
    """Runs one job at a time, for the home has one writer."""

    def __init__(self, bot: Chatbot) -> None:
        self._bot = bot
        self._root = bot.home / "uploads"
        self._jobs = {job.id: job for job in self._stored()}
        self._changed = threading.Condition()
        self._closed = False
        self._thread: threading.Thread | None = None
        if any(job.open for job in self._jobs.values()):
            self._start()

    def add(self, files: Iterable[tuple[str, bytes | Path]], owner: str) -> Job:
        """Keep the files, (name, content or where it lies), and put them in line."""
        job = Job(secrets.token_hex(8), [], owner)
        folder = self._root / job.id
        folder.mkdir(parents=True)
        for number, (name, content) in enumerate(files):
            job.names.append(name)
            path = folder / f"{number}-{plain_name(name)}"
            if isinstance(content, Path):
                shutil.copyfile(content, path)
            else:
                path.write_bytes(content)
        self._save(job)
        with self._changed:
            self._jobs[job.id] = job
            self._forget()
            self._start()
            self._changed.notify_all()
        return job

    def get(self, id: str, owner: str) -> Job | None:
        job = self._jobs.get(id)
        return job if job and job.owner == owner else None

    def of(self, owner: str) -> list[Job]:
        """The owner's jobs, newest first."""
        return [job for job in reversed(list(self._jobs.values())) if job.owner == owner]

    def close(self, seconds: float) -> None:
        """Stop after the batch at hand; what is left is done at the next start."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if self._thread:
            self._thread.join(seconds)

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._serve, name="ingest", daemon=True)
            self._thread.start()

    def _serve(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closed or self._next() is not None)
                job = self._next()
                if self._closed or job is None:
                    return
            try:
                self._run(job)
            except Stopped:
                return

    def _next(self) -> Job | None:
        return next((job for job in self._jobs.values() if job.open), None)

    def _run(self, job: Job) -> None:
        job.state = "running"
        self._save(job)
        files = sorted(p for p in (self._root / job.id).iterdir() if p.name != "job.json")
        try:
            job.report = asdict(self._ingest(job, files))
            job.rejects = list(self._rejects(job)) if job.report["rejected"] else []
            job.state = "done"
        except Stopped:
            raise
        except (RagError, OSError) as error:
            job.state, job.error = "failed", _named(str(error), job, self._root)
        except Exception as error:
            job.state, job.error = "failed", f"unexpected {type(error).__name__}"
            log("ingest failed", 40, job=job.id, error=repr(error))
        self._save(job)
        for path in files:
            path.unlink(missing_ok=True)
        log("ingest", job=job.id, state=job.state, **job.report)

    def _ingest(self, job: Job, files: list[Path]) -> Any:
        give_up = time.monotonic() + _LOCK_SECONDS
        while True:
            try:
                return self._bot.ingest(*files, progress=lambda *step: self._note(job, *step))
            except HomeLocked:
                if self._closed:
                    raise Stopped from None
                if time.monotonic() > give_up:
                    raise
                time.sleep(0.5)

    def _note(self, job: Job, stage: str, done: int, total: int | None) -> None:
        job.stage, job.done, job.total = stage, done, total
        if self._closed:
            raise Stopped

    def _rejects(self, job: Job) -> Iterator[dict[str, Any]]:
        with suppress(OSError), (self._bot.home / "rejected.jsonl").open(encoding="utf-8") as file:
            for line in islice(file, REJECTS):
                with suppress(ValueError, KeyError):
                    found = json.loads(line)
                    yield {
                        "source": _named(found["source"], job, self._root),
                        "line": found["line"],
                        "reason": _named(found["reason"], job, self._root),
                        "raw": found["raw"][:300],
                    }

    def _save(self, job: Job) -> None:
        path = self._root / job.id / "job.json"
        part = path.with_suffix(".part")
        part.write_text(json.dumps(asdict(job)), encoding="utf-8")
        part.replace(path)

    def _stored(self) -> Iterator[Job]:
        for path in sorted(self._root.glob("*/job.json"), key=lambda p: p.stat().st_mtime):
            with suppress(OSError, ValueError, TypeError):
                yield Job(**json.loads(path.read_text(encoding="utf-8")))

    def _forget(self) -> None:
        finished = [job.id for job in self._jobs.values() if not job.open]
        for name in finished[:-_KEPT]:
            del self._jobs[name]
            shutil.rmtree(self._root / name, ignore_errors=True)


def plain_name(name: str) -> str:
    """A file name with nothing in it that a path or a glob could mean; its ending stays."""
    last = name.replace("\\", "/").rsplit("/", 1)[-1]
    return _NOT_PLAIN.sub("_", last).lstrip(".")[-100:] or "file"


def _named(text: str, job: Job, root: Path) -> str:
    """The text with the files called what their owner called them."""
    for number, name in enumerate(job.names):
        text = text.replace(str(root / job.id / f"{number}-{plain_name(name)}"), name)
    return text
