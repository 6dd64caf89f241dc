"""The files in a .zip. Nothing is ever written: a name with `../` is only a label."""

from __future__ import annotations

import io
import os
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from rag.errors import SourceUnreadable
from rag.sources._meter import Counted, Meter, current
from rag.sources._unpack import Damaged, check_growth

MAGIC = b"PK\x03\x04"
INSIDE = "!/"  # as in `papers.zip!/2020/a.jsonl`
_MAX_DIRECTORY = 64 * 2**20  # bytes of the list of members, which is held in memory
_TAIL = 2**16 + 22  # where a .zip says how long that list is
_OFFICE = "[Content_Types].xml"
_open: dict[tuple[int, str], zipfile.ZipFile] = {}


def split(address: str) -> tuple[str, str] | None:
    """`papers.zip!/a.csv` -> (`papers.zip`, `a.csv`); None for an ordinary address."""
    archive, inside, member = address.partition(INSIDE)
    return (archive, member) if inside and is_zip(archive) else None


def is_zip(address: str) -> bool:
    """Whether there is a regular file of that name that begins as a .zip does."""
    try:
        if not Path(address).is_file():
            return False
        with Path(address).open("rb") as file:
            return file.read(len(MAGIC)) == MAGIC
    except (OSError, ValueError):
        return False


@contextmanager
def members(address: str, meter: Meter | None = None) -> Iterator[list[str]]:
    """Addresses of the files in a .zip, which stays open meanwhile. Raises SourceUnreadable."""
    archive = _archive(address, meter)
    key = (threading.get_ident(), address)
    _open[key] = archive
    try:
        names = [i.filename for i in archive.infolist() if not i.is_dir()]
        yield [f"{address}{INSIDE}{name}" for name in dict.fromkeys(names)]
    finally:
        _open.pop(key, None)
        archive.close()


def open_member(address: str, member: str) -> io.BufferedReader:
    """Open one file of a .zip. Raises SourceUnreadable; reading it raises Damaged."""
    shared = _open.get((threading.get_ident(), address))
    archive = shared or _archive(address, current())
    try:
        info = archive.getinfo(member)
        stream = archive.open(info)
    except KeyError as error:
        raise SourceUnreadable(f"{address} holds no file {member}. Check the name.") from error
    except Exception as error:  # encrypted, packed in an unknown way, damaged: each its own class
        raise SourceUnreadable(
            f"cannot read {member} in {address}: {error}. Unpack it yourself."
        ) from error
    return io.BufferedReader(_Member(stream, info.compress_size, None if shared else archive))


def _archive(address: str, meter: Meter | None) -> zipfile.ZipFile:
    try:
        file = Path(address).open("rb")  # noqa: SIM115 - the archive closes it
        _check_directory(file)
        counted = io.BufferedReader(Counted(file, meter)) if meter else file
        archive = zipfile.ZipFile(counted)
        _check_members(archive)
    except Exception as error:
        raise SourceUnreadable(f"cannot read {address}: {error}. Unpack it yourself.") from error
    return archive


def _check_directory(file: IO[bytes]) -> None:
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - _TAIL))
    tail = file.read()
    end = tail.rfind(b"PK\x05\x06")
    if end >= 0 and int.from_bytes(tail[end + 12 : end + 16], "little") > _MAX_DIRECTORY:
        raise Damaged("it holds too many files")
    file.seek(0)


def _check_members(archive: zipfile.ZipFile) -> None:
    infos = sorted(archive.infolist(), key=lambda info: info.header_offset)
    if any(info.filename == _OFFICE for info in infos):
        raise Damaged("it is an Office file; export it as CSV")
    ends = -1
    for info in infos:  # a bomb lets thousands of members share one packed body
        if info.header_offset < ends:
            raise Damaged("its parts overlap")
        ends = info.header_offset + info.compress_size


class _Member(io.RawIOBase):
    """The inside of a member, which stops where it grows out of proportion."""

    def __init__(self, stream: IO[bytes], packed: int, archive: zipfile.ZipFile | None) -> None:
        self._stream = stream
        self._packed = packed
        self._given = 0
        self._archive = archive

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        try:
            data = self._stream.read(len(buffer))
        except Exception as error:
            raise Damaged(f"the .zip is damaged ({error}). Fetch or pack it again") from error
        self._given += len(data)
        check_growth(self._given, self._packed)
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._stream.close()
        if self._archive is not None:
            self._archive.close()
        super().close()
