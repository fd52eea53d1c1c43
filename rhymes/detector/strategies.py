"""The name of a distribution strategy -> the strategy, on the devices of this machine."""

from __future__ import annotations

import tensorflow as tf
from official.common import distribute_utils

from rhymes.common.errors import InputError


def build_strategy(name: str) -> tf.distribute.Strategy:
    """Build a `tf.distribute` strategy.

    `one_device` is the first GPU, or the CPU. `mirrored` is all GPUs of this machine, or all
    logical CPU devices where there is none. `multi_worker_mirrored` and `tpu` find their cluster
    as TensorFlow does, by TF_CONFIG and TPU_NAME.

    Raises:
        InputError: the machine lacks the devices.
    """
    gpus = tf.config.list_logical_devices("GPU")
    match name:
        case "one_device":
            return tf.distribute.OneDeviceStrategy("GPU:0" if gpus else "CPU:0")
        case "mirrored":
            devices = gpus or tf.config.list_logical_devices("CPU")
            return tf.distribute.MirroredStrategy([device.name for device in devices])
    try:
        return distribute_utils.get_distribution_strategy(
            distribution_strategy=name, num_gpus=len(gpus), tpu_address=""
        )
    except (ValueError, RuntimeError, tf.errors.OpError) as error:
        raise InputError(f"train.strategy: {name} cannot start on this machine: {error}") from error
