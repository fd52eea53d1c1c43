"""The errors of TensorFlow Serving's wire: gRPC's code and a message of a limited length."""

from __future__ import annotations

import grpc

_MAX_LENGTH = 1024
_CUT = "...TRUNCATED"


class WireError(Exception):
    """A request that is answered with an error.

    Attributes:
        code: gRPC's canonical code.
        message: What TensorFlow Serving would say; cut where it is over 1024 characters, as
            TensorFlow Serving does (grpc_status_util.cc).
    """

    def __init__(self, code: grpc.StatusCode, message: str) -> None:
        if len(message) > _MAX_LENGTH:
            message = message[:_MAX_LENGTH] + _CUT
        super().__init__(message)
        self.code = code
        self.message = message


def invalid(text: str) -> WireError:
    """Make the error of a request that can never succeed as it stands."""
    return WireError(grpc.StatusCode.INVALID_ARGUMENT, text)
