from __future__ import annotations

from pathlib import Path
from typing import Any

import grpc
import pytest

from rhymes.serving.models.model_config import (
    All,
    Latest,
    ModelConfig,
    Specific,
    check_transition,
    message_to_model_configs,
    text_to_model_configs,
)
from rhymes.wire.errors import WireError
from rhymes.wire.messages import ModelServerConfig


def make_text(settings: str) -> str:
    return f'model_config_list {{ config {{ name: "m" {settings} }} }}'


GOOD = 'base_path: "/models/m" model_platform: "tensorflow"'


def test_a_config_file() -> None:
    text = """
    model_config_list {
      config {
        name: "m" base_path: "/models/m" model_platform: "tensorflow"
        model_version_policy { specific { versions: 42 versions: 43 } }
        version_labels { key: "stable" value: 42 }
        version_labels { key: "canary" value: 43 }
        logging_config { sampling_config { sampling_rate: 0.1 } }
      }
      config { name: "n" base_path: "/models/n" model_type: TENSORFLOW }  # deprecated
    }
    """
    first, second = text_to_model_configs(text)
    assert first == ModelConfig(
        "m", Path("/models/m"), Specific(frozenset({42, 43})), {"stable": 42, "canary": 43}
    )
    assert second == ModelConfig("n", Path("/models/n"), Latest(1), {}, "tensorflow")


@pytest.mark.parametrize(
    ("settings", "policy"),
    [
        pytest.param("", Latest(1), id="none"),
        pytest.param("model_version_policy {}", Latest(1), id="empty"),
        pytest.param("model_version_policy { latest {} }", Latest(1), id="latest"),
        pytest.param("model_version_policy { latest { num_versions: 0 } }", Latest(1), id="zero"),
        pytest.param("model_version_policy { latest { num_versions: 3 } }", Latest(3), id="three"),
        pytest.param("model_version_policy { all {} }", All(), id="all"),
    ],
)
def test_policies(settings: str, policy: Any) -> None:
    [config] = text_to_model_configs(make_text(f"{GOOD} {settings}"))
    assert config.policy == policy


def test_an_empty_list_is_a_list() -> None:
    assert text_to_model_configs("model_config_list {}") == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(
            make_text(GOOD).replace("} }", f'}} config {{ name: "m" {GOOD} }} }}'),
            "Illegal to list model m multiple times in config list",
            id="twice",
        ),
        pytest.param(
            make_text('base_path: "models/m" model_platform: "tensorflow"'),
            "Expected model m to have an absolute path or URI; got base_path()=models/m",
            id="relative path",
        ),
        pytest.param(
            make_text('model_platform: "tensorflow"'),
            "Expected model m to have an absolute path or URI; got base_path()=",
            id="no path",
        ),
        pytest.param(
            make_text('base_path: "gs://models/m" model_platform: "tensorflow"'),
            "Model m: base_path gs://models/m is no local folder; this server reads none",
            id="URI",
        ),
        pytest.param(
            make_text('base_path: "/m"'),
            "Illegal setting neither ModelServerConfig::model_type (deprecated) nor "
            "ModelServerConfig::model_platform, model name is m",
            id="no platform",
        ),
        pytest.param(
            make_text(f"{GOOD} model_type: TENSORFLOW"),
            "Illegal setting both ModelServerConfig::model_type (deprecated) and "
            "ModelServerConfig::model_platform, model name is m",
            id="two platforms",
        ),
        pytest.param(
            make_text('base_path: "/m" model_type: OTHER'),
            "ModelServerConfig::model_type choice 2 not supported, model name is m",
            id="other type",
        ),
        pytest.param(
            f"model_config_list {{ config {{ {GOOD} }} }}",
            "A model in the config list has no name; requests could not ask for it",
            id="no name",
        ),
        pytest.param(
            "",
            "ServerModelConfig type not supported by HandleReloadConfigRequest. "
            "Only ModelConfigList is currently supported",
            id="empty",
        ),
        pytest.param(
            "custom_model_config {}",
            "ServerModelConfig type not supported by HandleReloadConfigRequest. "
            "Only ModelConfigList is currently supported",
            id="no list",
        ),
    ],
)
def test_what_cannot_be_served(text: str, message: str) -> None:
    with pytest.raises(WireError) as raised:
        text_to_model_configs(text)
    assert raised.value.code is grpc.StatusCode.INVALID_ARGUMENT
    assert raised.value.message == message


@pytest.mark.parametrize(
    ("text", "place"),
    [
        pytest.param("model_config_list {\n  config { nam: 'm' } }", "2:12", id="unknown field"),
        pytest.param("model_config_list {", "1:19", id="cut off"),
        pytest.param('{"model_config_list": {}}', "1:1", id="JSON"),
    ],
)
def test_text_that_is_none_names_the_place(text: str, place: str) -> None:
    with pytest.raises(WireError, match="Invalid protobuf text of a ModelServerConfig") as raised:
        text_to_model_configs(text)
    assert place in raised.value.message


def test_a_message_is_read_as_its_text_is() -> None:
    message = ModelServerConfig()
    config = message.model_config_list.config.add(name="m", base_path="/models/m")
    config.model_platform = "tensorflow"
    assert message_to_model_configs(message) == text_to_model_configs(make_text(GOOD))


def make_config(name: str, platform: str = "tensorflow") -> ModelConfig:
    return ModelConfig(name, Path("/models"), platform=platform)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        pytest.param([], [], None, id="nothing"),
        pytest.param([make_config("a")], [make_config("b")], None, id="another"),
        pytest.param([make_config("a")], [make_config("a")], None, id="the same"),
        pytest.param(
            [],
            [make_config("a", "tensorflow2")],
            "Model a requests unsupported platform tensorflow2",
            id="unsupported",
        ),
        pytest.param(
            [make_config("a")],
            [make_config("b", "y"), make_config("a", "x")],
            "Illegal to change a model's platform. For model a platform was tensorflow and new "
            "platform requested is x",
            id="changed, and unsupported",
        ),
        pytest.param(
            [],
            [make_config("a"), make_config("a")],
            "Illegal to list model a multiple times in config list",
            id="twice",
        ),
    ],
)
def test_transitions(old: list[ModelConfig], new: list[ModelConfig], message: str | None) -> None:
    if message is None:
        check_transition(old, new)
        return
    with pytest.raises(WireError) as raised:
        check_transition(old, new)
    assert raised.value.message == message
