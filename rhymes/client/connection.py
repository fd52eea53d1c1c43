"""The gRPC channel to a server: limits, TLS, deadlines, and retries where they are safe."""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import grpc
import tenacity

from rhymes.client.errors import DeadlineExceeded, ServingError, rpc_error_to_serving_error
from rhymes.common.errors import InputError
from rhymes.wire.messages import METHODS

_PAUSE, _MAX_PAUSE = 0.2, 2.0  # seconds before a repeat, doubled each time
_UNREACHED = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)

T = TypeVar("T")


@dataclass(frozen=True)
class Tls:
    """Files of an encrypted connection, all PEM.

    Attributes:
        root_ca: Certificates to trust; those of the system where None.
        client_key: The client's own key, where the server asks for one.
        client_certificate: The certificate that belongs to it.
        server_name: That the server's certificate names, where it is not the address's host.
    """

    root_ca: Path | None = None
    client_key: Path | None = None
    client_certificate: Path | None = None
    server_name: str | None = None


class Deadline:
    """The moment until which a call and its repeats may take."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._until = time.monotonic() + seconds

    def left(self) -> float:
        """Seconds that are left, 0 where none are."""
        return max(self._until - time.monotonic(), 0.0)


class Reply(NamedTuple):
    """A successful call's message, and the metadata that the server sent behind it."""

    message: Any
    metadata: Mapping[str, str]


class Connection:
    """A channel that any number of threads may use at once.

    Args:
        address: host:port, as gRPC reads it.
        tls: For an encrypted connection.
        max_message_bytes: The largest message to send or to receive.
        attempts: How often a call is tried, the first included.
    """

    def __init__(
        self, address: str, *, tls: Tls | None, max_message_bytes: int, attempts: int
    ) -> None:
        check_address(address)
        self.address = address
        self._attempts = attempts
        self._reached = False
        options = _channel_options(address, max_message_bytes)
        if tls is None:
            self._channel = grpc.insecure_channel(address, options)
        else:
            if tls.server_name:
                options.append(("grpc.ssl_target_name_override", tls.server_name))
            self._channel = grpc.secure_channel(address, load_credentials(tls), options)
        self._methods = {
            method: self._channel.unary_unary(
                f"/{service}/{method}",
                request_serializer=request.SerializeToString,
                response_deserializer=response.FromString,
            )
            for service, methods in METHODS.items()
            for method, (request, response) in methods.items()
        }

    def call(self, method: str, request: Any, deadline: Deadline) -> Reply:
        """Call a method once.

        Raises:
            ServingError: of the kind that says what went wrong.
        """
        left = deadline.left()
        if not left:
            raise DeadlineExceeded(
                f"{deadline.seconds:g} s were not enough for all calls to {self.address}; allow "
                "more with DetectorClient(timeout=...)"
            )
        try:
            message, call = self._methods[method].with_call(request, timeout=left)
        except grpc.RpcError as error:
            self._reached = self._reached or error.code() not in _UNREACHED
            raise rpc_error_to_serving_error(
                error, self.address, deadline.seconds, reached=self._reached
            ) from None
        except ValueError as error:  # gRPC's own, of a closed channel
            raise ServingError(f"this client was closed ({error}); make another") from None
        self._reached = True
        metadata = call.trailing_metadata() or ()
        return Reply(message, {k: v for k, v in metadata if isinstance(v, str)})

    def repeat(self, function: Callable[[], T], deadline: Deadline) -> T:
        """Run a function anew while it fails repeatably, with growing pauses, in the time left.

        Raises:
            ServingError: the last try's.
        """
        retrying = tenacity.Retrying(
            stop=tenacity.stop_after_attempt(self._attempts)
            | tenacity.stop_before_delay(deadline.left()),
            retry=tenacity.retry_if_exception(_is_repeatable),
            wait=tenacity.wait_exponential_jitter(multiplier=_PAUSE, jitter=_PAUSE, max=_MAX_PAUSE),
            reraise=True,
        )
        return retrying(function)

    def close(self) -> None:
        """Close the channel; calls that run end with an error."""
        self._channel.close()


def _is_repeatable(error: BaseException) -> bool:
    return isinstance(error, ServingError) and error.repeatable


def _channel_options(address: str, max_message_bytes: int) -> list[tuple[str, Any]]:
    return [
        # gRPC's own limit for what it receives is 4 MB: less than the masks of 14 images.
        ("grpc.max_send_message_length", max_message_bytes),
        ("grpc.max_receive_message_length", max_message_bytes),
        # Below our pauses, so that each repeat finds a new connection tried.
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.max_reconnect_backoff_ms", 1000),
        # No DNS server shall say how calls are repeated, no other client share the connection.
        ("grpc.service_config_disable_resolution", 1),
        ("grpc.use_local_subchannel_pool", 1),
        # gRPC would send calls to this very machine through the proxy of http_proxy, too.
        ("grpc.enable_http_proxy", int(not _is_loopback(address))),
    ]


def _is_loopback(address: str) -> bool:
    host = address.rpartition(":")[0].strip("[]")
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_address(address: str) -> None:
    """Refuse what gRPC would misread, such as a URL or a host without its port.

    Raises:
        InputError: saying what is expected.
    """
    port = address.rpartition(":")[2]
    if address.startswith(("unix:", "dns:", "ipv4:", "ipv6:")):
        return
    if "/" in address or not (port.isascii() and port.isdecimal() and 0 < int(port) < 65536):
        raise InputError(
            f"address '{address}': expected host:port of the server's gRPC, such as localhost:8500"
        )


def load_credentials(tls: Tls) -> grpc.ChannelCredentials:
    """Read the files of an encrypted connection.

    Raises:
        InputError: a file that cannot be read or is no PEM, or a key without its certificate.
    """
    if (tls.client_key is None) != (tls.client_certificate is None):
        raise InputError("TLS: a client's key and certificate go together; give both or none")
    return grpc.ssl_channel_credentials(
        _load_pem(tls.root_ca), _load_pem(tls.client_key), _load_pem(tls.client_certificate)
    )


def _load_pem(path: Path | None) -> bytes | None:
    if path is None:
        return None
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    if b"-----BEGIN" not in data:
        raise InputError(f"{path}: not a PEM file; expected a line of -----BEGIN ...")
    return data
