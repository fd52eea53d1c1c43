"""TFRecord files of `tf.train.Example` records with TF Object Detection API's feature names.

TensorFlow is not needed to write them, and importing it costs 10 seconds: a record is a protobuf
message of three small types, and the file's frame is a length and two checksums.

Formats: tensorflow/core/example/{example,feature}.proto; the frame as in
https://www.tensorflow.org/tutorials/load_data/tfrecord; features as written by Model Garden's
official/vision/data/create_coco_tf_record.py, and read by its TfExampleDecoder.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import google_crc32c

from rhymes.coco.files import CocoAnnotation, CocoImage
from rhymes.coco.mask_png import polygons_to_mask_png
from rhymes.common.errors import InputError
from rhymes.wire.messages import Example

Feature = Sequence[bytes] | Sequence[float] | Sequence[int]

_LENGTH = struct.Struct("<Q")
_CHECKSUM = struct.Struct("<I")
_MASK_DELTA = 0xA282EAD8
_BUFFER = 1 << 20  # bytes


def save_tfrecord(path: Path, records: Iterable[bytes]) -> int:
    """Write records to a new file, one after the other; return their number."""
    count = 0
    with path.open("wb", buffering=_BUFFER) as file:
        for record in records:
            length = _LENGTH.pack(len(record))
            file.write(length + _CHECKSUM.pack(_masked_crc(length)))
            file.write(record)
            file.write(_CHECKSUM.pack(_masked_crc(record)))
            count += 1
    return count


def load_tfrecord(path: Path) -> Iterator[bytes]:
    """Read a file's records, and check both checksums of each.

    Raises:
        InputError: the file is cut off, or a checksum is wrong; it names the record.
    """
    with path.open("rb", buffering=_BUFFER) as file:
        number = 0
        while head := file.read(_LENGTH.size + _CHECKSUM.size):
            number += 1
            length, checksum = head[: _LENGTH.size], head[_LENGTH.size :]
            if checksum != _CHECKSUM.pack(_masked_crc(length)):
                raise InputError(f"{path}: record {number}: its length is damaged")
            size = _LENGTH.unpack(length)[0]
            record = file.read(size)
            if file.read(_CHECKSUM.size) != _CHECKSUM.pack(_masked_crc(record)):
                raise InputError(f"{path}: record {number}: its data is damaged or cut off")
            yield record


def _masked_crc(data: bytes) -> int:
    """CRC-32C, rotated and shifted: a checksum of data that hold checksums would be weak."""
    crc: int = google_crc32c.value(data)
    return ((crc >> 15 | crc << 17) + _MASK_DELTA) & 0xFFFFFFFF


def coco_to_features(
    image: CocoImage,
    annotations: Sequence[CocoAnnotation],
    categories: Mapping[int, str],
    jpeg: bytes,
    sha256: str,
    *,
    masks: bool,
) -> dict[str, Feature]:
    """Make the features of one image.

    Boxes are normalised to 0..1 and clipped to it, so that one at the image's edge stays although
    rounding may have put it a trifle outside. An image without objects has no object feature.

    Args:
        image: COCO's entry: id, file_name, width, height.
        annotations: COCO's entries of its objects: bbox [x, y, width, height] in pixels,
            category_id, area, iscrowd, and segmentation (polygons) where `masks` is set.
        categories: Category id -> name.
        jpeg: The encoded image.
        sha256: Of its bytes, in hexadecimal digits.
        masks: Whether to draw a mask for each object.

    Raises:
        InputError: a box has no area inside the image, or a polygon cannot be drawn; it names the
            annotation.
    """
    features: dict[str, Feature] = {
        "image/height": [image["height"]],
        "image/width": [image["width"]],
        "image/filename": [image["file_name"].encode()],
        "image/source_id": [str(image["id"]).encode()],
        "image/key/sha256": [sha256.encode()],
        "image/encoded": [jpeg],
        "image/format": [b"jpg"],
    }
    if not annotations:
        return features
    corners = [_normalised_box(annotation, image) for annotation in annotations]
    for name, values in zip(
        ("xmin", "ymin", "xmax", "ymax"), zip(*corners, strict=True), strict=True
    ):
        features[f"image/object/bbox/{name}"] = values
    labels = [annotation["category_id"] for annotation in annotations]
    features |= {
        "image/object/class/text": [categories[label].encode() for label in labels],
        "image/object/class/label": labels,
        "image/object/is_crowd": [annotation["iscrowd"] for annotation in annotations],
        "image/object/area": [float(annotation["area"]) for annotation in annotations],
    }
    if masks:
        features["image/object/mask"] = [_mask_png(one, image) for one in annotations]
    return features


def _normalised_box(
    annotation: CocoAnnotation, image: CocoImage
) -> tuple[float, float, float, float]:
    """xmin, ymin, xmax, ymax, each 0..1."""
    x, y, width, height = annotation["bbox"]
    xmin, xmax = x / image["width"], (x + width) / image["width"]
    ymin, ymax = y / image["height"], (y + height) / image["height"]
    if not (xmin >= 0 and ymin >= 0 and xmax <= 1 and ymax <= 1):
        xmin, ymin, xmax, ymax = map(_clipped, (xmin, ymin, xmax, ymax))
    if not (xmin < xmax and ymin < ymax):
        raise InputError(
            f"annotation {annotation['id']}: bbox {annotation['bbox']} has no area inside its "
            f"image of {image['width']} x {image['height']} pixels"
        )
    return xmin, ymin, xmax, ymax


def _clipped(coordinate: float) -> float:
    return min(max(coordinate, 0.0), 1.0)


def _mask_png(annotation: CocoAnnotation, image: CocoImage) -> bytes:
    try:
        return polygons_to_mask_png(annotation["segmentation"], image["width"], image["height"])
    except InputError as error:
        raise InputError(f"annotation {annotation['id']}: {error}") from None


def features_to_example(features: Mapping[str, Feature]) -> bytes:
    """Serialise features as a `tf.train.Example`, the same bytes for the same features.

    The type of a feature's first value decides for all: bytes, float (stored as float32) or int.
    """
    example = Example()
    for name, values in features.items():
        feature = example.features.feature[name]
        match values[0]:
            case bytes():
                feature.bytes_list.value.extend(values)
            case float():
                feature.float_list.value.extend(values)
            case _:
                feature.int64_list.value.extend(values)
    serialised: bytes = example.SerializeToString(deterministic=True)
    return serialised


def example_to_features(serialised: bytes) -> dict[str, Feature]:
    """Parse a `tf.train.Example`; a feature without a value is an empty list."""
    features: dict[str, Feature] = {}
    for name, feature in Example.FromString(serialised).features.feature.items():
        kind = feature.WhichOneof("kind")
        features[name] = list(getattr(feature, kind).value) if kind else []
    return features
