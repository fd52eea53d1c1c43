from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from rhymes.common.errors import InputError
from rhymes.serving.options.command_line import arguments_to_options
from rhymes.serving.options.flags import NOT_IMPLEMENTED, ServerOptions

PATH = Path("models/detector")
PLAIN = ServerOptions(model_base_path=PATH)

# As main.cc of TensorFlow Serving declares them; those of TPUs and experiments are refused.
TENSORFLOW_SERVING = {
    "port", "grpc_socket_path", "rest_api_port", "rest_api_num_threads", "rest_api_timeout_in_ms",
    "rest_api_enable_cors_support", "enable_batching", "batching_parameters_file",
    "allow_version_labels_for_unavailable_models", "enable_per_model_batching_parameters",
    "model_config_file", "model_config_file_poll_wait_seconds", "model_name", "model_base_path",
    "num_load_threads", "num_unload_threads", "max_num_load_retries", "load_retry_interval_micros",
    "file_system_poll_wait_seconds", "flush_filesystem_caches", "tensorflow_session_parallelism",
    "tensorflow_session_config_file", "tensorflow_intra_op_parallelism",
    "tensorflow_inter_op_parallelism", "use_alts_credentials", "ssl_config_file",
    "platform_config_file", "per_process_gpu_memory_fraction", "saved_model_tags",
    "grpc_channel_arguments", "grpc_max_threads", "enable_model_warmup",
    "num_request_iterations_for_warmup", "monitoring_config_file",
    "remove_unused_fields_from_bundle_metagraph", "prefer_tflite_model", "num_tflite_pools",
    "num_tflite_interpreters_per_pool", "enable_signature_method_name_check",
    "xla_cpu_compilation_enabled", "xla_gpu_compilation_enabled", "enable_profiler",
    "thread_pool_factory_config_file", "mixed_precision", "skip_initialize_tpu",
    "enable_grpc_healthcheck_service", "enable_serialization_as_tensor_content",
}  # fmt: skip


def parse(*arguments: str) -> ServerOptions:
    return arguments_to_options(["--model_base_path", str(PATH), *arguments])


def test_every_flag_of_tensorflow_serving_is_known() -> None:
    theirs = {field.name for field in fields(ServerOptions) if not field.metadata["own"]}
    assert theirs | set(NOT_IMPLEMENTED) >= TENSORFLOW_SERVING
    assert not theirs & set(NOT_IMPLEMENTED)
    assert theirs <= TENSORFLOW_SERVING, "other flags are marked as our own"


@pytest.mark.parametrize(
    ("arguments", "changes"),
    [
        pytest.param([], {}, id="none"),
        pytest.param(["--port=9000"], {"port": 9000}, id="with ="),
        pytest.param(["--port", "9000"], {"port": 9000}, id="without ="),
        pytest.param(["--port=0", "--rest_api_port=-1"], {"port": 0, "rest_api_port": -1}, id="0"),
        pytest.param(["--model_name=a b"], {"model_name": "a b"}, id="text"),
        pytest.param(["--model_name="], {"model_name": ""}, id="empty text"),
        pytest.param(["--enable_model_warmup=false"], {"enable_model_warmup": False}, id="false"),
        pytest.param(["--enable_model_warmup", "0"], {"enable_model_warmup": False}, id="0 apart"),
        pytest.param(["--unload_when_empty"], {"unload_when_empty": True}, id="switch alone"),
        pytest.param(
            ["--unload_when_empty", "--port=1"],
            {"unload_when_empty": True, "port": 1},
            id="switch before another flag",
        ),
        pytest.param(["--unload_when_empty=True"], {"unload_when_empty": True}, id="True"),
        pytest.param(["--drain_seconds=2.5"], {"drain_seconds": 2.5}, id="number"),
        pytest.param(
            ["--monitoring_config_file=a"], {"monitoring_config_file": Path("a")}, id="path"
        ),
        pytest.param(["--port=1", "--port=2"], {"port": 2}, id="last one counts"),
        pytest.param(["--enable_batching=false"], {}, id="not to do what is not done"),
        pytest.param(["--saved_model_tags", "serve"], {}, id="the tag that is loaded"),
    ],
)
def test_flags(arguments: list[str], changes: dict[str, Any]) -> None:
    assert parse(*arguments) == replace(PLAIN, **changes)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        pytest.param(
            ["--modle_name=x"],
            "unknown argument --modle_name=x; did you mean --model_name?",
            id="misspelled",
        ),
        pytest.param(["--mod=x"], "unknown argument --mod=x", id="abbreviated"),
        pytest.param(["models"], "unknown argument models; --help lists", id="no flag"),
        pytest.param(["--port=abc"], "--port: expected an integer, got 'abc'", id="no integer"),
        pytest.param(["--port"], "--port: expected one argument", id="no value"),
        pytest.param(["--port=65536"], "--port: expected 0 to 65535, got 65536", id="no port"),
        pytest.param(["--rest_api_port=-2"], "--rest_api_port: expected 0 to 65535", id="no REST"),
        pytest.param(["--rest_api_port=8500"], "8500 is --port's", id="same port"),
        pytest.param(
            ["--enable_model_warmup=maybe"], "expected true or false, got 'maybe'", id="no switch"
        ),
        pytest.param(["--drain_seconds=nan"], "--drain_seconds: expected a number", id="NaN"),
        pytest.param(["--drain_seconds=inf"], "--drain_seconds: expected a number", id="infinity"),
        pytest.param(["--grpc_max_threads=-1"], "--grpc_max_threads: expected", id="negative"),
        pytest.param(["--max_image_pixels=0"], "--max_image_pixels: expected", id="no pixels"),
        pytest.param(["--per_process_gpu_memory_fraction=2"], "expected 0 to 1", id="fraction"),
        pytest.param(
            ["--enable_batching"], "--enable_batching is not implemented in this server", id="batch"
        ),
        pytest.param(
            ["--batching_parameters_file=b.txt"],
            "--batching_parameters_file is not implemented",
            id="batching parameters",
        ),
        pytest.param(["--saved_model_tags=serve,gpu"], "(or give serve)", id="other tags"),
        pytest.param(
            ["--model_config_file=x"], "either --model_base_path", id="two kinds of configuration"
        ),
    ],
)
def test_refused(arguments: list[str], text: str) -> None:
    with pytest.raises(InputError) as refused:
        parse(*arguments)
    assert text in str(refused.value)
    assert "\n" not in str(refused.value)


def test_something_has_to_be_served() -> None:
    with pytest.raises(InputError, match="either --model_base_path"):
        arguments_to_options([])


def test_help_names_every_flag(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        arguments_to_options(["--help"])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    for field in fields(ServerOptions):
        assert f"--{field.name} " in shown
        assert field.metadata["help"].split()[0] in shown
    assert max(map(len, shown.splitlines())) <= 100
    assert "enable_batching" not in shown
