"""Randomness that follows from a seed and a number, whatever ran before and in parallel.

TensorFlow's stateful random ops, which Model Garden calls, draw from a state that threads share and
that begins anew in each process: two runs differ, and so does one that goes on after it was killed.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import tensorflow as tf

IMAGES, STEPS = 0, 1
"""Streams: images of the training data are numbered, and so are steps; they must not share."""


@contextmanager
def randomness_from(seed: int, stream: int, number: tf.Tensor) -> Iterator[None]:
    """While a function is traced, make `tf.random`'s ops draw from (seed, stream, number).

    Each call in the trace gets a stateless twin with a seed of its own.

    Args:
        seed: of the whole training.
        stream: `IMAGES` or `STEPS`.
        number: integer scalar, known when the function runs.
    """
    calls = itertools.count((stream << 20) + 1)

    def next_seed() -> tf.Tensor:
        pair = tf.stack([tf.constant(seed, tf.int64), tf.cast(number, tf.int64)])
        return tf.random.experimental.stateless_fold_in(pair, next(calls))

    def uniform(
        shape: Any, minval: Any = 0, maxval: Any = None, dtype: Any = tf.float32, **_: Any
    ) -> tf.Tensor:
        top = 1 if maxval is None and tf.as_dtype(dtype).is_floating else maxval
        return tf.random.stateless_uniform(shape, next_seed(), minval, top, dtype)

    def shuffle(value: tf.Tensor, **_: Any) -> tf.Tensor:
        return tf.random.experimental.stateless_shuffle(value, next_seed())

    with (
        mock.patch.object(tf.random, "uniform", uniform),
        mock.patch.object(tf.random, "shuffle", shuffle),
    ):
        yield
