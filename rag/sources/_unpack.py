"""What is packed (.gz, .bz2, .xz, .zst) -> a stream of what is inside, in bounded memory."""

from __future__ import annotations

import bz2
import io
import lzma
import zlib
from collections.abc import Callable
from typing import Protocol

MAX_RATIO = 100  # text packs 3 to 10 times, logs 30
MAX_LAYERS = 3  # a file can be made that unpacks to itself, for ever
PIECE = 64 * 2**10
_RATIO_FROM = 64 * 2**20  # bytes: what unpacks to less does no harm at any ratio
_MAX_MEMORY = 256 * 2**20  # an .xz can ask for 4 GB
_MAX_WINDOW = 27  # of a .zst: 128 MB, as its own program has it


class Damaged(Exception):
    """The rest of what is packed cannot be had."""


class _Codec(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    @property
    def needs_input(self) -> bool: ...
    def decompress(self, data: bytes, max_length: int) -> bytes: ...


class _Gzip:
    """zlib's object, under the interface that the others have."""

    def __init__(self) -> None:
        self._inner = zlib.decompressobj(wbits=31)

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    @property
    def needs_input(self) -> bool:
        return not self._inner.unconsumed_tail

    def decompress(self, data: bytes, max_length: int) -> bytes:
        return self._inner.decompress(self._inner.unconsumed_tail + data, max_length)


def _xz() -> _Codec:
    return lzma.LZMADecompressor(memlimit=_MAX_MEMORY)


def _zstd() -> _Codec:
    from backports import zstd

    return zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: _MAX_WINDOW})


_CODECS: dict[bytes, tuple[str, Callable[[], _Codec]]] = {
    b"\x1f\x8b": (".gz", _Gzip),
    b"BZh": (".bz2", bz2.BZ2Decompressor),
    b"\xfd7zXZ\x00": (".xz", _xz),
    b"\x28\xb5\x2f\xfd": (".zst", _zstd),
}
MAGIC_LENGTH = 6
SUFFIXES = tuple(suffix for suffix, _ in _CODECS.values())


def is_packed(head: bytes) -> bool:
    """Whether a file that begins so is packed in a way that is known here."""
    return _codec_of(head) is not None


def unpacked(stream: io.BufferedReader) -> io.BufferedReader:
    """Unpack what is packed, also twice; anything else is given back as it is. Raises Damaged."""
    for _ in range(MAX_LAYERS):
        codec = _codec_of(stream.peek(MAGIC_LENGTH)[:MAGIC_LENGTH])
        if codec is None:
            return stream
        stream = io.BufferedReader(_Unpacked(stream, *codec), PIECE)
    if _codec_of(stream.peek(MAGIC_LENGTH)[:MAGIC_LENGTH]):
        raise Damaged(f"it is packed over {MAX_LAYERS} times over. Unpack it yourself")
    return stream


def check_growth(given: int, taken: int) -> None:
    """Raise Damaged where what came out is out of proportion to the bytes that were unpacked."""
    if given > max(_RATIO_FROM, MAX_RATIO * taken):
        raise Damaged(f"it unpacks to over {MAX_RATIO} times its size. Unpack it yourself")


def _codec_of(head: bytes) -> tuple[str, Callable[[], _Codec]] | None:
    return next((found for magic, found in _CODECS.items() if head.startswith(magic)), None)


class _Unpacked(io.RawIOBase):
    """The inside. Stops where it grows out of proportion: a .gz of 300 KB can hold 300 MB."""

    def __init__(self, packed: io.BufferedReader, suffix: str, codec: Callable[[], _Codec]) -> None:
        self._packed = packed
        self._suffix = suffix
        self._codec = codec
        self._member = codec()
        self._taken = self._given = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        try:
            data = self._more(len(buffer))
        except Damaged:
            raise
        except MemoryError as error:
            raise Damaged(f"unpacking the {self._suffix} takes too much memory") from error
        except Exception as error:  # each codec has an error class of its own
            reason = f"the {self._suffix} is damaged ({error})"
            raise Damaged(f"{reason}. Fetch or pack it again") from error
        self._given += len(data)
        check_growth(self._given, self._taken)
        buffer[: len(data)] = data
        return len(data)

    def _more(self, size: int) -> bytes:
        while True:
            if self._member.eof:
                packed = self._next_member()
                if not packed:
                    return b""
                self._member = self._codec()
            else:
                packed = self._take() if self._member.needs_input else b""
            data = self._member.decompress(packed, size)
            if data:
                return data
            if not packed and self._member.needs_input and not self._member.eof:
                raise EOFError("it ends too early")

    def _next_member(self) -> bytes:
        packed = self._member.unused_data
        while True:
            packed = packed.lstrip(b"\0")  # padding, as tapes and .xz have it
            if packed or not (packed := self._take()):
                return packed

    def _take(self) -> bytes:
        packed = self._packed.read1(PIECE)
        self._taken += len(packed)
        return packed
