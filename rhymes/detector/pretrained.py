"""Backbone weights to start a training from: Keras's MobileNetV2 file, or a checkpoint.

Keras's MobileNetV2 and Model Garden's are the same network under other names, so the arrays are
copied in the order of construction. Keras's network expects pixels in [-1, 1], Model Garden feeds
(x - mean) / deviation; the difference, a scale and a shift per colour, is folded into the first
convolution and the batch norm behind it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tensorflow as tf
import tf_keras
from official.vision.ops import preprocess_ops
from ruamel.yaml import YAML

from rhymes.common.errors import InputError
from rhymes.common.files import save_bytes
from rhymes.images.download import Downloader, DownloadLimits
from rhymes.versions.scratch import scratch_folder

FOLDER = Path("pretrained")
"""Holds the file that `train.pretrained` names; dvc.yaml depends on it there."""

_IMAGENET_CARD = FOLDER / "imagenet"
_MODULES = ("backbone", "decoder")
_DOWNLOAD = DownloadLimits(timeout=60.0, attempts=4, max_bytes=200_000_000)


def find_weights(name: str, limits: DownloadLimits = _DOWNLOAD) -> Path | None:
    """Return the file or folder that `train.pretrained` names, None for `none`.

    `imagenet` is downloaded once, from the URL in pretrained/imagenet, into the main repository's
    scratch folder.

    Args:
        name: `none`, `imagenet`, or a path relative to the folder pretrained/.
        limits: of the download.

    Raises:
        InputError: there is no such file, or the download failed.
    """
    if name == "none":
        return None
    if name == "imagenet":
        return _download_once(YAML(typ="safe").load(_IMAGENET_CARD)["url"], limits)
    path = FOLDER / name
    if not path.exists():
        raise InputError(
            f"train.pretrained: {path} does not exist; allowed are none, imagenet, and what lies "
            f"in {FOLDER}/: a Keras MobileNetV2 .h5 file or a Model Garden checkpoint"
        )
    return path


def _download_once(url: str, limits: DownloadLimits) -> Path:
    path = scratch_folder("pretrained") / url.rsplit("/", 1)[-1]
    if not path.exists():
        print(f"train: downloading {url}")
        downloader = Downloader(limits)
        try:
            save_bytes(path, downloader.url_to_bytes(url))
        except InputError as error:
            raise InputError(
                f"train.pretrained: imagenet: {url}: {error}; fetch it by other means into "
                f"{FOLDER}/ and give its name instead"
            ) from None
        finally:
            downloader.close()
    return path


def restore_pretrained(model: tf_keras.Model, source: Path | None, backbone: str) -> None:
    """Load weights from a file into a detector's backbone (and decoder, where it has one).

    Args:
        model: a Model Garden detector with `checkpoint_items`.
        source: a Keras MobileNetV2 file (`.h5`, without its top), the `.index` file of a Model
            Garden checkpoint, or a folder that holds one; None leaves the model as it is.
        backbone: the name of the backbone in params.yaml.

    Raises:
        InputError: the file is of another kind, or does not fit the backbone.
    """
    if source is None:
        return
    if source.suffix == ".h5":
        if backbone != "mobilenet_v2":
            raise InputError(
                f"train.pretrained: {source} holds MobileNetV2 weights, but train.backbone is "
                f"{backbone}; use mobilenet_v2 or a Model Garden checkpoint"
            )
        _restore_keras_mobilenet(model.backbone, source)
    else:
        _restore_checkpoint(model, _checkpoint_prefix(source))


def _checkpoint_prefix(source: Path) -> str:
    if source.suffix == ".index":
        return str(source.with_suffix(""))
    latest = tf.train.latest_checkpoint(str(source)) if source.is_dir() else None
    indexes = sorted(source.glob("*.index")) if source.is_dir() else []
    if latest is None and len(indexes) == 1:
        latest = str(indexes[0].with_suffix(""))
    if latest is None:
        raise InputError(
            f"train.pretrained: {source} is neither a Keras MobileNetV2 .h5 file nor a Model "
            "Garden checkpoint (its .index file, or a folder with one); allowed besides: none, "
            "imagenet"
        )
    return str(latest)


def _restore_checkpoint(model: tf_keras.Model, prefix: str) -> None:
    names = tf.train.load_checkpoint(prefix).get_variable_to_shape_map()
    held = [module for module in _MODULES if any(n.startswith(f"{module}/") for n in names)]
    if "backbone" not in held:
        raise InputError(f"train.pretrained: the checkpoint {prefix} holds no backbone")
    items = {module: getattr(model, module) for module in held}
    try:
        status = tf.train.Checkpoint(**items).read(prefix)
        status.expect_partial().assert_existing_objects_matched()
    except (AssertionError, ValueError, tf.errors.OpError) as error:
        raise InputError(
            f"train.pretrained: the checkpoint {prefix} does not fit train.backbone: {error}"
        ) from error


def _restore_keras_mobilenet(backbone: tf_keras.Model, path: Path) -> None:
    # The network is fully convolutional: any input size gives the same arrays.
    try:
        keras = tf_keras.applications.MobileNetV2(
            input_shape=(224, 224, 3), include_top=False, weights=str(path)
        )
    except (ValueError, OSError, KeyError) as error:
        raise InputError(
            f"train.pretrained: {path} is not a Keras MobileNetV2 file (alpha 1.0, without its "
            f"top): {error}"
        ) from error
    for source, target in (
        (keras.trainable_weights, backbone.trainable_weights),
        (keras.non_trainable_weights, backbone.non_trainable_weights),
    ):
        if [tuple(w.shape) for w in source] != [tuple(w.shape) for w in target]:
            raise InputError(f"train.pretrained: {path} does not fit the backbone's layers")
        for weight, variable in zip(source, target, strict=True):
            variable.assign(weight)
    _fold_input_range(backbone)


def _fold_input_range(backbone: tf_keras.Model) -> None:
    """Make a network for x / 127.5 - 1 one for (x - mean) / deviation, x being 0 to 255.

    With z the new input, the old one is z * scale + shift. The convolution is linear, so the scale
    goes into its kernel, and what the shift adds is taken off the batch norm's moving mean. (At the
    image's edge the zero padding now stands for the mean colour instead of mid-grey.)
    """
    kernel = backbone.trainable_weights[0]
    moving_mean = backbone.non_trainable_weights[0]
    scale = np.array(preprocess_ops.STDDEV_RGB, np.float32) / 127.5
    shift = np.array(preprocess_ops.MEAN_RGB, np.float32) / 127.5 - 1.0
    values = kernel.numpy()
    moving_mean.assign_sub(np.einsum("hwio,i->o", values, shift))
    kernel.assign(values * scale[np.newaxis, np.newaxis, :, np.newaxis])
