from __future__ import annotations

import errno
import io
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from rhymes.export.export_files import ExportFiles
from rhymes.export.fetched import Fetched, Source, Tolerance
from rhymes.export.fetching import FetchOptions, fetch_images
from rhymes.images.access import DownloadAccess
from rhymes.images.download import DownloadLimits
from rhymes.images.fingerprint import image_to_fingerprint
from tests.support.file_contents import bytes_to_sha256
from tests.support.hostile_server import HostileServer, encode_random_image


@pytest.fixture
def cdn() -> Iterator[HostileServer]:
    with HostileServer() as server:
        yield server


class Place:
    """Folders to fetch into, and the options for it."""

    def __init__(self, root: Path, host: str) -> None:
        self.export, self.downloads, self.images = (
            root / name for name in ("export", "downloads", "images")
        )
        for folder in (self.export, self.downloads, self.images):
            folder.mkdir()
        limits = DownloadLimits(
            timeout=0.5, attempts=2, max_bytes=100_000, allowed_hosts=(host,), pause=0.01
        )
        self.options = FetchOptions(
            ExportFiles(self.export),
            self.downloads,
            limits,
            DownloadAccess(),
            10_000,
            95,
            4,
            Tolerance(0.5, 0.5),
        )

    def fetch(self, *images: str, **options: Any) -> list[Fetched]:
        sources = [Source(image, (number,)) for number, image in enumerate(images, 2)]
        self.fingerprints = np.zeros((len(sources), 32, 32, 3), np.uint8)
        options_now = replace(self.options, **options)
        return fetch_images(sources, options_now, self.images, self.fingerprints)

    def names(self) -> list[str]:
        return sorted(path.name for path in self.images.iterdir())


@pytest.fixture
def place(tmp_path: Path, cdn: HostileServer) -> Place:
    return Place(tmp_path, cdn.host)


def test_images_are_named_by_their_bytes_in_the_order_of_the_sources(
    place: Place, cdn: HostileServer
) -> None:
    urls = [cdn.url(f"/slow/{number}.jpg") for number in range(12)]
    fetched = place.fetch(*urls)
    digests = [bytes_to_sha256(encode_random_image(number)) for number in range(12)]
    assert [each.source.image for each in fetched] == urls
    images = [each.image for each in fetched if each.image and not each.error]
    assert [image.sha256 for image in images] == digests
    assert {(image.width, image.height) for image in images} == {(32, 24)}
    assert place.names() == sorted(f"{digest}.jpg" for digest in digests)
    for number, digest in enumerate(digests):
        assert (place.images / f"{digest}.jpg").read_bytes() == encode_random_image(number)


def test_fingerprints_are_in_the_order_of_the_sources(place: Place, cdn: HostileServer) -> None:
    place.fetch(cdn.url("/good/1.jpg"), "none.jpg", cdn.url("/good/2.jpg"))
    expected = [
        image_to_fingerprint(Image.open(io.BytesIO(encode_random_image(number))))
        for number in (1, 2)
    ]
    assert (place.fingerprints[[0, 2]] == expected).all()
    assert not place.fingerprints[1].any(), "there is no image"


def test_same_image_from_several_sources_is_one_file(place: Place, cdn: HostileServer) -> None:
    (place.export / "a.jpg").write_bytes(encode_random_image(1))
    urls = [cdn.url(f"/good/1.jpg?{number}") for number in range(20)]
    fetched = place.fetch("a.jpg", "./a.jpg", *urls, workers=8)
    digest = bytes_to_sha256(encode_random_image(1))
    assert {each.image and each.image.sha256 for each in fetched} == {digest}
    assert place.names() == [f"{bytes_to_sha256(encode_random_image(1))}.jpg"]


def test_download_is_kept_and_asked_for_once(place: Place, cdn: HostileServer) -> None:
    url = cdn.url("/png/1.jpg")
    first = place.fetch(url)
    assert (place.downloads / bytes_to_sha256(url.encode())).read_bytes() == encode_random_image(
        1, "PNG"
    )
    before = place.names()
    (place.images / before[0]).unlink()
    assert place.fetch(url) == first
    assert place.names() == before
    assert cdn.asked["/png/1.jpg"] == 1


def test_kept_download_answers_to_todays_limits(place: Place, cdn: HostileServer) -> None:
    url = cdn.url("/good/1.jpg")
    place.fetch(url)
    small = replace(place.options.limits, max_bytes=100)
    assert "more than the 100 allowed" in place.fetch(url, limits=small)[0].error
    assert "more than the 50 allowed" in place.fetch(url, max_pixels=50)[0].error
    assert not place.fetch(url)[0].error


@pytest.mark.parametrize("path", ["/page/1", "/cut/1", "/empty/1", "/missing"])
def test_what_is_no_image_is_asked_for_again(place: Place, cdn: HostileServer, path: str) -> None:
    for _ in range(2):
        assert place.fetch(cdn.url(path))[0].error
    assert cdn.asked[path] == 2
    assert not list(place.downloads.iterdir())
    assert not place.names()


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        pytest.param("", "the cell is empty", id="empty"),
        pytest.param("  ", "the cell is empty", id="spaces"),
        pytest.param("file:///etc/passwd", "scheme 'file' is refused", id="file"),
        pytest.param("../downloads", "'..'", id="path"),
        pytest.param("gone.jpg", "no such file", id="missing"),
        pytest.param("page.jpg", "it looks like an HTML page", id="HTML"),
        pytest.param("large.jpg", "100,001 bytes, more than the 100,000", id="too large"),
    ],
)
def test_failure_is_a_result(place: Place, image: str, reason: str) -> None:
    (place.export / "page.jpg").write_bytes(b"<html>")
    (place.export / "large.jpg").write_bytes(bytes(200_000))
    (place.export / "good.jpg").write_bytes(encode_random_image(1))
    bad, good = place.fetch(image, "good.jpg")
    assert reason in bad.error
    assert bad.image is None
    assert good.image
    assert len(place.names()) == 1


def test_gives_up_on_a_host_that_is_down(place: Place, cdn: HostileServer) -> None:
    urls = [cdn.url(f"/status/404?{number}") for number in range(400)]
    fetched = place.fetch(*urls, tolerance=Tolerance(0.1, 0))
    assert 50 <= len(fetched) < 400
    assert sum(cdn.asked.values()) < 400


def test_does_not_give_up_while_failures_are_allowed(place: Place) -> None:
    images = [f"gone{number}.jpg" for number in range(200)]
    assert len(place.fetch(*images, tolerance=Tolerance(1, 0))) == 200


def test_gives_up_on_a_host_that_is_busy(place: Place, cdn: HostileServer) -> None:
    urls = [cdn.url(f"/status/503?{number}") for number in range(400)]
    limits = replace(place.options.limits, attempts=1)
    fetched = place.fetch(*urls, limits=limits, tolerance=Tolerance(1, 0))
    assert 50 <= len(fetched) < 400


@pytest.mark.parametrize(
    ("image", "is_unavailable"),
    [
        pytest.param("/status/503", True, id="503"),
        pytest.param("/status/404", False, id="404"),
        pytest.param("/page/1", False, id="a page"),
        pytest.param("/short/1", True, id="half of what was promised"),
        pytest.param("/cut/1", False, id="half an image"),
        pytest.param("gone.jpg", False, id="no such file"),
        pytest.param("loop.jpg", False, id="a link to itself"),
    ],
)
def test_failures_that_may_pass_are_told_from_others(
    place: Place, cdn: HostileServer, image: str, is_unavailable: bool
) -> None:
    (place.export / "loop.jpg").symlink_to("loop.jpg")
    (failed,) = place.fetch(cdn.url(image) if image.startswith("/") else image)
    assert failed.error
    assert failed.is_unavailable == is_unavailable


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE, errno.EACCES, errno.EMFILE])
def test_a_file_that_cannot_be_read_may_be_readable_later(
    place: Place, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    (place.export / "a.jpg").write_bytes(encode_random_image(1))

    def fail(*_: Any, **__: Any) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Path, "open", fail)
    (failed,) = place.fetch("a.jpg")
    assert failed.is_unavailable
    assert failed.error == f"cannot be read: {os.strerror(number)}"
