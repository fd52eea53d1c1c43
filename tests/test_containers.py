"""What can be told of the images and of docker-compose.yaml without an engine that builds them."""

from __future__ import annotations

import ast
import dataclasses
import importlib.metadata
import re
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from packaging.specifiers import SpecifierSet
from ruamel.yaml import YAML

from rhymes.serving.options.command_line import arguments_to_options
from rhymes.serving.options.flags import NOT_IMPLEMENTED, ServerOptions
from rhymes.serving.options.text_configs import DEFAULT_METRICS_PATH, load_metrics_path
from tests.support.commands import fits_schema, run_tool
from tests.support.dockerfiles import Dockerfile, load_dockerfile
from tools.deps import PACKAGES, ROOT, all_imports

PATHS = ("Dockerfile.serving", "deploy/Dockerfile.app")
SERVING, APP = (load_dockerfile(ROOT / path) for path in PATHS)
COMPOSE = YAML(typ="safe").load(ROOT / "docker-compose.yaml")
SERVICES: dict[str, Any] = COMPOSE["services"]
OUTPUTS = {
    output
    for stage in YAML(typ="safe").load(ROOT / "dvc.yaml")["stages"].values()
    for output in stage["outs"]
} | {"dvc.lock"}

# tensorflow_serving/model_servers/main.cc. TensorFlow Serving only prints a line about an argument
# that it does not know, and starts without it.
MODEL_SERVER_FLAGS = """
    port grpc_socket_path rest_api_port rest_api_num_threads rest_api_timeout_in_ms
    rest_api_enable_cors_support enable_batching allow_version_labels_for_unavailable_models
    batching_parameters_file enable_per_model_batching_parameters model_config_file
    model_config_file_poll_wait_seconds model_name model_base_path num_load_threads
    num_unload_threads max_num_load_retries load_retry_interval_micros
    file_system_poll_wait_seconds flush_filesystem_caches tensorflow_session_parallelism
    tensorflow_session_config_file tensorflow_intra_op_parallelism tensorflow_inter_op_parallelism
    use_alts_credentials ssl_config_file platform_config_file per_process_gpu_memory_fraction
    saved_model_tags grpc_channel_arguments grpc_max_threads enable_model_warmup
    num_request_iterations_for_warmup version monitoring_config_file
    remove_unused_fields_from_bundle_metagraph prefer_tflite_model num_tflite_pools
    num_tflite_interpreters_per_pool enable_signature_method_name_check
    xla_cpu_compilation_enabled xla_gpu_compilation_enabled enable_profiler
    thread_pool_factory_config_file mixed_precision skip_initialize_tpu
    enable_grpc_healthcheck_service enable_serialization_as_tensor_content
"""


def pins(path: str) -> dict[str, set[str]]:
    """Name of a package -> its `==version` and hashes in a lock, without markers."""
    found: dict[str, set[str]] = {}
    for line in (ROOT / path).read_text("utf-8").splitlines():
        if pin := re.match(r"([a-z0-9._-]+)(==[^ ]+)", line):
            name = pin[1]
            found.setdefault(name, set()).add(pin[2])
        elif "--hash=" in line:
            found[name].add(line.strip(" \\"))
    return found


@pytest.mark.parametrize("path", PATHS)
def test_linter_finds_nothing(path: str) -> None:
    result = run_tool("hadolint", str(ROOT / path))
    assert result.returncode == 0, result.stdout


def test_linter_would_find_something(tmp_path: Path) -> None:
    bad = tmp_path / "Dockerfile"
    bad.write_text("FROM ubuntu\nRUN cd /tmp && sudo ls\n")
    assert {"DL3006", "DL3004"} <= set(
        re.findall("DL[0-9]+", run_tool("hadolint", str(bad)).stdout)
    )


def test_compose_file_fits_the_specification(tmp_path: Path) -> None:
    schema = "vendor.compose-spec"
    assert fits_schema(ROOT / "docker-compose.yaml", schema)
    bad = tmp_path / "docker-compose.yaml"
    bad.write_text((ROOT / "docker-compose.yaml").read_text().replace("mem_limit", "memlimit"))
    assert not fits_schema(bad, schema)


COPIED = sorted({*SERVING.sources(), *APP.sources()})


@pytest.mark.parametrize("source", COPIED)
def test_what_is_copied_is_in_git_or_comes_from_dvc(source: str) -> None:
    there = (ROOT / source).exists()
    assert there or source in OUTPUTS, f"{source} is not there and no stage makes it"


@pytest.mark.parametrize("source", COPIED)
def test_what_is_copied_is_not_ignored(source: str) -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    kept = [PurePosixPath(line[1:]) for line in lines if line.startswith("!")]
    assert "*" in lines, "all that is not named stays out"
    assert any(PurePosixPath(source).is_relative_to(path) for path in kept)


@pytest.mark.skipif(not (ROOT / "app").exists(), reason="app/ is not written yet")
def test_page_that_the_image_runs_is_there() -> None:
    assert (ROOT / APP.entrypoint()[2]).is_file()


def test_releases_of_the_base_images() -> None:
    (serving,) = (value for value in SERVING.values("ARG") if value.startswith("TF_SERVING="))
    (version,) = {pin for pin in pins("requirements.txt")["tensorflow-serving-api"] if "==" in pin}
    assert serving == f"TF_SERVING=tensorflow/serving:{version.removeprefix('==')}"
    assert {value.split()[0] for value in SERVING.values("FROM")} == {"${TF_SERVING}"}
    (python,) = APP.values("FROM")
    tag = re.fullmatch(r"python:([0-9]+\.[0-9]+\.[0-9]+)-slim-[a-z]+", python)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert tag
    assert SpecifierSet(project["requires-python"]).contains(tag[1])


@pytest.mark.parametrize("dockerfile", [SERVING, APP], ids=PATHS)
def test_containers_do_not_run_as_root(dockerfile: Dockerfile) -> None:
    assert re.fullmatch("[1-9][0-9]*:[1-9][0-9]*", dockerfile.values("USER")[-1])
    assert dockerfile.instructions[-2][0] == "ENTRYPOINT"


def test_flags_of_the_container_are_those_of_both_servers() -> None:
    flags = SERVING.flags()
    assert set(flags) <= set(MODEL_SERVER_FLAGS.split())
    arguments = [f"--{name}={value}" for name, value in flags.items()]
    container = arguments_to_options(arguments)
    for name, value in flags.items():
        assert str(getattr(container, name)).lower() == value.lower()
    # What clients see of the embedded server without further flags they see of the container.
    embedded = arguments_to_options(["--model_base_path=models/detector"])
    for name in (
        "port",
        "enable_grpc_healthcheck_service",
        "enable_serialization_as_tensor_content",
        "enable_model_warmup",
    ):
        assert getattr(embedded, name) == getattr(container, name)


def test_embedded_server_knows_all_flags_of_tensorflow_serving() -> None:
    theirs = {each.name for each in dataclasses.fields(ServerOptions) if not each.metadata["own"]}
    assert theirs <= set(MODEL_SERVER_FLAGS.split())
    assert set(MODEL_SERVER_FLAGS.split()) - theirs - set(NOT_IMPLEMENTED) == {"version"}


def test_health_check_asks_for_the_model_that_is_served() -> None:
    (check,) = SERVING.values("HEALTHCHECK")
    flags = SERVING.flags()
    assert f'health.sh", "{flags["model_name"]}", "{flags["rest_api_port"]}"]' in check
    assert SERVING.ports() == {flags["port"], flags["rest_api_port"]}
    assert f"COPY --from=checked {flags['model_base_path']}" in " ".join(
        f"{name} {value}" for name, value in SERVING.instructions
    )


def test_page_listens_where_its_health_check_asks() -> None:
    port = APP.flags()["server.port"]
    assert APP.ports() == {port}
    assert f"127.0.0.1:{port}/" in APP.values("HEALTHCHECK")[0]
    assert APP.flags()["browser.gatherUsageStats"] == "false"


def test_monitoring_config_puts_metrics_where_prometheus_looks() -> None:
    (config,) = (path for path in COPIED if path.endswith("monitoring.config"))
    assert (
        PurePosixPath(SERVING.flags()["monitoring_config_file"]).name == PurePosixPath(config).name
    )
    assert load_metrics_path(ROOT / config) == DEFAULT_METRICS_PATH


@pytest.mark.parametrize("name", SERVICES)
def test_services_are_hardened(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["mem_limit"]
    assert all(volume["read_only"] for volume in service.get("volumes", []))


def test_ports_are_open_on_the_loopback_only() -> None:
    hosts = []
    for service in SERVICES.values():
        dockerfile = load_dockerfile(ROOT / service["build"]["dockerfile"])
        for address, host, container in (port.split(":") for port in service["ports"]):
            assert address == "127.0.0.1"
            assert container in dockerfile.ports()
            hosts.append(host)
    assert len(set(hosts)) == len(hosts)


def test_page_waits_for_the_server_that_it_asks() -> None:
    page = SERVICES["page"]
    assert page["depends_on"] == {"server": {"condition": "service_healthy"}}
    assert page["environment"]["SERVING_ADDRESS"] == f"server:{SERVING.flags()['port']}"


@pytest.mark.parametrize("volume", SERVICES["page"]["volumes"], ids=lambda each: each["source"])
def test_page_sees_the_repository_as_it_lies_here(volume: dict[str, str]) -> None:
    source = PurePosixPath(volume["source"])
    assert (ROOT / source).exists() or source.as_posix() in OUTPUTS
    assert PurePosixPath(volume["target"]) == PurePosixPath(APP.values("WORKDIR")[-1]) / source
    # DVC removes an output before its stage runs, and a mount would keep the removed folder.
    assert source.as_posix() not in OUTPUTS - {"dvc.lock"}


def test_packages_of_the_page_are_those_of_the_environment() -> None:
    page, everything = pins("deploy/requirements-app.txt"), pins("requirements.txt")
    assert page == {name: everything[name] for name in page}
    assert not {"tensorflow", "tensorflow-serving-api", "tf-models-official", "dvc"} & set(page)


def imported_distributions(path: Path, known: Mapping[str, list[str]]) -> set[frozenset[str]]:
    """For each package of others that a file imports: the distributions that may have it."""
    names = set()
    for node in ast.walk(ast.parse((ROOT / path).read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.partition(".")[0])
    names -= {*sys.stdlib_module_names, *PACKAGES, "ml_dtypes"}  # ml_dtypes: used where there
    return {frozenset(known[name]) for name in names}


def test_page_finds_all_packages_that_it_imports() -> None:
    roots = [Path("rhymes/client/client.py"), Path("rhymes/detections/drawing.py")]
    roots += [path.relative_to(ROOT) for path in (ROOT / "app").rglob("*.py")]
    modules = {path for root in roots for path in {root, *all_imports(root)}}
    locked = set(pins("deploy/requirements-app.txt"))
    known = importlib.metadata.packages_distributions()
    for path in sorted(modules):
        for distributions in imported_distributions(path, known):
            assert {re.sub("[-_.]+", "-", each.lower()) for each in distributions} & locked, path
