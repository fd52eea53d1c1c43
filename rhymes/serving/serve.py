"""Run a model server: `rhymes serve --help`."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from collections.abc import Sequence

from rhymes.common.errors import InputError
from rhymes.common.tensorflow_environment import set_tensorflow_environment
from rhymes.serving.options.command_line import arguments_to_options
from rhymes.serving.server import ModelServer


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT; return the exit status.

    Returns:
        0 after all running calls finished, 1 where some had to be cut off, 2 where the server
        could not start.
    """
    set_tensorflow_environment()
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.WARNING)
    logging.getLogger("rhymes.serving").setLevel(logging.INFO)
    stop = threading.Event()
    started = False

    def on_signal(number: int, _: object) -> None:
        # A second signal does not wait.
        signal.signal(number, signal.SIG_DFL)
        stop.set()
        if not started:
            raise SystemExit(0)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, on_signal)
    try:
        options = arguments_to_options(sys.argv[1:] if arguments is None else arguments)
        server = ModelServer(options)
        server.start()
    except InputError as error:
        print(f"rhymes serve: {error}", file=sys.stderr)
        return 2
    started = True
    print(server.describe(), flush=True)
    stop.wait()
    print(f"draining: running calls have {options.drain_seconds:g} s to finish", flush=True)
    if server.stop():
        print("all calls finished", flush=True)
        return 0
    print("some calls did not finish in time and were cut off", file=sys.stderr, flush=True)
    # Python would wait for the threads that still run them.
    os._exit(1)
