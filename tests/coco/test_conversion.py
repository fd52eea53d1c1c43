"""Whole exports, small ones: what report.json counts and what the COCO files hold."""

from __future__ import annotations

import csv
import hashlib
import json
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rhymes.coco.conversion import ConversionOptions, convert_export
from rhymes.coco.files import Coco, load_coco
from rhymes.coco.group_pattern import compile_group_pattern
from rhymes.coco.label_map import load_label_map
from rhymes.coco.pins import load_pins
from rhymes.coco.splits import SPLITS
from rhymes.common.errors import InputError
from rhymes.export.fetched import load_image_index
from tests.support.export_csv import box, cell, indexed_image, polygon, write_csv, write_index

OPTIONS = ConversionOptions(seed=1, fractions=(0.7, 0.15, 0.15))
WIDTH, HEIGHT = 100, 80


@dataclass
class Export:
    """An export in a folder, converted beside it."""

    folder: Path

    def write(
        self,
        rows: list[tuple[str, str]],
        names: tuple[str, ...] = ("RBC", "WBC"),
        failed: tuple[str, ...] = (),
        bytes_of: dict[str, str] | None = None,
        pins: str = "",
        column: str = "cdn_file_url",
    ) -> Export:
        """Write the CSV files; images have different bytes, unless `bytes_of` names a twin."""
        sources = dict.fromkeys(source for source, _ in rows)
        twins = bytes_of or {}
        index = [
            s if s in failed else indexed_image(s, sha(twins.get(s, s)), (WIDTH, HEIGHT))
            for s in sources
        ]
        self.save("annotations.csv", [(column, "output_content"), *rows])
        self.save("categories.csv", [("category_image",), *((name,) for name in names)])
        write_index(self.folder / "index.csv", index)
        (self.folder / "splits.csv").write_text("group,split\n" + pins, encoding="utf-8")
        return self

    def save(self, name: str, rows: list[tuple[Any, ...]]) -> None:
        write_csv(self.folder / name, rows)

    @property
    def out(self) -> Path:
        return self.folder / "coco"

    def convert(self, options: ConversionOptions = OPTIONS) -> dict[str, Any]:
        """Convert and return report.json."""
        convert_export(self.folder, self.folder / "splits.csv", self.out, options)
        return self.report()

    def report(self) -> dict[str, Any]:
        report: dict[str, Any] = json.loads((self.out / "report.json").read_text(encoding="utf-8"))
        return report

    def coco(self, split: str) -> Coco:
        return load_coco(self.out / f"{split}.json")

    def splits(self) -> dict[str, str]:
        """Image -> split."""
        return {i["source"]: split for split in SPLITS for i in self.coco(split)["images"]}

    def annotations(self) -> list[tuple[str, int, list[float]]]:
        """Image, class id and box of every annotation."""
        found = []
        for split in SPLITS:
            coco = self.coco(split)
            sources = {image["id"]: image["source"] for image in coco["images"]}
            found += [
                (sources[a["image_id"]], a["category_id"], a["bbox"]) for a in coco["annotations"]
            ]
        return found


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def dropped(report: dict[str, Any]) -> dict[str, tuple[int, list[int]]]:
    """Reasons that occur, with their counts and rows."""
    return {k: (d["count"], d["rows"]) for k, d in report["dropped"].items() if d["count"]}


@pytest.fixture
def export(tmp_path: Path) -> Export:
    return Export(tmp_path / "export")


GOOD = [(f"good{n}.jpg", cell(box(label="RBC"), box([1, 2, 3, 4], "WBC"))) for n in range(8)]


def test_every_oddity_is_counted_with_its_rows(export: Export) -> None:
    rows = [
        ("a.jpg", cell(box(), box())),  # row 2: a duplicate
        ("a.jpg", cell(box(), box([0, 0, 5, 5]))),  # row 3: one more, in another row
        ("b.jpg", ""),  # row 4
        ("b.jpg", "{}"),  # row 5
        ("c.jpg", "{broken"),  # row 6
        ("d.jpg", cell(box(), None)),  # row 7: the image failed, its items are not read
        ("e.jpg", cell()),  # row 8: a negative example
        ("f.jpg", cell(None, 5, box())),  # row 9
        ("f.jpg", cell(box(label=None), polygon(label=""))),  # row 10
        ("g.jpg", cell(box(label="CAT"), box(label="CAT"), box(type="line"))),  # row 11
        ("h.jpg", cell(box([math.nan, 1, 2, 3]), box())),  # row 12
        ("h.jpg", repr({"identifications": [box([0, 0, math.inf, 3])]})),  # row 13
        ("i.jpg", cell(box([1, 1, 0, 5]), box([9, 9, -3, 5]), box())),  # row 14
        ("j.jpg", cell(box([200, 1, 5, 5]), box([90, 70, 20, 20]))),  # row 15: one is cut
        ("k.jpg", cell(polygon([[1, 1], [2, 2]]), polygon())),  # row 16
        ("k.jpg", cell(polygon([[-5, 1], [9, 1], [9, 9]]))),  # row 17: cut
    ]
    report = export.write(rows + GOOD, failed=("d.jpg",)).convert()
    assert dropped(report) == {
        "no_identifications": (2, [4, 5]),
        "bad_cell": (1, [6]),
        "image_failed": (1, [7]),
        "null_item": (2, [9]),
        "unknown_type": (1, [11]),
        "no_label": (2, [10]),
        "unknown_label": (2, [11]),
        "not_finite": (2, [12, 13]),
        "too_few_points": (1, [16]),
        "empty_box": (2, [14]),
        "outside_image": (1, [15]),
        "duplicate_item": (2, [2, 3]),
    }
    assert report["rows"] == {"read": 24, "kept": 20}
    assert report["items"] == {"read": 23 + 16, "kept": 8 + 16, "clipped": 2, "dropped": 15}
    assert set(export.splits()) == {f"{c}.jpg" for c in "aefghijk"} | {s for s, _ in GOOD}
    assert sum(map(sum, (c.values() for c in report["classes"].values()))) == 24
    assert report["unknown_labels"] == {"CAT": 2}


def test_both_dialects_in_one_file(export: Export) -> None:
    rows = [*GOOD, ("mixed.jpg", cell(box(), polygon()))]
    export.write(rows, column="image_url").convert()
    annotations = [a for split in SPLITS for a in export.coco(split)["annotations"]]
    outlined = [a for a in annotations if "segmentation" in a]
    assert [a["segmentation"] for a in outlined] == [[[10, 10, 30, 10, 30, 20]]]
    assert outlined[0]["bbox"] == [10, 10, 20, 10]
    assert outlined[0]["area"] == 100
    assert len(annotations) == 18


def test_coco_files_form_one_set(export: Export) -> None:
    export.write([(f"{n}.jpg", cell(box(), box([n, 1, 2, 3], "WBC"))) for n in range(40)]).convert()
    files = [export.coco(split) for split in SPLITS]
    images = [image for coco in files for image in coco["images"]]
    annotations = [annotation for coco in files for annotation in coco["annotations"]]
    assert [image["id"] for image in images] == list(range(1, 41))
    assert [annotation["id"] for annotation in annotations] == list(range(1, 81))
    assert [a["image_id"] for a in annotations] == sorted(a["image_id"] for a in annotations)
    assert all(coco["categories"] == files[0]["categories"] for coco in files)
    assert all(len(coco["images"]) >= 5 for coco in files)
    assert images[0] == {
        "id": 1,
        "file_name": sha(images[0]["source"]) + ".jpg",
        "width": WIDTH,
        "height": HEIGHT,
        "source": images[0]["source"],
    }
    assert load_label_map(export.out / "label_map.pbtxt") == {1: "RBC", 2: "WBC"}
    labels = (export.out / "labels.txt").read_text(encoding="utf-8")
    assert labels == "__ignore__\nBackground\nRBC\nWBC\n"
    pins = load_pins(export.out / "splits.csv")
    assert {pin.image: pin.split for pin in pins} == export.splits()
    assert {pin.original_sha256 for pin in pins} == {sha(image["source"]) for image in images}


def test_rows_of_one_image_are_one_image(export: Export) -> None:
    rows = [("a.jpg", cell(box())), *GOOD, ("a.jpg", cell(box(), box([5, 5, 5, 5], "WBC")))]
    report = export.write(rows).convert()
    assert sum(report["images"].values()) == 9
    assert [a for a in export.annotations() if a[0] == "a.jpg"] == [
        ("a.jpg", 1, [10, 20, 30, 40]),
        ("a.jpg", 2, [5, 5, 5, 5]),
    ]
    assert any("1 image stands in several rows" in warning for warning in report["warnings"])


@pytest.mark.parametrize(
    ("one", "other", "kept"),
    [
        pytest.param(box(), box(errors=["x"]), 1, id="something else differs"),
        pytest.param(box(), box([10.0, 20, 30, 40]), 1, id="integer and float"),
        pytest.param(box(), box([10, 20, 30, 41]), 2, id="other geometry"),
        pytest.param(box(), box(label="WBC"), 2, id="other class"),
        pytest.param(box([-5, 0, 10, 9]), box([0, 0, 5, 9]), 1, id="equal after cutting"),
        pytest.param(
            polygon(), polygon([[10, 10], [30, 10], [30, 20], [10, 10]]), 1, id="closed or not"
        ),
        pytest.param(polygon([[1, 1], [9, 1], [9, 9], [1, 9]]), box([1, 1, 8, 8]), 2, id="type"),
    ],
)
def test_duplicates(export: Export, one: Any, other: Any, kept: int) -> None:
    report = export.write([("a.jpg", cell(one, other)), *GOOD]).convert()
    assert len([a for a in export.annotations() if a[0] == "a.jpg"]) == kept
    assert report["dropped"]["duplicate_item"]["count"] == 2 - kept


def test_same_item_on_two_images_is_no_duplicate(export: Export) -> None:
    report = export.write(GOOD).convert()
    assert report["dropped"]["duplicate_item"]["count"] == 0


def test_negatives_are_kept_and_unannotated_images_are_not(export: Export) -> None:
    rows = [*GOOD, ("empty.jpg", cell()), ("nobody.jpg", "{}"), ("later.jpg", "")]
    report = export.write([*rows, ("later.jpg", cell(box()))]).convert()
    assert set(export.splits()) == {s for s, _ in GOOD} | {"empty.jpg", "later.jpg"}
    assert sum(report["empty_images"].values()) == 1


@pytest.mark.parametrize("column", ["sha256", "original_sha256", "pixels_sha256"])
def test_names_of_one_image_are_merged(export: Export, column: str) -> None:
    """Half of its objects under each name, one under both."""
    rows = [(f"a{n}.jpg", cell(box([n, 1, 2, 3]), box([0, 0, 5, 5]))) for n in range(20)]
    rows += [(f"b{n}.jpg", cell(box([0, 0, 5, 5]), box([n, 5, 2, 3], "WBC"))) for n in range(20)]
    rows += [("c.jpg", cell(box()))]
    export.write(rows)
    index = load_image_index(export.folder / "index.csv")
    files = [
        file._replace(**{column: sha(f"shared {source[1:]}")}) if source[0] in "ab" else file
        for source, file in index.items()
        if file
    ]
    write_index(export.folder / "index.csv", files)
    report = export.convert()
    images = [image for split in SPLITS for image in export.coco(split)["images"]]
    assert len(images) == 21
    by_name = {image["source"]: image for image in images}
    assert by_name["a7.jpg"]["sources"] == ["a7.jpg", "b7.jpg"]
    assert by_name["a7.jpg"]["file_name"] == f"{files[7].sha256}.jpg", "the file of the first"
    assert "sources" not in by_name["c.jpg"]
    classes = [class_id for name, class_id, _ in export.annotations() if name == "a7.jpg"]
    assert classes == [1, 1, 2]
    assert report["dropped"]["duplicate_item"] == {"count": 20, "rows": list(range(22, 42))}
    assert report["rows"] == {"read": 41, "kept": 41}
    assert report["merged"]["images"] == 20
    assert report["merged"]["names"] == 40
    assert report["merged"]["examples"][0] == ["a0.jpg", "b0.jpg"]
    warning = "20 images stand under 40 names, of equal pixels or bytes"
    assert any(warning in sentence for sentence in report["warnings"])


def test_names_are_merged_through_others(export: Export) -> None:
    """The file of one was kept, another has other metadata, a third was recompressed."""
    export.write([(name, cell(box([n, 1, 2, 3]))) for n, name in enumerate("dcba")] + GOOD)
    index = load_image_index(export.folder / "index.csv")
    files = {source: file for source, file in index.items() if file}
    files["a"] = files["a"]._replace(pixels_sha256=sha("pixels"))
    files["b"] = files["b"]._replace(pixels_sha256=sha("pixels"), original_sha256=sha("bytes"))
    files["d"] = files["d"]._replace(original_sha256=sha("bytes"))
    write_index(export.folder / "index.csv", files.values())
    assert export.convert()["merged"]["examples"] == [["d", "b", "a"]]
    assert [(s, bbox[0]) for s, _, bbox in export.annotations() if s in "abcd"] in (
        [("d", 0), ("d", 2), ("d", 3), ("c", 1)], [("c", 1), ("d", 0), ("d", 2), ("d", 3)],
    )  # fmt: skip


def test_same_pixels_of_one_row_without_objects(export: Export) -> None:
    """An empty row is a statement about an image: another name's objects contradict it."""
    rows = [("a.jpg", cell()), ("b.jpg", cell(box())), *GOOD]
    report = export.write(rows, bytes_of={"b.jpg": "a.jpg"}).convert()
    assert sum(report["empty_images"].values()) == 0
    assert [a for a in export.annotations() if a[0] == "a.jpg"] == [("a.jpg", 1, [10, 20, 30, 40])]


def test_same_export_same_bytes(export: Export, tmp_path: Path) -> None:
    rows = [*GOOD, ("odd.jpg", cell(box(label="CAT"), None, polygon()))]
    export.write(rows).convert()
    other = Export(tmp_path / "somewhere else").write(rows)
    other.convert()
    names = sorted(path.name for path in export.out.iterdir())
    assert names == sorted(
        ["train.json", "val.json", "test.json", "label_map.pbtxt", "labels.txt", "splits.csv",
         "report.json", "report.md"]
    )  # fmt: skip
    assert all(
        (export.out / name).read_bytes() == (other.out / name).read_bytes() for name in names
    )


def test_report_for_people(export: Export) -> None:
    rows = [*GOOD, ("odd.jpg", cell(box(label="a|b<c>\n"), box([1, 1, 0, 5])))]
    export.write(rows, names=("RBC", "WBC", "R|X")).convert()
    text = (export.out / "report.md").read_text(encoding="utf-8")
    assert "| `empty_box` | 1 |" in text
    assert "rows 10" in text
    assert r"| R\|X | 0 | 0 | 0 |" in text
    assert r"| a\|b&lt;c> | 1 |" in text
    assert "1 class has no object at all: R\\|X." in text
    assert "1 image has lost every object to bad data" in text


@pytest.mark.parametrize(
    ("names", "rows", "warning"),
    [
        pytest.param(("RBC", "wbc"), GOOD, "'WBC' (8) like 'wbc'", id="misspelt label"),
        pytest.param(("RBC", "WBC", "X"), GOOD, "1 class has no object at all: X", id="no object"),
        pytest.param(
            ("RBC", "WBC", "X"),
            [*GOOD, ("x.jpg", cell(box(label="X")))],
            "1 class has no object in val and cannot be measured there: X",
            id="one object",
        ),
        pytest.param(("RBC",), GOOD[:1], "There is no image in test", id="one image"),
        pytest.param(("RBC", "RBC"), GOOD, "categories.csv: 1 doubled name", id="doubled class"),
    ],
)
def test_warnings(
    export: Export, names: tuple[str, ...], rows: list[tuple[str, str]], warning: str
) -> None:
    report = export.write(rows, names=names).convert()
    assert any(warning in sentence for sentence in report["warnings"]), report["warnings"]


def test_two_annotators_a_pixel_apart(export: Export) -> None:
    """The second one's rows have the same images under other names, and one object less."""
    rows = [
        (f"{copy}{n}.jpg", cell(*(box([20 * k + shift, 10, 18, 30]) for k in range(4 - shift))))
        for shift, copy in enumerate("ab")
        for n in range(12)
    ]
    report = export.write(rows, bytes_of={f"b{n}.jpg": f"a{n}.jpg" for n in range(12)}).convert()
    assert report["items"]["kept"] == 48
    assert dropped(report) == {"merged_item": (36, list(range(14, 26)))}
    assert sorted(a[2][0] for a in export.annotations() if a[0] == "a3.jpg") == [
        0.5,
        20.5,
        40.5,
        60,
    ]
    assert report["agreement"]["annotators"]["annotator 2"]["missed"] == 12
    (warning,) = (each for each in report["warnings"] if "several rows" in each)
    assert "36 objects were merged with that of another row" in warning
    assert "agree on 85.7% of what they drew" in warning


def test_annotators_by_a_column(export: Export) -> None:
    rows = [(f"{n}.jpg", cell(box()), name) for n in range(12) for name in ("ann", "", "ann")]
    export.write([row[:2] for row in rows])
    export.save("annotations.csv", [("cdn_file_url", "output_content", "User"), *rows])
    annotators = export.convert()["agreement"]["annotators"]
    assert {name: each["objects"] for name, each in annotators.items()} == {
        "ann": 12, "annotator 2": 12,
    }  # fmt: skip
    with pytest.raises(InputError, match=r"no column 'who', which coco.annotator_column"):
        export.convert(replace(OPTIONS, annotator_column="who"))


def test_who_last_touched_an_object(export: Export) -> None:
    rows = [
        ("a.jpg", cell(box(proba=0.9), box([50, 50, 9, 9], "WBC"))),
        ("a.jpg", cell(box([51, 50, 9, 9], "WBC", proba=1))),  # a person drew it, too
        ("b.jpg", cell(box(proba=0.9, last_touch="model_confirmed"))),
        ("c.jpg", cell(box(proba=0.9, last_touch="person"), box([1, 1, 5, 5], proba=0.5))),
        ("d.jpg", cell(box(proba="0.9"), box([1, 1, 5, 5], last_touch=["model"]))),
    ]
    report = export.write([*rows, *GOOD]).convert()
    touches = [
        (sources[a["image_id"]], a["last_touch"])
        for split in SPLITS
        for coco in (export.coco(split),)
        for sources in ({image["id"]: image["source"] for image in coco["images"]},)
        for a in coco["annotations"]
        if "last_touch" in a
    ]
    assert sorted(touches) == [
        ("a.jpg", "model"), ("b.jpg", "model_confirmed"), ("c.jpg", "model"),
    ]  # fmt: skip
    counts = {
        touch: sum(report["last_touch"][split][touch] for split in SPLITS)
        for touch in ("model", "model_confirmed", "person")
    }
    assert counts == {"model": 2, "model_confirmed": 1, "person": 4 + 16}
    (warning,) = (each for each in report["warnings"] if "confirmed by nobody" in each)
    assert warning.startswith("2 objects were found by a model and confirmed by nobody (")


def test_good_export_has_no_warning(export: Export) -> None:
    assert export.write(GOOD).convert()["warnings"] == []


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        pytest.param(
            [("a.jpg", cell(box(label="CAT")))], "labels in annotations.csv: 'CAT'", id="labels"
        ),
        pytest.param([("a.jpg", cell())], "no object is left of 0 in 1 rows", id="only negatives"),
        pytest.param([("a.jpg", "{}")], "no_identifications: 1, rows 2", id="nobody annotated"),
        pytest.param([], "no object is left of 0 in 0 rows", id="no rows"),
    ],
)
def test_nothing_left(export: Export, rows: list[tuple[str, str]], message: str) -> None:
    with pytest.raises(InputError, match=message):
        export.write(rows).convert()
    assert export.report()["rows"]["read"] == len(rows)


def test_image_that_fetch_does_not_know(export: Export) -> None:
    write_index(export.write(GOOD).folder / "index.csv", [])
    with pytest.raises(InputError, match=r"row 2: image 'good0\.jpg' is not in index.csv"):
        export.convert()


def test_header_without_an_image_column(export: Export) -> None:
    export.write(GOOD, column="url")
    with pytest.raises(InputError, match=r"annotations.csv: row 1: the header needs a column"):
        export.convert()


def test_separator_and_pattern(export: Export) -> None:
    rows = [
        (f"tray{n}/{m}.jpg", cell(box([n, 3, 9, 9], f"RBC-{m}"))) for n in range(15) for m in "1234"
    ]
    pattern = compile_group_pattern(r"tray\d+", "x")
    report = export.write(rows).convert(replace(OPTIONS, separator="-", pattern=pattern))
    splits = export.splits()
    assert len(export.annotations()) == 60
    assert all(len({splits[f"tray{n}/{m}.jpg"] for m in "1234"}) == 1 for n in range(15))
    groups = {pin.group for pin in load_pins(export.out / "splits.csv")}
    assert groups == {f"tray{n}" for n in range(15)}
    assert report["group_pattern"]["matching"] == 60
    assert "matches 60 of 60 image names, in 15 groups" in (export.out / "report.md").read_text()


def test_growing_export_keeps_its_splits(export: Export) -> None:
    """What `make keep-splits` does between two conversions."""
    rows = [(f"{n}.jpg", cell(box(), *[box(label="WBC")] * (n % 3))) for n in range(90)]
    before: dict[str, str] = {}
    for count in (10, 11, 30, 90):
        pins = export.out / "splits.csv"
        kept = pins.read_text(encoding="utf-8") if before else "group,split\n"
        export.write(rows[-count:])
        (export.folder / "splits.csv").write_text(kept, encoding="utf-8")
        export.convert()
        after = export.splits()
        assert before.items() <= after.items()
        before = after
    sizes = [list(before.values()).count(split) for split in SPLITS]
    assert sizes == pytest.approx([63, 13.5, 13.5], abs=2)


@pytest.mark.parametrize(
    ("name", "images", "objects", "classes"),
    [
        ("bccd3", 364, 4886, {"RBC": 4153, "WBC": 372, "Platelets": 361}),
        ("microcontroller4", 149, 177, {"ESP8266": 47, "Arduino_Nano": 43}),
        ("breadboard5", 110, 389, {"led": 104, "logic gate": 61}),
    ],
)
def test_real_export(
    export: Export, shared: Path, name: str, images: int, objects: int, classes: dict[str, int]
) -> None:
    source = shared / "datasets" / name
    size = {"bccd3": (640, 480), "microcontroller4": (800, 600), "breadboard5": (512, 512)}[name]
    export.folder.mkdir()
    for file in ("annotations.csv", "categories.csv"):
        (export.folder / file).write_bytes((source / file).read_bytes())
    with (source / "annotations.csv").open(encoding="utf-8", newline="") as file:
        names = list(dict.fromkeys(row[0] for row in list(csv.reader(file))[1:]))
    write_index(export.folder / "index.csv", [indexed_image(n, sha(n), size) for n in names])
    (export.folder / "splits.csv").write_text("group,split\n")
    report = export.convert()
    assert report["items"] == {"read": objects, "kept": objects, "clipped": 0, "dropped": 0}
    assert sum(report["images"].values()) == images
    assert report["warnings"] == []
    for label, count in classes.items():
        assert sum(report["classes"][split][label] for split in SPLITS) == count
    share = [report["images"][split] / images for split in SPLITS]
    assert share == pytest.approx(OPTIONS.fractions, abs=0.02)


junk = st.one_of(
    st.none(), st.booleans(), st.floats(), st.integers(), st.text(max_size=5),
    st.lists(st.integers(), max_size=3),
)  # fmt: skip
numbers = st.one_of(st.integers(-20, 120), st.floats(-20, 120), st.sampled_from([math.nan, 1e999]))
items = st.one_of(
    junk,
    st.builds(
        box, st.lists(numbers, min_size=3, max_size=4), st.sampled_from(["RBC", "WBC", "X", ""])
    ),
    st.builds(polygon, st.lists(st.tuples(numbers, numbers), max_size=5)),
    st.builds(box, junk, junk),
)
cells = st.one_of(
    st.lists(items, max_size=4).map(lambda found: cell(*found)),
    st.lists(items, max_size=4).map(lambda found: repr({"identifications": found})),
    junk.map(json.dumps),
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=9),
)
exports = st.lists(st.tuples(st.sampled_from("abcdefgh"), cells), max_size=12)


@settings(deadline=None, max_examples=60)
@given(exports, st.frozensets(st.sampled_from("abcdefgh"), max_size=2))
def test_all_that_is_read_is_kept_or_counted(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]], failed: frozenset[str]
) -> None:
    export = Export(tmp_path_factory.mktemp("fuzz"))
    report = export.write([*rows, *GOOD], failed=tuple(failed)).convert()
    counts = {reason: entry["count"] for reason, entry in report["dropped"].items()}
    of_rows = sum(counts[c] for c in ("no_identifications", "bad_cell", "image_failed"))
    assert report["rows"]["read"] == report["rows"]["kept"] + of_rows == len(rows) + len(GOOD)
    assert report["items"]["dropped"] == sum(counts.values()) - of_rows
    assert report["items"]["read"] == report["items"]["kept"] + report["items"]["dropped"]
    assert report["items"]["kept"] == len(export.annotations())
    assert all(bool(e["count"]) == bool(e["rows"]) for e in report["dropped"].values())


def test_examples_lead_to_the_cause(export: Export) -> None:
    corners = box({"x": 5, "y": 5, "width": 20, "height": 20})
    rows = [
        ("a.jpg", cell(corners, corners, box(label=3))),
        ("b.jpg", "{'identifications': [np.nan]}"),
    ]
    with pytest.raises(InputError) as error:
        export.write(rows).convert()
    said = str(error.value)
    assert (
        "wrong_form: 2, rows 2\n    row 2: {'height': 20, 'width': 20, 'x': 5, 'y': 5}: a map"
        in said
    )
    assert "row 2: 3: the label is a number" in said
    assert "np.nan at line 1, column 22 is no plain value" in said
    examples = export.report()["examples"]
    assert list(examples) == ["bad_cell", "label_not_text", "wrong_form"]
    assert "the label is a number" in (export.out / "report.md").read_text(encoding="utf-8")


def test_coordinates_that_cannot_be_right(export: Export) -> None:
    """They stop the conversion, with their cause, in the report as well."""
    rows = [(f"{n}.jpg", cell(box([n / 50, 0.1, 0.3, 0.4]))) for n in range(20)]
    export.write(rows)
    counts = convert_export(export.folder, export.folder / "splits.csv", export.out, OPTIONS)
    with pytest.raises(InputError, match=r"cannot be right:\n.*look like fractions of the image"):
        counts.check_plausible()
    assert "fractions of the image" in export.report()["warnings"][0]


def test_coordinates_of_which_nothing_is_left(export: Export) -> None:
    rows = [(f"{n}.jpg", cell(box([400 + n, 300, 80, 60]))) for n in range(20)]
    with pytest.raises(InputError, match="20 of 20 objects reach out of their image"):
        export.write(rows).convert()


def test_plausible_coordinates_pass(export: Export) -> None:
    export.write(GOOD)
    counts = convert_export(export.folder, export.folder / "splits.csv", export.out, OPTIONS)
    counts.check_plausible()
