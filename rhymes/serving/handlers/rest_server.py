"""The REST application behind an HTTP server in a thread of its own."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
import time
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from rhymes.common.errors import InputError
from rhymes.serving.handlers.rest import RestApp

_HEADER_SECONDS = 10.0
_KEEP_ALIVE_SECONDS = 5
_CONNECTIONS = 512
_START_SECONDS = 30.0
_SETTLE_SECONDS = 2.0  # uvicorn looks for its end ten times a second


class RestServer:
    """Listens at once, answers between `start` and `stop`.

    Args:
        host: address to listen on.
        port: 0 takes any free one.
        app: what answers.

    Attributes:
        port: that it listens on.
    """

    def __init__(self, host: str, port: int, app: RestApp) -> None:
        self._socket = _listen(host, port)
        self.port: int = self._socket.getsockname()[1]
        self._app = app
        self._server = uvicorn.Server(
            uvicorn.Config(
                app,
                http=_ImpatientProtocol,
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                limit_concurrency=_CONNECTIONS,
                timeout_keep_alive=_KEEP_ALIVE_SECONDS,
            )
        )
        # What clients do wrong is theirs to see; it says nothing of the server.
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
        self._thread = threading.Thread(target=self._run, name="rest", daemon=True)

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()
        end = time.monotonic() + _START_SECONDS
        while not self._server.started:
            if not self._thread.is_alive() or time.monotonic() > end:
                raise RuntimeError("the REST server did not start")
            time.sleep(0.01)

    def stop(self, timeout: float) -> bool:
        """Take no more requests, give those that run so long; tell whether they finished."""
        if not self._thread.is_alive():
            self._socket.close()
            return True
        end = time.monotonic() + timeout
        self._server.config.timeout_graceful_shutdown = timeout  # type: ignore[assignment]
        self._server.should_exit = True
        self._thread.join(timeout + _SETTLE_SECONDS)
        self._app.close()
        return time.monotonic() <= end

    def _run(self) -> None:
        self._server.run(sockets=[self._socket])


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio sends at once (TCP_NODELAY) only where a socket says that it is TCP's; else the end of
    # each answer waits 40 ms for the client to acknowledge its beginning.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        # A port whose last user's connections linger is free; one that is listened on is not.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise InputError(
            f"REST cannot listen on {host} port {port} ({error.strerror}); choose another "
            "with --rest_api_port or --host"
        ) from None
    return listener


class _ImpatientProtocol(H11Protocol):
    """Closes connections that do not send a request's header in time, as uvicorn does not."""

    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._wait_for_header()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            self._stop_waiting()
        else:
            self._wait_for_header()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def _wait_for_header(self) -> None:
        # The time counts from the header's first byte: a drop now and then does not renew it.
        if self._timer is None:
            self._timer = self.loop.call_later(_HEADER_SECONDS, self._give_up)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _give_up(self) -> None:
        self._timer = None
        if self.cycle is None or self.cycle.response_complete:
            self.transport.close()
