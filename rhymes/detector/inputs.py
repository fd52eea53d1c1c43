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
from official.core import config_definitions
from official.vision.dataloaders import maskrcnn_input, retinanet_input, tf_example_decoder

from rhymes.common.errors import InputError
from rhymes.detector.randomness import IMAGES, randomness_from

_SHUFFLE_BUFFER = 1024  # records held in memory, encoded


def build_train_dataset(
    config: config_definitions.ExperimentConfig, folder: Path, first: int = 0
) -> tf.data.Dataset:
    """Read a split's TFRecords for ever, shuffled, augmented and batched.

    Args:
        config: an experiment of `rhymes.detector.experiment`; `task.train_data` gives batch size,
            seed and augmentation.
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
    data = config.task.train_data
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
        .map(_record_parser(config), num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
        .batch(data.global_batch_size, drop_remainder=True)
        .prefetch(2)
    )
    options = tf.data.Options()
    options.deterministic = True
    # All readers see all files: the order must not depend on how many devices there are.
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA
    return dataset.with_options(options)


def _record_parser(
    config: config_definitions.ExperimentConfig,
) -> Callable[[tf.Tensor, tf.Tensor], Any]:
    task = config.task
    decoder = tf_example_decoder.TfExampleDecoder(
        include_mask=bool(task.model.as_dict().get("include_mask", False))
    )
    parse = _parser(config).parse_fn(is_training=True)

    def parse_record(number: tf.Tensor, record: tf.Tensor) -> Any:
        with randomness_from(task.train_data.seed, IMAGES, number):
            return parse(decoder.decode(record))

    return parse_record


def _parser(config: config_definitions.ExperimentConfig) -> Any:
    """Build Model Garden's parser as its tasks do in `build_inputs`."""
    model, data = config.task.model, config.task.train_data
    shared = {
        "output_size": model.input_size[:2],
        "min_level": model.min_level,
        "max_level": model.max_level,
        "num_scales": model.anchor.num_scales,
        "aspect_ratios": model.anchor.aspect_ratios,
        "anchor_size": model.anchor.anchor_size,
        "aug_rand_hflip": data.parser.aug_rand_hflip,
        "aug_scale_min": data.parser.aug_scale_min,
        "aug_scale_max": data.parser.aug_scale_max,
        "skip_crowd_during_training": data.parser.skip_crowd_during_training,
        "max_num_instances": data.parser.max_num_instances,
        "dtype": data.dtype,
    }
    if "include_mask" not in model.as_dict():
        return retinanet_input.Parser(
            **shared,
            match_threshold=data.parser.match_threshold,
            unmatched_threshold=data.parser.unmatched_threshold,
        )
    return maskrcnn_input.Parser(
        **shared,
        include_mask=model.include_mask,
        mask_crop_size=data.parser.mask_crop_size,
        rpn_match_threshold=data.parser.rpn_match_threshold,
        rpn_unmatched_threshold=data.parser.rpn_unmatched_threshold,
        rpn_batch_size_per_im=data.parser.rpn_batch_size_per_im,
        rpn_fg_fraction=data.parser.rpn_fg_fraction,
    )
