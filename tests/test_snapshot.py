"""One file that holds a home, taken while it is written to, and refused where it is damaged."""

from __future__ import annotations

import json
import sqlite3
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from rag import snapshot
from rag.errors import LibraryError
from rag.library import Library
from rag.snapshot import FORMAT, Snapshot, contents, restore, take
from tests.conftest import Home, make_papers


@pytest.fixture
def full(home: Home) -> Home:
    home.ingest(make_papers(30))
    (home.path / "footnoted.toml").write_text("[retrieval]\nk = 3\n")
    return home


def test_there_and_back(full: Home, tmp_path: Path) -> None:
    taken = take(full.path, tmp_path / "s.zip")
    assert taken.papers == 30
    assert contents(tmp_path / "s.zip") == taken
    assert restore(tmp_path / "s.zip", tmp_path / "new") == taken
    again = Home(tmp_path / "new", full.embedder)
    assert not (again.path / "index").exists()
    asked = len(full.embedder.texts)  # type: ignore[attr-defined]
    again.ingest([])
    assert len(full.embedder.texts) == asked  # type: ignore[attr-defined] # nothing embedded anew
    assert again.contents() == full.contents()
    assert (again.path / "footnoted.toml").read_text() == "[retrieval]\nk = 3\n"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["home", "new", "s.zip"]


def test_a_file_that_is_written_to_meanwhile_does_no_harm(
    full: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rejects = full.path / "rejected.jsonl"
    rejects.write_text("one\n")
    pack = snapshot._pack

    def late(part: Path, taken: Snapshot, found: Mapping[str, Path]) -> Snapshot:
        rejects.write_text("one\ntwo\n")
        return pack(part, taken, found)

    monkeypatch.setattr(snapshot, "_pack", late)
    taken = take(full.path, tmp_path / "s.zip")
    assert restore(tmp_path / "s.zip", tmp_path / "new") == taken
    assert (tmp_path / "new" / "rejected.jsonl").read_text() == "one\ntwo\n"


def test_a_place_that_cannot_be_a_home_says_so(full: Home, tmp_path: Path) -> None:
    take(full.path, tmp_path / "s.zip")
    (tmp_path / "file").touch()
    with pytest.raises(LibraryError, match="Choose another with --home"):
        restore(tmp_path / "s.zip", tmp_path / "file" / "home")


def test_it_holds_what_was_committed_and_no_more(full: Home, tmp_path: Path) -> None:
    other = sqlite3.connect(full.path / "library.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    other.execute("DELETE FROM papers")
    assert take(full.path, tmp_path / "s.zip").papers == 30
    other.close()


def test_a_flipped_byte_is_noticed_or_does_no_harm(full: Home, tmp_path: Path) -> None:
    file = tmp_path / "s.zip"
    taken = take(full.path, file)
    whole = file.read_bytes()
    noticed = 0
    for number, at in enumerate(range(3, len(whole), len(whole) // 40)):
        file.write_bytes(whole[:at] + bytes([whole[at] ^ 0x10]) + whole[at + 1 :])
        new = tmp_path / f"new{number}"
        try:
            assert restore(file, new).files == taken.files  # as of a date in the zip's own tables
        except LibraryError:
            noticed += 1
            assert not new.exists()
    assert noticed > 30
    file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(LibraryError, match="cannot be restored"):
        restore(file, tmp_path / "new")


def test_a_home_that_is_there_is_left_alone(full: Home, tmp_path: Path) -> None:
    take(full.path, tmp_path / "s.zip")
    with pytest.raises(LibraryError, match="not empty"):
        restore(tmp_path / "s.zip", full.path)
    (tmp_path / "empty").mkdir()
    assert restore(tmp_path / "s.zip", tmp_path / "empty").papers == 30


@pytest.mark.parametrize("name", ["../outside", "/outside", "a/../../outside"])
def test_nothing_is_written_outside(tmp_path: Path, name: str) -> None:
    with zipfile.ZipFile(tmp_path / "s.zip", "w") as archive:
        data = {"papers": 1, "revision": 1, "taken": "", "files": {name: "0"}, "format": FORMAT}
        archive.writestr("snapshot.json", json.dumps(data))
        archive.writestr(f"home/{name}", "x")
    with pytest.raises(LibraryError, match="outside"):
        restore(tmp_path / "s.zip", tmp_path / "new")
    assert not (tmp_path / "outside").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"no zip", "cannot be restored"), (b"", "cannot be restored")],
)
def test_what_is_no_snapshot(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "s.zip").write_bytes(content)
    with pytest.raises(LibraryError, match=message):
        restore(tmp_path / "s.zip", tmp_path / "new")
    with pytest.raises(LibraryError, match="no snapshot"):
        contents(tmp_path / "s.zip")


def test_a_newer_snapshot_says_what_to_do(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "s.zip", "w") as archive:
        archive.writestr("snapshot.json", json.dumps({"format": FORMAT + 1}))
    with pytest.raises(LibraryError, match="Upgrade Footnoted"):
        restore(tmp_path / "s.zip", tmp_path / "new")


def test_no_home_and_no_room(tmp_path: Path, full: Home) -> None:
    with pytest.raises(LibraryError, match="Run: footnoted ingest"):
        take(tmp_path / "absent", tmp_path / "s.zip")
    with pytest.raises(LibraryError, match="cannot be written"):
        take(full.path, tmp_path / "absent" / "s.zip")
    Library(full.path / "library.sqlite").close()
