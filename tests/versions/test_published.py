"""reports/published/detections.json: what is written is what is read, and nothing else is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rhymes.common.errors import InputError
from rhymes.versions.published import (
    Published,
    load_published,
    published_to_results,
    results_to_published,
    save_published,
)
from tests.support.coco_factory import boxes_to_coco

HOSTILE = 'Ä"<b>&\n'
MEASURED = {"version": 2, "identity": "a" * 64, "test_sha256": "b" * 64}
# All of an image of 640 x 480: no background, then every pixel.
WHOLE = "0PP\\9"


def make_test_split(names: list[str] | None = None, images: int = 3) -> Any:
    """Images named by content, without objects: what is published does not need them."""
    split = boxes_to_coco([], names or ["C1", HOSTILE], images)
    for image in split["images"]:
        image["file_name"] = f"{9 - image['id']:064x}.jpg"
    return split


def make_results(*, masks: bool = False) -> list[dict[str, Any]]:
    results: list[dict[str, Any]] = [
        {"image_id": 3, "category_id": 2, "bbox": [0.1234, 2.0, 30.0, 4.5], "score": 0.9765686},
        {"image_id": 3, "category_id": 1, "bbox": [1.0, 2.0, 3.0, 4.0], "score": 0.5},
        {"image_id": 3, "category_id": 2, "bbox": [9.0, 2.0, 3.0, 4.0], "score": 0.05},
        {"image_id": 1, "category_id": 1, "bbox": [1.0, 2.0, 3.0, 4.0], "score": 1.0},
    ]
    if masks:
        for result in results:
            result["segmentation"] = {"size": [480, 640], "counts": WHOLE}
    return results


def in_order(results: list[dict[str, Any]]) -> list[str]:
    return sorted(json.dumps(result, sort_keys=True) for result in results)


def make_published(*, masks: bool = False) -> Published:
    return results_to_published(
        make_test_split(), make_results(masks=masks), MEASURED, "detector@v2.0.0"
    )


@pytest.mark.parametrize("masks", [False, True])
def test_comes_back_as_it_was(tmp_path: Path, masks: bool) -> None:
    published = make_published(masks=masks)
    path = tmp_path / "published/detections.json"
    save_published(path, published)
    assert load_published(path) == published
    assert in_order(published_to_results(published, make_test_split())) == in_order(
        make_results(masks=masks)
    )
    first = path.read_bytes()
    save_published(path, published)
    assert path.read_bytes() == first


def test_nothing_is_published(tmp_path: Path) -> None:
    assert load_published(tmp_path / "detections.json") is None


def test_says_whose_detections_they_are() -> None:
    published = make_published()
    assert (published.version, published.tag) == (2, "detector@v2.0.0")
    assert (published.identity, published.test_sha256) == ("a" * 64, "b" * 64)
    assert published.classes == ("C1", HOSTILE)


def test_an_image_is_a_line_in_the_order_of_names_also_without_detections(tmp_path: Path) -> None:
    path = tmp_path / "detections.json"
    save_published(path, make_published())
    lines = [line for line in path.read_text().splitlines() if '"file_name"' in line]
    names = [json.loads(line.rstrip(","))["file_name"] for line in lines]
    assert names == [f"{number:064x}.jpg" for number in (6, 7, 8)]
    assert '"detections":{}' in lines[1]


def test_images_and_classes_of_both_splits_alone_come_back() -> None:
    split = make_test_split(["new", "C1"], images=2)
    results = published_to_results(make_published(), split)
    assert [(result["image_id"], result["category_id"]) for result in results] == [(1, 2)]


def test_an_image_that_stands_twice_has_its_detections_twice() -> None:
    split = make_test_split()
    split["images"][1]["file_name"] = split["images"][2]["file_name"]
    results = published_to_results(make_published(), split)
    assert [result["image_id"] for result in results] == [1, 2, 2, 2, 3, 3, 3]


def test_another_size_of_the_same_image_is_an_error() -> None:
    split = make_test_split()
    split["images"][0]["width"] = 100
    with pytest.raises(InputError, match="640 x 480 pixels, but 100 x 480 in the test split"):
        published_to_results(make_published(), split)


def broken(value: dict[str, Any], *path: Any, to: Any) -> dict[str, Any]:
    """A copy with another value at a path."""
    copy = json.loads(json.dumps(value))
    place = copy
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = to
    return copy


@pytest.mark.parametrize(
    ("path", "to", "message"),
    [
        pytest.param(["version"], True, "version True", id="version"),
        pytest.param(["version"], 0, "version 0", id="version 0"),
        pytest.param(["tag"], "", "tag ''", id="tag"),
        pytest.param(["identity"], "A" * 64, "identity .* is no SHA-256", id="identity"),
        pytest.param(["test_sha256"], None, "test_sha256 None is no SHA-256", id="test"),
        pytest.param(["classes"], ["C1", "C1"], "a class stands twice", id="class twice"),
        pytest.param(["classes"], [1], "classes is no list of names", id="class no text"),
        pytest.param(["images"], {}, "images is no list", id="images"),
        pytest.param(["more"], 1, "expected a mapping of version", id="unknown key"),
        pytest.param(["images", 0], 7, "image 1: ", id="image"),
        pytest.param(["images", 0], {}, "image 1: 'file_name'", id="image without name"),
        pytest.param(["images", 1, "file_name"], f"{6:064x}.jpg", "image 2: .*twice", id="twice"),
        pytest.param(["images", 0, "width"], 10**9, "1000000000 x 480 is no size", id="huge"),
        pytest.param(["images", 0, "detections"], {"x": []}, "'x' is not among", id="class"),
        pytest.param(["images", 0, "detections", "C1"], [[1, 2]], "expected score", id="short"),
        pytest.param(["images", 0, "detections", "C1"], [[2, 0, 0, 1, 1]], "score of 0", id="2"),
        pytest.param(["images", 0, "detections", "C1"], [["1", 0, 0, 1, 1]], "no number", id="'1'"),
        pytest.param(
            ["images", 0, "detections", "C1"], [[1, 0, 0, 1, float("nan")]], "no number", id="NaN"
        ),
        pytest.param(["images", 0, "detections", "C1"], [[1, 0, 0, -1, 1]], "a box", id="inverted"),
        pytest.param(
            ["images", 0, "detections", "C1"], [[1, 0, 0, 1, 1, 5]], "is no text", id="mask 5"
        ),
        pytest.param(
            ["images", 0, "detections", "C1"], [[1, 0, 0, 1, 1, WHOLE]], "some detections have",
            id="mask of one alone",
        ),
        pytest.param(
            ["images", 0, "detections", "C1"], [[1, 0, 0, 1, 1, "0" * 2000]], "its runs are not",
            id="mask of nothing",
        ),
        pytest.param(
            ["images", 0, "detections", "C1"], [[1, 0, 0, 1, 1, "0ooooooooo1"]],
            "its runs are not", id="mask past the image",
        ),
    ],
)  # fmt: skip
def test_a_broken_file_is_an_error_that_says_where(
    tmp_path: Path, path: list[Any], to: Any, message: str
) -> None:
    file = tmp_path / "detections.json"
    save_published(file, make_published())
    file.write_text(json.dumps(broken(json.loads(file.read_text()), *path, to=to)))
    with pytest.raises(InputError, match=rf"detections\.json: .*{message}") as caught:
        load_published(file)
    assert "brings back the committed file" in str(caught.value)


@pytest.mark.parametrize("text", ["", "[]", "<<<<<<< HEAD\n{}", '{"version": 1', "[" * 100_000])
def test_what_is_no_such_file_is_an_error(tmp_path: Path, text: str) -> None:
    file = tmp_path / "detections.json"
    file.write_text(text)
    with pytest.raises(InputError, match=r"not JSON|expected a mapping"):
        load_published(file)
