"""Show the trained model: `rhymes demo` starts the model server and the page.

    rhymes demo                    what `make repro` trained
    rhymes demo --models served    what `rhymes fetch served` fetched

It runs in a checkout of the project, until Ctrl-C; `rhymes page` starts the page alone. Both listen
on this machine's loopback alone, and what they print goes to logs/.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from rhymes.common.addresses import (
    LOOPBACK,
    PAGE_PORT,
    REST_PORT,
    SERVER_PORT,
    pick_port,
)
from rhymes.common.arguments import add_former_flags, command_parser
from rhymes.project.checkout import check_checkout
from rhymes.project.processes import (
    Child,
    ChildError,
    PageProcess,
    is_page,
    is_serving,
    save_models_config,
    server_command,
)
from rhymes.versions.model_folder import name_to_version

MODELS, LOGS = Path("models/detector"), Path("logs")
MONITORING = Path("deploy/monitoring.config")

_START_SECONDS = 180.0
_FORMER = {f"--{name}_port": f"--{name}-port" for name in ("server", "rest", "page")} | {
    "--only-page": "`rhymes page`"
}
# Two versions, so that the page can compare them; TensorFlow Serving's default is the newest.
_POLICY = "latest { num_versions: 2 }"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code: 0 after Ctrl-C, 1 where something did not start."""
    options = _parse(arguments)
    # What closes the terminal or stops a job ends both as Ctrl-C does.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    try:
        check_checkout(Path())
        with ExitStack() as running:
            _run(options, running)
    except KeyboardInterrupt:
        print("\nStopped.")
        return 0
    except ChildError as error:
        print(f"rhymes demo: {error}", file=sys.stderr)
        return 1
    return 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = command_parser("demo", *__doc__.split("\n\n", 1))
    parser.add_argument("--models", type=Path, default=MODELS, help="model base path (%(default)s)")
    for name, what, port in (
        ("server", "of the server's gRPC", SERVER_PORT),
        ("rest", "of its REST", REST_PORT),
        ("page", "of the page", PAGE_PORT),
    ):
        parser.add_argument(
            f"--{name}-port", type=int, default=port, metavar="N",
            help=f"{what}; where it is taken, the next free one (%(default)s)",
        )  # fmt: skip
    add_former_flags(parser, _FORMER)
    return parser.parse_args(arguments)


def _run(options: argparse.Namespace, running: ExitStack) -> None:
    server, address = _start_server(options)
    running.enter_context(server)
    print("The model server starts (TensorFlow takes some seconds) ...", flush=True)
    server.wait_until(lambda: is_serving(address), _START_SECONDS)
    port = pick_port(options.page_port)
    page = PageProcess(address, LOGS / "page.log", Path.cwd(), port)
    running.enter_context(page)
    page.wait_until(lambda: is_page(page.url), _START_SECONDS)
    url = page.url.replace(LOOPBACK, "localhost")
    print(f"\n  model server   {address} (gRPC)\n  page           {url}")
    print("\nOpen the page in a browser. Ctrl-C stops everything.", flush=True)
    while True:
        for child in (server, page):
            child.check()
        time.sleep(0.5)


def _start_server(options: argparse.Namespace) -> tuple[Child, str]:
    folders = options.models.iterdir() if options.models.is_dir() else ()
    if not any(name_to_version(folder.name) for folder in folders):
        raise ChildError(f"{options.models}: no model yet; `make repro` trains and exports one")
    port, rest_port = pick_port(options.server_port), pick_port(options.rest_port)
    LOGS.mkdir(exist_ok=True)
    config = LOGS / "demo_models.config"
    save_models_config(config, options.models, _POLICY)
    flags = [
        "--model_config_file", str(config),
        "--monitoring_config_file", str(MONITORING),
    ]  # fmt: skip
    command = server_command(port, rest_port, flags)
    server = Child("the model server", command, LOGS / "server.log", folder=Path.cwd())
    return server, f"{LOOPBACK}:{port}"
