"""Warm-up: requests that come with a model are run on it before anybody else's.

The first run of a signature takes many times as long as the later ones.

Format: a TFRecord file of PredictionLog messages in the version's folder; texts as in
TensorFlow Serving's saved_model_warmup_util.cc.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
from google.protobuf.message import DecodeError

from rhymes.coco.tfrecord import load_tfrecord
from rhymes.common.errors import InputError
from rhymes.serving.handlers.interfaces import Runnable
from rhymes.versions.model_folder import WARMUP_FILE
from rhymes.wire.errors import WireError, invalid
from rhymes.wire.messages import PredictionLog

MAX_RECORDS = 1000

_LOGGER = logging.getLogger("rhymes.serving")
_SHOWN_BYTES = 64


def replay_warmup(
    servable: Runnable,
    folder: Path,
    predict: Callable[[Runnable, Any], object],
    iterations: int = 1,
) -> int:
    """Run a folder's warm-up requests; return the number of records (0 without a file).

    Args:
        servable: the model.
        folder: the version's folder that it was loaded from.
        predict: runs a PredictRequest on the model, as requests are run.
        iterations: how often each record is run.

    Raises:
        WireError: the file is damaged, has a kind of record that cannot be replayed, or a request
            failed.
    """
    path = folder / WARMUP_FILE
    if not path.is_file():
        _LOGGER.info("No warmup data file found at %s", path)
        return 0
    count = 0
    try:
        for record in load_tfrecord(path):
            if count == MAX_RECORDS:
                raise invalid(
                    f"Number of warmup records exceeds the maximum ({MAX_RECORDS}) at {path}"
                )
            request = _record_to_request(record, path)
            for _ in range(iterations):
                predict(servable, request)
            count += 1
    # A damaged length may ask for more bytes than there can be.
    except (InputError, OSError, OverflowError, MemoryError) as error:
        raise WireError(
            grpc.StatusCode.DATA_LOSS,
            f"{error}. Please verify your warmup data is in TFRecord format.",
        ) from None
    _LOGGER.info("Replayed %d warmup records of %s", count, path)
    return count


def _record_to_request(record: bytes, path: Path) -> Any:
    try:
        log = PredictionLog.FromString(record)
    except DecodeError:
        shown = record[:_SHOWN_BYTES]
        raise invalid(f"Failed to parse warmup record: {shown!r} from {path}") from None
    kind = log.WhichOneof("log_type")
    if kind != "predict_log":
        number = PredictionLog.DESCRIPTOR.fields_by_name[kind].number if kind else 0
        raise WireError(grpc.StatusCode.UNIMPLEMENTED, f"Unsupported log_type for warmup: {number}")
    return log.predict_log.request
