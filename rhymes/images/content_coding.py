"""Content codings of HTTP (RFC 9110, 8.4): what a server did to a body, undone within limits.

The header names them in the order in which they were applied. A name that is no coding
(aws-chunked, utf-8, none) was written by whoever uploaded the file, and browsers pass over it. So
is one here that the body does not have, such as gzip before the bytes of a JPEG.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable, Mapping

import brotli  # type: ignore[import-untyped]
import zstandard

from rhymes.common.errors import InputError, UnavailableError

# Each is undone by reading everything; nobody applies more than two.
_MAX_CODINGS = 5
_ZSTD_START = b"\x28\xb5\x2f\xfd"  # RFC 8878, 3.1.1
_ZSTD_WINDOW = 8 << 20  # RFC 9659: what a sender on the web may ask for
_CUT = "its content encoding ends too early"


def decode_body(body: bytes, header: str, max_bytes: int) -> bytes:
    """Undo the codings that a Content-Encoding header names: gzip, deflate, br, zstd.

    Args:
        body: as received.
        header: the value, names parted by commas, of any case; "" for none.
        max_bytes: of the body, after each of them.

    Raises:
        UnavailableError: the body ends within a coding.
        InputError: it is larger than `max_bytes`, or is broken.
    """
    decoders = [_DECODERS[name] for name in _header_to_names(header) if name in _DECODERS]
    if len(decoders) > _MAX_CODINGS:
        raise InputError(f"{len(decoders)} content encodings, more than the {_MAX_CODINGS} allowed")
    for decoder in reversed(decoders):
        body = decoder(body, max_bytes + 1)
        if len(body) > max_bytes:
            raise InputError(f"larger than the {max_bytes:,} bytes allowed")
    return body


def _header_to_names(header: str) -> list[str]:
    return [name.strip().lower() for name in header.split(",")]


def _gunzip(body: bytes, limit: int) -> bytes:
    return _inflate(body, limit, zlib.MAX_WBITS + 16) if body.startswith(b"\x1f\x8b") else body


def _undeflate(body: bytes, limit: int) -> bytes:
    """Undo zlib's format (RFC 9110, 8.4.1.2) or, as some servers send it, bare deflate."""
    head = int.from_bytes(body[:2], "big")
    if head >> 8 & 0xF == zlib.DEFLATED and head % 31 == 0:  # RFC 1950, 2.2
        return _inflate(body, limit, zlib.MAX_WBITS)
    try:
        return _inflate(body, limit, -zlib.MAX_WBITS)
    except UnavailableError:
        raise
    except InputError:
        return body


def _inflate(body: bytes, limit: int, wbits: int) -> bytes:
    stream = zlib.decompressobj(wbits)
    try:
        decoded = stream.decompress(body, limit)
    except zlib.error as error:
        raise InputError(f"broken content encoding: {error}") from None
    if len(decoded) < limit and not stream.eof:
        raise UnavailableError(_CUT)
    return decoded


def _unbrotli(body: bytes, limit: int) -> bytes:
    stream = brotli.Decompressor()
    decoded = bytearray()
    try:
        decoded += stream.process(body, output_buffer_limit=limit)
        while len(decoded) < limit and not stream.can_accept_more_data():
            decoded += stream.process(b"", output_buffer_limit=limit - len(decoded))
    except brotli.error:  # it has no mark by which it could be known
        return body
    if len(decoded) < limit and not stream.is_finished():
        raise UnavailableError(_CUT)
    return bytes(decoded)


def _unzstd(body: bytes, limit: int) -> bytes:
    if not body.startswith(_ZSTD_START):
        return body
    decompressor = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW)
    decoded = bytearray()
    try:
        with decompressor.stream_reader(io.BytesIO(body)) as stream:
            while len(decoded) < limit and (chunk := stream.read(limit - len(decoded))):
                decoded += chunk
        # The stream ends quietly where the body does; only this tells. The size is known to fit.
        if len(decoded) < limit:
            whole = decompressor.decompressobj()
            whole.decompress(body)
            if not whole.eof:
                raise UnavailableError(_CUT)
    except zstandard.ZstdError as error:
        raise InputError(f"broken content encoding: {error}") from None
    return bytes(decoded)


_DECODERS: Mapping[str, Callable[[bytes, int], bytes]] = {
    "gzip": _gunzip, "x-gzip": _gunzip, "deflate": _undeflate, "br": _unbrotli, "zstd": _unzstd,
}  # fmt: skip
