"""The client's errors: one class a cause, each with a message that says what to do."""

# Their names say what happened; that they are errors is said by the base class.
# ruff: noqa: N818

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import grpc

from rhymes.common.errors import InputError


class ServingError(Exception):
    """A call that gave no detections.

    Attributes:
        repeatable: Whether the same call may succeed a moment later, and to repeat it does no harm.
        code: gRPC's canonical code, where the server or the connection gave one.
        details: The text that came with the code, as it stood.
    """

    def __init__(self, message: str, *, repeatable: bool = False) -> None:
        super().__init__(message)
        self.repeatable = repeatable
        self.code: grpc.StatusCode | None = None
        self.details = ""


class ServerUnreachable(ServingError):
    """Nothing answers at the address, or the connection broke."""


class ServerBusy(ServingError):
    """The server turned the call away before running it: its queue is full or too slow."""


class DeadlineExceeded(ServingError):
    """No answer within the time that was allowed; the server may still be at it."""


class ModelNotFound(ServingError):
    """The server serves no model of this name."""


class VersionNotLoaded(ServingError):
    """The server knows the model, but not (or not yet, or no longer) the version or label."""


class MessageTooLarge(ServingError):
    """A request or an answer is larger than one end takes."""


class RequestRefused(ServingError):
    """The server says that the request is wrong, or failed to run it."""


class UnsupportedModel(ServingError):
    """The model's signature is not one of a detector that takes images."""


class BadAnswer(ServingError):
    """The server's answer is not that of a detector."""


class BadImage(ServingError, InputError):
    """The bytes are no image that can be sent."""


@dataclass(frozen=True)
class VersionStatus:
    """What the server says of one version of a model.

    Attributes:
        version: Its number.
        state: START, LOADING, AVAILABLE, UNLOADING, END or UNKNOWN.
        error: Why it could not be loaded; empty where nothing went wrong.
    """

    version: int
    state: str
    error: str = ""


def rpc_error_to_serving_error(
    error: grpc.RpcError, address: str, seconds: float, *, reached: bool = True
) -> ServingError:
    """Say what a failed call means and what to do about it.

    NOT_FOUND and unknown labels stay `RequestRefused` here, as what is loaded has to be asked for
    (see `refusal_to_missing`).

    Args:
        error: What gRPC raised.
        address: Of the server, for the message.
        seconds: The time that the call had, for the message.
        reached: Whether a server has ever answered at the address.
    """
    code, details = error.code(), error.details() or ""
    told = _explain(code, details, address, seconds)
    if code == grpc.StatusCode.DEADLINE_EXCEEDED and not reached:
        told = DeadlineExceeded(f"{told}. Nothing has answered there yet: is the address right?")
    told.code, told.details = code, details
    return told


def _explain(code: grpc.StatusCode, details: str, address: str, seconds: float) -> ServingError:
    match code:
        case grpc.StatusCode.DEADLINE_EXCEEDED:
            return DeadlineExceeded(
                f"no answer from {address} within {seconds:g} s ({details}); large images, "
                "batches and busy servers take longer: allow more with DetectorClient(timeout=...)"
            )
        case grpc.StatusCode.RESOURCE_EXHAUSTED if "larger than max" in details:
            return MessageTooLarge(f"{details} ({address}); {_size_advice(details)}")
        # What was turned away at the door has not run; what ran out of memory would again.
        case grpc.StatusCode.RESOURCE_EXHAUSTED if not _is_queue(details):
            return RequestRefused(
                f"{address} has not enough memory or other resources for this request: {details}; "
                "send fewer or smaller images at once"
            )
        case grpc.StatusCode.RESOURCE_EXHAUSTED | grpc.StatusCode.UNAVAILABLE if _is_queue(details):
            return ServerBusy(
                f"{address} has more requests than it can take ({details}); send fewer at the same "
                "time, or later",
                repeatable=True,
            )
        case grpc.StatusCode.UNAVAILABLE if "labels" in details:
            return VersionNotLoaded(
                f"{address} has not assigned its version labels yet ({details}); ask later, or by "
                "number with DetectorClient(version=...)",
                repeatable=True,
            )
        case grpc.StatusCode.UNAVAILABLE | grpc.StatusCode.CANCELLED | grpc.StatusCode.ABORTED:
            return ServerUnreachable(_unreachable(address, details), repeatable=True)
        case grpc.StatusCode.UNIMPLEMENTED:
            return ServerUnreachable(
                f"what listens at {address} is not TensorFlow Serving's gRPC ({details}); its port "
                "is usually 8500, while REST has 8501"
            )
        case grpc.StatusCode.INTERNAL if "deserializing response" in details:
            return BadAnswer(f"{address} answers with bytes that are no answer ({details})")
        case _:
            return RequestRefused(f"{address} refuses the request: {code.name}: {details}")


def _size_advice(details: str) -> str:
    if "SERVER" in details:
        return "the server takes no request of this size: send fewer images at once"
    if "Sent" in details:
        return (
            "the request is too large: send fewer images at once, or allow more with "
            "DetectorClient(max_message_bytes=...)"
        )
    return (
        "the answer is too large: leave out masks (masks=False), send fewer images at once, or "
        "allow more with DetectorClient(max_message_bytes=...)"
    )


def _is_queue(details: str) -> bool:
    # TensorFlow Serving's batching (queue full, timed out in it), and gRPC's limit of calls.
    return "queu" in details or "Concurrent RPC limit exceeded" in details


def _unreachable(address: str, details: str) -> str:
    if any(word in details.lower() for word in ("handshake", "hostname verification", "ssl")):
        return (
            f"no secure connection to {address} ({details}); check that the server has TLS "
            "(--ssl_config_file) and that DetectorClient(tls=...) has the certificates that fit"
        )
    return (
        f"no server answers at {address} ({details}); start one with `make serve`, or give the "
        "address of another"
    )


def refusal_to_missing(
    refusal: ServingError,
    model: str,
    asked: str,
    statuses: Sequence[VersionStatus] | None,
    *,
    repeatable: bool,
) -> ServingError:
    """Say which model or version is missing, and what there is instead.

    Args:
        refusal: What the server said.
        model: The name that was asked for.
        asked: The version or label in words, such as "version 7".
        statuses: What the server says of the model's versions; None where it knows no such model.
        repeatable: Whether a version that would do is there or coming, so that the call only met
            the moment of a change.
    """
    told: ServingError
    if statuses is None:
        told = ModelNotFound(
            f"the server has no model '{model}'; start it with --model_name={model}, or ask for "
            "the name that it has with DetectorClient(model=...)"
        )
    else:
        told = VersionNotLoaded(
            f"model '{model}' has no {asked} loaded; {_list_versions(statuses)}",
            repeatable=repeatable,
        )
    told.code, told.details = refusal.code, refusal.details
    return told


def _list_versions(statuses: Sequence[VersionStatus]) -> str:
    available = sorted(status.version for status in statuses if status.state == "AVAILABLE")
    listed = [
        f"available: {', '.join(map(str, available))}"
        if available
        else "no version is available: see the server's log, and that its base path holds a folder "
        "named by a number"
    ]
    for status in statuses:
        if status.state != "AVAILABLE":
            reason = f" ({status.error})" if status.error else ""
            listed.append(f"version {status.version} is in state {status.state}{reason}")
    return "; ".join(listed)
