"""`rhymes merge`: exports in folders, what people made of them, and what is written."""

from __future__ import annotations

import csv
import hashlib
import json
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from rhymes import cli
from rhymes.export.fetched import IndexedImage
from tests.support.export_csv import box, cell, indexed_image, polygon, write_csv, write_index
from tests.support.fake_client import encode_image

CAT, DOG = "CAT", "DOG"
Rows = list[tuple[str, ...]]


def cat(x: float = 10, y: float = 20, label: str = CAT, **more: Any) -> dict[str, Any]:
    return box([x, y, 30, 40], label, **more)


@dataclass
class Folders:
    """OLD, CORRECTED and NEW."""

    root: Path

    @property
    def new(self) -> Path:
        return self.root / "new"

    def write(
        self,
        name: str,
        rows: Rows,
        *,
        classes: tuple[str, ...] | None = (CAT, DOG),
        header: tuple[str, ...] = ("cdn_file_url", "output_content"),
        images: bool | dict[str, bytes] = True,
    ) -> Path:
        """Write an export whose images have bytes of their own, unless they are given."""
        folder = self.root / name
        write_csv(folder / "annotations.csv", [header, *rows])
        if classes is not None:
            write_csv(
                folder / "categories.csv", [("category_image",), *((each,) for each in classes)]
            )
        place = next(i for i, each in enumerate(header) if each in ("cdn_file_url", "image_url"))
        given = images if isinstance(images, dict) else {}
        for source in {row[place] for row in rows} if images else ():
            if "://" not in source:
                path = folder / source
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(given.get(source, image_of(source)))
        return folder

    def merge(self, *more: str) -> int:
        return cli.main(
            [
                "merge",
                str(self.root / "old"),
                str(self.root / "corrected"),
                "-o",
                str(self.new),
                *more,
            ]
        )

    def report(self) -> dict[str, Any]:
        report: dict[str, Any] = json.loads((self.new / "merge.json").read_text(encoding="utf-8"))
        return report

    def rows(self) -> list[dict[str, str]]:
        with (self.new / "annotations.csv").open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))

    def items(self, source: str, row: int = 0) -> list[Any]:
        found = [each for each in self.rows() if source in each.values()]
        items: list[Any] = json.loads(found[row]["output_content"])["identifications"]
        return items


def image_of(source: str) -> bytes:
    number = int(hashlib.sha256(source.encode()).hexdigest()[:4], 16)
    return encode_image((1, (number % 50, number % 30, 20, 20)), size=(100 + number % 9, 80))


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders(tmp_path)


def counts(report: dict[str, Any], name: str = CAT) -> dict[str, int]:
    return {key: count for key, count in report["classes"].get(name, {}).items() if count}


@pytest.mark.parametrize(
    ("old", "corrected", "changes", "touches"),
    [
        pytest.param([cat()], [cat()], {"confirmed": 1}, ["person"], id="the same"),
        pytest.param(
            [cat(proba=0.9)], [cat(proba=0.9)], {"confirmed": 1}, ["model_confirmed"],
            id="a prediction left as it was",
        ),
        pytest.param(
            [cat(proba=0.9)], [cat()], {"confirmed": 1}, ["model_confirmed"],
            id="by a tool that drops scores",
        ),
        pytest.param(
            [cat(10.4, 19.6, proba=0.9)], [cat(10, 20)], {"confirmed": 1}, ["model_confirmed"],
            id="by a tool that rounds to pixels",
        ),
        pytest.param(
            [cat(proba=0.9)], [cat(14, proba=0.9)], {"moved": 1}, ["person"], id="moved"
        ),
        pytest.param(
            [cat(proba=0.9)], [cat(300, proba=0.9)], {"moved": 1}, ["person"], id="moved far"
        ),
        pytest.param(
            [cat(proba=0.9)], [cat(label=DOG, proba=0.9)], {"relabelled_from": 1}, ["person"],
            id="relabelled",
        ),
        pytest.param(
            [cat(proba=0.9)], [cat(12, label=DOG)], {"relabelled_from": 1}, ["person"],
            id="relabelled and moved",
        ),
        pytest.param([cat(proba=0.9)], [], {"removed": 1}, [], id="removed"),
        pytest.param([], [cat()], {"added": 1}, ["person"], id="added"),
        pytest.param(
            [cat(proba=0.9)], [cat(proba=0.9), cat(300)], {"confirmed": 1, "added": 1},
            ["model_confirmed", "person"], id="one of two",
        ),
        pytest.param(
            [cat(proba=0.9, last_touch="model_confirmed")],
            [cat(14, proba=0.9, last_touch="model_confirmed")],
            {"moved": 1}, ["person"], id="confirmed once, moved now",
        ),
        pytest.param(
            [cat(last_touch="person")], [cat(proba=0.4)], {"confirmed": 1}, ["person"],
            id="a person's that a model finds, too",
        ),
        pytest.param(
            [cat(proba=0.9)], [cat(14, proba=0.7)], {"moved": 1}, ["model"],
            id="a newer model's",
        ),
        pytest.param([], [cat(proba=0.7)], {"added": 1}, ["model"], id="a model's alone"),
    ],
)  # fmt: skip
def test_what_became_of_an_object(
    folders: Folders,
    old: list[Any],
    corrected: list[Any],
    changes: dict[str, int],
    touches: list[str],
) -> None:
    folders.write("old", [("a.jpg", cell(*old)), ("b.jpg", cell(cat()))])
    folders.write("corrected", [("a.jpg", cell(*corrected))])
    assert folders.merge() == 0
    report = folders.report()
    assert counts(report) == changes
    items = folders.items("a.jpg")
    assert [each["last_touch"] for each in items] == touches
    assert all(("proba" in each) <= (each["last_touch"] != "person") for each in items)
    assert ("a.jpg" in report["changed_images"]) == (set(changes) != {"confirmed"})


def test_outlines(folders: Folders) -> None:
    ring = [[10, 10], [50, 10], [50, 60.25], [10, 60]]
    rounded = [[10, 10], [50, 10], [50, 60], [10, 60]]
    moved = [[10, 10], [50, 10], [50, 60], [10, 50]]
    header = ("image_url", "output_content")
    old = [("a.jpg", cell(polygon(ring, CAT, proba=0.9))), ("b.jpg", cell(polygon(ring, CAT)))]
    folders.write("old", old, header=header)
    folders.write(
        "corrected",
        [("a.jpg", cell(polygon(rounded, CAT))), ("b.jpg", cell(polygon(moved, CAT)))],
        header=header,
    )
    assert folders.merge() == 0
    assert counts(folders.report()) == {"confirmed": 1, "moved": 1}
    assert folders.items("a.jpg")[0]["last_touch"] == "model_confirmed"


def test_other_rows_stay_as_they_are(folders: Folders, capsys: pytest.CaptureFixture[str]) -> None:
    """Order, quoting of cells, further columns; the corrected row is where the old one was."""
    odd = "{'identifications': [{'type': 'boundingBox', 'data': (1, 2, 3, 4), 'proba': 0.5,\n"
    odd += "'attributes': {'label': 'CAT'}}]}"
    old: Rows = [
        ("tray 1", "images/a.jpg", odd, "ann"),
        ("tray 2", "images/b.jpg", cell(cat()), "ann"),
        ("tray 2", "images/b.jpg", cell(cat(12)), "bob"),
        ("tray 3", "images/ü.jpg", "{}", ""),
        ("tray 4", "images/d.jpg", "{broken", "ann"),
    ]
    folders.write("old", old, header=("tray", "cdn_file_url", "output_content", "annotator"))
    folders.write(
        "corrected",
        [("images/b.jpg", cell(cat(), cat(300, label=DOG)), "7"), ("images/e.jpg", cell(), "8")],
        header=("image_url", "output_content", "task"),
    )
    assert folders.merge() == 0
    rows = [tuple(each.values()) for each in folders.rows()]
    assert list(folders.rows()[0]) == [
        "tray", "cdn_file_url", "output_content", "annotator", "task",
    ]  # fmt: skip
    assert rows[0] == (*old[0], "")
    assert rows[1][:2] == ("tray 2", "images/b.jpg")
    assert rows[1][3:] == ("", "7"), "whose annotator is another one"
    assert rows[2:4] == [(*old[3], ""), (*old[4], "")]
    assert rows[4] == ("", "images/e.jpg", cell(), "", "8")
    report = folders.report()
    assert counts(report) == {"confirmed": 1, "removed": 1}
    assert counts(report, DOG) == {"added": 1}
    assert report["last_touch"] == {"model": 1, "model_confirmed": 0, "person": 2}
    for name in ("a", "b", "ü", "d", "e"):
        source = folders.root / ("corrected" if name == "e" else "old") / f"images/{name}.jpg"
        assert (folders.new / f"images/{name}.jpg").read_bytes() == source.read_bytes()
    printed = capsys.readouterr().out
    assert "1 image of 4 corrected (1 found by name, 0 by content" in printed
    assert "1 new" in printed


def test_found_by_content(folders: Folders) -> None:
    """The tool gave names of its own; a copy under a third name is the same image, too."""
    data = image_of("a.jpg")
    rows = [("a.jpg", cell(cat())), ("b.jpg", cell(cat())), ("copy of a.jpg", cell(cat(12)))]
    folders.write("old", rows, images={"copy of a.jpg": data})
    folders.write("corrected", [("x/1.jpg", cell(cat(14)))], images={"x/1.jpg": data})
    assert folders.merge() == 0
    assert [each["cdn_file_url"] for each in folders.rows()] == ["a.jpg", "b.jpg"]
    assert folders.items("a.jpg")[0]["data"][0] == 14
    assert folders.report()["images"]["by_content"] == {"x/1.jpg": "a.jpg"}
    assert sorted(path.name for path in folders.new.iterdir()) == [
        "a.jpg", "annotations.csv", "b.jpg", "categories.csv", "merge.json",
    ]  # fmt: skip


def test_content_counts_before_the_name(folders: Folders) -> None:
    folders.write("old", [("a.jpg", cell(cat())), ("b.jpg", cell(cat(50)))])
    folders.write("corrected", [("a.jpg", cell(cat(99)))], images={"a.jpg": image_of("b.jpg")})
    assert folders.merge() == 0
    assert [folders.items(name)[0]["data"][0] for name in ("a.jpg", "b.jpg")] == [10, 99]


@pytest.mark.parametrize("place", ["old/index.csv", "index.csv"])
def test_urls_are_found_by_what_fetch_knows(folders: Folders, place: str) -> None:
    url = "https://host/a.jpg?signature=1"
    folders.write("old", [(url, cell(cat(proba=0.9))), ("https://host/b.jpg", cell())])
    folders.write("corrected", [("images/a.jpg", cell(cat(14)))])
    original = hashlib.sha256(image_of("images/a.jpg")).hexdigest()
    images: list[IndexedImage | str] = [
        indexed_image(url, "1" * 64, original_sha256=original), "https://host/b.jpg",
    ]  # fmt: skip
    write_index(folders.root / place, images)
    more = [] if place.startswith("old") else ["--index", str(folders.root / place)]
    assert folders.merge(*more) == 0
    assert [each["cdn_file_url"] for each in folders.rows()] == [url, "https://host/b.jpg"]
    assert counts(folders.report()) == {"moved": 1}


def test_export_without_images_is_found_by_the_file_name(
    folders: Folders, capsys: pytest.CaptureFixture[str]
) -> None:
    folders.write("old", [("https://host/x/a.jpg?s=1", cell(cat())), ("images/b.jpg", cell(cat()))])
    folders.write(
        "corrected", [("a.jpg", cell(cat(14))), ("b.jpg", cell())], images=False, classes=None
    )
    assert folders.merge() == 0
    assert folders.report()["images"]["by_file_name"] == {
        "a.jpg": "https://host/x/a.jpg?s=1", "b.jpg": "images/b.jpg",
    }  # fmt: skip
    assert "2 images were found by the file's name alone; check" in capsys.readouterr().out


def test_other_bytes_under_the_same_name(folders: Folders) -> None:
    folders.write("old", [("a.jpg", cell(cat()))], images={"a.jpg": encode_image()})
    again = encode_image(encoding="PNG")
    folders.write("corrected", [("a.jpg", cell(cat(14)))], images={"a.jpg": again})
    assert folders.merge() == 0
    assert folders.report()["images"]["other_bytes"] == ["a.jpg"]
    assert (folders.new / "a.jpg").read_bytes() == encode_image()


def test_several_corrected_rows_of_one_image(folders: Folders) -> None:
    """Two people corrected it: both rows stay, for stage coco to merge."""
    folders.write("old", [("a.jpg", cell(cat(proba=0.9), cat(300, proba=0.8)))])
    folders.write("corrected", [("a.jpg", cell(cat())), ("a.jpg", cell(cat(14)))])
    assert folders.merge() == 0
    assert len(folders.rows()) == 2
    assert counts(folders.report()) == {"confirmed": 1, "moved": 1, "removed": 1}


def test_nobody_annotated_is_no_correction(folders: Folders) -> None:
    folders.write("old", [("a.jpg", cell(cat())), ("b.jpg", cell(cat()))])
    folders.write(
        "corrected", [("a.jpg", ""), ("b.jpg", "{}"), ("b.jpg", cell()), ("new.jpg", "null")]
    )
    assert folders.merge() == 0
    assert [each["output_content"] for each in folders.rows()] == [cell(cat()), cell()]
    assert folders.report()["images"]["unannotated"] == ["a.jpg", "new.jpg"]


def test_new_classes_do_not_move_ids(folders: Folders, capsys: pytest.CaptureFixture[str]) -> None:
    folders.write("old", [("a.jpg", cell(cat()))], classes=("ZEBRA", CAT))
    rows = [("a.jpg", cell(cat(label="APE"), cat(99, label="gnu"), cat(200, label="gnu")))]
    folders.write("corrected", rows, classes=("APE", " CAT", "EMU"))
    assert folders.merge() == 0
    assert (folders.new / "categories.csv").read_text(encoding="utf-8").splitlines() == [
        "category_image", "ZEBRA", CAT, "APE", "EMU",
    ]  # fmt: skip
    report = folders.report()
    assert report["new_classes"] == ["APE", "EMU"]
    assert report["unknown_labels"] == {"gnu": 2}
    assert report["relabelled"] == [{"from": CAT, "to": "APE", "objects": 1}]
    assert "in no categories.csv, so that they are not trained on: 'gnu' (2)" in (
        capsys.readouterr().out
    )


def test_what_cannot_be_read_is_kept(folders: Folders) -> None:
    odd = [None, 5, {"type": "line"}, box([math.nan, 1, 2, 3]), box([1, 2, 0, 4]), box(label=None)]
    folders.write("old", [("a.jpg", cell(cat(), *odd))])
    folders.write("corrected", [("a.jpg", cell(*odd, cat()))])
    assert folders.merge() == 0
    items = folders.items("a.jpg")
    assert [each for each in items if each == each][:3] == odd[:3]
    assert len(items) == 7
    assert folders.report()["unreadable"] == 6
    assert counts(folders.report()) == {"confirmed": 1}


def test_a_folder_of_another_tool(folders: Folders) -> None:
    folders.write("old", [("images/a.jpg", cell(cat(proba=0.9))), ("images/b.jpg", cell(cat()))])
    corrected = folders.root / "corrected"
    corrected.mkdir()
    (corrected / "a.jpg").write_bytes(image_of("images/a.jpg"))
    coco = {
        "images": [{"id": 1, "file_name": "a.jpg", "width": 100, "height": 80}],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 1, "bbox": [10, 20, 30, 40], "area": 1200},
            {"id": 2, "image_id": 1, "category_id": 2, "bbox": [60, 20, 10, 10], "area": 100},
        ],
        "categories": [{"id": 1, "name": CAT}, {"id": 2, "name": "EMU"}],
    }
    (corrected / "instances.json").write_text(json.dumps(coco), encoding="utf-8")
    assert folders.merge() == 0
    assert folders.report()["new_classes"] == ["EMU"]
    assert [each["last_touch"] for each in folders.items("images/a.jpg")] == [
        "model_confirmed", "person",
    ]  # fmt: skip


def test_merging_twice_gives_the_same_bytes(folders: Folders) -> None:
    rows = [(f"{n}.jpg", cell(cat(n, proba=0.5), cat(200 + n))) for n in range(20)]
    folders.write("old", rows)
    folders.write("corrected", [(f"{n}.jpg", cell(cat(n + n % 5))) for n in range(0, 20, 2)])
    assert folders.merge() == 0
    before = {path.name: path.read_bytes() for path in folders.new.iterdir()}
    assert folders.merge("--overwrite") == 0
    assert {path.name: path.read_bytes() for path in folders.new.iterdir()} == before


@pytest.mark.parametrize(
    ("corrected", "message"),
    [
        pytest.param([("a.jpg", "{broken")], "row 2: 'output_content' is no annotation", id="cell"),
        pytest.param([("a.jpg", "{}")], "no row is annotated, so there is nothing", id="nothing"),
        pytest.param([], "no row is annotated", id="no rows"),
        pytest.param([("", cell())], "row 2: the cell that names the image is empty", id="no name"),
        pytest.param(
            [("a.jpg", "{'identifications': [{'type': 'x', 'y': b'1'}]}")],
            "row 2: an object that is no JSON",
            id="bytes",
        ),
        pytest.param(
            [("a.jpg", "{'identifications': [{('a', 1): 2}]}")], "no JSON: keys must be", id="key"
        ),
        pytest.param(
            [("annotations.csv", cell(cat()))], "would replace another file", id="our own name"
        ),
        pytest.param(
            [("merge.json", cell(cat()))], "an image has the name merge.json", id="the report"
        ),
    ],
)
def test_hostile_corrections(
    folders: Folders, capsys: pytest.CaptureFixture[str], corrected: Rows, message: str
) -> None:
    folders.write("old", [("a.jpg", cell(cat()))])
    name = corrected[0][0] if corrected else ""
    write_csv(
        folders.root / "corrected/annotations.csv", [("cdn_file_url", "output_content"), *corrected]
    )
    if name == "merge.json":
        (folders.root / "corrected/merge.json").write_text("{}")
    assert folders.merge() == 1
    error = capsys.readouterr().err
    assert error.startswith("rhymes merge: ")
    assert message in error
    assert not folders.new.exists()
    assert sorted(path.name for path in folders.root.iterdir()) == ["corrected", "old"]


@pytest.mark.parametrize("source", ["../secret.txt", "/etc/passwd", "images/link.jpg", "a\\b.jpg"])
def test_no_file_outside_is_read(folders: Folders, source: str) -> None:
    (folders.root / "secret.txt").write_text("secret")
    folders.write("old", [("a.jpg", cell(cat()))])
    corrected = folders.write("corrected", [(source, cell(cat()))], images=False)
    (corrected / "images").mkdir()
    (corrected / "images/link.jpg").symlink_to(folders.root / "secret.txt")
    assert folders.merge() == 0
    assert list(folders.report()["images"]["missing"]) == [source]
    assert not any(b"secret" in path.read_bytes() for path in folders.new.rglob("*.jpg"))
    assert sorted(path.name for path in folders.new.iterdir()) == [
        "a.jpg", "annotations.csv", "categories.csv", "merge.json",
    ]  # fmt: skip


def test_another_image_of_the_same_name(
    folders: Folders, capsys: pytest.CaptureFixture[str]
) -> None:
    folders.write("old", [("IMG_1.jpg", cell())], images={"IMG_1.jpg": encode_image()})
    other = encode_image(size=(90, 80))
    folders.write("corrected", [("IMG_1.jpg", cell(cat()))], images={"IMG_1.jpg": other})
    assert folders.merge() == 1
    assert "'IMG_1.jpg' is another image than in" in (error := capsys.readouterr().err)
    assert "120 x 80 and 90 x 80 pixels" in error


def test_fetched_export_has_no_images(folders: Folders, capsys: pytest.CaptureFixture[str]) -> None:
    folders.write("old", [("a.jpg", cell(cat()))], images=False)
    folders.write("corrected", [("a.jpg", cell(cat()))])
    assert folders.merge() == 1
    assert "none of the 1 images that its annotations.csv names is there" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("new", "message"),
    [
        pytest.param("old", "lies in", id="old"),
        pytest.param("corrected/in it", "lies in", id="in corrected"),
        pytest.param(".", "lies in", id="around both"),
        pytest.param("file", "there is a file of this name", id="file"),
        pytest.param("full", "not of an earlier merge; name another", id="not ours"),
        pytest.param("merged", "holds an earlier merge; name another folder, or add", id="ours"),
    ],
)
def test_new_that_may_not_be_written(
    folders: Folders, capsys: pytest.CaptureFixture[str], new: str, message: str
) -> None:
    folders.write("old", [("a.jpg", cell(cat()))])
    folders.write("corrected", [("a.jpg", cell(cat()))])
    (folders.root / "file").write_text("")
    for name, file in (("full", "photo.jpg"), ("merged", "merge.json")):
        (folders.root / name).mkdir()
        (folders.root / name / file).write_text("{}")
    old, corrected = str(folders.root / "old"), str(folders.root / "corrected")
    assert cli.main(["merge", old, corrected, "-o", str(folders.root / new)]) == 1
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        pytest.param("old", "old: no such folder", id="no folder"),
        pytest.param("old/annotations.csv", "old: no annotations.csv there", id="no rows"),
        pytest.param("old/categories.csv", "old/categories.csv: not found", id="no classes"),
        pytest.param("corrected", "corrected: no such folder", id="no corrections"),
    ],
)
def test_missing_files(
    folders: Folders, capsys: pytest.CaptureFixture[str], missing: str, message: str
) -> None:
    for name in ("old", "corrected"):
        folders.write(name, [("a.jpg", cell(cat()))])
    path = folders.root / missing
    path.rename(folders.root / "gone") if path.is_dir() else path.unlink()
    assert folders.merge() == 1
    assert message in capsys.readouterr().err


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_folder_that_is_read_only(folders: Folders, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("old", "corrected"):
        folders.write(name, [("a.jpg", cell(cat()))])
    folders.root.chmod(0o500)
    try:
        assert folders.merge() == 1
    finally:
        folders.root.chmod(0o700)
    assert "Permission denied" in capsys.readouterr().err
