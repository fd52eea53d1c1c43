"""Randomness that follows from a seed and a number, whatever ran before and in parallel.

TensorFlow's stateful random ops, which Model Garden calls, draw from a state that threads share and
that begins anew in each process: two runs differ, and so does one that goes on after it was killed.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import tensorflow as tf

IMAGES, STEPS = 0, 1
"""Streams: images of the training data are numbered, and so are steps; they must not share."""

Function = Callable[..., Any]


@contextmanager
def randomness_from(seed: int, stream: int, number: tf.Tensor) -> Iterator[None]:
    """While a function is traced, make `tf.random`'s ops draw from (seed, stream, number).

    Each call in the trace gets a stateless twin with a seed of its own.

    Args:
        seed: of the whole training.
        stream: `IMAGES` or `STEPS`.
        number: integer scalar, known when the function runs.

    Raises:
        RuntimeError: the thread is in such a block already.
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

    with _TF_RANDOM.replaced({"uniform": uniform, "shuffle": shuffle}):
        yield


class PatchedModule:
    """Replaces functions of a module, for each thread that asks for it its own.

    `MirroredStrategy` traces a step in a thread for each device, and a thread waits in the middle
    of its step for the others: blocks of threads overlap, and end in any order.

    Args:
        module: whose functions are called by their names in it.
    """

    def __init__(self, module: Any) -> None:
        self._module = module
        self._lock = threading.Lock()
        self._blocks = 0
        self._originals: dict[str, Function] = {}
        self._own = threading.local()

    @contextmanager
    def replaced(self, functions: Mapping[str, Function]) -> Iterator[None]:
        """Let this thread call other functions by these names; always the same names.

        When the last thread has left its block, also by an error, the module is as it was.

        Raises:
            RuntimeError: the thread is in such a block already.
        """
        if hasattr(self._own, "functions"):
            raise RuntimeError("randomness_from does not nest: the inner numbers would count")
        with self._lock:
            if not self._blocks:
                self._originals = {name: getattr(self._module, name) for name in functions}
                for name, original in self._originals.items():
                    setattr(self._module, name, self._choose(name, original))
            self._blocks += 1
        self._own.functions = functions
        try:
            yield
        finally:
            del self._own.functions
            with self._lock:
                self._blocks -= 1
                if not self._blocks:
                    for name, original in self._originals.items():
                        setattr(self._module, name, original)

    def _choose(self, name: str, original: Function) -> Function:
        """A function that calls the thread's own, and the original in all other threads."""

        def call(*args: Any, **kwargs: Any) -> Any:
            return getattr(self._own, "functions", {}).get(name, original)(*args, **kwargs)

        chosen: Function = tf.autograph.experimental.do_not_convert(call)
        return chosen


_TF_RANDOM = PatchedModule(tf.random)
