"""Where the servers listen, and where they are looked for.

The standard library alone, Python 3.8 on: the doctor reads it before anything is set up.
"""

from __future__ import annotations

import os
import socket

LOOPBACK = "127.0.0.1"

SERVER_PORT, REST_PORT, PAGE_PORT = 8500, 8501, 8502
"""Where nothing else is asked for: the model server's gRPC and REST, the page."""

ADDRESS_VARIABLE = "SERVING_ADDRESS"
"""Environment variable with host:port of the model server's gRPC."""

_TRIED_PORTS = 50


def server_address() -> str:
    """Where the model server's gRPC is: `SERVING_ADDRESS`, else this machine's port 8500."""
    return os.environ.get(ADDRESS_VARIABLE) or f"localhost:{SERVER_PORT}"


def is_free(port: int) -> bool:
    """Whether nobody listens on a port of the loopback."""
    try:
        with socket.create_server((LOOPBACK, port)):
            return True
    except OSError:
        return False


def free_ports(count: int) -> list[int]:
    """Ports of the loopback that nobody listens on, as the system picks them."""
    sockets = [socket.create_server((LOOPBACK, 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def pick_port(port: int) -> int:
    """The port, or the next one that is free, which is printed.

    Raises:
        OSError: none of the next is free.
    """
    for other in range(port, port + _TRIED_PORTS):
        if is_free(other):
            if other != port:
                print(f"Port {port} is taken; {other} is used instead.", flush=True)
            return other
    raise OSError(f"ports {port} to {port + _TRIED_PORTS - 1} are all taken")
