"""Disks that are full, homes that cannot be written, files that rotted: one line that says what
to do, and `footnoted doctor` to find and mend it.
"""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import make_papers

Run = Callable[..., dict[str, Any]]
PAPERS = make_papers(120)
QUESTION = PAPERS[17].title
NOBODY = 65534


@pytest.fixture(scope="module")
def whole(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home that nothing happened to; each test damages a copy."""
    folder = tmp_path_factory.mktemp("whole")
    file = folder / "papers.jsonl"
    file.write_text("".join(json.dumps(asdict(p)) + "\n" for p in PAPERS), encoding="utf-8")
    done = run("ingest", str(file), "--home", str(folder / "home"))
    assert done["status"] == 0, done["err"]
    with closing(sqlite3.connect(folder / "home" / "library.sqlite")) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return folder / "home"


@pytest.fixture
def home(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "home"))


def one_line(done: dict[str, Any], *words: str) -> None:
    """Failed, with a message that is one line for each thing amiss, and names a command."""
    assert done["status"] == 1, done
    assert "Traceback" not in done["err"]
    assert "unexpected" not in done["err"], done["err"]
    assert all(line.startswith("footnoted: ") for line in done["err"].strip().splitlines())
    assert any(word in done["err"] for word in words), done["err"]


def mended(run: Run, home: Path) -> None:
    """Found, repaired, and as good as new."""
    done = run("doctor", "--repair", "--home", str(home))
    assert (done["status"], done["out"]) == (0, "nothing is wrong\n"), done
    assert "made again" in done["err"]
    sound(run, home)


def sound(run: Run, home: Path) -> None:
    done = run("search", QUESTION, "--home", str(home), "--json")
    assert done["status"] == 0, done
    assert json.loads(done["out"])["hits"][0]["paper_id"] == PAPERS[17].id
    assert done["err"] == ""


def test_a_sound_home_is_found_sound(run: Run, home: Path) -> None:
    done = run("doctor", "--home", str(home), "--json")
    assert (done["status"], json.loads(done["out"])) == (0, {"sound": True, "findings": []})
    sound(run, home)
    assert run("doctor", "--home", str(home))["status"] == 0  # also after it was read
    done = run("doctor", "--home", os.path.relpath(home))
    assert done["status"] == 0, done


def test_what_chroma_writes_while_it_is_read_is_no_damage(run: Run, home: Path) -> None:
    """The graph of a small index is made anew, in place, by whoever opens it."""
    (graph,) = home.glob("index/vectors-*/vectors/*/data_level0.bin")
    graph.write_bytes(graph.read_bytes()[:1000])  # as another process has it for a moment
    assert run("doctor", "--home", str(home))["status"] == 0
    done = run("search", QUESTION, "--home", str(home), "--mode", "dense")
    assert PAPERS[17].title in done["out"], done


@pytest.mark.parametrize("pattern", ["index/words-*", "index/vectors-*", "index/vectors-*/vectors"])
def test_a_folder_of_the_index_is_gone(run: Run, home: Path, pattern: str) -> None:
    shutil.rmtree(next(home.glob(pattern)))
    one_line(run("search", QUESTION, "--home", str(home)), "footnoted ingest --rebuild")
    mended(run, home)


def test_the_whole_index_is_gone(run: Run, home: Path) -> None:
    shutil.rmtree(home / "index")
    one_line(run("search", QUESTION, "--home", str(home)), "footnoted ingest")
    found = run("doctor", "--home", str(home))
    assert (found["status"], found["out"].count("\n")) == (1, 1), found
    assert f"Run: footnoted ingest --home {home}" in found["out"]
    mended(run, home)


@pytest.mark.parametrize("content", ["", '{"recipe": {}, "words": null}'])
def test_the_manifest_is_no_manifest(run: Run, home: Path, content: str) -> None:
    (home / "index" / "current.json").write_text(content)
    one_line(run("search", QUESTION, "--home", str(home)), "footnoted ingest --rebuild")
    mended(run, home)


def files(home: Path) -> list[Path]:
    found = (p for p in sorted((home / "index").rglob("*")) if p.is_file() and p.stat().st_size)
    return [p.relative_to(home) for p in found]


def flipped(run: Run, whole: Path, home: Path, name: Path, rng: random.Random) -> None:
    """One bit of one file: found and mended, or of no account."""
    shutil.copytree(whole, home)
    data = bytearray((home / name).read_bytes())
    data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    (home / name).write_bytes(data)
    done = run("doctor", "--repair", "--home", str(home))
    assert done["status"] == 0, (name, done)
    # The graph of so small an index is made anew each time it is opened.
    unsealed = name.name in ("current.json", "chroma.sqlite3") or name.suffix == ".bin"
    assert unsealed or "made again" in done["err"], (name, done)
    sound(run, home)


def test_a_flipped_bit_in_the_index(run: Run, whole: Path, tmp_path: Path) -> None:
    for name in ("data_level0.bin", "chroma.sqlite3", "indices.csc.index.npy"):
        file = next(file for file in files(whole) if file.name == name)
        flipped(run, whole, tmp_path / name, file, random.Random(3))


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_flipped_bits_in_every_file_of_the_index(run: Run, whole: Path, tmp_path: Path) -> None:
    rng = random.Random(4)
    for turn in range(5):
        for number, file in enumerate(files(whole)):
            flipped(run, whole, tmp_path / f"{turn}-{number}", file, rng)


def test_a_library_with_a_rotten_page(run: Run, home: Path) -> None:
    path = home / "library.sqlite"
    data = bytearray(path.read_bytes())
    page = data.index(PAPERS[60].abstract.encode()) // 4096 * 4096
    data[page : page + 4096] = random.Random(2).randbytes(4096)
    path.write_bytes(data)
    one_line(run("export", "--home", str(home)), "doctor --repair")
    found = run("doctor", "--home", str(home))
    assert found["status"] == 1
    done = run("doctor", "--repair", "--home", str(home))
    assert done["status"] == 0, done
    assert re.search(r"saved \d+ papers", done["err"])
    assert "are lost. Run: footnoted ingest" in done["err"]
    sound(run, home)
    again = run("ingest", str(home.parent / "absent.jsonl"), "--home", str(home))
    one_line(again, "no such file")


def test_a_library_that_is_no_database(run: Run, home: Path) -> None:
    (home / "library.sqlite").write_bytes(b"no database at all, and long enough " * 200)
    one_line(run("search", QUESTION, "--home", str(home)), "restore a snapshot")
    assert run("doctor", "--home", str(home))["status"] == 1


def test_a_home_from_a_newer_version(run: Run, home: Path) -> None:
    with closing(sqlite3.connect(home / "library.sqlite")) as db:
        db.execute("PRAGMA user_version = 99")
    for command in (["search", "x"], ["ingest"], ["doctor"], ["info"], ["export"]):
        one_line(run(*command, "--home", str(home)), "Upgrade Footnoted")


@pytest.mark.parametrize("limit", [5_000, 150_000, 400_000])
def test_a_full_disk(run: Run, whole: Path, tmp_path: Path, limit: int) -> None:
    file, home = str(whole.parent / "papers.jsonl"), str(tmp_path / "home")
    done = run("ingest", file, "--home", home, limit=limit)
    one_line(done, "free some space", "Free some space", "another --home", "full")
    assert run("ingest", file, "--home", home)["status"] == 0
    sound(run, Path(home))


def test_no_space_for_a_snapshot_or_an_export(run: Run, home: Path, tmp_path: Path) -> None:
    target = str(tmp_path / "out")
    for words in (["snapshot", target], ["export", "--output", target]):
        one_line(run(*words, "--home", str(home), limit=3000), "cannot be written", "full")
        assert not list(tmp_path.glob("out*"))
    sound(run, home)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_home_that_may_only_be_read(run: Run, home: Path) -> None:
    for path in (home, *home.parents[:3]):
        path.chmod(0o755)
    for command in (["ingest"], ["delete", "p1"]):
        one_line(run(*command, "--home", str(home), user=NOBODY), "cannot be written", "Choose")
    found = run("info", "--home", str(home), "--json", user=NOBODY)
    assert json.loads(found["out"] or "{}").get("papers") == len(PAPERS), found
    for mode in ("lexical", "hybrid", "dense"):
        words = ("search", QUESTION, "--home", str(home), "--mode", mode, "--json")
        ours, theirs = run(*words), run(*words, user=NOBODY)
        assert (ours["status"], theirs["status"]) == (0, 0), theirs
        assert json.loads(ours["out"])["hits"] == json.loads(theirs["out"])["hits"]


def test_one_writer_at_a_time(run: Run, home: Path) -> None:
    from rag.ingest import writing

    with writing(home):
        done = run("ingest", "--home", str(home))
        one_line(done, f"process {os.getpid()} since 20")
        sound(run, home)
