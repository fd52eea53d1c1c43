"""The description of a served model: signature, version, class names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError

from rhymes.client.connection import Reply
from rhymes.client.errors import BadAnswer
from rhymes.client.signature import ModelSignature
from rhymes.common.errors import InputError
from rhymes.versions.model_info import SIGNATURE as INFO_SIGNATURE
from rhymes.versions.model_info import text_to_model_info
from rhymes.wire.codec import STRING, tensor_to_array
from rhymes.wire.messages import (
    IDENTITY_KEY,
    SIGNATURE_FIELD,
    GetModelMetadataRequest,
    ModelSpec,
    PredictRequest,
    SignatureDefMap,
)


@dataclass(frozen=True)
class ModelDescription:
    """A version of a model, as it is served.

    Attributes:
        name: By which the server knows the model.
        version: Its number.
        class_names: By class id, from 1: those that the model states, else those of the client's
            label map; empty where neither is there.
        info: All that the model states of itself; None where it states nothing.
        signature: How it is called.
        signatures: The names of all its signatures.
        identity: What tells its bytes from others under the same number; None where the server
            did not say it, as it does with answers only.
    """

    name: str
    version: int
    class_names: dict[int, str]
    info: dict[str, Any] | None
    signature: ModelSignature
    signatures: tuple[str, ...]
    identity: str | None

    @property
    def has_masks(self) -> bool:
        """Whether it gives masks."""
        return self.signature.has_masks

    def answered(self, reply: Reply) -> bool:
        """Whether a Predict was answered by this version and these bytes, as far as it is said."""
        spec = reply.message.model_spec
        same_version = not spec.HasField("version") or spec.version.value == self.version
        identity = reply.metadata.get(IDENTITY_KEY)
        return same_version and (None in (identity, self.identity) or identity == self.identity)


@dataclass(frozen=True)
class Choice:
    """Which version a call is for: by number, by label, or the server's newest."""

    version: int | None = None
    label: str | None = None

    def __post_init__(self) -> None:
        if self.version is not None and self.label is not None:
            raise ValueError(
                f"version {self.version} and label '{self.label}': a call is for one of them"
            )

    def __str__(self) -> str:
        if self.version is not None:
            return f"version {self.version}"
        return "version" if self.label is None else f"version labelled '{self.label}'"

    def to_spec(self, model: str, signature: str = "") -> Any:
        """The ModelSpec of a request."""
        spec = ModelSpec(name=model, signature_name=signature)
        if self.version is not None:
            spec.version.value = self.version
        elif self.label is not None:
            spec.version_label = self.label
        return spec


def metadata_request(spec: Any) -> Any:
    """Ask for a model's signatures."""
    return GetModelMetadataRequest(model_spec=spec, metadata_field=[SIGNATURE_FIELD])


def response_to_signatures(response: Any) -> Mapping[str, Any]:
    """Read the SignatureDefs of a GetModelMetadataResponse, by name.

    Raises:
        BadAnswer: it holds none.
    """
    if SIGNATURE_FIELD not in response.metadata:
        raise BadAnswer("the server's answer to GetModelMetadata holds no signatures")
    try:
        signatures: Mapping[str, Any] = SignatureDefMap.FromString(
            response.metadata[SIGNATURE_FIELD].value
        ).signature_def
    except DecodeError as error:
        raise BadAnswer(f"the model's signatures cannot be read: {error}") from None
    return signatures


def has_info(signatures: Mapping[str, Any]) -> bool:
    """Whether a model states its classes: by a signature without inputs that gives one string."""
    if INFO_SIGNATURE not in signatures:
        return False
    signature = signatures[INFO_SIGNATURE]
    stated = signature.outputs.get(INFO_SIGNATURE) if INFO_SIGNATURE in signature.outputs else None
    return not signature.inputs and stated is not None and stated.dtype == STRING


def info_request(model: str, choice: Choice) -> Any:
    """Ask a model what it states of itself."""
    return PredictRequest(model_spec=choice.to_spec(model, INFO_SIGNATURE))


def response_to_info(response: Any) -> tuple[dict[str, Any], dict[int, str]]:
    """Read the answer to `info_request`: all that is stated, and the class names by id.

    Raises:
        BadAnswer: it is not the JSON that an export states.
    """
    try:
        if INFO_SIGNATURE not in response.outputs:
            raise InputError(f"the answer holds {', '.join(response.outputs) or 'nothing'}")
        text = tensor_to_array(response.outputs[INFO_SIGNATURE])
        if text.dtype != np.dtype(object) or text.size != 1:
            raise InputError(f"expected one string, got {text.dtype} {list(text.shape)}")
        info = text_to_model_info(text.ravel()[0])
    except ValueError as error:
        raise BadAnswer(f"signature {INFO_SIGNATURE}: {error}") from None
    return info.values, info.class_names
