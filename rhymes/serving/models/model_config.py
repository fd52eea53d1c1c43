"""The models to serve: from where, which versions of them and under which labels.

Format: TensorFlow Serving's ModelServerConfig (model_server_config.proto), as a message or as its
text; error texts as in its server_core.cc and model_service_impl.cc.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from google.protobuf import text_format

from rhymes.wire.errors import invalid
from rhymes.wire.messages import ModelServerConfig

PLATFORM = "tensorflow"
"""The one platform that is served."""

_LOGGER = logging.getLogger("rhymes.serving")
_MODEL_TYPES = {1: PLATFORM}  # the deprecated enum ModelType: 2 is "OTHER"


@dataclass(frozen=True)
class Latest:
    """Serve the highest version numbers.

    Attributes:
        count: how many, at least 1.
    """

    count: int = 1


@dataclass(frozen=True)
class All:
    """Serve every version that there is."""


@dataclass(frozen=True)
class Specific:
    """Serve the versions listed.

    Attributes:
        versions: their numbers.
    """

    versions: frozenset[int]


Policy = Latest | All | Specific


@dataclass(frozen=True)
class ModelConfig:
    """One model.

    Attributes:
        name: what requests call it.
        base_path: absolute; its subfolders named by numbers are versions.
        policy: which of them to serve.
        labels: label -> version number.
        platform: TensorFlow Serving's name of what runs it.
    """

    name: str
    base_path: Path
    policy: Policy = Latest()
    labels: Mapping[str, int] = field(default_factory=dict)
    platform: str = PLATFORM


def text_to_model_configs(text: str) -> list[ModelConfig]:
    """Read a model config file's text.

    Raises:
        WireError: INVALID_ARGUMENT; it is no such text (the message names line and column), or as
            `message_to_model_configs`.
    """
    try:
        message = text_format.Parse(text, ModelServerConfig())
    except text_format.ParseError as error:
        raise invalid(f"Invalid protobuf text of a ModelServerConfig: {error}") from None
    return message_to_model_configs(message)


def message_to_model_configs(config: Any) -> list[ModelConfig]:
    """Read a ModelServerConfig.

    Raises:
        WireError: INVALID_ARGUMENT; it is no list of models, a name is missing or listed twice, a
            path is not absolute, or a platform is missing.
    """
    if config.WhichOneof("config") != "model_config_list":
        raise invalid(
            "ServerModelConfig type not supported by HandleReloadConfigRequest. "
            "Only ModelConfigList is currently supported"
        )
    models = config.model_config_list.config
    _check_names(model.name for model in models)
    for model in models:
        _check_path(model.name, model.base_path)
    return [_message_to_model_config(model) for model in models]


def check_transition(old: Iterable[ModelConfig], new: Sequence[ModelConfig]) -> None:
    """Check whether one list of models may follow another; both may be empty.

    Raises:
        WireError: INVALID_ARGUMENT; a name is listed twice, a model's platform would change, or
            cannot be served.
    """
    _check_names(config.name for config in new)
    platforms = {config.name: config.platform for config in old}
    for config in new:
        before = platforms.get(config.name, config.platform)
        if config.platform != before:
            raise invalid(
                f"Illegal to change a model's platform. For model {config.name} platform was "
                f"{before} and new platform requested is {config.platform}"
            )
    for config in new:
        if config.platform != PLATFORM:
            raise invalid(f"Model {config.name} requests unsupported platform {config.platform}")


def _check_names(names: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if not name:
            raise invalid("A model in the config list has no name; requests could not ask for it")
        if name in seen:
            raise invalid(f"Illegal to list model {name} multiple times in config list")
        seen.add(name)


def _check_path(name: str, path: str) -> None:
    if "://" in path:
        raise invalid(f"Model {name}: base_path {path} is no local folder; this server reads none")
    if not path.startswith("/"):
        raise invalid(
            f"Expected model {name} to have an absolute path or URI; got base_path()={path}"
        )


def _message_to_model_config(model: Any) -> ModelConfig:
    return ModelConfig(
        name=model.name,
        base_path=Path(model.base_path),
        policy=_message_to_policy(model.model_version_policy),
        labels=dict(model.version_labels),
        platform=_message_to_platform(model),
    )


def _message_to_policy(policy: Any) -> Policy:
    match policy.WhichOneof("policy_choice"):
        case "all":
            return All()
        case "specific":
            return Specific(frozenset(policy.specific.versions))
        case _:
            # 0, which is also what stands for "not given", means 1.
            return Latest(max(policy.latest.num_versions, 1))


def _message_to_platform(model: Any) -> str:
    fields = "ModelServerConfig::model_type (deprecated)", "ModelServerConfig::model_platform"
    ending = f", model name is {model.name}"
    if model.model_type:
        _LOGGER.warning(
            "Deprecated ModelServerConfig::model_type field used. "
            "Prefer ModelServerConfig::model_platform."
        )
        if model.model_platform:
            raise invalid(f"Illegal setting both {fields[0]} and {fields[1]}{ending}")
        if model.model_type not in _MODEL_TYPES:
            raise invalid(
                f"ModelServerConfig::model_type choice {model.model_type} not supported{ending}"
            )
        return _MODEL_TYPES[model.model_type]
    if not model.model_platform:
        raise invalid(f"Illegal setting neither {fields[0]} nor {fields[1]}{ending}")
    return str(model.model_platform)
