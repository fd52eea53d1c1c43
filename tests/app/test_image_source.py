"""Files, camera and test split as sources of images."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from app import image_source
from tests.support.coco_factory import CocoFactory
from tests.support.fake_client import encode_image
from tests.support.quadrants import IMAGE, encode

SCRIPT = """
import streamlit as st
from app.notices import explained
from app.image_source import choose_images

with explained():
    for image in choose_images("view"):
        st.text(f"{image.name} {image.upright.width} x {image.upright.height}")
"""


@pytest.fixture
def app() -> AppTest:
    return AppTest.from_string(SCRIPT).run()


def numbered(count: int) -> list[tuple[str, bytes, str]]:
    return [
        (f"{i}.png", encode_image((1, (i % 50, i // 50, 9, 9)), encoding="PNG"), "image/png")
        for i in range(count)
    ]


def texts(app: AppTest) -> list[str]:
    assert not app.exception
    return [element.value for element in app.text]


def drop(app: AppTest, *files: tuple[str, bytes, str]) -> AppTest:
    app.file_uploader[0].set_value(list(files))
    return app.run()


def test_dropped_images_stay_and_the_uploader_is_emptied(app: AppTest) -> None:
    drop(app, *numbered(2))
    assert texts(app) == ["0.png 120 x 80", "1.png 120 x 80"]
    assert not app.file_uploader[0].value
    drop(app, *numbered(3))
    assert texts(app) == ["0.png 120 x 80", "1.png 120 x 80", "2.png 120 x 80"], "none twice"
    app.button[0].click().run()
    assert texts(app) == []


def test_a_bad_file_is_named_and_does_not_stop_the_others(app: AppTest) -> None:
    name = "<img src=x onerror=alert(1)>.jpg"
    good = numbered(2)
    drop(app, good[0], (name, b"<svg>", "image/jpeg"), ("empty.jpg", b"", "image/jpeg"), good[1])
    assert texts(app) == ["0.png 120 x 80", "1.png 120 x 80"]
    (warning,) = app.warning
    assert "<img" not in warning.value
    assert "onerror" in warning.value
    assert "0 bytes" in warning.value


def test_too_many_are_left_out_with_a_word(app: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_source, "MAX_IMAGES", 3)
    drop(app, *numbered(5))
    assert len(texts(app)) == 3
    assert "2 of 5 files were left out" in app.warning[0].value


def test_too_much_is_left_out_with_a_word(app: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    files = numbered(3)
    monkeypatch.setattr(image_source, "MAX_BYTES", len(files[0][1]) + len(files[1][1]))
    drop(app, *files)
    assert texts(app) == ["0.png 120 x 80", "1.png 120 x 80"]
    assert "1 of 3 files were left out" in app.warning[0].value


@pytest.mark.parametrize("encoding", ["HEIF", "AVIF", "TIFF"])
def test_images_of_phones_and_scanners(app: AppTest, encoding: str) -> None:
    drop(app, (f"a.{encoding.lower()}", encode(IMAGE, encoding), ""))
    assert texts(app) == [f"a.{encoding.lower()} {IMAGE.width} x {IMAGE.height}"]
    assert not app.warning


def test_pages_that_are_left_out_are_named(app: AppTest) -> None:
    drop(app, ("a.tif", encode(IMAGE, "TIFF", save_all=True, append_images=[IMAGE] * 2), ""))
    assert texts(app) == [f"a.tif {IMAGE.width} x {IMAGE.height}"]
    assert "the first of its 3 images was taken" in app.warning[0].value


def test_many_problems_are_counted(app: AppTest) -> None:
    drop(app, *[(f"{i}.jpg", b"text", "image/jpeg") for i in range(20)])
    assert "and 14 more" in app.warning[0].value


def test_images_of_the_test_split(app: AppTest, folder: Path) -> None:
    app.segmented_control[0].set_value("Test split").run()
    assert "data/coco/test\\.json" in app.info[0].value.replace("\\/", "/")
    factory = CocoFactory(folder / "data/images", ["a"])
    factory.add_image(20, 30)
    factory.add_image(40, 30)
    factory.save(folder / "data/coco/test.json")
    app.run()
    assert texts(app) == [f"{factory.images[0]['file_name']} 20 x 30"]
    assert app.selectbox[0].label == "Image of the test split"
    app.selectbox[0].set_value(1).run()
    assert texts(app) == [f"{factory.images[1]['file_name']} 40 x 30"]
