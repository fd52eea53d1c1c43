from __future__ import annotations

import io
import logging
import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from rhymes.common.tensorflow_environment import set_tensorflow_environment

VARIABLES = ("TF_USE_LEGACY_KERAS", "TF_CPP_MIN_LOG_LEVEL")
ENTRY_POINTS = (
    "bench.__main__",
    "rhymes.cli",
    "rhymes.serving.serve",
    "stages.train",
    "stages.export",
    "stages.evaluate",
    "stages.verify",
)


@pytest.fixture
def unset(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name)


def run(root: Path, code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run code in a process of its own, without the variables that tests run with."""
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=root,
        env={name: value for name, value in os.environ.items() if name not in VARIABLES},
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )


def test_importing_the_library_changes_no_environment(root: Path) -> None:
    code = """if True:
        import importlib, os, pkgutil, sys
        import cv2  # sets LD_LIBRARY_PATH itself
        import rhymes
        before = dict(os.environ)
        needless = ("tensorflow", "tf_keras", "official", "tensorflow_serving")
        for name in needless:
            sys.modules[name] = None  # makes an import of it fail
        imported = 0
        for module in pkgutil.walk_packages(rhymes.__path__, "rhymes."):
            try:
                importlib.import_module(module.name)
            except ModuleNotFoundError as error:
                assert error.name.split(".")[0] in needless, error
            else:
                imported += 1
        assert dict(os.environ) == before
        print(imported)
    """
    assert int(run(root, code).stdout) > 100


@pytest.mark.parametrize("module", ENTRY_POINTS)
def test_an_entry_point_is_imported_without_tensorflow(root: Path, module: str) -> None:
    """It sets the environment when it runs, and what was imported before would not see that."""
    code = "import sys, importlib; importlib.import_module(sys.argv[1]); print(*sys.modules)"
    assert "tensorflow" not in run(root, code, module).stdout.split()


@pytest.mark.usefixtures("unset")
def test_warnings_stay_where_an_nvidia_device_is(tmp_path: Path) -> None:
    set_tensorflow_environment(tmp_path)
    assert os.environ["TF_CPP_MIN_LOG_LEVEL"] == "1"
    assert os.environ["TF_USE_LEGACY_KERAS"] == "1"


@pytest.mark.usefixtures("unset")
def test_without_one_tensorflow_does_not_say_that_there_is_none(tmp_path: Path) -> None:
    set_tensorflow_environment(tmp_path / "nvidiactl")
    assert os.environ["TF_CPP_MIN_LOG_LEVEL"] == "3"


def test_a_level_that_is_set_is_kept_but_keras_is_not(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "0")
    monkeypatch.setenv("TF_USE_LEGACY_KERAS", "0")
    set_tensorflow_environment(tmp_path / "nvidiactl")
    assert os.environ["TF_CPP_MIN_LOG_LEVEL"] == "0"
    assert os.environ["TF_USE_LEGACY_KERAS"] == "1"


@pytest.mark.tf
def test_why_a_gpu_is_not_used_is_printed_where_there_is_one(root: Path, tmp_path: Path) -> None:
    code = """if True:
        import sys
        from pathlib import Path
        from rhymes.common.tensorflow_environment import set_tensorflow_environment
        set_tensorflow_environment(Path(sys.argv[1]))
        import tensorflow as tf
        print(len(tf.config.list_physical_devices("GPU")))
    """
    done = run(root, code, str(tmp_path))
    if int(done.stdout):
        pytest.skip("TensorFlow uses this machine's GPU, so it gives no reason")
    assert "cuInit" in done.stderr
    assert run(root, code, str(tmp_path / "nvidiactl")).stderr == ""


def test_what_is_so_by_design_is_left_out_and_nothing_else(tmp_path: Path) -> None:
    logger, printed = logging.getLogger("tensorflow"), io.StringIO()
    handler = logging.StreamHandler(printed)
    unused = "Input dict contained keys ['6'] which did not match any model input."
    logger.addHandler(handler)
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            set_tensorflow_environment(tmp_path)
            logger.warning("Gradients do not exist for variables %s when minimizing", ["a"])
            logger.warning("From %s: calling %s is deprecated and will be removed %s.", 1, 2, 3)
            logger.warning("From %s: %s ran out", 1, 2)
            warnings.warn(unused, UserWarning, stacklevel=1)
            warnings.warn("something else", UserWarning, stacklevel=1)
    finally:
        logger.removeHandler(handler)
    assert [str(each.message) for each in caught] == ["something else"]
    assert printed.getvalue() == "From 1: 2 ran out\n"
