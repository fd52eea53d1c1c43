"""Pascal VOC: pixels from 1 or edges from 0, images of a layout, oddities by their reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from rhymes.common.errors import InputError
from rhymes.export.annotations import Annotation, Reason
from tests.support.foreign_folder import read_folder, write_files

BOX = "<bndbox><xmin>11</xmin><ymin>21</ymin><xmax>40</xmax><ymax>60</ymax></bndbox>"


def thing(inside: str = BOX, name: str = "<name>CAT</name>") -> str:
    return f"<object>{name}{inside}</object>"


def voc(*things: str, filename: str = "<filename>a.jpg</filename>") -> str:
    return f"<annotation>{filename}{''.join(things)}</annotation>"


def corners(*numbers: object) -> str:
    named = zip(("xmin", "ymin", "xmax", "ymax"), numbers, strict=True)
    return f"<bndbox>{''.join(f'<{name}>{value}</{name}>' for name, value in named)}</bndbox>"


@pytest.mark.parametrize(
    ("numbers", "other", "box"),
    [
        pytest.param((11, 21, 40, 60), (1, 1, 100, 80), (10, 20, 30, 40), id="pixels from 1"),
        pytest.param((1, 1, 100, 80), (5, 5, 9, 9), (0, 0, 100, 80), id="the whole image"),
        pytest.param((7, 7, 7, 7), (5, 5, 9, 9), (6, 6, 1, 1), id="one pixel"),
        pytest.param((10, 20, 40, 60), (0, 1, 9, 9), (10, 20, 30, 40), id="edges, for a zero"),
        pytest.param(
            ("10.0", 20, 40, 60), (1, 1, 9, 9), (10, 20, 30, 40), id="edges, for a decimal point"
        ),
        pytest.param(
            (10, 20, 40, 60), ("1.5", 1, 9, 9), (10, 20, 30, 40), id="edges, by another file"
        ),
        pytest.param(
            (10, 20, 40, 60),
            (1, 1, 9, 9, "<path>/home/me/b.jpg</path>"),
            (10, 20, 30, 40),
            id="edges, for LabelImg's path",
        ),
        pytest.param(
            (10, 20, 40, 60),
            (1, 1, 9, 9, "<owner><name>Label Studio</name></owner>"),
            (10, 20, 30, 40),
            id="edges, for Label Studio's name",
        ),
    ],
)
def test_corners(
    tmp_path: Path, numbers: tuple[object, ...], other: tuple[object, ...], box: tuple[int, ...]
) -> None:
    second = voc(*other[4:], thing(corners(*other[:4])))
    files = {"a.xml": voc(thing(corners(*numbers))), "b.xml": second}
    write_files(tmp_path, files | {"a.jpg": None, "b.jpg": None})
    read = read_folder(tmp_path)
    assert read.boxes()[0] == [("CAT", box)]
    (note,) = read.notes
    assert ("edges" in note) == (numbers[0] in (10, "10.0"))


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        pytest.param(thing(name=""), Reason.NO_LABEL, id="no name"),
        pytest.param(thing(""), Reason.NOT_FINITE, id="no box"),
        pytest.param(thing(corners(9, 9, "x", 20)), Reason.NOT_FINITE, id="text"),
        pytest.param(thing(corners(9, 9, "nan", 20)), Reason.NOT_FINITE, id="not finite"),
        pytest.param(thing(corners(19, 19, 12, 30)), Reason.EMPTY_BOX, id="corners reversed"),
        pytest.param(thing("<robndbox><cx>1</cx></robndbox>"), Reason.UNKNOWN_TYPE, id="rotated"),
        pytest.param(thing("<polygon><x1>1</x1></polygon>"), Reason.WRONG_FORM, id="a point"),
    ],
)
def test_object_that_is_dropped(tmp_path: Path, made: str, reason: Reason) -> None:
    write_files(tmp_path, {"a.jpg": None, "a.xml": voc(made)})
    assert read_folder(tmp_path).objects() == [[reason]]


def test_outline_of_an_object(tmp_path: Path) -> None:
    points = "<x1>1</x1><y1>1</y1><x2>11</x2><y2>1</y2><x3>11</x3><y3>11</y3>"
    write_files(tmp_path, {"a.jpg": None, "a.xml": voc(thing(f"{BOX}<polygon>{points}</polygon>"))})
    ((annotation,),) = read_folder(tmp_path).objects()
    assert isinstance(annotation, Annotation)
    assert annotation.shape.rings == ((0, 0, 10, 0, 10, 10),)


@pytest.mark.parametrize(
    ("path", "image", "filename"),
    [
        pytest.param("a.xml", "a.jpg", "a.jpg", id="beside"),
        pytest.param("Annotations/a.xml", "JPEGImages/a.jpg", "a.jpg", id="devkit"),
        pytest.param("Annotations/x/a.xml", "JPEGImages/x/a.jpg", "a.jpg", id="folders"),
        pytest.param("VOC/Annotations/a.xml", "VOC/JPEGImages/a.PNG", "a", id="another suffix"),
        pytest.param("labels/a.xml", "images/b.jpg", "b.jpg", id="another name"),
        pytest.param("labels/a.xml", "images/a.jpg", "old.jpg", id="renamed"),
        pytest.param("labels/a.xml", "photos/b.jpg", "C:\\photos\\b.jpg", id="another machine"),
    ],
)
def test_image_of_a_layout(tmp_path: Path, path: str, image: str, filename: str) -> None:
    write_files(tmp_path, {path: voc(filename=f"<filename>{filename}</filename>"), image: None})
    (read,) = read_folder(tmp_path).images
    assert (read.image, read.origin, read.items) == (image, path, [])


def test_split_of_image_sets_and_of_folders(tmp_path: Path) -> None:
    sets = {
        "train": "a\n",
        "val": "b -1\nd\n",
        "test": "d\n",
        "trainval": "a\nb\n",
        "CAT_test": "a\n",
    }
    files = {f"ImageSets/Main/{name}.txt": text for name, text in sets.items()}
    files |= {f"Annotations/{name}.xml": voc() for name in "abcd"}
    write_files(tmp_path, files | {f"JPEGImages/{name}.jpg": "x" for name in "abcd"})
    assert [image.split for image in read_folder(tmp_path).images] == ["train", "val", "", ""]
    other = write_files(tmp_path / "other", {"valid/a.xml": voc(), "valid/a.jpg": None})
    assert [image.split for image in read_folder(other).images] == ["val"]


def test_classes_of_the_label_map_come_first(tmp_path: Path) -> None:
    files = {
        "labelmap.txt": "# label:color:parts:actions\nbackground:0,0,0::\nDOG:1,2,3::\nEMU:::\n",
        "a.xml": voc(thing(), thing(name="<name>BEE</name>")), "a.jpg": None,
    }  # fmt: skip
    assert read_folder(write_files(tmp_path, files)).classes == ["DOG", "EMU", "BEE", "CAT"]


def test_what_is_left_out_is_noted(tmp_path: Path) -> None:
    inside = f"{BOX}<difficult>1</difficult><part><name>ear</name>{corners(1, 1, 2, 2)}</part>"
    read = read_folder(write_files(tmp_path, {"a.jpg": None, "a.xml": voc(thing(inside))}))
    assert list(read.notes.values()) == [1, 1, 1]
    assert read.boxes() == [[("CAT", (10, 20, 30, 40))]]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        pytest.param("<annotation><object>", "not XML", id="cut off"),
        pytest.param("", "not XML", id="empty"),
        pytest.param(
            '<!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/passwd">]><annotation>&e;</annotation>',
            "document type .* is refused", id="external entity",
        ),
        pytest.param(
            '<!DOCTYPE a [<!ENTITY e "ha"><!ENTITY f "&e;&e;">]><annotation>&f;</annotation>',
            "document type .* is refused", id="entities that grow",
        ),
        pytest.param("<annotation/>", "no image of its name .* no filename", id="no image"),
    ],
)  # fmt: skip
def test_file_that_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(InputError, match=rf"a.xml: .*{reason}"):
        read_folder(write_files(tmp_path, {"a.xml": text}))
