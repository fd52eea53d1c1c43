"""Fetching an export's images: paths and URLs -> checked files named by their SHA-256."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.pool import ThreadPool
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from rhymes.common.errors import InputError, UnavailableError
from rhymes.common.files import save_bytes
from rhymes.export.export_files import ExportFiles, is_url
from rhymes.export.fetched import Fetched, IndexedImage, Source, Tolerance
from rhymes.images.access import DownloadAccess
from rhymes.images.download import Downloader, DownloadLimits
from rhymes.images.fingerprint import image_to_fingerprint
from rhymes.images.images import decode_image, pixels_to_sha256
from rhymes.images.object_stores import ObjectStores, is_object_url

# Failures in a row after which the rest is not tried: a host that is down answers none of a
# hundred thousand URLs, each after all its tries.
_GIVE_UP_AFTER = 50


@dataclass(frozen=True)
class FetchOptions:
    """How images are fetched; ranges are the caller's to check.

    Attributes:
        files: of the export, to which paths are relative.
        downloads: where downloads are kept between runs, under the SHA-256 of their URL. One that
            is there is used without asking the server again, for ever; delete the folder to ask.
        limits: of one download; `max_bytes` counts for files as well.
        access: how servers are reached.
        max_pixels: of an image, see `check_image`.
        jpeg_quality: see `check_image`.
        workers: threads.
        tolerance: with more failures than these it may give up.
    """

    files: ExportFiles
    downloads: Path
    limits: DownloadLimits
    access: DownloadAccess
    max_pixels: int
    jpeg_quality: int
    workers: int
    tolerance: Tolerance


def fetch_images(
    sources: Sequence[Source],
    options: FetchOptions,
    folder: Path,
    fingerprints: NDArray[np.uint8],
) -> list[Fetched]:
    """Fetch all sources and write their images as `<sha256>.jpg` into `folder`.

    A download is kept in `options.downloads` as soon as it is complete, so that a run that was
    killed costs the next one only what was under way. Ctrl-C ends it at once: the threads are
    daemons, which die with the process.

    Args:
        sources: distinct values of the image column.
        options: see there.
        folder: an existing folder, for images only.
        fingerprints: uint8 [sources, 32, 32, 3], gets the fingerprint of each source's image.

    Returns:
        What became of each source, in their order. Shorter than `sources` if it gave up: after
        50 failures in a row, with more failures than are allowed anyway.
    """
    fetcher = _Fetcher(sources, options, folder, fingerprints)
    results: dict[int, Fetched] = {}
    failed = unavailable = in_a_row = 0
    with (
        ThreadPool(min(options.workers, len(sources))) as pool,
        tqdm(total=len(sources), desc="fetch", unit="image", disable=None) as bar,
    ):
        for number, result in pool.imap_unordered(fetcher.fetch_numbered, enumerate(sources)):
            results[number] = result
            bar.update()
            unavailable += result.is_unavailable
            failed += bool(result.error) and not result.is_unavailable
            in_a_row = in_a_row + 1 if result.error else 0
            hopeless = options.tolerance.is_exceeded(failed, unavailable, len(sources))
            if hopeless and in_a_row >= _GIVE_UP_AFTER:
                break
        else:
            fetcher.close()
    return [results[number] for number in sorted(results)]


class _Fetcher:
    """What the threads share."""

    def __init__(
        self,
        sources: Sequence[Source],
        options: FetchOptions,
        folder: Path,
        fingerprints: NDArray[np.uint8],
    ) -> None:
        self._options = options
        self._folder = folder
        self._fingerprints = fingerprints
        self._places = {source.image: place for place, source in enumerate(sources)}
        self._lock = threading.Lock()
        self._written: set[str] = set()
        self._own = threading.local()
        self._downloaders: list[Downloader] = []
        self._stores = ObjectStores(options.limits)
        # More at once would not be faster, and an image takes up to 16 bytes a pixel meanwhile.
        self._decoding = threading.BoundedSemaphore(os.cpu_count() or 1)

    def fetch_numbered(self, numbered: tuple[int, Source]) -> tuple[int, Fetched]:
        number, source = numbered
        try:
            image, pages = self._fetch(source.image)
            return number, Fetched(source, image, pages=pages)
        except InputError as error:
            reason = " ".join(str(error).split())
            passes = isinstance(error, UnavailableError)
            return number, Fetched(source, error=reason, is_unavailable=passes)

    def close(self) -> None:
        for downloader in self._downloaders:
            downloader.close()

    def _fetch(self, image: str) -> tuple[IndexedImage, int]:
        if not image.strip():
            raise InputError("the cell is empty")
        if is_url(image):
            return self._fetch_url(image)
        max_bytes = self._options.limits.max_bytes
        return self._save(image, self._options.files.load(image, max_bytes))

    def _fetch_url(self, url: str) -> tuple[IndexedImage, int]:
        kept = self._options.downloads / hashlib.sha256(url.encode("utf-8")).hexdigest()
        if kept.is_file():
            return self._save(url, kept.read_bytes())
        if is_object_url(url):
            data = self._stores.url_to_bytes(url)
        else:
            data = self._downloader().url_to_bytes(url)
        saved = self._save(url, data)
        # Only now: an error page that came with status 200 must be asked for again.
        save_bytes(kept, data)
        return saved

    def _downloader(self) -> Downloader:
        """Give this thread's downloader."""
        if not hasattr(self._own, "downloader"):
            self._own.downloader = Downloader(self._options.limits, self._options.access)
            with self._lock:
                self._downloaders.append(self._own.downloader)
        downloader: Downloader = self._own.downloader
        return downloader

    def _save(self, source: str, data: bytes) -> tuple[IndexedImage, int]:
        """Check an image and write it; give it with the number of its file's pages."""
        with self._decoding:
            decoded = decode_image(
                data,
                max_bytes=self._options.limits.max_bytes,
                max_pixels=self._options.max_pixels,
                jpeg_quality=self._options.jpeg_quality,
            )
            pixels_sha256 = pixels_to_sha256(decoded.pixels)
            self._fingerprints[self._places[source]] = image_to_fingerprint(decoded.pixels)
        upright = decoded.upright
        sha256 = hashlib.sha256(upright.data).hexdigest()
        self._save_file(sha256, upright.data)
        image = IndexedImage(
            source,
            sha256,
            upright.width,
            upright.height,
            hashlib.sha256(data).hexdigest(),
            pixels_sha256,
            decoded.format,
            decoded.orientation,
        )
        return image, decoded.pages

    def _save_file(self, sha256: str, data: bytes) -> None:
        # The same image may come from two sources at the same time.
        with self._lock:
            if sha256 in self._written:
                return
            self._written.add(sha256)
        (self._folder / f"{sha256}.jpg").write_bytes(data)
