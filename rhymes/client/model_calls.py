"""Calls that are about one model: its versions' states, its description, Predict."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

import grpc

from rhymes.client.connection import Connection, Deadline, Reply
from rhymes.client.description import (
    Choice,
    ModelDescription,
    has_info,
    info_request,
    metadata_request,
    response_to_info,
    response_to_signatures,
)
from rhymes.client.errors import ServingError, VersionNotLoaded, VersionStatus, refusal_to_missing
from rhymes.client.signature import signatures_to_signature
from rhymes.wire.messages import IDENTITY_KEY, GetModelStatusRequest, ModelSpec, ModelVersionStatus

_STATES = ModelVersionStatus.DESCRIPTOR.enum_types_by_name["State"].values_by_number

_COMING = ("START", "LOADING", "AVAILABLE")
# A version may be replaced between two questions, hardly three times in a row.
_ROUNDS = 3

T = TypeVar("T")


class ModelCalls:
    """What is asked of a server about one model; repeated where that is safe.

    Args:
        connection: To the server.
        model: By which the server knows the model.
        class_names: For a model that does not state its own.
    """

    def __init__(
        self, connection: Connection, model: str, class_names: Mapping[int, str] | None
    ) -> None:
        self._connection = connection
        self._model = model
        self._class_names = dict(class_names or {})

    def statuses(self, deadline: Deadline) -> list[VersionStatus]:
        """Ask for the states of all versions, the newest first.

        Raises:
            ModelNotFound: the server has no such model.
            ServingError: as of any call.
        """
        try:
            return self._connection.repeat(lambda: self._statuses_once(deadline), deadline)
        except ServingError as error:
            if error.code != grpc.StatusCode.NOT_FOUND:
                raise
            raise refusal_to_missing(
                error, self._model, "version", None, repeatable=False
            ) from None

    def describe(self, choice: Choice, signature: str, deadline: Deadline) -> ModelDescription:
        """Ask how the version that a choice stands for is called, and what its classes are.

        Raises:
            ServingError: as of any call, or because the model is none of a detector.
        """

        def ask() -> ModelDescription:
            return self._describe_once(choice, signature, deadline)

        return self._connection.repeat(self._explained(ask, choice, deadline), deadline)

    def predict(self, request: Any, choice: Choice, deadline: Deadline) -> Reply:
        """Run a request, which may be repeated as it changes nothing on the server.

        Raises:
            ServingError: as of any call.
        """

        def ask() -> Reply:
            return self._connection.call("Predict", request, deadline)

        return self._connection.repeat(self._explained(ask, choice, deadline), deadline)

    def _statuses_once(self, deadline: Deadline) -> list[VersionStatus]:
        request = GetModelStatusRequest(model_spec=ModelSpec(name=self._model))
        answer = self._connection.call("GetModelStatus", request, deadline).message
        statuses = [
            VersionStatus(
                status.version,
                str(_STATES[status.state].name) if status.state in _STATES else "UNKNOWN",
                status.status.error_message,
            )
            for status in answer.model_version_status
        ]
        return sorted(statuses, key=lambda status: status.version, reverse=True)

    def _describe_once(
        self, choice: Choice, signature: str, deadline: Deadline
    ) -> ModelDescription:
        for _ in range(_ROUNDS):
            answer = self._connection.call(
                "GetModelMetadata", metadata_request(choice.to_spec(self._model)), deadline
            ).message
            signatures = response_to_signatures(answer)
            model = ModelDescription(
                name=self._model,
                version=answer.model_spec.version.value,
                class_names=self._class_names,
                info=None,
                signature=signatures_to_signature(signatures, signature),
                signatures=tuple(sorted(signatures)),
                identity=None,
            )
            if not has_info(signatures):
                return model
            reply = self._connection.call("Predict", info_request(self._model, choice), deadline)
            # Asked for by the same choice, which is answered even if the version that was
            # described is gone by now; then it is another's answer.
            if model.answered(reply):
                info, class_names = response_to_info(reply.message)
                identity = reply.metadata.get(IDENTITY_KEY)
                return replace(model, info=info, class_names=class_names, identity=identity)
        raise VersionNotLoaded(
            f"'{self._model}' is another version each time it is asked for; name one with "
            "DetectorClient(version=...)",
            repeatable=True,
        )

    def _explained(
        self, function: Callable[[], T], choice: Choice, deadline: Deadline
    ) -> Callable[[], T]:
        """Let a function that is refused for what is not loaded say what is."""

        def explained() -> T:
            try:
                return function()
            except ServingError as error:
                if not _is_missing(error):
                    raise
                told = self._missing(error, choice, deadline)
            raise told

        return explained

    def _missing(self, error: ServingError, choice: Choice, deadline: Deadline) -> ServingError:
        statuses: list[VersionStatus] | None = None
        try:
            statuses = self._statuses_once(deadline)
        except ServingError as second:
            if second.code != grpc.StatusCode.NOT_FOUND:
                return error  # what is loaded cannot be learnt; the refusal stands for itself
        coming = any(
            status.state in _COMING and choice.version in (None, status.version)
            for status in statuses or ()
        )
        repeatable = coming and error.code == grpc.StatusCode.NOT_FOUND  # not an unknown label
        return refusal_to_missing(error, self._model, str(choice), statuses, repeatable=repeatable)


def _is_missing(error: ServingError) -> bool:
    # An op inside the model may end with these codes, too.
    match error.code:
        case grpc.StatusCode.NOT_FOUND:
            return "ervable not found" in error.details
        case grpc.StatusCode.INVALID_ARGUMENT:
            return "servable version label" in error.details
        case _:
            return False
