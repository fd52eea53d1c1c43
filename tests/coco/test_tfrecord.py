"""Records and their file, against TensorFlow and Model Garden's own converter and decoder."""

from __future__ import annotations

import struct
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from rhymes.coco.coco_index import load_coco_index
from rhymes.coco.shards import Shard, check_tfrecord, save_shard
from rhymes.coco.tfrecord import (
    coco_to_features,
    example_to_features,
    features_to_example,
    load_tfrecord,
    save_tfrecord,
)
from rhymes.common.errors import InputError
from tests.support.coco_factory import CocoFactory, real_coco

RECORDS = [b"first", b"", bytes(range(256)) * 20, b"last"]


# The file


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "a.tfrecord"
    assert save_tfrecord(path, iter(RECORDS)) == 4
    return path


def test_records_come_back(file: Path) -> None:
    assert list(load_tfrecord(file)) == RECORDS
    check_tfrecord(file, 4)


def test_checksums_are_those_of_the_format(tmp_path: Path) -> None:
    # CRC-32C of "123456789" is 0xE3069283 (RFC 3720), rotated by 15 bits, plus 0xA282EAD8.
    save_tfrecord(tmp_path / "a", [b"123456789"])
    crc = 0xE3069283
    masked = ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
    assert (tmp_path / "a").read_bytes()[-4:] == struct.pack("<I", masked)


@pytest.mark.parametrize(
    ("index", "message"),
    [
        pytest.param(0, "record 1: its length is damaged", id="length"),
        pytest.param(7, "record 1: its length is damaged", id="length beyond all memory"),
        pytest.param(8, "record 1: its length is damaged", id="checksum of the length"),
        pytest.param(12, "record 1: its data is damaged", id="data"),
        pytest.param(17, "record 1: its data is damaged", id="checksum of the data"),
        pytest.param(-1, "record 4: its data is damaged", id="last byte"),
    ],
)
def test_a_flipped_bit_is_noticed(file: Path, index: int, message: str) -> None:
    data = bytearray(file.read_bytes())
    data[index] ^= 1
    file.write_bytes(data)
    with pytest.raises(InputError, match=message):
        check_tfrecord(file, 4)


def test_a_file_that_is_cut_off_anywhere_is_noticed(file: Path) -> None:
    data = file.read_bytes()
    for size in range(0, len(data), 7):
        file.write_bytes(data[:size])
        with pytest.raises(InputError, match=r"damaged|records were read back"):
            check_tfrecord(file, 4)


def test_more_behind_the_last_record_is_noticed(file: Path) -> None:
    file.write_bytes(file.read_bytes() + b"x")
    with pytest.raises(InputError, match="record 5"):
        check_tfrecord(file, 4)


# The features


def features_of(bbox: list[float], **values: Any) -> dict[str, Any]:
    image = {"id": 3, "file_name": "x.jpg", "width": 30, "height": 20}
    annotation = {"id": 5, "image_id": 3, "category_id": 1, "bbox": bbox, "area": 6, "iscrowd": 0}
    return dict(
        coco_to_features(
            image,  # type: ignore[arg-type]
            [annotation | values],  # type: ignore[list-item]
            {1: "crème"},
            b"jpeg",
            "0" * 64,
            masks="segmentation" in values,
        )
    )


@pytest.mark.parametrize(
    ("bbox", "expected"),
    [
        pytest.param([3, 5, 6, 5], [0.1, 0.25, 0.3, 0.5], id="inside"),
        pytest.param([0, 0, 30, 20], [0, 0, 1, 1], id="the whole image"),
        pytest.param([24.000000000000004, 10, 6.000000000000001, 10], [0.8, 0.5, 1, 1], id="float"),
        pytest.param([-3, -2, 9, 7], [0, 0, 0.2, 0.25], id="beyond the upper left"),
        pytest.param([27, 15, 9, 10], [0.9, 0.75, 1, 1], id="beyond the lower right"),
    ],
)
def test_boxes_are_normalised_and_clipped(bbox: list[float], expected: list[float]) -> None:
    features = features_of(bbox)
    box = [features[f"image/object/bbox/{edge}"][0] for edge in ("xmin", "ymin", "xmax", "ymax")]
    assert box == pytest.approx(expected)
    assert min(box) >= 0
    assert max(box) <= 1


@pytest.mark.parametrize(
    "bbox",
    [
        pytest.param([3, 5, 0, 5], id="no width"),
        pytest.param([3, 5, 6, -1], id="negative height"),
        pytest.param([30, 5, 6, 5], id="beside the image"),
        pytest.param([float("nan"), 5, 6, 5], id="NaN"),
    ],
)
def test_a_box_without_area_in_the_image_is_refused(bbox: list[float]) -> None:
    with pytest.raises(InputError, match=r"annotation 5: bbox .* image of 30 x 20"):
        features_of(bbox)


def test_a_polygon_that_cannot_be_drawn_is_named() -> None:
    with pytest.raises(InputError, match="annotation 5: segmentation"):
        features_of([3, 5, 6, 5], segmentation=[[1, 2, 3]])


def test_an_example_comes_back() -> None:
    features = features_of([3, 5, 6, 5])
    serialised = features_to_example(features)
    assert features_to_example(dict(reversed(features.items()))) == serialised
    parsed = example_to_features(serialised)
    assert parsed.keys() == features.keys()
    assert parsed["image/object/class/text"] == ["crème".encode()]
    assert parsed["image/object/bbox/xmin"] == [np.float32(0.1)]
    assert parsed["image/object/class/label"] == [1]


# TensorFlow and Model Garden


@pytest.fixture(scope="module")
def garden() -> SimpleNamespace:
    """TensorFlow with Model Garden's converter and decoder."""
    import tensorflow as tf
    from official.vision.data import create_coco_tf_record
    from official.vision.dataloaders.tf_example_decoder import TfExampleDecoder

    return SimpleNamespace(tf=tf, converter=create_coco_tf_record, decoder=TfExampleDecoder)


@pytest.fixture(scope="module")
def tricky(tmp_path_factory: pytest.TempPathFactory) -> CocoFactory:
    """Everything inside the image, as the peer drops what is not."""
    images = tmp_path_factory.mktemp("tricky") / "images"
    factory = CocoFactory(images, ["Entrée #1", "\u4e2d\u6587 \U0001f355", "it's"], first_id=9999)
    factory.add_image(64, 48)
    factory.add_image(61, 37)
    factory.add_polygon([0, 0, 61, 0, 61, 37, 0, 37], category=2)
    factory.add_polygon([1, 1, 9.5, 1, 9.5, 9.5], [20, 20, 30, 20, 30, 30], category=3)
    factory.add_polygon([1, 1, 20, 1, 20, 20, 1, 20], [10, 10, 30, 10, 30, 30], category=1)
    factory.add_polygon([5.1, 5.1, 5.2, 5.1, 5.2, 5.3], category=1)
    factory.add_polygon([3, 3, 3.5, 30, 40, 3.2, 41, 30.7], category=1)
    factory.add_image(500, 8)
    for index in range(150):
        left = index * 3.3
        factory.add_polygon([left, 0, left + 3, 0, left + 3, 8.0], category=index % 3 + 1)
    factory.add_image(16, 16)
    factory.add_object([1, 2, 3, 4], area=7, rings=[[1, 2, 4, 2, 4, 6]])
    return factory


def save_record_file(factory: CocoFactory, folder: Path, *, masks: bool) -> Path:
    """Write a COCO file and its only shard."""
    index = load_coco_index(factory.save(folder / "a.json"))
    path = folder / "a.tfrecord"
    save_shard(Shard(path, index, factory.folder, masks))
    return path


def check_against_garden(
    garden: SimpleNamespace, factory: CocoFactory, folder: Path, *, masks: bool
) -> None:
    """Compare each record with the converter's, feature by feature, masks pixel by pixel."""
    tf = garden.tf
    path = save_record_file(factory, folder, masks=masks)
    coco = factory.coco()
    written = [bytes(record.numpy()) for record in tf.data.TFRecordDataset(str(path))]
    assert written == list(load_tfrecord(path))
    for image, record in zip(coco["images"], written, strict=True):
        objects = [each for each in coco["annotations"] if each["image_id"] == image["id"]]
        names = {each["id"]: each["name"] for each in coco["categories"]}
        expected, skipped = garden.converter.create_tf_example(
            image, [str(factory.folder)], None, objects, names, include_masks=masks
        )
        assert skipped == 0
        example = tf.train.Example.FromString(record)
        assert example.SerializeToString(deterministic=True) == record
        pair = [each.features.feature for each in (example, expected)]
        pixels = [
            [
                tf.io.decode_png(png).numpy()
                for png in features["image/object/mask"].bytes_list.value
            ]
            for features in pair
        ]
        for ours, theirs in zip(*pixels, strict=True):
            np.testing.assert_array_equal(ours, theirs)
        for features in pair:
            features.pop("image/object/mask", None)
        assert example == expected


@pytest.mark.tf
@pytest.mark.parametrize("masks", [True, False], ids=["masks", "boxes"])
def test_records_equal_model_gardens(
    garden: SimpleNamespace, tricky: CocoFactory, tmp_path: Path, masks: bool
) -> None:
    check_against_garden(garden, tricky, tmp_path, masks=masks)


@pytest.mark.tf
@pytest.mark.parametrize(
    ("name", "masks"), [("breadboard5", True), ("bccd3", False), ("microcontroller4", False)]
)
def test_records_of_real_exports_equal_model_gardens(
    garden: SimpleNamespace, shared: Path, tmp_path: Path, name: str, masks: bool
) -> None:
    factory = real_coco(shared / "datasets" / name, tmp_path / "images", 25)
    assert len(factory.annotations) >= 25
    check_against_garden(garden, factory, tmp_path, masks=masks)


@pytest.mark.tf
def test_boxes_at_the_edge_are_kept_where_model_garden_drops_them(
    garden: SimpleNamespace, tmp_path: Path
) -> None:
    factory = CocoFactory(tmp_path / "images", ["a"])
    factory.add_image(30, 20)
    factory.add_object([3, 4, 5, 6])
    factory.add_object([20.5, 1, 9.500000000000004, 3])
    coco = factory.coco()
    _, skipped = garden.converter.create_tf_example(
        coco["images"][0], [str(factory.folder)], None, coco["annotations"], {1: "a"}
    )
    assert skipped == 1
    record = next(load_tfrecord(save_record_file(factory, tmp_path, masks=False)))
    assert example_to_features(record)["image/object/bbox/xmax"] == [np.float32(8 / 30), 1.0]


@pytest.mark.tf
def test_model_gardens_decoder_reads_the_records(
    garden: SimpleNamespace, tricky: CocoFactory, tmp_path: Path
) -> None:
    path = save_record_file(tricky, tmp_path, masks=True)
    decoder = garden.decoder(include_mask=True)
    decoded = list(garden.tf.data.TFRecordDataset(str(path)).map(decoder.decode))
    assert [int(each["source_id"].numpy()) for each in decoded] == [9999, 10000, 10001, 10002]
    shapes = [each["groundtruth_instance_masks"].shape.as_list() for each in decoded]
    assert shapes == [[0, 48, 64], [5, 37, 61], [150, 8, 500], [1, 16, 16]]
    assert [each["image"].shape.as_list()[:2] for each in decoded] == [s[1:] for s in shapes]
    masks = decoded[1]["groundtruth_instance_masks"].numpy()
    assert masks[0].all()
    assert np.unique(masks).tolist() == [0, 1]
    box = decoded[3]["groundtruth_boxes"].numpy()
    np.testing.assert_allclose(box, [[2 / 16, 1 / 16, 6 / 16, 4 / 16]])
    assert decoded[3]["groundtruth_area"].numpy().tolist() == [7]
