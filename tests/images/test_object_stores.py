"""Objects of real servers on loopback: SeaweedFS (S3), Azurite (Azure), an emulator of Google's."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from multiprocessing.pool import ThreadPool
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rhymes.common.errors import InputError, UnavailableError
from rhymes.export.export_files import ExportFiles
from rhymes.export.fetched import Source, Tolerance
from rhymes.export.fetching import FetchOptions, fetch_images
from rhymes.images.access import DownloadAccess
from rhymes.images.download import DownloadLimits
from rhymes.images.object_stores import ObjectStores, is_object_url
from tests.support.file_contents import bytes_to_sha256
from tests.support.hostile_server import encode_random_image
from tests.support.object_servers import AZURE_ACCOUNT, BUCKET, SERVERS, ObjectServer, azurite

LIMITS = DownloadLimits(timeout=5.0, attempts=2, max_bytes=100_000, pause=0.01)
NAMES = ("a.jpg", "folder/b c%20d+é.jpg", "no suffix")


@pytest.fixture(scope="module", params=SERVERS)
def server(request: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectServer]:
    with SERVERS[request.param](tmp_path_factory.mktemp(request.param)) as server:
        yield server


def read(url: str, **limits: Any) -> bytes:
    return ObjectStores(replace(LIMITS, **limits)).url_to_bytes(url)


def test_objects_arrive_whole(server: ObjectServer) -> None:
    contents = {name: name.encode() * (number + 1) for number, name in enumerate(NAMES)}
    urls = {name: server.put(name, content) for name, content in contents.items()}
    stores = ObjectStores(LIMITS)
    assert {name: stores.url_to_bytes(url) for name, url in urls.items()} == contents
    assert stores.url_to_bytes(server.put("empty", b"")) == b""
    shouted = urls["a.jpg"].replace(server.scheme, server.scheme.upper(), 1)
    assert stores.url_to_bytes(shouted) == contents["a.jpg"]


def test_size_is_limited_by_what_is_read(server: ObjectServer) -> None:
    url = server.put("large", bytes(1000))
    assert read(url, max_bytes=1000) == bytes(1000)
    with pytest.raises(InputError, match="larger than the 999 bytes allowed"):
        read(url, max_bytes=999)


def test_several_threads_share_a_store(server: ObjectServer) -> None:
    urls = [server.put(f"many/{number}", str(number).encode()) for number in range(20)]
    stores = ObjectStores(LIMITS)
    with ThreadPool(8) as pool:
        assert pool.map(stores.url_to_bytes, urls) == [str(n).encode() for n in range(20)]


def test_what_is_not_there_is_final(server: ObjectServer) -> None:
    server.put("folder/x.jpg", b"x")
    for url in (server.url("missing"), server.url("folder"), f"{server.scheme}://absent/x.jpg"):
        with pytest.raises(InputError, match=r"^no such object$") as error:
            read(url)
        assert not isinstance(error.value, UnavailableError)


def test_wrong_credentials_are_said_once_and_not_shown(
    server: ObjectServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not server.wrong:
        pytest.skip("this emulator takes any credentials")
    url = server.put("a.jpg", b"a")
    for name, value in server.wrong.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UnavailableError, match=r"^no access: ") as error:
        read(url)
    assert "tries" not in str(error.value)
    assert server.secret not in str(error.value)
    assert "RequestId" not in str(error.value)
    for name in server.empty:
        monkeypatch.delenv(name)
    with pytest.raises(UnavailableError, match=r"^no credentials, or wrong ones: "):
        read(url)


def test_server_that_is_not_there(server: ObjectServer, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in server.absent.items():
        monkeypatch.setenv(name, value)
    begun = time.monotonic()
    with pytest.raises(UnavailableError) as error:
        read(server.url("a.jpg"), timeout=0.5)
    # gcsfs tries again by itself until its time is over.
    expected = "not finished after 5 s" if server.scheme == "gs" else "no connection to the store"
    assert str(error.value).startswith(expected)
    assert "127.0.0.1" not in str(error.value)
    assert time.monotonic() - begun < 9


def test_fetch_takes_objects_among_other_sources(server: ObjectServer, tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("export", "downloads", "images")]
    for folder in folders:
        folder.mkdir()
    export, downloads, images = folders
    (export / "1.jpg").write_bytes(encode_random_image(1))
    urls = [server.put(f"{number}.jpg", encode_random_image(number)) for number in (1, 2)]
    sources = [Source(each, (2,)) for each in (*urls, "1.jpg", server.url("missing.jpg"))]
    options = FetchOptions(
        ExportFiles(export), downloads, LIMITS, DownloadAccess(), 10_000, 95, 4, Tolerance(0.5, 0)
    )
    prints = np.zeros((len(sources), 32, 32, 3), np.uint8)
    fetched = fetch_images(sources, options, images, prints)
    digests = [bytes_to_sha256(encode_random_image(number)) for number in (1, 2, 1)]
    assert [each.image and each.image.sha256 for each in fetched] == [*digests, None]
    assert fetched[-1].error == "no such object"
    # What was kept is not asked for again, so a time limit that nothing could keep is no matter.
    hurried = replace(options, limits=replace(LIMITS, timeout=1e-9))
    assert fetch_images(sources[:3], hurried, images, prints) == fetched[:3]


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An S3 that takes connections and says nothing."""
    pytest.importorskip("s3fs", reason="needs s3fs; requirements-dev.txt brings it")
    with socket.create_server(("127.0.0.1", 0)) as listening:
        taken: list[socket.socket] = []

        def take() -> None:
            while True:
                try:
                    taken.append(listening.accept()[0])
                except OSError:
                    return

        threading.Thread(target=take, daemon=True).start()
        port = listening.getsockname()[1]
        for name, value in {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
        }.items():
            monkeypatch.setenv(name, value)
        yield
        listening.shutdown(socket.SHUT_RDWR)
        for each in taken:
            each.close()


def test_silence_ends(silent: None) -> None:
    begun = time.monotonic()
    with pytest.raises(UnavailableError):
        read("s3://images/a.jpg", timeout=0.3, attempts=2)
    assert time.monotonic() - begun < 7


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        pytest.param("s3://images", "expected SCHEME://BUCKET/OBJECT", id="no object"),
        pytest.param("s3://images/", "expected SCHEME://BUCKET/OBJECT", id="an empty object"),
        pytest.param("s3:///a.jpg", "expected SCHEME://BUCKET/OBJECT", id="no bucket"),
        pytest.param("s3://me:secret@images/a.jpg", "is no name of a bucket", id="credentials"),
        pytest.param("s3://127.0.0.1:80/a.jpg", "is no name of a bucket", id="a host with a port"),
        pytest.param("s3://im ages/a.jpg", "is no name of a bucket", id="a space"),
        pytest.param("abfs://images@evil.example/a", "is not the account of", id="another host"),
        pytest.param("abfs://images@other.dfs.core.windows.net/a", "is not the account of",
                     id="another account"),
    ],
)  # fmt: skip
def test_url_is_refused(url: str, reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", "mine")
    with pytest.raises(InputError, match=reason):
        read(url)


def test_account_of_the_environment_may_be_named(tmp_path: Path) -> None:
    with azurite(tmp_path) as server:
        server.put("a.jpg", b"a")
        for scheme in ("abfs", "abfss", "az"):
            host = f"{BUCKET}@{AZURE_ACCOUNT}.dfs.core.windows.net"
            assert read(f"{scheme}://{host}/a.jpg") == read(f"{scheme}://{BUCKET}/a.jpg") == b"a"


def test_scheme_tells_an_object() -> None:
    assert all(
        map(is_object_url, ("s3://a/b", "GS://a/b", "az://a/b", "abfs://a/b", "abfss://a/b"))
    )
    assert not any(
        map(is_object_url, ("https://s3.example/a", "s3/a.jpg", "s3:a", "file://s3://a"))
    )


@pytest.mark.parametrize(
    ("package", "scheme", "extra"),
    [("s3fs", "s3", "s3"), ("gcsfs", "gs", "gs"), ("adlfs", "abfs", "az")],
)
def test_missing_package_names_the_extra(package: str, scheme: str, extra: str) -> None:
    code = f"""
import sys
sys.modules[{package!r}] = None
from rhymes.images.download import DownloadLimits
from rhymes.images.object_stores import ObjectStores
ObjectStores(DownloadLimits(timeout=1, attempts=1, max_bytes=1)).url_to_bytes("{scheme}://a/b")
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert f"pip install 'rhymes-detector[{extra}]'" in done.stderr
