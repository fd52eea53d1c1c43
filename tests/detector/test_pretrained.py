from __future__ import annotations

import http.server
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rhymes.common.errors import InputError
from rhymes.detector.settings import DataFacts, TrainParams
from rhymes.images.download import DownloadLimits

pytestmark = pytest.mark.tf


@pytest.fixture
def build(
    params: Callable[..., TrainParams], facts: Callable[..., DataFacts]
) -> Callable[..., Any]:
    """Build a RetinaNet with random weights, and its experiment."""
    import tf_keras

    from rhymes.detector.experiment import build_experiment, build_network

    def build_model(**changes: Any) -> tuple[Any, Any]:
        tf_keras.utils.set_random_seed(3)
        experiment = build_experiment(params(**changes), "retinanet", facts())
        return experiment, build_network(experiment)

    return build_model


@pytest.fixture
def keras_file(shared: Path) -> Path:
    return shared / "pretrained" / "mobilenet_v2_1.0_no_top.h5"


def test_keras_weights_see_the_same_as_in_keras(
    build: Callable[..., Any], keras_file: Path
) -> None:
    import tf_keras
    from official.vision.ops import preprocess_ops

    from rhymes.detector.pretrained import restore_pretrained

    _, model = build(image_size=128)
    restore_pretrained(model, keras_file, "mobilenet_v2")
    keras = tf_keras.applications.MobileNetV2(
        input_shape=(128, 128, 3), include_top=False, weights=str(keras_file)
    )
    pixels = np.random.default_rng(0).uniform(0, 255, (1, 128, 128, 3)).astype(np.float32)
    normalised = (pixels - preprocess_ops.MEAN_RGB) / np.array(preprocess_ops.STDDEV_RGB)
    features = model.backbone(normalised.astype(np.float32), training=False)["2"].numpy()
    shallow = tf_keras.Model(keras.input, keras.get_layer("block_2_add").output)
    expected = shallow(pixels / 127.5 - 1.0, training=False).numpy()
    # At the image's edge the zero padding stands for another colour, so compare inside.
    np.testing.assert_allclose(features[:, 8:-8, 8:-8], expected[:, 8:-8, 8:-8], atol=1e-3)
    assert np.abs(expected).max() > 1


def test_keras_weights_want_their_backbone(build: Callable[..., Any], keras_file: Path) -> None:
    from rhymes.detector.pretrained import restore_pretrained

    _, model = build(backbone="resnet_18")
    with pytest.raises(InputError, match=r"holds MobileNetV2 weights, but train\.backbone is"):
        restore_pretrained(model, keras_file, "resnet_18")


def test_a_file_that_is_no_keras_file_is_named(build: Callable[..., Any], tmp_path: Path) -> None:
    from rhymes.detector.pretrained import restore_pretrained

    path = tmp_path / "weights.h5"
    path.write_bytes(b"<html>")
    _, model = build()
    with pytest.raises(InputError, match=r"weights\.h5 is not a Keras MobileNetV2 file"):
        restore_pretrained(model, path, "mobilenet_v2")


def test_starts_from_an_earlier_training(build: Callable[..., Any], tmp_path: Path) -> None:
    from rhymes.detector.checkpoint import save_trained
    from rhymes.detector.pretrained import restore_pretrained

    experiment, source = build()
    for variable in source.backbone.variables + source.decoder.variables:
        variable.assign(variable + 0.25)
    save_trained(tmp_path / "earlier", experiment, source, {})
    for path in (tmp_path / "earlier", tmp_path / "earlier" / "ckpt.index"):
        _, model = build()
        restore_pretrained(model, path, "mobilenet_v2")
        for part in ("backbone", "decoder"):
            pairs = zip(
                getattr(model, part).variables, getattr(source, part).variables, strict=True
            )
            assert all((a.numpy() == b.numpy()).all() for a, b in pairs)


def test_a_checkpoint_of_another_backbone_is_refused(
    build: Callable[..., Any], tmp_path: Path
) -> None:
    from rhymes.detector.checkpoint import save_trained
    from rhymes.detector.pretrained import restore_pretrained

    experiment, source = build(backbone="resnet_18")
    save_trained(tmp_path / "resnet", experiment, source, {})
    _, model = build()
    with pytest.raises(InputError, match=r"does not fit train\.backbone"):
        restore_pretrained(model, tmp_path / "resnet", "mobilenet_v2")


def test_a_checkpoint_without_backbone_is_refused(
    build: Callable[..., Any], tmp_path: Path
) -> None:
    import tensorflow as tf

    from rhymes.detector.pretrained import restore_pretrained

    tf.train.Checkpoint(other=tf.Variable(1.0)).write(str(tmp_path / "ckpt"))
    _, model = build()
    with pytest.raises(InputError, match="holds no backbone"):
        restore_pretrained(model, tmp_path / "ckpt.index", "mobilenet_v2")


@pytest.mark.parametrize("name", ["folder", "notes.txt"])
def test_anything_else_is_an_error(build: Callable[..., Any], tmp_path: Path, name: str) -> None:
    from rhymes.detector.pretrained import restore_pretrained

    (tmp_path / "folder").mkdir()
    (tmp_path / "notes.txt").touch()
    _, model = build()
    with pytest.raises(InputError, match="allowed besides: none, imagenet"):
        restore_pretrained(model, tmp_path / name, "mobilenet_v2")


def test_none_is_nothing_and_a_missing_file_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rhymes.detector.pretrained import find_weights

    monkeypatch.chdir(tmp_path)
    assert find_weights("none") is None
    (tmp_path / "pretrained").mkdir()
    (tmp_path / "weights.h5").touch()
    assert find_weights("../weights.h5") == Path("pretrained/../weights.h5")
    with pytest.raises(InputError, match="does not exist; allowed are none, imagenet"):
        find_weights("weights.h5")


@pytest.fixture
def hub(keras_file: Path) -> Iterator[tuple[str, list[str]]]:
    """A server of the Keras file, and what it was asked for."""
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            body = keras_file.read_bytes()
            self.send_response(200 if self.path.endswith("weights.h5") else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()


LOCAL = DownloadLimits(timeout=10.0, attempts=1, max_bytes=50_000_000, allowed_hosts=("127.0.0.1",))


def test_imagenet_is_downloaded_once(
    hub: tuple[str, list[str]], keras_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rhymes.detector.pretrained import find_weights

    url, asked = hub
    (tmp_path / ".dvc").mkdir()
    (tmp_path / "pretrained").mkdir()
    (tmp_path / "pretrained/imagenet").write_text(f"url: {url}/weights.h5\n")
    monkeypatch.chdir(tmp_path)
    paths = {find_weights("imagenet", LOCAL) for _ in range(2)}
    (path,) = paths
    assert path is not None
    assert path.read_bytes() == keras_file.read_bytes()
    assert len(asked) == 1


def test_a_failed_download_says_what_to_do(
    hub: tuple[str, list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rhymes.detector.pretrained import find_weights

    (tmp_path / ".dvc").mkdir()
    (tmp_path / "pretrained").mkdir()
    (tmp_path / "pretrained/imagenet").write_text(f"url: {hub[0]}/gone.h5\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"404.*fetch it by other means into pretrained/"):
        find_weights("imagenet", LOCAL)
