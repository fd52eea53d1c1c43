"""TFRecords -> batches of augmented training images, in the same order and form each time.

The records are decoded, augmented and labelled by Model Garden's own decoder and parsers. Only
the order and the randomness are ours: Model Garden's reader lets threads draw from one random
state, so two runs differ. Here each image's randomness follows from (seed, its number in the
stream), so the map runs on all cores and still gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import tensorflow as tf
from official.vision.dataloaders import tf_example_decoder

from rhymes.common.errors import InputError
from rhymes.detector.experiment import Experiment
from rhymes.detector.randomness import IMAGES, randomness_from

_SHUFFLE_BUFFER = 1024  # records held in memory, encoded


def build_train_dataset(experiment: Experiment, folder: Path, first: int = 0) -> tf.data.Dataset:
    """Read a split's TFRecords for ever, shuffled, augmented and batched.

    Args:
        experiment: its `config.task.train_data` gives batch size, seed and augmentation.
        folder: the split's folder of `*.tfrecord` files.
        first: number of images of the stream to leave out (those trained on already).

    Returns:
        Batches of (images float32 [B, S, S, 3], labels), as the task's `train_step` takes them.

    Raises:
        InputError: the folder has no TFRecord.
    """
    files = sorted(str(path) for path in folder.glob("*.tfrecord"))
    if not files:
        raise InputError(f"{folder}: no TFRecord; the split has no image to train on")
    data = experiment.config.task.train_data
    # tf.data mixes the global seed into that of a shuffle.
    tf.random.set_seed(data.seed)
    records = (
        tf.data.Dataset.from_tensor_slices(files)
        .shuffle(len(files), seed=data.seed, reshuffle_each_iteration=True)
        .flat_map(tf.data.TFRecordDataset)
        .shuffle(_SHUFFLE_BUFFER, seed=data.seed, reshuffle_each_iteration=True)
        .repeat()
    )
    dataset = (
        records.enumerate()
        .skip(first)
        .map(_record_parser(experiment), num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
        .batch(data.global_batch_size, drop_remainder=True)
        .prefetch(2)
    )
    options = tf.data.Options()
    options.deterministic = True
    # All readers see all files: the order must not depend on how many devices there are.
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA
    return dataset.with_options(options)


def _record_parser(experiment: Experiment) -> Callable[[tf.Tensor, tf.Tensor], Any]:
    architecture, config = experiment.architecture, experiment.config
    decoder = tf_example_decoder.TfExampleDecoder(include_mask=architecture.has_masks)
    parse = architecture.build_parser(config).parse_fn(is_training=True)

    def parse_record(number: tf.Tensor, record: tf.Tensor) -> Any:
        with randomness_from(config.task.train_data.seed, IMAGES, number):
            return parse(decoder.decode(record))

    return parse_record
