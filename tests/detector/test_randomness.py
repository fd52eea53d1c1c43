from __future__ import annotations

import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

pytestmark = pytest.mark.tf


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """Whatever a test does, TensorFlow's own functions are back behind it."""
    import tensorflow as tf

    own = tf.random.uniform, tf.random.shuffle
    yield
    assert (tf.random.uniform, tf.random.shuffle) == own


def draw(number: int, seed: int = 1) -> list[list[Any]]:
    """Two draws and a shuffle, as traced code calls them."""
    import tensorflow as tf

    from rhymes.detector.randomness import STEPS, randomness_from

    @tf.function
    def traced(number: tf.Tensor) -> list[tf.Tensor]:
        with randomness_from(seed, STEPS, number):
            drawn = [tf.random.uniform([4]), tf.random.uniform([4], maxval=9, dtype=tf.int32)]
            return [*drawn, tf.random.shuffle(tf.range(9))]

    return [values.numpy().tolist() for values in traced(tf.constant(number))]


def test_draws_follow_from_seed_and_number() -> None:
    import tensorflow as tf

    first = draw(5)
    tf.random.uniform([3])  # what was drawn before does not matter
    assert draw(5) == first
    assert draw(6) != first
    assert draw(5, seed=2) != first
    assert sorted(first[2]) == list(range(9))


def test_an_error_ends_it_as_well() -> None:
    from rhymes.detector.randomness import STEPS, randomness_from

    with pytest.raises(ZeroDivisionError), randomness_from(1, STEPS, 5):
        raise ZeroDivisionError
    assert draw(5) == draw(5)


def test_does_not_nest() -> None:
    import tensorflow as tf

    from rhymes.detector.randomness import IMAGES, STEPS, randomness_from

    with randomness_from(1, STEPS, 5):
        outer = tf.random.uniform
        with pytest.raises(RuntimeError, match="nest"), randomness_from(1, IMAGES, 5):
            pytest.fail("the inner block was entered")
        assert tf.random.uniform is outer, "the outer block goes on"


def test_threads_that_overlap_have_their_own_and_leave_the_module_as_it_was() -> None:
    from rhymes.detector.randomness import PatchedModule

    module = SimpleNamespace(draw=lambda: "original")
    original, patched = module.draw, PatchedModule(module)
    entered, left = threading.Event(), threading.Event()
    seen: list[str] = []

    def second() -> None:
        with patched.replaced({"draw": lambda: "second"}):
            entered.set()
            assert left.wait(10)
            seen.append(module.draw())

    thread = threading.Thread(target=second)
    with patched.replaced({"draw": lambda: "first"}):
        thread.start()
        assert entered.wait(10)
        assert module.draw() == "first"
    assert module.draw() == "original", "another thread's block does not matter here"
    left.set()
    thread.join(10)
    assert seen == ["second"], "the first block's end did not take it away"
    assert module.draw is original
