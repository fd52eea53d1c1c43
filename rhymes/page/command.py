"""Start the page, a client of a model server: `rhymes page --server ADDRESS`.

    rhymes page                           for the server at $SERVING_ADDRESS, or localhost:8500
    rhymes page --server gpu-box:8500     for another one

Detect and Compare work anywhere. Data and Model show what the pipeline left in the current folder,
a checkout of the project. It listens on this machine's loopback alone. Ctrl-C ends it.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from rhymes.common.addresses import (
    ADDRESS_VARIABLE,
    LOOPBACK,
    PAGE_PORT,
    pick_port,
    server_address,
)
from rhymes.common.arguments import command_parser

# Streamlit runs the page in ever new threads, and glibc gives threads arenas of their own, whose
# free memory it keeps: after 30 images of 12 megapixels 700 MB too much. Dockerfile.app has the
# same.
_MEMORY = {"MALLOC_ARENA_MAX": "2", "MALLOC_TRIM_THRESHOLD_": "131072"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Become Streamlit with the page."""
    options = _parse(arguments)
    port = pick_port(options.port)
    print(f"The page for the model server at {options.server}: http://localhost:{port}", flush=True)
    return _become(page_command(port), page_environment(options.server))


def _become(command: list[str], environment: Mapping[str, str]) -> NoReturn:
    sys.stdout.flush()
    os.execve(command[0], command, os.environ | environment)  # noqa: S606


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = command_parser("page", *__doc__.split("\n\n", 1))
    parser.add_argument(
        "--server", metavar="ADDRESS", default=server_address(),
        help=f"host:port of the model server's gRPC (${ADDRESS_VARIABLE}; now %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--port", type=int, default=PAGE_PORT, metavar="N",
        help="to listen on; where it is taken, the next free one (%(default)d)",
    )  # fmt: skip
    return parser.parse_args(arguments)


def page_command(port: int) -> list[str]:
    """What starts the page on this port of the loopback."""
    return [
        sys.executable, "-m", "streamlit", "run", str(_page_file()),
        f"--server.address={LOOPBACK}", f"--server.port={port}", "--server.headless=true",
        # Without it Streamlit asks a host on the internet for this machine's address.
        "--browser.serverAddress=localhost",
        "--browser.gatherUsageStats=false", "--server.fileWatcherType=none",
    ]  # fmt: skip


def page_environment(server: str) -> dict[str, str]:
    """Environment variables of the page for the model server at an address, host:port."""
    return {ADDRESS_VARIABLE: server} | _MEMORY


def _page_file() -> Path:
    """app/main.py of the wheel, or of the checkout."""
    installed = Path(__file__).with_name("app")
    folder = installed if installed.is_dir() else Path(__file__).resolve().parents[2] / "app"
    return folder / "main.py"
