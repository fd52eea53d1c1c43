"""Show the trained model: `python -m tools.demo` starts the model server and the page.

    python -m tools.demo               both, until Ctrl-C
    python -m tools.demo --only-page   the page alone, for the server at $SERVING_ADDRESS

Both listen on this machine's loopback alone, and what they print goes to logs/.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from rhymes.versions.model_folder import name_to_version
from tools.machine_checks import PAGE_PORT, REST_PORT, SERVER_PORT
from tools.processes import (
    LOOPBACK,
    ROOT,
    Child,
    ChildError,
    PageProcess,
    is_free,
    is_page,
    is_serving,
    save_models_config,
    server_command,
)

MODELS, LOGS = Path("models/detector"), Path("logs")

_TRIED_PORTS = 50
_START_SECONDS = 180.0
# Two versions, so that the page can compare them; TensorFlow Serving's default is the newest.
_POLICY = "latest { num_versions: 2 }"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code: 0 after Ctrl-C, 1 where something did not start."""
    options = _parse(arguments)
    # What closes the terminal or stops a job ends both as Ctrl-C does.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    try:
        with ExitStack() as running:
            _run(options, running)
    except KeyboardInterrupt:
        print("\nStopped.")
        return 0
    except (ChildError, OSError) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    return 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m tools.demo", description=__doc__.split("\n")[0])
    parser.add_argument("--only-page", action="store_true", help="start no model server")
    parser.add_argument("--models", type=Path, default=MODELS, help="model base path (%(default)s)")
    parser.add_argument("--server_port", type=int, default=SERVER_PORT, help="(%(default)s)")
    parser.add_argument("--rest_port", type=int, default=REST_PORT, help="(%(default)s)")
    parser.add_argument("--page_port", type=int, default=PAGE_PORT, help="(%(default)s)")
    return parser.parse_args(arguments)


def _run(options: argparse.Namespace, running: ExitStack) -> None:
    children: list[Child] = []
    if options.only_page:
        address = os.environ.get("SERVING_ADDRESS") or f"localhost:{SERVER_PORT}"
        if not is_serving(address):
            print(f"No model server answers at {address} yet; `make serve` starts one.")
    else:
        server, address = _start_server(options)
        children.append(running.enter_context(server))
        print("The model server starts (TensorFlow takes some seconds) ...", flush=True)
        server.wait_until(lambda: is_serving(address), _START_SECONDS)
    port = _pick(options.page_port)
    page = PageProcess(address, LOGS / "page.log", Path.cwd(), port)
    children.append(running.enter_context(page))
    page.wait_until(lambda: is_page(page.url), _START_SECONDS)
    url = page.url.replace(LOOPBACK, "localhost")
    print(f"\n  model server   {address} (gRPC)\n  page           {url}")
    print("\nOpen the page in a browser. Ctrl-C stops everything.", flush=True)
    while True:
        for child in children:
            child.check()
        time.sleep(0.5)


def _start_server(options: argparse.Namespace) -> tuple[Child, str]:
    folders = options.models.iterdir() if options.models.is_dir() else ()
    if not any(name_to_version(folder.name) for folder in folders):
        raise ChildError(f"{options.models}: no model yet; `make repro` trains and exports one")
    port, rest_port = _pick(options.server_port), _pick(options.rest_port)
    LOGS.mkdir(exist_ok=True)
    config = LOGS / "demo_models.config"
    save_models_config(config, options.models, _POLICY)
    flags = [
        "--model_config_file", str(config),
        "--monitoring_config_file", str(ROOT / "deploy/monitoring.config"),
    ]  # fmt: skip
    command = server_command(port, rest_port, flags)
    server = Child("the model server", command, LOGS / "server.log", folder=Path.cwd())
    return server, f"{LOOPBACK}:{port}"


def _pick(port: int) -> int:
    """The port, or the next one that is free."""
    for other in range(port, port + _TRIED_PORTS):
        if is_free(other):
            if other != port:
                print(f"Port {port} is taken; {other} is used instead.")
            return other
    raise ChildError(f"ports {port} to {port + _TRIED_PORTS - 1} are all taken")


if __name__ == "__main__":
    sys.exit(main())
