"""A home in one file, taken while it is in use and checked by hash when it is put back.

A snapshot is a zip: the library as of one moment, the settings, and what else lies in the home,
with the SHA-256 of each in `snapshot.json`. The index is left out, for it can be made again from
the library, whose cached vectors are in it: that takes a minute where embedding took an hour.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from rag.errors import LibraryError
from rag.library import Library

FORMAT = 1
_CONTENTS = "snapshot.json"
_LIBRARY = "library.sqlite"
_DATABASES = (".sqlite", ".sqlite3", ".db")
_SKIPPED = ("lock", "index")  # made anew where the snapshot is restored
_PIECE = 2**20
# What zipfile raises for a damaged file: also of its flags, as encrypted or of another method.
_BROKEN = (
    OSError, EOFError, zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, KeyError, ValueError,
    RuntimeError, NotImplementedError,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a snapshot holds; `files` maps each name to the SHA-256 of its bytes."""

    papers: int
    revision: int
    taken: str
    files: Mapping[str, str]
    format: int = FORMAT


def take(home: Path, file: Path) -> Snapshot:
    """Write a snapshot of `home`, whoever else reads or writes there. Raises LibraryError."""
    part = file.with_name(file.name + ".part")
    try:
        with TemporaryDirectory(prefix=".snapshot-", dir=file.parent) as name:
            found = _copies(home, Path(name))
            with closing(Library(found[_LIBRARY], read_only=True)) as library:
                counts = library.count(), library.revision()
            now = datetime.now(UTC).isoformat(timespec="seconds")
            snapshot = _pack(part, Snapshot(*counts, now, {}), found)
        part.replace(file)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise LibraryError(
            f"the snapshot {file} cannot be written ({error.strerror or error}). "
            f"Free some space, or choose another place."
        ) from error
    return snapshot


def restore(file: Path, home: Path) -> Snapshot:
    """Make `home`, which must not be there yet or be empty, from a snapshot, once it is checked.

    Raises LibraryError. The index is still to be made then: `footnoted ingest`.
    """
    try:
        if home.exists() and (not home.is_dir() or any(home.iterdir())):
            raise LibraryError(f"{home} is not empty. Choose another with --home, or move it away.")
        home.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LibraryError(
            f"{home} cannot be made ({error.strerror}). Choose another with --home."
        ) from error
    try:
        with TemporaryDirectory(prefix=".restore-", dir=home.parent) as name:
            folder = Path(name) / "home"
            folder.mkdir()
            snapshot = _unpack(file, folder)
            if home.exists():
                home.rmdir()
            folder.rename(home)
    except _BROKEN as error:
        reason = getattr(error, "strerror", None) or error
        raise LibraryError(
            f"the snapshot {file} cannot be restored ({reason}). Take another copy of it."
        ) from error
    return snapshot


def contents(file: Path) -> Snapshot:
    """What a snapshot says it holds. Raises LibraryError for what is none, or a newer one."""
    try:
        with zipfile.ZipFile(file) as archive:
            return _read_contents(archive, file)
    except _BROKEN as error:
        raise LibraryError(f"{file} is no snapshot that can be read ({error}).") from error


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _copies(home: Path, folder: Path) -> dict[str, Path]:
    """Files that stand still, by their names in the home: databases are copied as of a moment."""
    if not (home / _LIBRARY).is_file():
        raise LibraryError(f"there is no library in {home}. Run: footnoted ingest SOURCE")
    found: dict[str, Path] = {}
    for path in _files(home):
        name = path.relative_to(home).as_posix()
        if path.name.endswith(_DATABASES):
            copy = folder / f"{len(found)}.sqlite"
            Library.copy(path, copy)
            found[name] = copy
        else:
            found[name] = path
    return found


def _files(home: Path) -> Iterator[Path]:
    for entry in sorted(home.iterdir()):
        if entry.name in _SKIPPED or entry.name.startswith(".") or entry.is_symlink():
            continue
        if entry.is_dir():
            yield from (p for p in sorted(entry.rglob("*")) if p.is_file() and not p.is_symlink())
        elif not entry.name.endswith(("-wal", "-shm", ".part")) and ".sqlite." not in entry.name:
            yield entry


def _pack(part: Path, snapshot: Snapshot, found: Mapping[str, Path]) -> Snapshot:
    """Write the file; what it holds, with the hash of each piece as it was packed."""
    with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        hashes = {name: _add(archive, f"home/{name}", path) for name, path in found.items()}
        snapshot = replace(snapshot, files=hashes)
        archive.writestr(_CONTENTS, json.dumps(asdict(snapshot), indent=1))
    handle = os.open(part, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
    return snapshot


def _add(archive: zipfile.ZipFile, name: str, path: Path) -> str:
    """Pack a file and hash it in one reading: an ingest may be writing to it."""
    digest = hashlib.sha256()
    with path.open("rb") as file, archive.open(name, "w", force_zip64=True) as packed:
        while piece := file.read(_PIECE):
            digest.update(piece)
            packed.write(piece)
    return digest.hexdigest()


def _read_contents(archive: zipfile.ZipFile, file: Path) -> Snapshot:
    try:
        data = json.loads(archive.read(_CONTENTS))
        if data["format"] > FORMAT:
            raise LibraryError(
                f"{file} is a snapshot of format {data['format']}, made by a newer Footnoted. "
                f"Upgrade Footnoted (pip install --upgrade footnoted)."
            )
        return Snapshot(**data)
    except (KeyError, ValueError, TypeError) as error:
        raise LibraryError(f"{file} is no snapshot of Footnoted ({error}).") from error


def _unpack(file: Path, folder: Path) -> Snapshot:
    with zipfile.ZipFile(file) as archive:
        snapshot = _read_contents(archive, file)
        for name, expected in snapshot.files.items():
            place = PurePosixPath(name)
            if place.is_absolute() or ".." in place.parts:
                raise LibraryError(f"{file} holds '{name}', which lies outside of a home.")
            target = folder / place
            target.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(f"home/{name}") as packed, target.open("wb") as out:
                shutil.copyfileobj(packed, out, _PIECE)
                out.flush()
                os.fsync(out.fileno())
            if sha256(target) != expected:
                raise LibraryError(f"{name} in {file} is damaged. Take another copy of it.")
    return snapshot


__all__ = ["FORMAT", "Snapshot", "contents", "restore", "sha256", "take"]
