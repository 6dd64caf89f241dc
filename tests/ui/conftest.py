"""A small collection behind a server: in process, or on a free port."""

from __future__ import annotations

import gc
import json
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from rag.chatbot import Chatbot
from rag.config import Settings
from rag.types import Paper
from ui.app import Server
from ui.options import Options

PAPERS = [
    Paper(
        "SPANN: Search on disk", "We present SPANN, an index on disk. SPANN needs 32 GB of memory "
        "for a billion vectors. It beats DiskANN by a factor of two in latency.",
        id="spann", authors=("Qi Chen", "Ada Lewis"), year=2021, venue="NeurIPS",
        url="https://example.org/spann", categories=("cs.IR",),
    ),
    Paper(
        "DiskANN: Graphs on solid state drives", "DiskANN keeps a graph index on a solid state "
        "drive. DiskANN serves a billion points with 64 GB of memory.",
        id="diskann", authors=("Suhas Byron",), year=2019, venue="NeurIPS",
        url="https://example.org/diskann", categories=("cs.DB",),
    ),
    Paper(
        "Protein folding with attention", "Attention layers predict how a protein folds. The "
        "error of the predicted structure is below one angstrom.",
        id="fold", authors=("Ada Lewis",), year=2023, venue="Nature", categories=("q-bio",),
    ),
]  # fmt: skip
QUESTION = "How much memory does SPANN need for a billion vectors?"
SETTINGS: dict[str, Any] = {
    "embedding": {"name": "hashing"},
    "store": {"name": "memory"},
    "answer": {"refuse_below": 0.0},
}


def make_bot(home: Path, papers: list[Paper] = PAPERS, **settings: Any) -> Chatbot:
    """Papers ingested with the hashing embedder and the exact store: quick."""
    source = home.parent / f"{home.name}.jsonl"
    source.write_text("".join(f"{json.dumps(as_record(p))}\n" for p in papers), encoding="utf-8")
    bot = Chatbot.open(home, Settings.model_validate({**SETTINGS, **settings}))
    bot.ingest(source)
    return bot


def as_record(paper: Paper) -> dict[str, Any]:
    return {
        "id": paper.id, "title": paper.title, "abstract": paper.abstract,
        "authors": list(paper.authors), "year": paper.year, "venue": paper.venue,
        "url": paper.url, "categories": list(paper.categories),
    }  # fmt: skip


def scripted(*replies: str) -> dict[str, Any]:
    return {"backend": {"name": "scripted", "llm_kwargs": {"replies": list(replies)}}}


@pytest.fixture
def bot(tmp_path: Path) -> Iterator[Chatbot]:
    with make_bot(tmp_path / "home") as bot:
        yield bot


@pytest.fixture
def serving(bot: Chatbot) -> Callable[..., Any]:
    """A function that serves the collection with some options, without the page."""

    @contextmanager
    def serve(bot: Chatbot = bot, *, page: bool = False, **options: Any) -> Iterator[str]:
        with live(bot, page=page, **options) as (url, _):
            yield url

    return serve


@pytest.fixture(scope="session", autouse=True)
def gradio_leaves_loops_behind() -> Iterator[None]:
    """Collect them before pytest does, to which an event loop that nobody closed is an error."""
    yield
    if "gradio" in sys.modules:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            gc.collect()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from tests.ui.browsing import CHROMIUM, FLAGS

    if CHROMIUM is None:
        pytest.skip("no Chromium here; .ci/install-chromium sees to one")
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as driver:
        found = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield found
        found.close()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    home = tmp_path_factory.mktemp("site") / "home"
    with make_bot(home) as bot, live(bot, page=True) as (url, _):
        yield url, home


@contextmanager
def live(bot: Chatbot, *, page: bool = False, **options: Any) -> Iterator[tuple[str, Server]]:
    """Serve on a free port of loopback; the address, and the server."""
    server = Server(bot, Options(home=bot.home, **options), page=page)
    config = uvicorn.Config(
        server.app, port=0, log_level="error", lifespan="on", http="h11", server_header=False,
        timeout_graceful_shutdown=2,
    )  # fmt: skip
    running = uvicorn.Server(config)
    thread = threading.Thread(target=running.run, daemon=True)
    thread.start()
    try:
        while not running.started:
            assert thread.is_alive()
            time.sleep(0.01)
        port = running.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}", server
    finally:
        server.close()
        running.should_exit = True
        thread.join(10)
