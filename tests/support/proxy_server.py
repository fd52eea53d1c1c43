"""An HTTP proxy on loopback: forwards http, tunnels https by CONNECT, notes what it is asked."""

from __future__ import annotations

import base64
import select
import socket
import ssl
import threading
from collections.abc import Mapping
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit


class ProxyServer:
    """Knows names that nobody else does.

    Attributes:
        asked: request lines without the version, such as "CONNECT cdn.invalid:443", in order.
        headers: of each of them, names in lower case.
        refusal: a status that every request gets; 0 for none.

    Args:
        names: host -> address and port that it connects to.
        credentials: `user:password` that it wants.
        certificates: folder and name of a certificate, for a proxy that is spoken to by TLS.
    """

    def __init__(
        self,
        names: Mapping[str, tuple[str, int]],
        credentials: str = "",
        certificates: tuple[Path, str] | None = None,
    ) -> None:
        self.asked: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.refusal = 0
        self.names = names
        self.credentials = credentials
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._server.daemon_threads = True
        self._server.proxy = self  # type: ignore[attr-defined]
        self._scheme = "http"
        if certificates:
            self._scheme = "https"
            self._server.socket = wrap_server(self._server.socket, *certificates)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    def url(self, host: str = "127.0.0.1") -> str:
        return f"{self._scheme}://{host}:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def wrap_server(listening: socket.socket, folder: Path, name: str) -> ssl.SSLSocket:
    """Speak TLS on a listening socket, with a certificate of `save_certificates`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / f"{name}.crt", folder / f"{name}.key")
    return context.wrap_socket(listening, server_side=True, do_handshake_on_connect=False)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_CONNECT(self) -> None:
        if not self._is_welcome():
            return
        with socket.create_connection(self.proxy.names[self.path.rpartition(":")[0]]) as server:
            self.send_response(200)
            self.end_headers()
            self.close_connection = True
            self._tunnel(server)

    def do_GET(self) -> None:
        if not self._is_welcome():
            return
        url = urlsplit(self.path)
        connection = HTTPConnection(*self.proxy.names[url.hostname or ""], timeout=10)
        sent = {k: v for k, v in self.headers.items() if not k.lower().startswith("proxy-")}
        connection.request("GET", url.path, headers=sent)
        answer = connection.getresponse()
        body = answer.read()
        self.send_response(answer.status)
        for name in ("Location", "Content-Type"):
            if value := answer.getheader(name):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        connection.close()

    @property
    def proxy(self) -> ProxyServer:
        return self.server.proxy  # type: ignore[attr-defined]

    def _is_welcome(self) -> bool:
        self.proxy.asked.append(f"{self.command} {self.path}")
        self.proxy.headers.append({key.lower(): value for key, value in self.headers.items()})
        wanted = base64.b64encode(self.proxy.credentials.encode()).decode()
        given = self.headers.get("Proxy-Authorization", "")
        if self.proxy.credentials and given != f"Basic {wanted}":
            self._refuse(407)
        elif self.proxy.refusal:
            self._refuse(self.proxy.refusal)
        else:
            return True
        return False

    def _refuse(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _tunnel(self, server: socket.socket) -> None:
        sides = {self.connection: server, server: self.connection}
        while True:
            # What TLS has decrypted already is not to be waited for.
            ready = (
                [self.connection] if self._has_pending() else select.select(sides, (), (), 10)[0]
            )
            for side in ready:
                if not (data := side.recv(65_536)):
                    return
                sides[side].sendall(data)

    def _has_pending(self) -> bool:
        return isinstance(self.connection, ssl.SSLSocket) and self.connection.pending() > 0

    def log_message(self, *_: object) -> None:
        pass
