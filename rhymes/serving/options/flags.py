"""The server's options: TensorFlow Serving's flags by their own names, and a few of ours.

One dataclass is all there is: the command line is made from it, and a server inside a process
takes it as it stands.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from types import MappingProxyType
from typing import Any

from rhymes.common.errors import InputError
from rhymes.serving.handlers.limits import Limits

_PORTS = range(65_536)


def _help(text: str, *, own: bool = False) -> Mapping[str, Any]:
    """Say what a flag does; `own` ones are unknown to TensorFlow Serving."""
    return {"help": text, "own": own}


@dataclass(frozen=True, kw_only=True)
class ServerOptions:
    """One field a flag, of the flag's name."""

    model_name: str = field(
        default="default", metadata=_help("name under which clients ask for the model")
    )
    model_base_path: Path | None = field(
        default=None,
        metadata=_help("folder of the model's versions: <path>/<integer>/saved_model.pb"),
    )
    model_config_file: Path | None = field(
        default=None,
        metadata=_help(
            "ModelServerConfig as text, for several models, version policies and labels; instead "
            "of --model_name and --model_base_path"
        ),
    )
    model_config_file_poll_wait_seconds: float = field(
        default=0.0, metadata=_help("read --model_config_file again this often; 0 reads it once")
    )
    host: str = field(
        default="127.0.0.1",
        metadata=_help("address to listen on, by gRPC and REST; 0.0.0.0 for all", own=True),
    )
    port: int = field(default=8500, metadata=_help("gRPC port; 0 takes any free one"))
    grpc_socket_path: str = field(
        default="", metadata=_help("UNIX socket for gRPC beside the port")
    )
    rest_api_port: int = field(
        default=0, metadata=_help("port of REST and metrics; 0 for none, -1 takes any free one")
    )
    rest_api_num_threads: int = field(
        default=0, metadata=_help("REST requests answered at once; 0 for 4 a CPU")
    )
    rest_api_timeout_in_ms: int = field(
        default=30_000,
        metadata=_help("most that a REST request may take, sending its body included"),
    )
    grpc_max_threads: int = field(
        default=0,
        metadata=_help("gRPC and REST requests that run at once, others wait; 0 for 4 a CPU"),
    )
    grpc_channel_arguments: str = field(
        default="", metadata=_help("options of gRPC's core, as grpc.max_connection_age_ms=2000,...")
    )
    ssl_config_file: Path | None = field(
        default=None,
        metadata=_help(
            "SSLConfig as text (server_key, server_cert, custom_ca, client_verify): gRPC by TLS"
        ),
    )
    monitoring_config_file: Path | None = field(
        default=None,
        metadata=_help(
            "MonitoringConfig as text: prometheus_config { enable: true path: ... } puts metrics "
            "on the REST port"
        ),
    )
    file_system_poll_wait_seconds: float = field(
        default=1.0, metadata=_help("look for new versions this often; 0 looks once")
    )
    max_num_load_retries: int = field(
        default=5, metadata=_help("further attempts to load a version that fails")
    )
    load_retry_interval_micros: int = field(
        default=60_000_000, metadata=_help("pause before each, in microseconds")
    )
    allow_version_labels_for_unavailable_models: bool = field(
        default=False, metadata=_help("a new label may point to a version that is not loaded yet")
    )
    enable_model_warmup: bool = field(
        default=True,
        metadata=_help("replay assets.extra/tf_serving_warmup_requests before a version answers"),
    )
    num_request_iterations_for_warmup: int = field(
        default=0, metadata=_help("replay it this often; 0 for once")
    )
    enable_serialization_as_tensor_content: bool = field(
        default=True,
        metadata=_help(
            "answer in tensor_content (TensorFlow Serving's default is float_val and the like, "
            "which takes clients many times longer to read)"
        ),
    )
    enable_grpc_healthcheck_service: bool = field(
        default=True,
        metadata=_help("answer grpc.health.v1 (TensorFlow Serving's default is not to)"),
    )
    tensorflow_session_parallelism: int = field(
        default=0, metadata=_help("threads within and between operations; 0 lets TensorFlow choose")
    )
    tensorflow_intra_op_parallelism: int = field(
        default=0, metadata=_help("threads within an operation; 0 as above")
    )
    tensorflow_inter_op_parallelism: int = field(
        default=0, metadata=_help("threads between operations; 0 as above")
    )
    per_process_gpu_memory_fraction: float = field(
        default=0.0,
        metadata=_help("share of the GPU's memory that is taken, up to 1; 0 takes what is needed"),
    )
    max_image_bytes: int = field(
        default=Limits.image_bytes, metadata=_help("most bytes of an encoded image", own=True)
    )
    max_image_pixels: int = field(
        default=Limits.image_pixels,
        metadata=_help("most pixels of an image, by its header", own=True),
    )
    max_message_bytes: int = field(
        default=Limits.tensor_bytes, metadata=_help("most bytes of a request", own=True)
    )
    unload_when_empty: bool = field(
        default=False,
        metadata=_help(
            "unload a model whose folder was emptied, as TensorFlow Serving does", own=True
        ),
    )
    wait_for_model: bool = field(
        default=False,
        metadata=_help("start although no version can be loaded yet, and wait for one", own=True),
    )
    drain_seconds: float = field(
        default=30.0,
        metadata=_help("at SIGTERM, the most that running requests are given to finish", own=True),
    )

    def __post_init__(self) -> None:
        if (self.model_base_path is None) == (self.model_config_file is None):
            raise InputError(
                "expected either --model_base_path (with --model_name) or --model_config_file"
            )
        for name in ("port", "rest_api_port"):
            if getattr(self, name) not in _PORTS and (name, getattr(self, name)) != (
                "rest_api_port",
                -1,
            ):
                raise InputError(f"--{name}: expected 0 to 65535, got {getattr(self, name)}")
        if self.rest_api_port > 0 and self.rest_api_port == self.port:
            raise InputError(f"--rest_api_port: {self.port} is --port's; choose another one")
        for declared in fields(self):
            self._check_number(declared)
        if self.per_process_gpu_memory_fraction > 1:
            raise InputError(
                "--per_process_gpu_memory_fraction: expected 0 to 1, "
                f"got {self.per_process_gpu_memory_fraction}"
            )

    def _check_number(self, declared: Field[Any]) -> None:
        value = getattr(self, declared.name)
        # NaN compares as not smaller, and infinity would never end.
        if isinstance(value, int | float) and not 0 <= value < float("inf"):
            if declared.name == "rest_api_port":
                return
            raise InputError(f"--{declared.name}: expected a number from 0 up, got {value}")
        if declared.name.startswith("max_") and declared.metadata["own"] and value < 1:
            raise InputError(f"--{declared.name}: expected a number from 1 up, got {value}")

    @property
    def limits(self) -> Limits:
        """What a request may hold."""
        return Limits(self.max_image_bytes, self.max_image_pixels, self.max_message_bytes)

    @property
    def workers(self) -> int:
        """How many requests run at once."""
        return self.grpc_max_threads or 4 * len(os.sched_getaffinity(0))


NOT_IMPLEMENTED: Mapping[str, str | None] = MappingProxyType(
    {
        "enable_batching": "false",
        "batching_parameters_file": "",
        "enable_per_model_batching_parameters": "false",
        "rest_api_enable_cors_support": "false",
        "num_load_threads": None,
        "num_unload_threads": None,
        "flush_filesystem_caches": None,
        "tensorflow_session_config_file": "",
        "platform_config_file": "",
        "use_alts_credentials": "false",
        "saved_model_tags": "serve",
        "remove_unused_fields_from_bundle_metagraph": None,
        "prefer_tflite_model": "false",
        "num_tflite_pools": None,
        "num_tflite_interpreters_per_pool": None,
        "enable_signature_method_name_check": "false",
        "xla_cpu_compilation_enabled": "false",
        "xla_gpu_compilation_enabled": "false",
        "enable_profiler": "false",
        "thread_pool_factory_config_file": "",
        "mixed_precision": "",
        "skip_initialize_tpu": None,
        "enforce_session_run_timeout": "true",
    }
)
"""TensorFlow Serving's other flags (main.cc) -> the value that is what happens here anyway."""
