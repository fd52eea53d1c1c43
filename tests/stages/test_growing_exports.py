"""Exports that grow, shrink, are relabelled or rename a class: splits, ids, requests, reports."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from rhymes.common.errors import InputError
from tests.support.export_project import CLASSES, ExportProject, compare, objects_of
from tests.support.hostile_server import HostileServer


@pytest.fixture
def cdn() -> Iterator[HostileServer]:
    with HostileServer() as server:
        yield server


@pytest.fixture
def project(tmp_path: Path) -> ExportProject:
    """60 images, from which 42, 9 and 9 go to train, val and test."""
    project = ExportProject(tmp_path / "project", {})
    project.add_images(*range(60))
    return project


def table(report: str, title: str) -> dict[str, list[str]]:
    """Rows of a table of the report, by their first cell."""
    part = report.split(f"## {title}\n\n")[1].split("\n\n")[0]
    lines = [
        [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in part.split("\n")
    ]
    return {line[0]: line[1:] for line in lines if line[0] != "---"}


def test_growing_with_pinned_splits(project: ExportProject) -> None:
    first = project.run("first")
    before = project.splits()
    project.keep_splits()
    project.add_images(*range(60, 80))
    second = project.run("second")
    after = project.splits()
    assert {image: after[image] for image in before} == before, "no image changes its split"
    assert len(after) == 80
    added = [after[image] for image in after if image not in before]
    # 15 % of 80 is 12, so val and test lack 3 each.
    assert [added.count(split) for split in ("train", "val", "test")] == [14, 3, 3]

    comparison, report = compare(first, second)
    assert len(comparison.images.added) == 20
    assert not comparison.changed_split
    assert "- Images: 60 -> 80: 20 added, 0 removed; of those in both 0 with other" in report
    assert "To look at" not in report
    assert table(report, "Images of each split") == {
        "split": ["before", "added", "now"],
        "train": ["42", "14", "56"], "val": ["9", "3", "12"], "test": ["9", "3", "12"],
    }  # fmt: skip
    labels = [label for number in range(60, 80) for label, _ in objects_of(number)]
    for name in CLASSES:
        _, added_objects, _ = table(report, "Objects of each class")[name]
        assert int(added_objects) == labels.count(name)


def test_growing_without_pins_moves_images_and_the_report_says_so(project: ExportProject) -> None:
    first = project.run("first")
    before = project.splits()
    project.add_images(*range(60, 80))
    second = project.run("second")
    after = project.splits()
    moved = {image for image, split in before.items() if after[image] != split}
    leaked = sum(before[image] == "train" for image in moved)
    assert moved, "the docs say that this happens"
    comparison, report = compare(first, second)
    assert {pair.new.source for pair in comparison.changed_split} == moved
    assert f"- **{len(moved)} images are in another split** (" in report
    assert f"has seen {leaked} of those that are now held out" in report
    assert "make keep-splits" in report

    # The cure that the report names.
    (project.root / "data/splits.csv").write_bytes((first / "splits.csv").read_bytes())
    project.run("third")
    assert {image: project.splits()[image] for image in before} == before


@pytest.mark.parametrize("pinned", [True, False])
def test_the_same_export_in_another_order_is_the_same_split(
    project: ExportProject, pinned: bool
) -> None:
    first = project.run("first")
    before = project.splits()
    if pinned:
        project.keep_splits()
    project.rows = dict(reversed(project.rows.items()))
    second = project.run("second")
    assert project.splits() == before
    assert "- Images, splits, objects and classes are the same.\n" in compare(first, second)[1]


def test_shrinking(project: ExportProject) -> None:
    first = project.run("first")
    before = project.splits()
    project.keep_splits()
    gone = [f"{number}.jpg" for number in range(15)]
    for image in gone:
        del project.rows[image]
    second = project.run("second")
    assert len(list((project.root / "data/images").iterdir())) == 45, "their files are gone"
    after = project.splits()
    assert after == {image: split for image, split in before.items() if image not in gone}
    report_md = (second / "report.md").read_text(encoding="utf-8")
    assert "15 images or groups are pinned in splits.csv but not in the export" in report_md

    comparison, report = compare(first, second)
    assert {image.source for image in comparison.images.removed} == set(gone)
    rows = table(report, "Images of each split")
    for split in ("train", "val", "test"):
        was = list(before.values()).count(split)
        left = list(after.values()).count(split)
        assert rows[split] == [str(was), str(was - left), str(left)]

    # What comes back is where it was: absent groups stay pinned.
    project.keep_splits()
    project.add_images(*range(15))
    third = project.run("third")
    assert project.splits() == before
    assert "the same" in compare(first, third)[1]


@pytest.mark.parametrize("pinned", [True, False])
def test_relabelled(project: ExportProject, pinned: bool) -> None:
    first = project.run("first")
    before = project.splits()
    if pinned:
        project.keep_splits()
    changed = [image for image in project.rows if objects_of(int(image[:-4]))[0][0] == "DOG"][:7]
    for image in changed:
        project.rows[image][0] = ("EMU", project.rows[image][0][1])
    project.rows["0.jpg"][1] = ("CAT", (13, 3, 8, 9))  # a pixel to the right
    project.rows["1.jpg"].append(("CAT", (20, 14, 5, 5)))
    del project.rows["2.jpg"][1]
    second = project.run("second")
    if pinned:
        assert project.splits() == before, "other classes, the same split"
    comparison, report = compare(first, second)
    assert {k: tuple(v) for k, v in comparison.relabelled.items()} == {("DOG", "EMU"): (7, 7)}
    rows = table(report, "Objects of each class")
    header = rows["class"]
    assert header[:1] == ["before"]
    counts = {name: dict(zip(header, map(int, rows[name]), strict=True)) for name in CLASSES}
    assert counts["DOG"]["relabelled from"] == counts["EMU"]["relabelled to"] == 7
    assert (counts["CAT"]["added"], counts["CAT"]["removed"], counts["CAT"]["redrawn"]) == (1, 1, 1)
    assert counts["DOG"]["now"] == counts["DOG"]["before"] - 7
    assert table(report, "Relabelled objects")["DOG"] == ["EMU", "7", "7"]
    for each in ("9 with other objects: ", "0.jpg (1 CAT redrawn)", "4.jpg (1 DOG -> EMU)"):
        assert each in report
    assert len(comparison.changed()) == len({*changed, "0.jpg", "1.jpg", "2.jpg"})
    assert bool(comparison.changed_split) == (project.splits() != before)


def rename(project: ExportProject, old: str, new: str) -> None:
    for image, objects in project.rows.items():
        project.rows[image] = [(new if name == old else name, box) for name, box in objects]


@pytest.mark.parametrize("pinned", [True, False])
def test_renamed_class(project: ExportProject, pinned: bool) -> None:
    first = project.run("first")
    before = project.splits()
    if pinned:
        project.keep_splits()
    rename(project, "DOG", "Hündin")
    project.categories = ("CAT", "Hündin", "EMU")
    second = project.run("second")
    assert project.splits() == before, "a name does not decide a split"
    comparison, report = compare(first, second)
    assert "- The class 'DOG' is now called 'Hündin' (20 objects; its id is still 2).\n" in report
    assert not comparison.relabelled
    assert not comparison.changed()
    assert "another id" not in report
    assert table(report, "Objects of each class")["Hündin (was DOG)"] == ["20", "20"]
    for name in ("train.json", "val.json", "test.json"):
        old, new = ((folder / name).read_text(encoding="utf-8") for folder in (first, second))
        assert old.replace('"name": "DOG"', '"name": "Hündin"') == new, "ids are the same"


def test_renamed_class_elsewhere_in_the_categories_changes_ids(project: ExportProject) -> None:
    first = project.run("first")
    rename(project, "DOG", "HOUND")
    project.categories = ("HOUND", "CAT", "EMU")
    comparison, report = compare(first, project.run("second"))
    assert comparison.moved_ids == {"HOUND": (2, 1), "CAT": (1, 2)}
    assert "- The class 'DOG' is now called 'HOUND' (20 objects).\n" in report
    assert "- 2 classes have another id: 'HOUND' 2 -> 1, 'CAT' 1 -> 2. Ids follow" in report
    assert not comparison.relabelled


def test_class_renamed_in_one_file_alone_loses_its_objects(project: ExportProject) -> None:
    first = project.run("first")
    project.categories = ("CAT", "HOUND", "EMU")
    comparison, report = compare(first, project.run("second"))
    assert not comparison.class_changes
    assert "- New class: 'HOUND' (0 objects).\n- Gone class: 'DOG' (20 objects).\n" in report
    assert "- 20 more than before dropped as `unknown_label` (20 in all)" in report
    assert table(report, "What the conversion dropped")["`unknown_label`"][:2] == ["0", "20"]


def test_merged_class(project: ExportProject) -> None:
    first = project.run("first")
    rename(project, "EMU", "DOG")
    project.categories = ("CAT", "DOG")
    comparison, report = compare(first, project.run("second"))
    assert "- The class 'EMU' is gone: it was merged into 'DOG' (20 objects).\n" in report
    assert not comparison.relabelled
    assert comparison.classes["DOG"].relabelled_to == 20


def test_new_image_under_an_old_name(project: ExportProject) -> None:
    first = project.run("first")
    project.keep_splits()
    other = (project.root / "data/raw/59.jpg").read_bytes()
    del project.rows["59.jpg"]
    (project.root / "data/raw/0.jpg").write_bytes(other)
    # Name and content are pinned to different splits.
    with pytest.raises(InputError, match=r"image '0\.jpg' in train, but .* in val"):
        project.run("refused")
    cured = project.pins().replace("\n0.jpg,", "\n,")
    (project.root / "data/splits.csv").write_text(cured, encoding="utf-8")
    comparison, report = compare(first, project.run("second"))
    assert not comparison.changed_split
    # Its bytes are those of the old 59.jpg, so that it is this image under another name.
    assert [(p.old.source, p.new.source) for p in comparison.renamed] == [("59.jpg", "0.jpg")]
    assert [image.source for image in comparison.images.removed] == ["0.jpg"]
    assert "- 1 image has the same bytes under another name.\n" in report


def test_20_added_rows_fetch_20_images(tmp_path: Path, cdn: HostileServer) -> None:
    rows = {cdn.url(f"/good/{number}.jpg"): objects_of(number) for number in range(40)}
    project = ExportProject(tmp_path / "project", rows)
    project.run("first", allowed_hosts=[cdn.host])
    assert sum(cdn.asked.values()) == 40
    cdn.asked.clear()
    project.keep_splits()
    project.rows |= {cdn.url(f"/good/{number}.jpg"): objects_of(number) for number in range(40, 60)}
    project.run("second", allowed_hosts=[cdn.host])
    assert cdn.asked == {f"/good/{number}.jpg": 1 for number in range(40, 60)}
    assert len(list((project.root / "data/images").iterdir())) == 60

    cdn.asked.clear()
    project.rows = dict(list(project.rows.items())[30:])
    project.run("third", allowed_hosts=[cdn.host])
    assert not cdn.asked, "a smaller export asks for nothing"
    assert len(list((project.root / "data/images").iterdir())) == 30


def recompress(project: ExportProject, number: int, **options: Any) -> None:
    path = project.root / f"data/raw/{number}.jpg"
    with Image.open(path) as image:
        image.save(path, "JPEG", **options)


def write_comments(project: ExportProject) -> None:
    """A segment COM behind the first two bytes of each JPEG."""
    for path in (project.root / "data/raw").glob("*.jpg"):
        data = path.read_bytes()
        path.write_bytes(data[:2] + b"\xff\xfe\x00\x06mine" + data[2:])


def rename_all(project: ExportProject) -> None:
    for path in (project.root / "data/raw").glob("*.jpg"):
        path.rename(path.with_name(f"new-{path.name}"))
    project.rows = {f"new-{image}": objects for image, objects in project.rows.items()}


def convert_to_png(project: ExportProject) -> None:
    """Other bytes, another name, the same pixels."""
    for path in (project.root / "data/raw").glob("*.jpg"):
        with Image.open(path) as image:
            image.save(path.with_suffix(".png"))
        path.unlink()
    project.rows = {image.replace(".jpg", ".png"): each for image, each in project.rows.items()}


@pytest.mark.parametrize("fetch_params", [{}, {"jpeg_quality": 60}], ids=["same", "quality"])
@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda project: None, id="nothing"),
        pytest.param(write_comments, id="comment"),
        pytest.param(
            lambda project: [recompress(project, n, quality=50) for n in range(60)],
            id="recompressed",
        ),
        pytest.param(rename_all, id="renamed"),
        pytest.param(convert_to_png, id="another format"),
        pytest.param(lambda project: project.add_images(*range(60, 80)), id="grown"),
        pytest.param(
            lambda project: project.rows.update(dict(reversed(project.rows.items()))), id="order"
        ),
    ],
)
def test_no_pinned_image_moves(project: ExportProject, change: Any, fetch_params: Any) -> None:
    """What docs/bring-your-own-export.md promises of `make keep-splits`."""
    project.run("first")
    before = project.splits()
    project.keep_splits()
    change(project)
    project.run("second", **fetch_params)
    after = {re.sub(r"^new-|\.\w+$", "", image): each for image, each in project.splits().items()}
    assert {image: after[image.removesuffix(".jpg")] for image in before} == before
