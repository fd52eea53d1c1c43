"""COCO files: what is written is what pycocotools reads; what is broken is refused."""

from __future__ import annotations

import copy
import json
import math
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycocotools.coco import COCO

from rhymes.coco.files import CocoAnnotation, CocoImage, load_coco, names_to_categories, save_coco
from rhymes.common.errors import InputError

NAMES = ["ABRICOT", "d'été"]
IMAGES: list[CocoImage] = [
    {"id": 1, "file_name": "a.jpg", "width": 100, "height": 80, "source": "images/é\n.jpg"},
    {"id": 2, "file_name": "b.jpg", "width": 100, "height": 80},
]
ANNOTATIONS: list[CocoAnnotation] = [
    {"id": 1, "image_id": 1, "category_id": 2, "bbox": [1.5, 2.0, 3.0, 0.1 + 0.2], "area": 0.9,
     "iscrowd": 0},
    {"id": 2, "image_id": 1, "category_id": 1, "bbox": [0.0, 0.0, 9.0, 9.0], "area": 40.5,
     "iscrowd": 0, "segmentation": [[0.0, 0.0, 9.0, 0.0, 0.0, 9.0]]},
]  # fmt: skip


def save(path: Path, **changes: Any) -> Path:
    parts = {"images": IMAGES, "annotations": ANNOTATIONS} | changes
    save_coco(path, "a test", names_to_categories(NAMES), **parts)
    return path


def test_written_file_is_read_as_it_was(tmp_path: Path) -> None:
    coco = load_coco(save(tmp_path / "train.json"))
    assert coco["images"] == IMAGES
    assert coco["annotations"] == ANNOTATIONS
    assert coco["categories"] == [
        {"id": 1, "name": "ABRICOT", "supercategory": ""},
        {"id": 2, "name": "d'été", "supercategory": ""},
    ]
    assert coco["info"] == {"description": "a test"}
    assert coco["licenses"] == []


def test_record_a_line(tmp_path: Path) -> None:
    text = save(tmp_path / "train.json").read_text(encoding="utf-8")
    lines = [json.loads(line.rstrip(",")) for line in text.splitlines() if line.startswith('{"id"')]
    assert lines == [*names_to_categories(NAMES), *IMAGES, *ANNOTATIONS]


NUMBERS = st.one_of(
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.floats(0, 1e4).map(lambda value: round(value, 2)),
    st.sampled_from([0.0, -0.0, 1e-4, 9.9e-5, 1e-5, 10.00001, 1e15, 1e16, 1e17, 2**64, -(2**70)]),
)


@given(st.lists(NUMBERS | st.lists(NUMBERS | st.text() | st.none() | st.booleans())), NUMBERS)
def test_numbers_are_written_as_python_writes_them(numbers: list[Any], area: float) -> None:
    record: Any = {"id": 1, "segmentation": numbers, "area": area, "source": 'é", ,\n', "x": None}
    with tempfile.TemporaryDirectory() as name:
        path = save(Path(name) / "a.json", images=[], annotations=[record])
        written = path.read_text(encoding="utf-8").split('"annotations": [\n')[1]
    assert written == json.dumps(record, ensure_ascii=False) + "\n]}\n"


@pytest.mark.parametrize("area", [math.nan, math.inf, [1.0, math.nan], [[1.0], [-math.inf]]])
def test_what_is_no_number_is_not_written(tmp_path: Path, area: Any) -> None:
    record: Any = {"id": 1, "area": area}
    with pytest.raises(ValueError, match="Out of range float"):
        save(tmp_path / "a.json", annotations=[record])
    assert list(tmp_path.iterdir()) == []


def test_pycocotools_reads_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    coco = COCO(save(tmp_path / "train.json"))
    capsys.readouterr()
    assert coco.getImgIds() == [1, 2]
    assert coco.getAnnIds(imgIds=1) == [1, 2]
    assert coco.annToMask(coco.anns[2]).sum() == pytest.approx(40.5, abs=5)


def test_empty_split(tmp_path: Path) -> None:
    coco = load_coco(save(tmp_path / "val.json", images=[], annotations=[]))
    assert coco["images"] == []
    assert coco["annotations"] == []
    assert len(coco["categories"]) == 2


def test_images_are_written_before_annotations_are_asked_for(tmp_path: Path) -> None:
    order = []

    def note(name: str, records: list[Any]) -> Any:
        for record in records:
            order.append(name)
            yield record

    save(
        tmp_path / "train.json",
        images=note("image", IMAGES),
        annotations=note("annotation", ANNOTATIONS),
    )
    assert order == ["image", "image", "annotation", "annotation"]


def test_failure_leaves_no_file(tmp_path: Path) -> None:
    broken = copy.deepcopy(ANNOTATIONS)
    broken[1]["area"] = math.nan
    with pytest.raises(ValueError, match="not JSON compliant"):
        save(tmp_path / "train.json", annotations=broken)
    assert list(tmp_path.iterdir()) == []


def change(*path: str | int, to: Any) -> Callable[[Any], None]:
    def apply(coco: Any) -> None:
        *parents, last = path
        for key in parents:
            coco = coco[key]
        if to is KeyError:
            del coco[last]
        else:
            coco[last] = to

    return apply


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        pytest.param(change("images", to=KeyError), "'images' is missing", id="no images"),
        pytest.param(change("annotations", to={}), "'annotations' is missing or not", id="mapping"),
        pytest.param(
            change("images", 1, "id", to=1), "image 1: the id stands twice", id="image id"
        ),
        pytest.param(change("images", 1, "id", to="2"), "needs an id from 1", id="text id"),
        pytest.param(change("images", 1, "id", to=True), "needs an id from 1", id="truth value id"),
        pytest.param(change("images", 1, to=None), "needs an id", id="null image"),
        pytest.param(change("images", 0, "width", to=0), "width 0 is no size", id="no width"),
        pytest.param(change("images", 0, "height", to=1.5), "height 1.5", id="half a pixel"),
        pytest.param(change("images", 0, "file_name", to=KeyError), "file_name None", id="no name"),
        pytest.param(change("images", 0, "file_name", to="../a"), "not a bare", id="parent folder"),
        pytest.param(change("images", 0, "file_name", to="/etc/a"), "not a bare", id="absolute"),
        pytest.param(change("images", 0, "file_name", to="x\\a"), "not a bare", id="backslash"),
        pytest.param(change("images", 0, "file_name", to="C:a"), "not a bare", id="drive"),
        pytest.param(change("images", 0, "file_name", to=".."), "not a bare", id="dots"),
        pytest.param(change("images", 0, "file_name", to="a\0"), "not a bare", id="NUL"),
        pytest.param(change("categories", 1, "id", to=3), "without gaps", id="category gap"),
        pytest.param(change("categories", 0, "id", to=0), "needs an id from 1", id="category 0"),
        pytest.param(change("categories", to=[]), "without gaps", id="no categories"),
        pytest.param(change("categories", 1, "name", to="ABRICOT"), "doubled", id="same name"),
        pytest.param(
            change("annotations", 1, "id", to=1), "annotation 1: the id stands twice", id="same id"
        ),
        pytest.param(
            change("annotations", 0, "image_id", to=9), "no image with id 9", id="unknown image"
        ),
        pytest.param(
            change("annotations", 0, "category_id", to=0), "no category with id 0", id="background"
        ),
        pytest.param(
            change("annotations", 0, "category_id", to=[]), "no category with id", id="list as id"
        ),
        pytest.param(change("annotations", 0, "bbox", to=[1, 2, 3]), "bbox", id="three numbers"),
        pytest.param(change("annotations", 0, "bbox", to=[1, 2, 0, 4]), "bbox", id="zero width"),
        pytest.param(change("annotations", 0, "bbox", 1, to=math.nan), "bbox", id="NaN"),
        pytest.param(change("annotations", 0, "area", to=None), "area None", id="no area"),
        pytest.param(
            change("annotations", 1, "segmentation", to={"counts": "x"}), "polygons", id="RLE"
        ),
        pytest.param(
            change("annotations", 1, "segmentation", 0, to=[1, 2, 3, 4]),
            "polygons",
            id="two points",
        ),
    ],
)
def test_broken_file(tmp_path: Path, broken: Callable[[Any], None], message: str) -> None:
    path = save(tmp_path / "train.json")
    coco = json.loads(path.read_text(encoding="utf-8"))
    broken(coco)
    path.write_text(json.dumps(coco), encoding="utf-8")
    with pytest.raises(InputError, match=message) as caught:
        load_coco(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        pytest.param(b"", "not JSON", id="empty"),
        pytest.param(b"[]", "expected a mapping", id="list"),
        pytest.param(b'{"images": [', "not JSON", id="cut off"),
        pytest.param(b"\xff\xfe\x00", "not JSON", id="no text"),
        pytest.param(b"[" * 100_000, "not JSON", id="deep"),
    ],
)
def test_file_that_is_no_coco(tmp_path: Path, data: bytes, message: str) -> None:
    (tmp_path / "x.json").write_bytes(data)
    with pytest.raises(InputError, match=message):
        load_coco(tmp_path / "x.json")


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        load_coco(tmp_path / "x.json")
