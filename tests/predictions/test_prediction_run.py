from __future__ import annotations

import csv
import json
import os
import signal
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pycocotools.coco import COCO

from rhymes.client.errors import (
    BadImage,
    DeadlineExceeded,
    RequestRefused,
    ServerUnreachable,
    ServingError,
    VersionNotLoaded,
)
from rhymes.coco.files import load_coco
from rhymes.common.errors import InputError
from rhymes.detections.detections import Detections
from rhymes.detections.masks import MaskCrop
from rhymes.export.dialect import Dialect
from rhymes.export.dialects import boxes, polygons
from rhymes.images.images import UprightImage
from rhymes.predictions.image_list import ImageList, paths_to_images
from rhymes.predictions.prediction_files import PredictionWriter, check_out
from rhymes.predictions.prediction_outputs import Outputs
from rhymes.predictions.prediction_run import RunOptions, RunResult, predict_images
from tests.support.fake_client import NAMES, FakeClient, encode_image, find_colors
from tests.support.file_contents import folder_to_bytes

RED, BLUE = (1, (10, 20, 30, 25)), (3, (60, 10, 21, 40))


@pytest.fixture
def image_folder(tmp_path: Path) -> Path:
    """A folder of six images, of which one holds nothing, and a broken one."""
    folder = tmp_path / "in"
    folder.mkdir()
    for name, data in {
        "a.jpg": encode_image(RED, BLUE),
        "b.png": encode_image(RED, (2, (50, 30, 40, 40)), round_=True, encoding="PNG"),
        "c é.jpg": encode_image(),
        "d.jpg": encode_image(BLUE),
        "e.jpg": b"not an image",
        "f.png": encode_image(RED, orientation=6, encoding="PNG"),
        "g.jpg": encode_image((2, (1, 2, 90, 60)), orientation=8),
    }.items():
        (folder / name).write_bytes(data)
    return folder


def run(client: FakeClient, images: Path | ImageList, out: Path, **options: Any) -> RunResult:
    listed = paths_to_images([images], out) if isinstance(images, Path) else images
    return predict_images(client, listed, RunOptions(out, **options))


def rows(out: Path, name: str = "annotations.csv") -> list[dict[str, str]]:
    with (out / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_all_files_are_written(image_folder: Path, tmp_path: Path) -> None:
    client = FakeClient()
    out = tmp_path / "out"
    result = run(client, image_folder, out)
    stems = ["a", "b", "c_e", "d", "f", "g"]
    images = ["a.jpg", "b.png", "c_e.jpg", "d.jpg", "f.png", "g.jpg"]
    assert sorted(folder_to_bytes(out)) == sorted([
        "annotations.csv", "categories.csv", "coco_images.json", "coco_results.json",
        "failures.csv", "prediction.json",
        *(f"images/{name}" for name in images),
        *(f"json/{stem}.json" for stem in stems),
        *(f"drawings/{stem}.jpg" for stem in stems),
    ])  # fmt: skip
    assert [row["image_url"] for row in rows(out)] == [f"images/{name}" for name in images]
    assert [row["category_image"] for row in rows(out, "categories.csv")] == list(NAMES.values())
    (failure,) = rows(out, "failures.csv")
    assert failure["file"].endswith("in/e.jpg")
    assert "it looks like text" in failure["reason"]
    assert (out / "images/g.jpg").read_bytes() == (image_folder / "g.jpg").read_bytes()
    assert result.counts.objects == 5
    assert result.counts.blank == 1
    assert result.stop is None
    assert set(client.asked) == {3}, "each image is asked of the version that was described"


def test_prediction_of_one_image(image_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(FakeClient(), image_folder, out)
    prediction = json.loads((out / "json/a.json").read_bytes())
    info = prediction["info"]
    assert info.pop("file").endswith("in/a.jpg")
    assert info == {
        "image": "images/a.jpg", "width": 120, "height": 80, "model": "detector", "version": 3,
        "identity": "abc", "score": 0.5, "uncertainty": pytest.approx(0.36),
    }  # fmt: skip
    (item,) = prediction["identifications"]
    assert item["data"] == [10, 20, 30, 25]
    assert item["attributes"] == {"label": NAMES[1]}
    xs, ys = zip(*item["polygone"], strict=True)
    assert (min(xs), min(ys), max(xs), max(ys)) == (10, 20, 40, 45)


def test_coco_files_belong_together(image_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(FakeClient(), image_folder, out)
    assert [image["file_name"] for image in load_coco(out / "coco_images.json")["images"]] == [
        "a.jpg", "b.png", "c_e.jpg", "d.jpg", "f.png", "g.jpg",
    ]  # fmt: skip
    ground_truth = COCO(str(out / "coco_images.json"))
    results = ground_truth.loadRes(str(out / "coco_results.json"))
    assert len(results.anns) == 5
    for coco_image in ground_truth.dataset["images"]:
        found = [ann for ann in results.anns.values() if ann["image_id"] == coco_image["id"]]
        stem = coco_image["file_name"].partition(".")[0]
        expected = json.loads((out / f"json/{stem}.json").read_bytes())["identifications"]
        assert [each["bbox"] for each in found] == [item["data"] for item in expected]
        for each in found:
            assert each["segmentation"]["size"] == [coco_image["height"], coco_image["width"]]
        with Image.open(out / "images" / coco_image["file_name"]) as image:
            turned = image.getexif().get(0x0112, 1) > 4
            size = image.size[::-1] if turned else image.size
        assert size == (coco_image["width"], coco_image["height"])


@pytest.mark.parametrize("workers", [1, 5])
def test_bytes_depend_on_the_images_alone(image_folder: Path, tmp_path: Path, workers: int) -> None:
    for out, count in (("first", 3), ("second", workers)):
        run(FakeClient(), image_folder, tmp_path / out, workers=count, rank="uncertain")
    assert folder_to_bytes(tmp_path / "first") == folder_to_bytes(tmp_path / "second")


def test_annotated_image_shows_the_object_upright(image_folder: Path, tmp_path: Path) -> None:
    run(FakeClient(), image_folder, tmp_path / "out")
    with Image.open(tmp_path / "out/drawings/f.jpg") as drawn:
        assert drawn.size == (720, 480)
        red, green, _ = drawn.getpixel((25 * 6, 32 * 6))
        assert red > green + 50
        outside = drawn.getpixel((80 * 6, 32 * 6))
        assert max(outside) - min(outside) < 10


def test_images_and_copies_are_left_out_on_request(image_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    listed = paths_to_images([image_folder / "c é.jpg"], out, "https://cdn.example.org/")
    run(FakeClient(), listed, out, is_drawn=False)
    assert not (out / "drawings").exists()
    assert not (out / "images").exists()
    assert rows(out)[0]["image_url"] == "https://cdn.example.org/c%20%C3%A9.jpg"


@pytest.mark.parametrize(
    ("masks", "dialect", "column", "kind"),
    [
        (True, None, "image_url", "polygon"),
        (False, None, "cdn_file_url", "boundingBox"),
        (True, boxes.DIALECT, "cdn_file_url", "boundingBox"),
        (False, polygons.DIALECT, "image_url", "boundingBox"),
    ],
)
def test_dialect(
    image_folder: Path, tmp_path: Path, masks: bool, dialect: Dialect | None, column: str, kind: str
) -> None:
    run(FakeClient(masks=masks), image_folder, tmp_path / "out", dialect=dialect)
    row = rows(tmp_path / "out")[0]
    assert list(row) == [column, "output_content"]
    assert [item["type"] for item in json.loads(row["output_content"])["identifications"]] == [kind]


def test_score_and_rank(image_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(FakeClient(), image_folder, out, score=0.85, rank="uncertain")
    # Blue (0.3) before green (0.8) before red (0.9); red alone in the last with an object.
    assert [row["image_url"] for row in rows(out)] == [
        "images/a.jpg", "images/d.jpg", "images/b.png", "images/g.jpg", "images/f.png",
        "images/c_e.jpg",
    ]  # fmt: skip
    cells = [json.loads(row["output_content"])["identifications"] for row in rows(out)]
    assert [len(items) for items in cells] == [1, 0, 1, 0, 1, 0]
    assert len(json.loads((out / "coco_results.json").read_bytes())) == 3


def test_lost_parts_and_empty_masks_are_counted(image_folder: Path, tmp_path: Path) -> None:
    def find(image: UprightImage) -> Detections:
        found = find_colors(image)
        if len(found) < 2:
            return found
        parts = np.zeros((9, 9), np.bool_)
        parts[[1, 7], 4] = True
        masks = (MaskCrop(3, 4, parts), MaskCrop(0, 0, np.zeros((2, 2), np.bool_)))
        return Detections(
            found.width, found.height, found.boxes, found.scores, found.class_ids, masks
        )

    result = run(FakeClient(find), image_folder, tmp_path / "out", score=0.1)
    assert (result.counts.cut, result.counts.empty) == (2, 2)
    recorded = json.loads((tmp_path / "out/prediction.json").read_bytes())
    assert recorded["counts"] == {
        "images": 6, "objects": 7, "cut": 2, "empty": 2, "blank": 1, "failures": 1,
    }  # fmt: skip


def test_nothing_found_anywhere_is_still_a_whole_folder(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.jpg").write_bytes(encode_image())
    run(FakeClient(), tmp_path / "in", tmp_path / "out")
    assert json.loads((tmp_path / "out/coco_results.json").read_bytes()) == []
    assert rows(tmp_path / "out")[0]["output_content"] == '{"identifications": []}'


class FailsAt:
    """Finds colours until the image of this width, for which (and for all later) it raises."""

    def __init__(self, width: int, error: BaseException, *, once: bool = False) -> None:
        self._width, self._error, self._once = width, error, once

    def __call__(self, image: UprightImage) -> Detections:
        if image.width == self._width or (image.width > self._width and not self._once):
            raise self._error
        return find_colors(image)


@pytest.fixture
def strips(tmp_path: Path) -> Path:
    """Thirty images whose width tells their place: 101, 102, ..."""
    folder = tmp_path / "strips"
    folder.mkdir()
    for number in range(1, 31):
        data = encode_image(RED, size=(100 + number, 50))
        (folder / f"{number:02}.jpg").write_bytes(data)
    return folder


@pytest.mark.parametrize(
    "error", [RequestRefused("no"), DeadlineExceeded("slow"), BadImage("odd"), InputError("NaN")]
)
def test_run_goes_on_after_an_image_that_fails(
    strips: Path, tmp_path: Path, error: Exception
) -> None:
    result = run(FakeClient(FailsAt(105, error, once=True)), strips, tmp_path / "out")
    assert [failure.reason for failure in result.failures] == [str(error)]
    assert result.failures[0].file.endswith("05.jpg")
    assert result.counts.images == 29
    assert result.untried == 0


@pytest.mark.parametrize(
    "error", [ServerUnreachable("gone"), VersionNotLoaded("unloaded"), ZeroDivisionError("a bug")]
)
def test_server_that_is_gone_ends_the_run_and_keeps_what_is_done(
    strips: Path, tmp_path: Path, error: Exception
) -> None:
    result = run(FakeClient(FailsAt(112, error)), strips, tmp_path / "out")
    assert result.stop is error
    assert result.counts.images == 11
    assert result.untried == 19
    assert_whole(tmp_path / "out", complete=False)


def assert_whole(out: Path, *, complete: bool) -> None:
    """Every file tells of the same images."""
    images = {row["image_url"].removeprefix("images/") for row in rows(out)}
    stems = {name.partition(".")[0] for name in images}
    assert {path.name for path in (out / "images").iterdir()} == images
    assert {path.stem for path in (out / "json").iterdir()} == stems
    assert {path.stem for path in (out / "drawings").iterdir()} == stems
    listed = load_coco(out / "coco_images.json")["images"]
    assert {image["file_name"] for image in listed} == images
    results = json.loads((out / "coco_results.json").read_bytes())
    assert {result["image_id"] for result in results} <= {image["id"] for image in listed}
    recorded = json.loads((out / "prediction.json").read_bytes())
    assert recorded["complete"] is complete
    assert recorded["counts"]["images"] == len(images)
    assert not [path.name for path in out.parent.iterdir() if path.name.endswith(".part")]


def test_server_that_fails_image_after_image_is_given_up(strips: Path, tmp_path: Path) -> None:
    result = run(FakeClient(FailsAt(104, DeadlineExceeded("slow"))), strips, tmp_path / "out")
    assert str(result.stop) == "8 images in a row failed, the last: slow"
    assert len(result.failures) == 8
    assert result.untried == 19
    assert_whole(tmp_path / "out", complete=False)


def test_server_that_fails_now_and_then_is_not_given_up(strips: Path, tmp_path: Path) -> None:
    def find(image: UprightImage) -> Detections:
        if image.width % 7:
            raise DeadlineExceeded("slow")
        return find_colors(image)

    result = run(FakeClient(find), strips, tmp_path / "out")
    assert result.stop is None
    assert (result.counts.images, len(result.failures)) == (4, 26)


def test_images_that_are_none_do_not_count_for_giving_up(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(20):
        (folder / f"{number}.jpg").write_bytes(b"text")
    (folder / "z.jpg").write_bytes(encode_image(RED))
    result = run(FakeClient(), folder, tmp_path / "out")
    assert (len(result.failures), result.counts.images) == (20, 1)


def test_other_bytes_under_the_same_version_end_the_run(strips: Path, tmp_path: Path) -> None:
    client = FakeClient()

    def find(image: UprightImage) -> Detections:
        if image.width == 110:
            client.retrained()
        return find_colors(image)

    client._find = find
    result = run(client, strips, tmp_path / "out", workers=1)
    assert isinstance(result.stop, ServingError)
    assert "its files were replaced" in str(result.stop)
    assert result.counts.images == 9


def test_failure_before_the_first_image_leaves_all_as_it_was(strips: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(FakeClient(), strips, out)
    before = folder_to_bytes(out)
    with pytest.raises(ServerUnreachable):
        run(FakeClient(FailsAt(101, ServerUnreachable("gone"))), strips, out)
    unreachable = FakeClient()
    unreachable.describe_error = ServerUnreachable("gone")
    with pytest.raises(ServerUnreachable):
        run(unreachable, strips, out)
    assert folder_to_bytes(out) == before


@pytest.mark.parametrize(
    ("names", "problem"),
    [({}, "give its --label-map"), ({1: "a", 2: "a"}, "has the name of class 1")],
)
def test_names_are_checked_before_anything_is_asked(
    strips: Path, tmp_path: Path, names: dict[int, str], problem: str
) -> None:
    client = FakeClient(names=names)
    with pytest.raises(InputError, match=problem):
        run(client, strips, tmp_path / "out")
    assert not client.asked
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupt_keeps_what_is_complete(strips: Path, tmp_path: Path, number: int) -> None:
    released = threading.Event()

    def find(image: UprightImage) -> Detections:
        if image.width == 112:
            os.kill(os.getpid(), number)
        if image.width >= 112:
            released.wait(60)
        return find_colors(image)

    before = signal.signal(number, signal.default_int_handler)
    try:
        result = run(FakeClient(find), strips, tmp_path / "out")
    finally:
        signal.signal(number, before)
        released.set()
    assert isinstance(result.stop, KeyboardInterrupt)
    assert 0 < result.counts.images <= 11
    assert result.untried == 30 - result.counts.images
    assert_whole(tmp_path / "out", complete=False)


def test_interrupt_waits_until_an_image_is_written(
    strips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = PredictionWriter.add

    def add(writer: PredictionWriter, outputs: Outputs) -> None:
        if writer.counts.images == 4:
            os.kill(os.getpid(), signal.SIGINT)
        write(writer, outputs)

    monkeypatch.setattr(PredictionWriter, "add", add)
    result = run(FakeClient(), strips, tmp_path / "out")
    assert isinstance(result.stop, KeyboardInterrupt)
    assert result.counts.images == 5
    assert_whole(tmp_path / "out", complete=False)


def test_interrupt_at_the_end_loses_nothing(
    strips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    finish = PredictionWriter.finish

    def interrupted(*arguments: Any) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        finish(*arguments)

    monkeypatch.setattr(PredictionWriter, "finish", interrupted)
    run(FakeClient(), strips, tmp_path / "out")
    assert_whole(tmp_path / "out", complete=True)


def test_only_some_images_are_under_way_at_once(
    strips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An image that takes long does not let the results of all others pile up behind it."""
    begun: list[int] = []
    begun_at_first_write: list[int] = []
    write = PredictionWriter.add

    def find(image: UprightImage) -> Detections:
        begun.append(image.width)
        if image.width == 101:
            threading.Event().wait(0.5)
        return find_colors(image)

    def add(writer: PredictionWriter, outputs: Outputs) -> None:
        begun_at_first_write.append(len(begun))
        write(writer, outputs)

    monkeypatch.setattr(PredictionWriter, "add", add)
    run(FakeClient(find), strips, tmp_path / "out", workers=3)
    assert begun_at_first_write[0] <= 2 * 3
    assert len(begun) == 30


@pytest.fixture
def written(strips: Path, tmp_path: Path) -> Path:
    run(FakeClient(), strips, tmp_path / "out")
    return tmp_path / "out"


def test_an_earlier_run_is_replaced_only_on_request(written: Path) -> None:
    with pytest.raises(InputError, match="add --overwrite to replace them"):
        check_out(written, overwrite=False)
    check_out(written, overwrite=True)


def test_what_no_run_wrote_is_never_replaced(written: Path, tmp_path: Path) -> None:
    (written / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match=r"holds what no run wrote \(notes.txt\)"):
        check_out(written, overwrite=True)
    with pytest.raises(InputError, match="not of an earlier run"):
        check_out(tmp_path, overwrite=True)
    with pytest.raises(InputError, match="there is a file of this name"):
        check_out(written / "notes.txt", overwrite=True)


def test_new_and_empty_folders_are_written(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for name in ("empty", "new"):
        check_out(tmp_path / name, overwrite=False)


def test_overwriting_leaves_nothing_of_the_run_before(
    written: Path, image_folder: Path, tmp_path: Path
) -> None:
    run(FakeClient(), image_folder, written)
    run(FakeClient(), image_folder, tmp_path / "new")
    assert folder_to_bytes(written) == folder_to_bytes(tmp_path / "new")


def test_file_name_that_begins_a_formula_is_disarmed_in_the_list_of_failures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("=cmd|' .jpg").write_bytes(b"text")
    Path("a.jpg").write_bytes(encode_image())
    listed = paths_to_images([Path("=cmd|' .jpg"), Path("a.jpg")], tmp_path / "out")
    run(FakeClient(), listed, tmp_path / "out")
    (failure,) = rows(tmp_path / "out", "failures.csv")
    assert failure["file"] == "./=cmd|' .jpg"
    assert Path(failure["file"]).is_file()
