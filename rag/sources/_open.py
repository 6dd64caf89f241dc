"""A path or `-` -> a stream of text: .gz unpacked, the encoding seen to, binaries refused."""

from __future__ import annotations

import codecs
import io
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO, cast

from rag.errors import SourceNotFound, SourceUnreadable

STDIN = "-"
MAX_RATIO = 100  # text packs 3 to 10 times, logs 30
_RATIO_FROM = 64 * 2**20  # bytes: what unpacks to less does no harm at any ratio
_HEAD = 64 * 2**10
_GZIP = b"\x1f\x8b"
_BOMS = (  # UTF-32 first: its little-endian mark begins with that of UTF-16
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_MAGIC = {b"%PDF": "a PDF", b"PK\x03\x04": "a zip or Office file", b"PAR1": "a Parquet file"}
_NOT_TEXT = bytes({*range(32), 127} - {*b"\t\n\f\r\x1b"})


class Damaged(Exception):
    """The rest of a .gz cannot be had."""


class _Unpacked(io.RawIOBase):
    """The inside of a .gz. Stops where it grows out of proportion: 300 KB can hold 300 MB."""

    def __init__(self, packed: io.BufferedReader) -> None:
        self._packed = packed
        self._member = zlib.decompressobj(wbits=31)
        self._taken = self._given = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        try:
            data = self._more(len(buffer))
        except (EOFError, OSError, zlib.error) as error:
            raise Damaged(f"the .gz is damaged ({error}). Fetch or pack it again") from error
        self._given += len(data)
        if self._given > max(_RATIO_FROM, MAX_RATIO * self._taken):
            raise Damaged(f"it unpacks to over {MAX_RATIO} times its size. Unpack it yourself")
        buffer[: len(data)] = data
        return len(data)

    def _more(self, size: int) -> bytes:
        while True:
            packed = self._next_packed()
            if self._member.eof:
                packed = packed.lstrip(b"\0")  # padding, as tapes have it
                if not packed:
                    return b""
                self._member = zlib.decompressobj(wbits=31)
            if data := self._member.decompress(packed, size):
                return data
            if not packed and not self._member.eof:
                raise EOFError("it ends too early")

    def _next_packed(self) -> bytes:
        left = self._member.unused_data or self._member.unconsumed_tail
        if left:
            return left
        packed = self._packed.read1(_HEAD)
        self._taken += len(packed)
        return packed


@contextmanager
def open_text(address: str) -> Iterator[TextIO]:
    r"""Open a source as text whose lines end in \n, whatever they ended in."""
    stream = _standard_input() if address == STDIN else _open_file(address)
    try:
        text = _as_text(stream, address)
        try:
            yield text
        finally:
            text.detach()  # or it would close standard input, which is not ours
    finally:
        if address != STDIN:
            stream.close()
        elif stream is not sys.stdin.buffer:
            stream.detach()


def first_text(address: str) -> str:
    """How a source begins, without taking it from whoever reads it next."""
    head = _first_bytes(address)
    if head.startswith(_GZIP):
        head = _unpack_some(head, address)
    _check_text(head, address)
    return head.decode(_encoding(head), errors="replace")


def empty(address: str) -> SourceUnreadable:
    """Make the error for a source in which there is nothing."""
    return SourceUnreadable(f"{address} is empty. Give a file with at least one paper in it.")


def _as_text(stream: io.BufferedReader, address: str) -> io.TextIOWrapper:
    try:
        if stream.peek(len(_GZIP)).startswith(_GZIP):
            stream = io.BufferedReader(_Unpacked(stream), _HEAD)
        head = stream.peek(_HEAD)[:_HEAD]
    except (OSError, Damaged) as error:
        raise SourceUnreadable(f"cannot read {address}: {error}.") from error
    _check_text(head, address)
    return io.TextIOWrapper(stream, _encoding(head), errors="replace", newline=None)


def _open_file(address: str) -> io.BufferedReader:
    try:
        return Path(address).open("rb")
    except (FileNotFoundError, NotADirectoryError, ValueError) as error:
        raise SourceNotFound(
            f"no such file: {address}. Check the path, or use - for standard input."
        ) from error
    except OSError as error:
        reason = error.strerror or error
        raise SourceUnreadable(f"cannot read {address}: {reason}. Name a readable file.") from error


def _standard_input() -> io.BufferedReader:
    stream = sys.stdin.buffer
    if isinstance(stream, io.BufferedReader):
        return stream
    return io.BufferedReader(cast(io.RawIOBase, stream))


def _first_bytes(address: str) -> bytes:
    if address != STDIN:
        with _open_file(address) as file:
            return file.read(_HEAD)
    stream = sys.stdin.buffer
    if isinstance(stream, io.BufferedReader):
        return stream.peek(_HEAD)[:_HEAD]
    head = stream.read(_HEAD)
    stream.seek(0)
    return head


def _unpack_some(head: bytes, address: str) -> bytes:
    try:
        return zlib.decompressobj(wbits=31).decompress(head, _HEAD)
    except zlib.error as error:
        raise SourceUnreadable(
            f"cannot read {address}: the .gz is damaged ({error}). Fetch or pack it again."
        ) from error


def _encoding(head: bytes) -> str:
    return next((name for mark, name in _BOMS if head.startswith(mark)), "utf-8")


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
