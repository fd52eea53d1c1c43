"""Options -> which models are served, and the manager that serves them."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import grpc

from rhymes.common.errors import InputError
from rhymes.serving.handlers.interfaces import Runnable
from rhymes.serving.handlers.prediction import run_request
from rhymes.serving.models.handles import Servable
from rhymes.serving.models.manager import ModelManager
from rhymes.serving.models.model_config import ModelConfig, text_to_model_configs
from rhymes.serving.models.warmup import replay_warmup
from rhymes.serving.options.flags import ServerOptions
from rhymes.wire.errors import WireError

_LOG = logging.getLogger("rhymes.serving")

ObserveWarmup = Callable[[str, str, float], None]


def load_model_configs(options: ServerOptions) -> list[ModelConfig]:
    """Read which models the options name.

    Raises:
        InputError: the configuration file, or the one model's folder, is missing or wrong.
    """
    if options.model_config_file is not None:
        return load_config_file(options.model_config_file)
    if options.model_base_path is None:
        raise InputError("expected --model_base_path or --model_config_file")
    path = options.model_base_path.resolve()
    if not path.is_dir() and not options.wait_for_model:
        raise InputError(
            f"--model_base_path: {path} is not a folder; expected one that holds a folder a "
            "version, such as 1"
        )
    return [ModelConfig(options.model_name, path)]


def load_config_file(path: Path) -> list[ModelConfig]:
    """Read --model_config_file.

    Raises:
        InputError: it is missing, no ModelServerConfig, or names what cannot be served.
    """
    try:
        return text_to_model_configs(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"--model_config_file: {path} cannot be read: {error}") from None
    except WireError as error:
        raise InputError(f"--model_config_file: {path}: {error.message}") from None


def options_to_manager(options: ServerOptions, observe: ObserveWarmup) -> ModelManager:
    """Make the manager of TensorFlow models that the options describe.

    Args:
        options: of the server.
        observe: told of every warm-up: the version's folder, a status and seconds.
    """

    def warm_up(servable: Runnable, folder: Path) -> None:
        start, status = time.monotonic(), grpc.StatusCode.OK
        try:
            replay_warmup(
                servable, folder, warm_predict, max(1, options.num_request_iterations_for_warmup)
            )
        except WireError as error:
            status = error.code
            raise
        finally:
            observe(str(folder), status.name, time.monotonic() - start)

    def warm_predict(servable: Runnable, request: Any) -> object:
        return run_request(servable, request, None, options.limits)

    def load(folder: Path) -> Servable:
        # TensorFlow takes seconds to import, which --help and what stands before a model can do
        # without.
        from rhymes.serving.models.saved_model import SessionOptions, load_servable

        parallelism = options.tensorflow_session_parallelism
        session = SessionOptions(
            intra_op_threads=options.tensorflow_intra_op_parallelism or parallelism,
            inter_op_threads=options.tensorflow_inter_op_parallelism or parallelism,
            gpu_memory_fraction=options.per_process_gpu_memory_fraction,
        )
        return load_servable(folder, session)

    return ModelManager(
        load=load,
        warm_up=warm_up if options.enable_model_warmup else None,
        poll_seconds=options.file_system_poll_wait_seconds,
        max_load_retries=options.max_num_load_retries,
        retry_seconds=options.load_retry_interval_micros / 1e6,
        unload_when_empty=options.unload_when_empty,
        allow_labels_ahead=options.allow_version_labels_for_unavailable_models,
    )


class ConfigWatcher:
    """Reads a configuration file again and again, and hands on what changed.

    A file that cannot be used leaves the models as they are; why is logged once.

    Args:
        path: of the file.
        seconds: between two looks.
        changed: takes the new configurations.
    """

    def __init__(
        self, path: Path, seconds: float, changed: Callable[[Sequence[ModelConfig]], None]
    ) -> None:
        self._path = path
        self._seconds = seconds
        self._changed = changed
        self._seen = path.read_bytes()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="config", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._stopped.set()

    def _run(self) -> None:
        while not self._stopped.wait(self._seconds):
            try:
                self._look()
            except (InputError, WireError, OSError) as error:
                _LOG.error("the models stay as they are: %s", error)

    def _look(self) -> None:
        if not self._path.exists():
            return  # between two writes, or for good: nothing says what else to serve
        content = self._path.read_bytes()
        if content != self._seen:
            self._seen = content
            self._changed(load_config_file(self._path))
