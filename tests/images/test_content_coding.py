from __future__ import annotations

import contextlib
import gzip
import zlib

import brotli  # type: ignore[import-untyped]
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from rhymes.common.errors import InputError, UnavailableError
from rhymes.images.content_coding import decode_body
from tests.support.hostile_server import encode_random_image

LIMIT = 100_000
BODY = encode_random_image(1)


def deflate(data: bytes) -> bytes:
    """Encode without zlib's head and tail, as some servers understand `deflate`."""
    stream = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return stream.compress(data) + stream.flush()


ENCODERS = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": brotli.compress,
    "zstd": zstandard.compress,
}


@pytest.mark.parametrize("name", ENCODERS)
def test_codings_are_undone(name: str) -> None:
    assert decode_body(ENCODERS[name](BODY), name, LIMIT) == BODY
    assert decode_body(ENCODERS[name](BODY), f" {name.upper()} ", LIMIT) == BODY
    assert decode_body(ENCODERS[name](b""), name, LIMIT) == b""


@pytest.mark.parametrize(
    ("header", "body"),
    [
        pytest.param("", BODY, id="no header"),
        pytest.param("identity", BODY, id="identity"),
        pytest.param("identity, identity", BODY, id="identity twice"),
        pytest.param("aws-chunked", BODY, id="aws-chunked, of an upload to S3"),
        pytest.param("utf-8", BODY, id="a character set"),
        pytest.param("none", BODY, id="none"),
        pytest.param("binary", BODY, id="binary"),
        pytest.param("base64", BODY, id="base64"),
        pytest.param("compress", BODY, id="a coding that nobody reads any more"),
        pytest.param("image/jpeg", BODY, id="a type"),
        pytest.param("gzip", BODY, id="gzip that it is not"),
        pytest.param("deflate", BODY, id="deflate that it is not"),
        pytest.param("br", BODY, id="br that it is not"),
        pytest.param("zstd", BODY, id="zstd that it is not"),
        pytest.param("gzip, br, zstd", BODY, id="several that it is not"),
        pytest.param("deflate", deflate(BODY), id="deflate without zlib's head"),
        pytest.param("gzip, gzip", gzip.compress(gzip.compress(BODY)), id="gzip twice"),
        pytest.param("gzip, br", brotli.compress(gzip.compress(BODY)), id="the last one first"),
        pytest.param("aws-chunked,gzip", gzip.compress(BODY), id="gzip beside what is no coding"),
        pytest.param("gzip", gzip.compress(BODY) + b"rest", id="something behind it"),
    ],
)
def test_what_is_no_coding_is_passed_over(header: str, body: bytes) -> None:
    assert decode_body(body, header, LIMIT) == BODY


@pytest.mark.parametrize("name", ENCODERS)
def test_a_body_that_ends_within_its_coding_may_be_whole_next_time(name: str) -> None:
    whole = ENCODERS[name](BODY)
    for kept in (len(whole) // 2, len(whole) - 1):
        with pytest.raises(UnavailableError, match="ends too early"):
            decode_body(whole[:kept], name, LIMIT)


@pytest.mark.parametrize("name", ENCODERS)
def test_no_more_is_decoded_than_allowed(name: str) -> None:
    bomb = ENCODERS[name](bytes(1 << 26))
    with pytest.raises(InputError, match="larger than the 100,000 bytes allowed"):
        decode_body(bomb, name, LIMIT)
    assert len(decode_body(ENCODERS[name](bytes(LIMIT)), name, LIMIT)) == LIMIT


def test_a_broken_coding_is_named() -> None:
    with pytest.raises(InputError, match="broken content encoding"):
        decode_body(b"\x1f\x8b\x08" + bytes([255]) * 100, "gzip", LIMIT)
    with pytest.raises(InputError, match="broken content encoding"):
        decode_body(zstandard.compress(BODY)[:8] + bytes([255]) * 100, "zstd", LIMIT)


def test_codings_without_end_are_refused() -> None:
    with pytest.raises(InputError, match="6 content encodings, more than the 5 allowed"):
        decode_body(BODY, ",".join(["gzip"] * 6), LIMIT)


@given(st.binary(), st.sampled_from([*ENCODERS, "gzip, br", "none"]))
def test_any_body_is_read_or_refused(body: bytes, header: str) -> None:
    with contextlib.suppress(InputError):
        assert len(decode_body(body, header, LIMIT)) <= LIMIT
