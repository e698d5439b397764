"""Content encodings of requests and answers: gzip, deflate, zstd and lz4, in pieces."""

import zlib
from collections.abc import Callable
from typing import Any, Protocol

import lz4.frame
from backports import zstd

from warehouse.door.errors import refusal


class Compressor(Protocol):
    """Compresses one answer, piece by piece; what a piece gives can be read at once."""

    def piece(self, data: bytes) -> bytes:
        """Compress `data` and flush, so that the reader need not wait for the next piece."""

    def end(self) -> bytes:
        """Close the stream."""


class _Zlib:
    def __init__(self, wbits: int) -> None:
        self._inner = zlib.compressobj(3, zlib.DEFLATED, wbits)

    def piece(self, data: bytes) -> bytes:
        return self._inner.compress(data) + self._inner.flush(zlib.Z_SYNC_FLUSH)

    def end(self) -> bytes:
        return self._inner.flush()


class _Zstd:
    def __init__(self) -> None:
        self._inner = zstd.ZstdCompressor(level=1)

    def piece(self, data: bytes) -> bytes:
        return self._inner.compress(data, zstd.ZstdCompressor.FLUSH_BLOCK)

    def end(self) -> bytes:
        return self._inner.flush()


class _Lz4:
    def __init__(self) -> None:
        self._inner = lz4.frame.LZ4FrameCompressor(auto_flush=True)
        self._begun = False

    def piece(self, data: bytes) -> bytes:
        head = b"" if self._begun else self._inner.begin()
        self._begun = True
        return bytes(head + self._inner.compress(data))

    def end(self) -> bytes:
        return (b"" if self._begun else bytes(self._inner.begin())) + bytes(self._inner.flush())


# In the order of preference: what costs the server least comes first.
COMPRESSORS: dict[str, Callable[[], Compressor]] = {
    "lz4": _Lz4,
    "zstd": _Zstd,
    "gzip": lambda: _Zlib(31),
    "deflate": lambda: _Zlib(15),
}
DECOMPRESSORS: dict[str, Callable[[], Any]] = {
    "lz4": lz4.frame.LZ4FrameDecompressor,
    "zstd": zstd.ZstdDecompressor,
    "gzip": lambda: zlib.decompressobj(31),
    "deflate": lambda: zlib.decompressobj(15),
}


def accepted(header: str) -> str | None:
    """Return the encoding of an answer for an Accept-Encoding header; None is an answer as it is."""
    offers = {}
    for offer in header.lower().split(","):
        name, _, weight = offer.partition(";")
        offers[name.strip()] = weight.replace(" ", "")
    return next((name for name in COMPRESSORS if offers.get(name, "q=0").rstrip(".0") != "q="), None)


class Decoder:
    """Undoes a request's Content-Encoding, piece by piece; frames may follow each other."""

    def __init__(self, encoding: str) -> None:
        self._encoding = encoding.strip().lower()
        if self._encoding in ("", "identity"):
            self._new = None
        elif self._encoding in DECOMPRESSORS:
            self._new = DECOMPRESSORS[self._encoding]
        else:
            raise refusal(
                48,
                "NOT_IMPLEMENTED",
                f"Content-Encoding must be one of {', '.join(DECOMPRESSORS)}; {encoding!r} cannot be read",
            )
        self._inner: Any = None

    def decode(self, data: bytes) -> bytes:
        """Return what `data` holds; DoorError where it is not of the encoding that was stated."""
        if self._new is None:
            return data
        out = []
        while data:
            if self._inner is None or self._inner.eof:
                self._inner = self._new()
            try:
                out.append(self._inner.decompress(data))
            except (zlib.error, zstd.ZstdError, RuntimeError) as error:
                raise refusal(
                    117, "INCORRECT_DATA", f"The body is not {self._encoding}, as stated: {error}"
                ) from error
            data = self._inner.unused_data or b"" if self._inner.eof else b""
        return b"".join(out)

    def end(self) -> None:
        """Check that the last frame was whole: half a body must never be inserted."""
        if self._inner is not None and not self._inner.eof:
            raise refusal(
                117,
                "INCORRECT_DATA",
                f"The {self._encoding} body ends within a frame; only whole blocks before it may stand",
            )
