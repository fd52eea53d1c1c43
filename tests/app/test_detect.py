"""The view Detect, with only the wire faked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import grpc
import pytest
from streamlit.testing.v1 import AppTest

from tests.app.conftest import View, run_until
from tests.support.canned_server import abort, running
from tests.support.coco_factory import CocoFactory
from tests.support.color_server import ColorServer
from tests.support.fake_client import encode_image

RED, GREEN, BLUE = (1, (10, 10, 20, 20)), (2, (50, 10, 20, 20)), (3, (90, 50, 20, 20))


def image(name: str, *objects: Any, **options: Any) -> tuple[str, bytes, str]:
    return name, encode_image(*objects, encoding="PNG", **options), "image/png"


ALL = image("tray.png", RED, GREEN, BLUE)


def drop(app: AppTest, *files: tuple[str, bytes, str]) -> AppTest:
    app.file_uploader[0].set_value(list(files))
    app.run()
    assert not app.exception
    return app


def headline(app: AppTest) -> str:
    return app.subheader[0].value


def table(app: AppTest, column: str) -> Any:
    (found,) = [frame.value for frame in app.dataframe if column in frame.value.columns]
    return found


@pytest.fixture
def app(wire: ColorServer, open_view: View) -> AppTest:
    return open_view("detect")


def test_nothing_is_asked_before_there_is_an_image(wire: ColorServer, app: AppTest) -> None:
    assert not app.exception
    assert not wire.asked


def test_a_dropped_image_is_shown_with_its_objects(app: AppTest) -> None:
    drop(app, ALL)
    assert headline(app).startswith("1 object in tray"), "version 2 is blind to green"
    app.selectbox(key="detect version").set_value(1).run()
    assert headline(app).startswith("2 objects")
    assert table(app, "Score")["Class"].tolist() == ["RED", "GREEN"]
    assert table(app, "Score").loc[0, ["Left", "Top", "Width", "Height"]].tolist() == [
        10, 10, 20, 20
    ]  # fmt: skip
    assert table(app, "Objects").to_dict("records") == [
        {"Class": "RED", "Objects": 1},
        {"Class": "GREEN", "Objects": 1},
    ]
    assert len(app.image) == 1
    assert any("250 in the server" in caption.value for caption in app.caption)


def test_controls_never_ask_again(wire: ColorServer, app: AppTest) -> None:
    drop(app, ALL)
    app.selectbox(key="detect version").set_value(1).run()
    asked = wire.predictions()
    app.slider[0].set_value(0.2).run()
    assert headline(app).startswith("3 objects")
    app.slider[0].set_value(0.85).run()
    assert headline(app).startswith("1 object ")
    app.slider[0].set_value(0.1).run()
    app.multiselect[0].set_value([2, 3]).run()
    assert table(app, "Score")["Class"].tolist() == ["GREEN", "BLUE"]
    app.button_group(key="detect layers").set_value(["boxes"]).run()
    assert not app.exception
    assert wire.predictions() == asked == 2


def test_the_threshold_begins_where_the_model_does(app: AppTest) -> None:
    drop(app, ALL)
    assert (app.slider[0].min, app.slider[0].value) == (0.05, 0.5)


def test_several_images_one_is_looked_at(wire: ColorServer, app: AppTest) -> None:
    drop(app, ALL, image("empty.png"), image("red.png", RED))
    assert wire.predictions() == 3
    assert table(app, "Image")["Image"].tolist() == ["tray.png", "empty.png", "red.png"]
    assert table(app, "Image")["Objects"].tolist() == [1, 0, 1]
    assert len(app.image) == 1
    app.toggle(key="detect order").set_value(True).run()
    assert table(app, "Image")["Doubt"].is_monotonic_decreasing
    assert wire.predictions() == 3


def test_one_bad_image_is_named_and_does_not_stop_the_others(
    wire: ColorServer, app: AppTest
) -> None:
    wire.once = [abort(grpc.StatusCode.INVALID_ARGUMENT, "![bad](http://host.invalid/a.png)")]
    name = "<b>first</b>.png"
    drop(app, image(name, RED), image("second.png", GREEN), ("third.jpg", b"text", "x"))
    (refused,) = [each.value for each in app.warning if "without an answer" in each.value]
    assert "![bad]" not in refused
    assert any("third" in each.value for each in app.warning)
    assert len(app.image) == 1


def test_versions_that_do_not_answer_are_told(wire: ColorServer, app: AppTest) -> None:
    wire.statuses = {3: (50, "<b>Data</b> loss"), 1: (30, "")}
    drop(app, ALL)
    assert app.selectbox(key="detect version").options == ["1"]
    (told,) = [each.value for each in app.caption if "Version 3" in each.value]
    assert "loss" in told
    assert "<b>" not in told


def test_the_server_goes_and_comes_back(monkeypatch: pytest.MonkeyPatch, open_view: View) -> None:
    with running(ColorServer()) as wire:
        monkeypatch.setenv("SERVING_ADDRESS", wire.address)
        app = drop(open_view("detect"), ALL)
        assert app.image
    run_until(app, lambda app: bool(app.error))
    assert "No model server answers" in app.error[0].value
    assert not app.exception
    with running(ColorServer(), address=wire.address):
        run_until(app, lambda app: not app.error)
        assert headline(app).startswith("1 object in tray"), "the image is still there"


@pytest.mark.parametrize(
    ("names", "shown"),
    [
        pytest.param(("<img src=x onerror=alert(1)>", "$x$", "![](http://h.invalid/x.png)"),
                     "<img src=x onerror=alert(1)>", id="hostile"),
        pytest.param(("西瓜", "crème", "a" * 300), "西瓜", id="unicode"),
    ],
)  # fmt: skip
def test_class_names_may_hold_anything(
    wire: ColorServer, app: AppTest, names: tuple[str, ...], shown: str
) -> None:
    wire.names = {1: names, 2: names}
    drop(app, ALL)
    assert table(app, "Score")["Class"].tolist() == [shown]
    texts = [each.value for kind in (app.markdown, app.caption, app.subheader) for each in kind]
    assert not any("<img" in text or "![](" in text for text in texts)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_phone_images_are_upright(app: AppTest, orientation: int) -> None:
    name, data, kind = image("phone.jpg", RED, orientation=orientation)
    drop(app, (name, data, kind))
    row = table(app, "Score").loc[0, ["Left", "Top", "Width", "Height"]]
    assert row.to_numpy() == pytest.approx([10, 10, 20, 20], abs=1)


def test_a_model_without_masks(wire: ColorServer, app: AppTest) -> None:
    wire.has_masks = False
    drop(app, ALL)
    assert app.button_group(key="detect layers").options == ["Boxes", "Labels"]
    assert app.image


def test_images_of_the_test_split(wire: ColorServer, app: AppTest, folder: Path) -> None:
    factory = CocoFactory(folder / "data/images", list(wire.names[1]))
    factory.add_image(120, 80, encode_image(RED))
    factory.save(folder / "data/coco/test.json")
    app.segmented_control(key="detect source").set_value("Test split").run()
    assert not app.exception
    assert headline(app).startswith("1 object")
