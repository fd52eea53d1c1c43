"""A model base path that others copy into while clients ask: by gRPC, with a real server."""

from __future__ import annotations

import faulthandler
import io
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from rhymes.client.client import Answer, DetectorClient
from rhymes.serving.server import ModelServer, ServerOptions
from rhymes.versions.model_folder import MANIFEST_FILE, save_manifest
from tests.support.red_detector import COLORS, RedDetector, draw_image

pytestmark = pytest.mark.tf

TIMEOUT = 60.0
POLL = 0.1
WEIGHTS = "variables/variables.data-00000-of-00001"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The red detector with weights to be lost, though it finds what it finds without them."""
    import json

    import tensorflow as tf

    class Weighty(RedDetector):
        def __init__(self, info: str) -> None:
            super().__init__(info, masks=True)
            self.weights = tf.Variable(tf.range(50_000, dtype=tf.float32))

    folder = tmp_path_factory.mktemp("model") / "1"
    module = Weighty(json.dumps({"classes": [{"id": i, "name": f"C{i}"} for i in COLORS]}))
    names = ("serving_default", "image_tensor", "tf_example", "model_info")
    signatures = {name: getattr(module, name).get_concrete_function() for name in names}
    tf.saved_model.save(module, str(folder), signatures=signatures)
    return folder


@contextmanager
def asked(base: Path) -> Iterator[tuple[DetectorClient, list[Answer | Exception]]]:
    """Serve a folder and ask for the newest version all the time; give what was answered."""
    encoded = io.BytesIO()
    draw_image((1, [10, 20, 40, 30]), (2, [80, 50, 60, 40])).save(encoded, "PNG")
    answers: list[Answer | Exception] = []
    stop = threading.Event()
    options = ServerOptions(
        model_name="detector",
        model_base_path=base,
        port=0,
        file_system_poll_wait_seconds=POLL,
        max_num_load_retries=0,
    )

    def ask() -> None:
        while not stop.is_set():
            try:
                answers.append(client.answer(encoded.getvalue()))
            except Exception as error:
                answers.append(error)

    with (
        ModelServer(options) as server,
        DetectorClient(f"127.0.0.1:{server.port}", attempts=1) as client,
    ):
        thread = threading.Thread(target=ask)
        thread.start()
        try:
            yield client, answers
        finally:
            stop.set()
            thread.join(TIMEOUT)


def wait_for_state(client: DetectorClient, version: int, *states: str) -> str:
    """Wait for a state of a version, as GetModelStatus tells it; return the error with it."""
    end = time.monotonic() + TIMEOUT
    while time.monotonic() < end:
        for status in client.versions():
            if (status.version, status.state) in {(version, state) for state in states}:
                return status.error
        time.sleep(POLL / 2)
    faulthandler.dump_traceback(all_threads=True)  # who waits for whom
    raise AssertionError(f"version {version} is not {states}: {client.versions()}")


def check(answers: list[Answer | Exception], versions: set[int]) -> None:
    wrong = [a for a in answers if isinstance(a, Exception) or a.detections.class_ids.size != 2]
    assert wrong == []
    assert {answer.version for answer in answers if isinstance(answer, Answer)} == versions


def copy_in_pieces(model: Path, target: Path, *, first: str, pause: float) -> Iterator[None]:
    """Copy file by file, `first` the very first, each one in two halves; yield before each."""
    paths = sorted(p.relative_to(model) for p in model.rglob("*") if p.is_file())
    for path in sorted(paths, key=lambda path: path.as_posix() != first):
        data = (model / path).read_bytes()
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        with (target / path).open("wb") as file:
            for half in (data[: len(data) // 2], data[len(data) // 2 :]):
                time.sleep(pause)
                yield
                file.write(half)
                file.flush()


@pytest.mark.parametrize(
    ("first", "has_manifest", "pause"),
    [
        # With a manifest a copy may stand still for many polls; without one for fewer than three,
        # or it is tried, and fails.
        pytest.param(str(MANIFEST_FILE), True, 5 * POLL, id="the manifest first"),
        pytest.param("saved_model.pb", True, 5 * POLL, id="the graph first"),
        pytest.param("saved_model.pb", False, 1.5 * POLL, id="no manifest"),
    ],
)
def test_a_version_is_not_served_before_all_of_it_is_there(
    model: Path, tmp_path: Path, first: str, has_manifest: bool, pause: float
) -> None:
    source = Path(shutil.copytree(model, tmp_path / "source"))
    if has_manifest:
        save_manifest(source)
    base = tmp_path / "models"
    shutil.copytree(source, base / "1")
    with asked(base) as (client, answers):
        for _ in copy_in_pieces(source, base / "2", first=first, pause=pause):
            assert [s.version for s in client.versions() if s.state == "AVAILABLE"] == [1]
        wait_for_state(client, 2, "AVAILABLE")
        wait_for_state(client, 1, "END")
        answered = len(answers)
        while len(answers) < answered + 3:
            time.sleep(POLL)
    check(answers, {1, 2})


@pytest.mark.parametrize("damaged", [WEIGHTS, "variables/variables.index", "saved_model.pb"])
def test_a_truncated_version_leaves_the_old_one_serving_and_says_why(
    model: Path, tmp_path: Path, damaged: str
) -> None:
    base = tmp_path / "models"
    shutil.copytree(model, base / "1")
    aside = Path(shutil.copytree(model, tmp_path / "aside"))
    whole = (aside / damaged).read_bytes()
    (aside / damaged).write_bytes(whole[: len(whole) // 2])
    with asked(base) as (client, answers):
        aside.rename(base / "2")
        error = wait_for_state(client, 2, "END")
        assert error
        assert [s.version for s in client.versions() if s.state == "AVAILABLE"] == [1]
        answered = len(answers)
        while len(answers) < answered + 3:
            time.sleep(POLL)
    check(answers, {1})
