"""The description of the version that answers, kept up to date, and Predict called by it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import grpc

from rhymes.client.connection import Deadline, Reply
from rhymes.client.description import Choice, ModelDescription
from rhymes.client.errors import RequestRefused, VersionNotLoaded
from rhymes.client.model_calls import ModelCalls
from rhymes.client.signature import images_to_tensor
from rhymes.images.images import UprightImage
from rhymes.wire.messages import IDENTITY_KEY, PredictRequest

# How long a description may be taken for true while no answer contradicts it: a server that does
# not tell the identity of its model could have other bytes under the same number.
_DESCRIPTION_SECONDS = 60.0
# A version may be replaced between its description and its answer, hardly three times in a row.
_ROUNDS = 3
# What a server says to a request that follows the signature of another version.
_MISFITS = (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.FAILED_PRECONDITION)


class CurrentModel:
    """A model under one name, whatever version of it is served at the moment.

    Args:
        calls: To ask the server with.
        name: By which the server knows the model.
        signature: To call.
    """

    def __init__(self, calls: ModelCalls, name: str, signature: str) -> None:
        self._calls = calls
        self._name = name
        self._signature = signature
        # Choice -> description, and when to ask anew. Entries are replaced whole, so that threads
        # need no lock; two that ask at once both get the truth.
        self._described: dict[Choice, tuple[ModelDescription, float]] = {}

    def describe(
        self, choice: Choice, deadline: Deadline, *, anew: bool = False
    ) -> ModelDescription:
        """Say how the chosen version is called; asked of the server once a minute, or `anew`."""
        model, until = self._described.get(choice, (None, 0.0))
        if model is None or anew or time.monotonic() > until:
            model = self._calls.describe(choice, self._signature, deadline)
            self._described[choice] = (model, time.monotonic() + _DESCRIPTION_SECONDS)
        return model

    def predict(
        self, images: Sequence[UprightImage], choice: Choice, deadline: Deadline, *, masks: bool
    ) -> tuple[ModelDescription, Reply]:
        """Ask until the version that answers is the one whose description the request follows.

        Where only class names have changed, the answer stands and the new description comes with
        it; where the signature has, the request is made again.
        """
        model = self.describe(choice, deadline)
        for _ in range(_ROUNDS):
            request = self._request(images, choice, model, masks=masks)
            try:
                reply = self._calls.predict(request, choice, deadline)
            except RequestRefused as error:
                if error.code not in _MISFITS:
                    raise
                fresh = self.describe(choice, deadline, anew=True)
                if fresh.signature == model.signature:
                    raise
            else:
                if model.answered(reply):
                    return self._identified(model, choice, reply), reply
                fresh = self.describe(choice, deadline, anew=True)
                if fresh.signature == model.signature and fresh.answered(reply):
                    return self._identified(fresh, choice, reply), reply
            model = fresh
        raise VersionNotLoaded(
            f"another version of '{self._name}' answers each time; ask for one by number: "
            "DetectorClient(version=...)"
        )

    def _identified(
        self, model: ModelDescription, choice: Choice, reply: Reply
    ) -> ModelDescription:
        """Note the identity of a model that stated nothing when it was described."""
        identity = reply.metadata.get(IDENTITY_KEY)
        if model.identity is not None or identity is None:
            return model
        model = replace(model, identity=identity)
        described, until = self._described[choice]
        if described.identity is None:
            self._described[choice] = (model, until)
        return model

    def _request(
        self,
        images: Sequence[UprightImage],
        choice: Choice,
        model: ModelDescription,
        *,
        masks: bool,
    ) -> Any:
        request = PredictRequest(
            model_spec=choice.to_spec(self._name, self._signature),
            output_filter=model.signature.output_filter(masks=masks),
        )
        taken = model.signature.input
        request.inputs[taken.key].CopyFrom(images_to_tensor(images, taken))
        return request
