"""Label maps: read back, read by protobuf with the original message, and files from elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format
from hypothesis import given
from hypothesis import strategies as st

from rhymes.coco.label_map import (
    load_label_map,
    names_to_label_map,
    save_label_map,
    save_labels,
    text_to_names,
)
from rhymes.common.errors import InputError

ODD_NAMES = ["logic gate", "d'été", 'say "hi"', "a\\b", "A-B/C", "tab\there", "名前", "{}#", "\\'"]


def test_file_has_the_old_form(tmp_path: Path) -> None:
    save_label_map(tmp_path / "label_map.pbtxt", ["ABRICOT", "ACCRAS"])
    text = (tmp_path / "label_map.pbtxt").read_text(encoding="utf-8")
    assert text == (
        "item {\n  id: 1\n  name: 'ABRICOT'\n}\n\nitem {\n  id: 2\n  name: 'ACCRAS'\n}\n"
    )


def test_labels_file(tmp_path: Path) -> None:
    save_labels(tmp_path / "labels.txt", ["ABRICOT", "d'été"])
    lines = (tmp_path / "labels.txt").read_text(encoding="utf-8").splitlines()
    assert lines == ["__ignore__", "Background", "ABRICOT", "d'été"]
    assert lines.index("ABRICOT") - 1 == 1


def test_odd_names_come_back(tmp_path: Path) -> None:
    path = tmp_path / "label_map.pbtxt"
    save_label_map(path, ODD_NAMES)
    assert load_label_map(path) == dict(enumerate(ODD_NAMES, start=1))


@given(
    st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), unique=True, min_size=1)
)
def test_any_names_come_back(names: list[str]) -> None:
    assert list(text_to_names(names_to_label_map(names), "x").values()) == names


def test_object_detection_api_reads_the_file() -> None:
    """The message as object_detection/protos/string_int_label_map.proto declares it."""
    field = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="m.proto", package="object_detection.protos")
    item = file.message_type.add(name="StringIntLabelMapItem")
    for number, (name, kind) in enumerate(
        [
            ("name", field.TYPE_STRING),
            ("id", field.TYPE_INT32),
            ("display_name", field.TYPE_STRING),
        ],
        start=1,
    ):
        item.field.add(name=name, number=number, type=kind, label=field.LABEL_OPTIONAL)
    file.message_type.add(name="StringIntLabelMap").field.add(
        name="item", number=1, type=field.TYPE_MESSAGE, label=field.LABEL_REPEATED,
        type_name=".object_detection.protos.StringIntLabelMapItem",
    )  # fmt: skip
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    label_map = message_factory.GetMessageClass(
        pool.FindMessageTypeByName("object_detection.protos.StringIntLabelMap")
    )()
    text_format.Merge(names_to_label_map(ODD_NAMES), label_map)
    assert [(item.id, item.name) for item in label_map.item] == list(enumerate(ODD_NAMES, start=1))


@pytest.mark.parametrize(
    ("text", "names"),
    [
        pytest.param('item { id: 1 name: "CAT" }', {1: "CAT"}, id="double quotes"),
        pytest.param(
            "# cats\nitem { name: 'b' id: 2 } item { name: 'a' id: 1 } # end",
            {1: "a", 2: "b"},
            id="comments, ids out of order",
        ),
        pytest.param(
            "item { name: '/m/01' id: 1 display_name: 'person' }", {1: "person"}, id="display name"
        ),
        pytest.param(r"item { id: 1 name: '\303\251t\303\251' }", {1: "été"}, id="octal accents"),
        pytest.param("item: <id: 1, name: 'a' keypoints { id: 3 }>", {1: "a"}, id="other fields"),
    ],
)
def test_file_from_elsewhere(text: str, names: dict[int, str]) -> None:
    assert text_to_names(text, "x") == names
    assert list(text_to_names(text, "x")) == sorted(names)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("", "no item", id="empty"),
        pytest.param("item { id: 0 name: 'a' }", "'a' has id 0; ids begin at 1", id="id 0"),
        pytest.param("item { name: 'a' }", "has id 0", id="no id"),
        pytest.param("item { id: -1 name: 'a' }", "has id -1", id="negative id"),
        pytest.param("item { id: 1 }", "id 1 has no name", id="no name"),
        pytest.param("item{id:1 name:'a'} item{id:1 name:'b'}", "id 1 stands twice", id="same id"),
        pytest.param("item{id:1 name:'a'} item{id:2 name:'a'}", "'a' stands twice", id="same name"),
        pytest.param("item{id:1 name:'a'} item{id:3 name:'b'}", "id 2 is missing", id="gap"),
        pytest.param("item { id: 'x' }", "not a label map", id="text for the id"),
        pytest.param("<html>", "not a label map", id="HTML"),
        pytest.param("item { id: 99999999999 name: 'a' }", "not a label map", id="huge id"),
    ],
)
def test_unusable_label_map(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        text_to_names(text, "labels.pbtxt")


def test_unreadable_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        load_label_map(tmp_path / "none.pbtxt")
    (tmp_path / "latin.pbtxt").write_bytes(b"item { id: 1 name: '\xe9' }")
    with pytest.raises(InputError, match="not UTF-8"):
        load_label_map(tmp_path / "latin.pbtxt")
