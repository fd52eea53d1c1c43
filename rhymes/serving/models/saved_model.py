"""SavedModels loaded and run by a TensorFlow session, as TensorFlow Serving does it.

A session of its own for each SavedModel feeds and fetches by tensor name, words its errors as
TensorFlow Serving's, stops at a deadline and gives its memory back. This module alone in the
package imports TensorFlow.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from rhymes.serving.models.version_folder import no_saved_model
from rhymes.wire.errors import WireError
from rhymes.wire.messages import SignatureDef

_TAG = "serve"
_CODES = {code.value[0]: code for code in grpc.StatusCode}


@dataclass(frozen=True)
class SessionOptions:
    """How a session may use the machine.

    Attributes:
        intra_op_threads: threads of one operation; 0 for one a core.
        inter_op_threads: operations at a time; 0 for one a core.
        gpu_memory_fraction: share of a GPU's memory, taken at once; 0 to take what is needed, as
            it is needed.
    """

    intra_op_threads: int = 0
    inter_op_threads: int = 0
    gpu_memory_fraction: float = 0.0


class SavedModelServable:
    """One loaded SavedModel; threads may share it.

    Attributes:
        signatures: SignatureDef (of `rhymes.wire.messages`) by name, of the meta graph that is
            tagged "serve".
    """

    def __init__(self, session: Any, meta_graph: Any) -> None:
        self.signatures: Mapping[str, Any] = {
            name: SignatureDef.FromString(definition.SerializeToString())
            for name, definition in meta_graph.signature_def.items()
        }
        self._session = session

    def run(
        self,
        signature: str,
        inputs: Mapping[str, NDArray[Any]],
        outputs: Sequence[str],
        timeout: float | None,
    ) -> dict[str, NDArray[Any]]:
        """Run a signature.

        Args:
            signature: its name.
            inputs: arrays by input key, one for each.
            outputs: keys of the outputs that are wanted.
            timeout: seconds that it may take; None for no limit.

        Raises:
            WireError: what an operation refuses, with its code and text; DEADLINE_EXCEEDED.
        """
        if timeout is not None and timeout <= 0:
            raise WireError(grpc.StatusCode.DEADLINE_EXCEEDED, "Timed out before the model ran")
        definition = self.signatures[signature]
        # Always all outputs: the session prepares each other choice of outputs for a second, and
        # keeps what it prepared.
        fetches = {alias: _tensor_name(info) for alias, info in definition.outputs.items()}
        feeds = {_tensor_name(definition.inputs[alias]): array for alias, array in inputs.items()}
        milliseconds = 0 if timeout is None else max(1, math.ceil(timeout * 1000))
        options = tf.compat.v1.RunOptions(timeout_in_ms=milliseconds)
        try:
            found = self._session.run(fetches, feeds, options=options)
        except tf.errors.OpError as error:
            raise _op_error_to_wire(error) from None
        except UnicodeDecodeError as error:  # the runtime's words quote a request's bytes
            text = error.object.decode("utf-8", "replace")
            raise WireError(grpc.StatusCode.INVALID_ARGUMENT, text) from None
        except (ValueError, TypeError) as error:
            raise WireError(grpc.StatusCode.INVALID_ARGUMENT, str(error)) from None
        return {alias: _to_array(found[alias]) for alias in outputs}

    def close(self) -> None:
        """Free the memory; nobody may run it any more."""
        self._session.close()
        self._session = None
        _give_memory_back()


def load_servable(folder: Path, options: SessionOptions | None = None) -> SavedModelServable:
    """Load the SavedModel in `folder`.

    Raises:
        WireError: it is missing or damaged; codes and texts as TensorFlow's C++ loader has them
            (cc/saved_model/reader.cc, loader.cc).
    """
    if not (folder / "saved_model.pb").is_file():
        raise no_saved_model(folder)
    graph = tf.Graph()
    session = tf.compat.v1.Session(graph=graph, config=_options_to_config(options))
    try:
        with graph.as_default():
            meta_graph = tf.compat.v1.saved_model.load(session, [_TAG], str(folder))
        graph.finalize()
        return SavedModelServable(session, meta_graph)
    except Exception as error:
        session.close()
        raise _loading_error_to_wire(error, folder) from None


def _options_to_config(options: SessionOptions | None) -> Any:
    options = options or SessionOptions()
    config = tf.compat.v1.ConfigProto(
        intra_op_parallelism_threads=options.intra_op_threads,
        inter_op_parallelism_threads=options.inter_op_threads,
    )
    config.gpu_options.allow_growth = not options.gpu_memory_fraction
    config.gpu_options.per_process_gpu_memory_fraction = options.gpu_memory_fraction
    return config


def _loading_error_to_wire(error: Exception, folder: Path) -> WireError:
    """Name what the Python loader raises as the C++ loader does; a damaged graph raises much."""
    match error:
        case tf.errors.OpError():
            return _op_error_to_wire(error)
        case OSError():
            return WireError(
                grpc.StatusCode.DATA_LOSS,
                f"Can't parse {folder / 'saved_model.pb'} as binary proto: {error}",
            )
        case RuntimeError() if "tags" in str(error):
            return WireError(
                grpc.StatusCode.NOT_FOUND,
                f"Could not find meta graph def matching supplied tags: {{ {_TAG} }}. To inspect "
                "available tag-sets in the SavedModel, please use the SavedModel CLI: "
                "`saved_model_cli`",
            )
        case _:
            return WireError(
                grpc.StatusCode.INVALID_ARGUMENT,
                f"{folder}: the SavedModel's graph cannot be used: {error!r}",
            )


def _op_error_to_wire(error: Any) -> WireError:
    # Python's session rewords an error, and raises it anew while it handles the original.
    is_reworded = type(error.__context__) is type(error)
    original = error.__context__ if is_reworded else error
    code = _CODES.get(original.error_code, grpc.StatusCode.UNKNOWN)
    return WireError(code, original.message)


def _tensor_name(info: Any) -> str:
    """A tensor's name in the graph; what is no tensor cannot be run by a request."""
    if info.WhichOneof("encoding") != "name":
        raise WireError(
            grpc.StatusCode.UNIMPLEMENTED,
            "Only dense tensors can be served, but the signature has a sparse or composite one",
        )
    name = str(info.name)
    if ":" not in name:  # an operation, as in the signature of the initialisation
        raise WireError(
            grpc.StatusCode.INVALID_ARGUMENT,
            f"Tensor {name}:0, specified in either feed_devices or fetch_devices was not found in "
            "the Graph",
        )
    return name


def _to_array(value: Any) -> NDArray[Any]:
    """Make an array of what a session returns: for a scalar, that is not one."""
    # NumPy's own type for bytes would drop zeros at their end.
    return np.array(value, dtype=object) if isinstance(value, bytes) else np.asarray(value)


def _give_memory_back() -> None:
    gc.collect()  # a graph refers to itself
    # glibc keeps freed memory for later; other C libraries have no such function.
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)
