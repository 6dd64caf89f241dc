from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import rag.indexing
import rag.ingest
from rag.errors import HomeLocked, IndexMismatch, LibraryError
from rag.ingest import writing
from rag.types import IngestReport, Rejected
from tests.conftest import ROOT, CountingEmbedder, Home, make_papers

PAPERS = make_papers(40, sentences=12)
_WRITER = """
import sys
from pathlib import Path
from rag.ingest import writing
with writing(Path(sys.argv[1])):
    print("holding", flush=True)
    sys.stdin.read()
"""
_INGEST = """
import sys
from pathlib import Path
import rag.indexing, rag.ingest
from tests.conftest import CountingEmbedder, Home, make_papers
rag.ingest._PAPERS, rag.indexing._COMMIT, rag.indexing._WRITE = 32, 16, 64
def slowly(stage, done, total):
    print(stage, done, flush=True)
    sys.stdin.readline()
Home(Path(sys.argv[1]), CountingEmbedder(), sys.argv[2]).ingest(make_papers(300), slowly)
"""


def counting(home: Home) -> CountingEmbedder:
    assert isinstance(home.embedder, CountingEmbedder)
    return home.embedder


@pytest.fixture
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many steps in a small ingest, so that there is something to break off."""
    monkeypatch.setattr(rag.ingest, "_PAPERS", 8)
    for name, size in (("_COMMIT", 5), ("_WINDOW", 20), ("_WRITE", 16)):
        monkeypatch.setattr(rag.indexing, name, size)


def test_twice_is_the_same_as_once(home: Home) -> None:
    bad = Rejected("test", 3, "no abstract", "raw \ud800")
    report, embedded, manifest = home.ingest([*PAPERS, bad])
    once = home.contents()
    assert report == IngestReport(ingested=40, rejected=1)
    assert report.seen == 41
    assert str(report) == "40 ingested, 0 unchanged, 0 replaced, 1 rejected"
    assert embedded == manifest.chunks == len(counting(home).texts) > 40

    counting(home).texts.clear()
    report, embedded, again = home.ingest([*PAPERS, bad])
    assert report == IngestReport(unchanged=40, rejected=1)
    assert (embedded, counting(home).texts) == (0, [])
    assert again == manifest
    assert home.contents() == once


def test_rejects_are_written_with_their_line_and_reason(home: Home) -> None:
    home.ingest([Rejected("a.csv", 3, "no title", "x,\u2028y"), PAPERS[0]])
    lines = (home.path / "rejected.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [
        {"source": "a.csv", "line": 3, "reason": "no title", "raw": "x,\u2028y"}
    ]
    home.ingest([PAPERS[1]])
    assert (home.path / "rejected.jsonl").read_text() == ""  # of the last run only


def test_a_changed_abstract_embeds_only_what_changed(home: Home) -> None:
    home.ingest(PAPERS)
    counting(home).texts.clear()
    end = PAPERS[3].abstract.rindex(" ")
    changed = replace(PAPERS[3], abstract=PAPERS[3].abstract[:end] + " zebra.")
    report, embedded, _ = home.ingest([*PAPERS[:3], changed])
    assert report == IngestReport(unchanged=3, replaced=1)
    assert embedded == 1
    (text,) = counting(home).texts
    assert text.endswith("zebra.")
    assert [h.paper.id for h in home.retriever().search("zebra", None, 5, mode="lexical")] == ["p3"]

    fresh = Home(home.path.with_name("fresh"), CountingEmbedder())
    fresh.ingest([*PAPERS[:3], changed, *PAPERS[4:]])
    assert home.contents() == fresh.contents()


def test_a_shorter_abstract_leaves_no_chunk_behind(home: Home) -> None:
    home.ingest(PAPERS)
    home.ingest([replace(PAPERS[0], abstract="One zebra.")])
    dense = home.dense(home.index())
    assert [i for i in dense.table.ids if i.startswith("p0#")] == ["p0#0"]
    assert dense.store.count() == len(dense.table.ids)


def test_what_is_deleted_disappears(home: Home) -> None:
    home.ingest(PAPERS)
    home.ingest([], delete=["p3", "p7"])
    fresh = Home(home.path.with_name("fresh"), CountingEmbedder())
    fresh.ingest([p for p in PAPERS if p.id not in ("p3", "p7")])
    assert home.contents() == fresh.contents()


def test_the_same_text_is_embedded_once(home: Home) -> None:
    twins = [replace(PAPERS[0], id="a"), replace(PAPERS[0], id="b")]
    _, embedded, manifest = home.ingest(twins)
    assert embedded * 2 == manifest.chunks == home.dense(home.index()).store.count()


def test_an_empty_collection_has_an_index_too(home: Home) -> None:
    _, embedded, manifest = home.ingest([])
    assert (embedded, manifest.papers, manifest.chunks) == (0, 0, 0)
    assert home.contents()["chunks"] == []


class Interrupted(CountingEmbedder):
    """Raises KeyboardInterrupt at the nth of all calls, of its own or of the progress."""

    def __init__(self, after: int) -> None:
        super().__init__()
        self.left = after

    def tick(self, *_: object) -> None:
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        self.tick()
        return super().embed(texts)


@pytest.mark.usefixtures("small_steps")
@pytest.mark.parametrize("store", ["memory", "chroma"])
def test_an_interrupted_run_goes_on_to_the_same_end(tmp_path: Path, store: str) -> None:
    whole = Home(tmp_path / "whole", CountingEmbedder())
    whole.ingest(PAPERS)
    expected = whole.contents()
    points = range(1, 60, 5) if store == "memory" else random.Random(3).sample(range(1, 50), 3)
    unfinished = 0
    for after in points:
        broken = Home(tmp_path / f"broken-{after}", Interrupted(after), store)
        try:
            broken.ingest(PAPERS, broken.embedder.tick)  # type: ignore[attr-defined]
        except KeyboardInterrupt:
            unfinished += 1
        done = set(broken.embedder.texts)  # type: ignore[attr-defined]
        broken.embedder = CountingEmbedder()
        broken.ingest(PAPERS)
        assert not done & set(broken.embedder.texts)
        _assert_same(broken.contents(), expected)
    assert unfinished >= 3


def _assert_same(found: dict[str, object], expected: dict[str, object]) -> None:
    for name in ("papers", "indexed", "chunks", "words"):
        assert found[name] == expected[name]
    ours, theirs = dict(found["vectors"]), dict(expected["vectors"])  # type: ignore[call-overload]
    assert ours.keys() == theirs.keys()
    assert all(abs(ours[name] - theirs[name]) < 1e-5 for name in ours)


@pytest.mark.parametrize(
    ("store", "stage", "steps"),
    [("memory", "reading", 4), ("memory", "embedding", 3), ("chroma", "indexing", 2)],
)
def test_a_killed_process_loses_nothing_it_reported(
    tmp_path: Path, store: str, stage: str, steps: int
) -> None:
    killed = Home(tmp_path / "killed", CountingEmbedder(), store)
    reported = _kill(killed, stage, steps)
    report, embedded, _ = killed.ingest(make_papers(300))
    assert report.unchanged >= reported.get("reading", 0) > 0
    assert report.unchanged + report.ingested == 300
    assert embedded <= len(set(counting(killed).texts))
    whole = Home(tmp_path / "whole", CountingEmbedder())
    _, total, _ = whole.ingest(make_papers(300))
    assert embedded <= total - reported.get("embedding", 0)
    _assert_same(killed.contents(), whole.contents())
    assert {path.name.partition("-")[0] for path in killed.root.glob("*-*")} == {"words", "vectors"}


def _kill(home: Home, stage: str, steps: int) -> dict[str, int]:
    """Kill an ingest at the nth report of a stage; what had been reported until then."""
    reported: dict[str, int] = {}
    with subprocess.Popen(
        [sys.executable, "-c", _INGEST, str(home.path), home.store],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdin is not None and process.stdout is not None
        while steps:
            name, done = process.stdout.readline().split()
            reported[name] = int(done)
            steps -= name == stage
            if steps:
                process.stdin.write("\n")
                process.stdin.flush()
        process.stdin.write("\n")  # it is at work again when the blow falls
        process.stdin.flush()
        time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
    return reported


def test_a_second_writer_is_told_who_holds_the_home(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _WRITER, str(tmp_path)],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdin is not None and process.stdout is not None
        assert process.stdout.readline() == "holding\n"
        for _ in range(2):  # being refused does not wipe the holder's name
            with pytest.raises(HomeLocked, match=f"process {process.pid} since 20.*Wait until"):
                writing(tmp_path).__enter__()
        process.send_signal(signal.SIGKILL)
    with writing(tmp_path):  # a dead process holds nothing
        assert f"process {os.getpid()} since" in (tmp_path / "lock").read_text()


def test_a_home_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(LibraryError, match="Choose another with --home"),
        writing(tmp_path / "file"),
    ):
        pass


def test_another_model_or_chunker_asks_for_a_rebuild(home: Home) -> None:
    home.ingest(PAPERS)
    before = home.contents()
    other = Home(home.path, CountingEmbedder(), max_chars=300)
    other.embedder.fingerprint = "another-model"
    with pytest.raises(
        IndexMismatch, match=r"embedding: index hashing.*another-model.*chunker.*--re"
    ):
        other.ingest(PAPERS)
    assert home.contents() == before
    _, _, manifest = other.ingest([], anew=True)
    assert manifest.chunks == other.dense(other.index()).store.count() > len(before["chunks"])  # type: ignore[arg-type]
    with pytest.raises(IndexMismatch, match="footnoted ingest --rebuild"):
        home.index()
    _, embedded, _ = home.ingest([], anew=True)
    assert embedded == 0  # the vectors of the first model are still there
    assert home.contents() == before
