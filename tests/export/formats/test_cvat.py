"""CVAT for images: labels, shapes, masks, what is turned, and what no dialect can express."""

from __future__ import annotations

from pathlib import Path

import pytest

from rhymes.common.errors import InputError
from rhymes.export.annotations import Annotation, Reason
from tests.support.foreign_folder import read_folder, write_files

LABELS = """<labels>
<label><name>DOG</name><type>any</type><attributes><attribute><name>age</name></attribute></attributes></label>
<label><name>CAT</name></label><label><name>nose</name><parent>DOG</parent></label></labels>"""
BOX = '<box label="CAT" occluded="1" xtl="10" ytl="20" xbr="40" ybr="60" z_order="3"/>'


def cvat(*shapes: str, image: str = 'id="4" name="a.jpg" width="100" height="80"') -> str:
    meta = f"<version>1.1</version><meta><task>{LABELS}</task></meta>"
    return f"<annotations>{meta}<image {image}>{''.join(shapes)}</image></annotations>"


def test_boxes_labels_and_where_they_come_from(tmp_path: Path) -> None:
    write_files(tmp_path, {"annotations.xml": cvat(BOX), "images/a.jpg": None})
    read = read_folder(tmp_path)
    assert read.boxes() == [[("CAT", (10, 20, 30, 40))]]
    assert read.classes == ["DOG", "CAT"]
    (image,) = read.images
    assert (image.image, image.split) == ("images/a.jpg", "")
    assert image.origin == "annotations.xml: image 4, a.jpg"


RING = "1,1;11,1;11,11"
# Row by row in its box of 3 x 2 pixels: one outside, two inside; all inside.
MASK = '<mask label="CAT" rle="1, 5" left="10" top="20" width="3" height="2"/>'


@pytest.mark.parametrize(
    ("shape", "rings"),
    [
        pytest.param(
            f'<polygon label="CAT" points="{RING}"/>', ((1, 1, 11, 1, 11, 11),), id="polygon"
        ),
        pytest.param(MASK, ((13, 20, 11, 20, 11, 21, 10, 21, 10, 22, 13, 22),), id="mask"),
        pytest.param(
            '<box label="CAT" xtl="10" ytl="20" xbr="30" ybr="30" rotation="90"/>',
            ((25, 15, 25, 35, 15, 35, 15, 15),), id="turned by a right angle",
        ),
        pytest.param(
            '<box label="CAT" xtl="10" ytl="20" xbr="30" ybr="30" rotation="0.00"/>', (),
            id="not turned",
        ),
    ],
)  # fmt: skip
def test_outline_of_an_object(
    tmp_path: Path, shape: str, rings: tuple[tuple[float, ...], ...]
) -> None:
    write_files(tmp_path, {"annotations.xml": cvat(shape), "images/a.jpg": None})
    ((annotation,),) = read_folder(tmp_path).objects()
    assert isinstance(annotation, Annotation)
    points = [set(zip(ring[::2], ring[1::2], strict=True)) for ring in annotation.shape.rings]
    assert points == [set(zip(ring[::2], ring[1::2], strict=True)) for ring in rings]


@pytest.mark.parametrize(
    ("shape", "reason"),
    [
        pytest.param('<polyline label="CAT" points="1,1;2,2"/>', Reason.UNKNOWN_TYPE, id="line"),
        pytest.param('<points label="CAT" points="1,1"/>', Reason.UNKNOWN_TYPE, id="points"),
        pytest.param('<ellipse label="CAT" cx="1"/>', Reason.UNKNOWN_TYPE, id="ellipse"),
        pytest.param('<cuboid label="CAT"/>', Reason.UNKNOWN_TYPE, id="cuboid"),
        pytest.param('<skeleton label="DOG"/>', Reason.UNKNOWN_TYPE, id="skeleton"),
        pytest.param('<mask label="CAT" rle="1"/>', Reason.UNKNOWN_TYPE, id="broken mask"),
        pytest.param(MASK.replace("1, 5", "1, 6"), Reason.UNKNOWN_TYPE, id="mask too long"),
        pytest.param(MASK.replace("1, 5", "6"), Reason.UNKNOWN_TYPE, id="empty mask"),
        pytest.param(BOX.replace("<box", '<box outside="1"'), Reason.UNKNOWN_TYPE, id="outside"),
        pytest.param(BOX.replace('label="CAT"', ""), Reason.NO_LABEL, id="no label"),
        pytest.param(BOX.replace('"40"', '"x"'), Reason.NOT_FINITE, id="text"),
        pytest.param(BOX.replace('"40"', '"10"'), Reason.EMPTY_BOX, id="no width"),
        pytest.param(BOX.replace("<box", '<box rotation="x"'), Reason.NOT_FINITE, id="rotation"),
        pytest.param('<polygon label="CAT" points=""/>', Reason.WRONG_FORM, id="no points"),
    ],
)
def test_object_that_is_dropped(tmp_path: Path, shape: str, reason: Reason) -> None:
    write_files(tmp_path, {"annotations.xml": cvat(shape), "images/a.jpg": None})
    assert read_folder(tmp_path).objects() == [[reason]]


def test_images_without_objects_tags_and_labels_that_no_list_names(tmp_path: Path) -> None:
    made = cvat('<tag label="blurred"/>', BOX.replace("CAT", "EMU"))
    made = made.replace(
        "</annotations>", '<image id="5" name="b.jpg" subset="Train"/></annotations>'
    )
    files = {"annotations.xml": made, "images/a.jpg": None, "images/Train/b.jpg": None}
    read = read_folder(write_files(tmp_path, files))
    assert read.classes == ["DOG", "CAT", "EMU"]
    assert read.notes == {"tags of whole images, left out": 1}
    assert [(image.image, image.split) for image in read.images] == [
        ("images/a.jpg", ""), ("images/Train/b.jpg", "train"),
    ]  # fmt: skip
    assert read.images[1].items == []


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        pytest.param(
            cvat().replace("<image", '<track id="0" label="CAT"/><image', 1),
            "tracks of a video.*CVAT for images", id="video",
        ),
        pytest.param(cvat(image='id="4"'), "image 4: has no name", id="no name"),
    ],
)  # fmt: skip
def test_file_that_is_refused(tmp_path: Path, made: str, reason: str) -> None:
    with pytest.raises(InputError, match=rf"a.xml: .*{reason}"):
        read_folder(write_files(tmp_path, {"a.xml": made}))
