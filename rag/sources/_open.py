"""A path, `-` or a file in a .zip -> a stream: unpacked, the encoding seen to, binaries refused."""

from __future__ import annotations

import codecs
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from stat import S_ISREG
from tempfile import TemporaryFile
from typing import IO, BinaryIO, TextIO, cast

from rag.errors import SourceNotFound, SourceUnreadable
from rag.sources import _zip
from rag.sources._meter import Counted, current
from rag.sources._unpack import PIECE, Damaged, is_packed, unpacked

STDIN = "-"
PARQUET = b"PAR1"
_HEAD = 64 * 2**10
_BOMS = (  # UTF-32 first: its little-endian mark begins with that of UTF-16
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_MAGIC = {b"%PDF": "a PDF", _zip.MAGIC: "a zip or Office file", PARQUET: "a Parquet file"}
_NOT_TEXT = bytes({*range(32), 127} - {*b"\t\n\f\r\x1b"})
_numbers = count()
_held: dict[str, bytes] = {}
_LATIN = "footnoted.latin"  # the name of an error handler for decoding


@contextmanager
def open_bytes(address: str) -> Iterator[io.BufferedReader]:
    """Open a source as bytes, unpacked. Reading raises OSError or Damaged."""
    stream = _standard_input() if address == STDIN else _open_file(address, counted=True)
    try:
        try:
            yield unpacked(stream)
        except (OSError, Damaged) as error:
            raise SourceUnreadable(f"cannot read {address}: {error}.") from error
    finally:
        if address != STDIN:
            stream.close()
        elif stream is not sys.stdin.buffer:
            stream.detach()  # closing standard input is not for us


@contextmanager
def held_in_memory(text: str) -> Iterator[str]:
    """Give an address to a text that is nowhere on the disk, for as long as it is read."""
    address = f"\0{next(_numbers)}"  # what no file can be called
    _held[address] = text.encode("utf-8", "replace")
    try:
        yield address
    finally:
        del _held[address]


@contextmanager
def open_seekable(address: str) -> Iterator[BinaryIO]:
    """Open a source for reading here and there; a packed one goes into a nameless file first."""
    with open_bytes(address) as stream:
        if stream.seekable():
            yield cast(BinaryIO, stream)
            return
        with TemporaryFile() as file:
            while piece := stream.read(PIECE):
                file.write(piece)
            file.seek(0)
            yield cast(BinaryIO, file)


@contextmanager
def open_text(address: str) -> Iterator[TextIO]:
    r"""Open a source as text whose lines end in \n, whatever they ended in."""
    with open_bytes(address) as stream:
        head = stream.peek(_HEAD)[:_HEAD]
        _check_text(head, address)
        encoding = _encoding(head)
        errors = _LATIN if encoding == "utf-8" else "replace"
        text = io.TextIOWrapper(stream, encoding, errors=errors, newline=None)
        try:
            yield text
        finally:
            text.detach()  # or it would close standard input


def first_text(address: str) -> str:
    """How a source begins, without taking it from whoever reads it next."""
    head = first_bytes(address)
    _check_text(head, address)
    return head.decode(_encoding(head), errors="replace")


def first_bytes(address: str) -> bytes:
    """Up to 64 KB from the beginning of a source, unpacked."""
    head = _packed_head(address)
    if not is_packed(head):
        return head
    if address != STDIN:
        with open_bytes(address) as stream:
            return stream.peek(_HEAD)[:_HEAD]
    try:
        return unpacked(io.BufferedReader(io.BytesIO(head))).read1(_HEAD)
    except Damaged as error:  # a .bz2 shows nothing before 900 KB of it are there
        raise SourceUnreadable(
            "what comes over standard input cannot be looked at. Name its format with --format."
        ) from error


def size(address: str) -> int | None:
    """How many bytes will be read, None where nobody can know (a pipe)."""
    try:
        found = os.fstat(sys.stdin.fileno()) if address == STDIN else Path(address).stat()
    except (OSError, ValueError):
        return None
    return found.st_size if S_ISREG(found.st_mode) else None


def empty(address: str) -> SourceUnreadable:
    """Make the error for a source in which there is nothing."""
    return SourceUnreadable(f"{address} is empty. Give a file with at least one paper in it.")


def _open_file(address: str, *, counted: bool = False) -> io.BufferedReader:
    if address in _held:
        return io.BufferedReader(cast(io.RawIOBase, io.BytesIO(_held[address])))
    inside = _zip.split(address)
    if inside:
        return _zip.open_member(*inside)
    meter = current() if counted else None
    try:
        if meter is None:
            return Path(address).open("rb")
        return io.BufferedReader(Counted(Path(address).open("rb", buffering=0), meter), _HEAD)
    except (FileNotFoundError, NotADirectoryError, ValueError) as error:
        raise SourceNotFound(
            f"no such file: {address}. Check the path, or use - for standard input."
        ) from error
    except OSError as error:
        reason = error.strerror or error
        raise SourceUnreadable(f"cannot read {address}: {reason}. Name a readable file.") from error


def _standard_input() -> io.BufferedReader:
    stream: IO[bytes] = sys.stdin.buffer
    meter = current()
    if meter is not None and meter.total:
        return io.BufferedReader(Counted(cast(BinaryIO, stream), meter), _HEAD)
    if isinstance(stream, io.BufferedReader):
        return stream
    return io.BufferedReader(cast(io.RawIOBase, stream))


def _packed_head(address: str) -> bytes:
    if address != STDIN:
        try:
            with _open_file(address) as file:
                return file.read(_HEAD)
        except (OSError, Damaged) as error:
            raise SourceUnreadable(f"cannot read {address}: {error}.") from error
    stream = sys.stdin.buffer
    if isinstance(stream, io.BufferedReader):
        return stream.peek(_HEAD)[:_HEAD]
    head = stream.read(_HEAD)
    stream.seek(0)
    return head


def _encoding(head: bytes) -> str:
    marked = next((name for mark, name in _BOMS if head.startswith(mark)), None)
    return marked or _unmarked_utf16(head) or "utf-8"


def _unmarked_utf16(head: bytes) -> str | None:
    """Text that is mostly ASCII has a zero in every second byte."""
    start = head[:200]
    even, odd = start[::2], start[1::2]
    if len(odd) < 2 or 0 in (len(even) - even.count(0), len(odd) - odd.count(0)):
        return None
    if odd.count(0) > 0.9 * len(odd) and not even.count(0):
        return "utf-16-le"
    return "utf-16-be" if even.count(0) > 0.9 * len(even) and not odd.count(0) else None


def _check_text(head: bytes, address: str) -> None:
    if not head:
        raise empty(address)
    for magic, kind in _MAGIC.items():
        if head.startswith(magic):
            raise SourceUnreadable(f"{address} is {kind}, not text. Export it as CSV or JSONL.")
    if _encoding(head) in ("utf-8", "utf-8-sig") and _is_binary(head):
        raise SourceUnreadable(f"{address} is a binary file. Give a text file, in UTF-8.")


def _is_binary(head: bytes) -> bool:
    """A stray control character is cleaned away later; many of them are no text."""
    controls = len(head) - len(head.translate(None, _NOT_TEXT))
    damaged = head.decode(errors="replace").count("\ufffd") - 1  # the last may be cut in two
    return controls * 10 > len(head) or damaged * 3 > len(head)


def _isolated_latin(error: UnicodeError) -> tuple[str, int]:
    """One or two bytes that are no UTF-8 among ASCII are a letter of Latin-1 (Windows-1252).

    More of them together are another encoding, which must not be made to look like text.
    """
    if not isinstance(error, UnicodeDecodeError):
        raise error
    start, end, data = error.start, error.end, error.object
    around = data[max(0, start - 2) : start + 3]
    high = sum(byte >= 0x80 for byte in around)
    text = data[start:end].decode("cp1252", "replace") if high <= 2 else "\ufffd"
    return text, end


codecs.register_error(_LATIN, _isolated_latin)
