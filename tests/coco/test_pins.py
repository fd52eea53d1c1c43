"""Pins hold by name, by content or by group; what contradicts itself is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rhymes.coco.pins import Pin, load_pins, pin_groups, pin_warnings, pins_to_keep, save_pins
from rhymes.coco.splits import SPLITS, assign_splits, group_images
from rhymes.common.errors import InputError
from rhymes.export.fetched import IndexedImage
from tests.support.export_csv import indexed_image
from tests.support.split_images import FRACTIONS, Image

PATH = Path("data/splits.csv")
DIGITS = "0123456789abcdef"


def file_of(number: int, **changes: Any) -> IndexedImage:
    """A PNG that was converted: file, original and pixels have hashes of their own."""
    hashes = {
        name: f"{name[0]}{number:063x}".translate(str.maketrans("sop", "abc"))
        for name in ("sha256", "original_sha256", "pixels_sha256")
    }
    file = indexed_image(f"https://cdn.example/i/{number}.png", hashes.pop("sha256"), **hashes)
    return file._replace(**changes)


def other(number: int) -> str:
    return f"{number:064x}"


FILES = [file_of(n) for n in range(40)]


def split(
    files: list[IndexedImage], pins: list[Pin], keys: dict[str, str] | None = None
) -> tuple[dict[int, str], list[Pin], list[str]]:
    """Position of a file -> split; the new pins; the warnings."""
    images = [Image((file,)) for file in files]
    groups = group_images(images, keys)
    pinned = pin_groups(PATH, pins, images, groups)
    splits = assign_splits(images, groups, FRACTIONS, 1, pinned.splits).splits
    kept = pins_to_keep(pins, images, splits, keys or {})
    return {n: SPLITS[s] for n, s in enumerate(splits)}, kept, list(pin_warnings(pinned))


BEFORE, PINS, _ = split(FILES, [])


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param(lambda n: {}, id="nothing"),
        pytest.param(lambda n: {"sha256": other(n)}, id="another jpeg_quality"),
        pytest.param(
            lambda n: {"original_sha256": other(n), "sha256": other(n)}, id="another comment"
        ),
        pytest.param(
            lambda n: {"sha256": other(n), "pixels_sha256": other(n + 99)}, id="another decoder"
        ),
        pytest.param(
            lambda n: {
                "sha256": other(n), "original_sha256": other(n), "pixels_sha256": other(n + 99),
            },
            id="recompressed",
        ),
        pytest.param(lambda n: {"source": f"x/{n}"}, id="renamed"),
        pytest.param(
            lambda n: {"source": f"x/{n}", "sha256": other(n), "original_sha256": other(n)},
            id="renamed and another comment",
        ),
        pytest.param(
            lambda n: {"source": f"x/{n}", "sha256": other(n), "pixels_sha256": other(n)},
            id="renamed and another decoder",
        ),
        pytest.param(
            lambda n: [{"source": f"x/{n}"}, {"pixels_sha256": other(n)}, {}][n % 3],
            id="each something else",
        ),
    ],
)  # fmt: skip
@pytest.mark.parametrize("grown", [0, 20])
def test_no_pinned_image_moves(changes: Any, grown: int) -> None:
    files = [file._replace(**changes(n)) for n, file in enumerate(FILES)]
    files += [file_of(n) for n in range(100, 100 + grown)]
    after, kept, warnings = split(files, PINS)
    assert {n: after[n] for n in BEFORE} == BEFORE
    assert not warnings
    assert {pin.image for pin in kept} >= {file.source for file in files}
    # What the pins said before they go on saying.
    assert split(FILES, kept)[0] == BEFORE


@pytest.mark.parametrize(
    "pin",
    [
        pytest.param({"image": FILES[0].source}, id="name"),
        pytest.param({"original_sha256": FILES[0].original_sha256}, id="original bytes"),
        pytest.param({"pixels_sha256": FILES[0].pixels_sha256}, id="pixels"),
        pytest.param({"group": FILES[0].source}, id="old file: name"),
        pytest.param({"group": FILES[0].sha256}, id="old file: bytes of the file"),
        pytest.param({"group": FILES[0].original_sha256}, id="old file: original bytes"),
        pytest.param({"group": "film"}, id="key"),
    ],
)
@pytest.mark.parametrize("name", SPLITS)
def test_pin_by_hand(pin: dict[str, str], name: str) -> None:
    keys = {file.source: "film" for file in FILES[:3]}
    after, kept, warnings = split(FILES, [Pin(**{"image": ""} | pin, split=name)], keys)
    assert [after[n] for n in range(3)] == [name] * 3
    assert not warnings
    assert len(kept) == len(FILES), "the pin is said in the row of its image"
    assert {p.group for p in kept[:4]} == {"film", ""}
    assert split(FILES, kept, keys)[0] == after


def test_new_frames_of_a_film_follow_its_key() -> None:
    """Also where the frames that were pinned are gone."""
    keys = {file.source: f"film{n // 4}" for n, file in enumerate(FILES)}
    before, pins, _ = split(FILES, [], keys)
    new = [file_of(n) for n in range(100, 110)]
    after, kept, _ = split(new, pins, {f.source: f"film{n}" for n, f in enumerate(new)})
    assert after == {n: before[4 * n] for n in range(10)}
    assert set(pins) <= set(kept), "images that are gone stay pinned"


def test_pin_of_what_is_not_there_stays() -> None:
    gone = [Pin("gone.png", "test"), Pin("", "val", group="film9")]
    after, kept, warnings = split(FILES, [*PINS, *gone])
    assert after == BEFORE
    assert kept[-2:] == gone
    (warning,) = warnings
    assert warning == (
        "2 images or groups are pinned in splits.csv but not in the export, and stay pinned: "
        "gone.png, film9."
    )


def test_earlier_content_stays_pinned() -> None:
    """The image of a name was replaced: the one before must not come back in another split."""
    files = [file_of(n + 500, source=file.source) for n, file in enumerate(FILES)]
    _, kept, _ = split(files, PINS)
    assert split([file_of(n, source=f"back/{n}") for n in range(40)], kept)[0] == BEFORE


@pytest.mark.parametrize(
    ("pins", "keys", "message"),
    [
        pytest.param(
            [
                Pin(FILES[0].source, "train", row=2),
                Pin("", "test", pixels_sha256=FILES[0].pixels_sha256, row=3),
            ],
            {},
            rf"row 2 has image '{FILES[0].source}' in train, but row 3 has pixels_sha256 'c0+' in "
            "test",
            id="a name given to another image",
        ),
        pytest.param(
            [Pin(FILES[0].source, "val", row=2), Pin(FILES[1].source, "test", row=3)],
            {FILES[0].source: "film", FILES[1].source: "film"},
            "1 group of images that belong together",
            id="copies",
        ),
        pytest.param(
            [Pin(FILES[0].source, "val", row=2), Pin("", "test", group="film", row=3)],
            {FILES[0].source: "film"},
            "row 3 has group 'film' in test",
            id="name and key",
        ),
    ],
)
def test_conflicts(pins: list[Pin], keys: dict[str, str], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        split(FILES, pins, keys)
    assert "give all of them the same split" in str(caught.value)


def test_conflicts_are_counted() -> None:
    exchanged = [replace(pin, image=FILES[(n + 1) % 40].source) for n, pin in enumerate(PINS)]
    with pytest.raises(
        InputError, match=r"(?s)groups of images.*\.\.\. and \d+ more.*empty the cell"
    ) as e:
        split(FILES, exchanged)
    contents = [replace(pin, image="") for pin in exchanged]
    assert split(FILES, contents)[0] == BEFORE, "the cure that is named"
    assert str(e.value).count("row ") == 2 * 5


def moved(n: int) -> IndexedImage:
    """Another host, recompressed."""
    return file_of(n + 500, source=f"https://new.example/{n}.png?sig={n}")


def test_known_names_that_lost_their_pins_are_refused() -> None:
    with pytest.raises(InputError, match=r"40 of 40 pins name no image.* 40 of its images") as e:
        split([moved(n) for n in range(40)], PINS)
    assert "Replace in the column image the part of the names that changed" in str(e.value)
    cured = [replace(p, image=moved(n).source) for n, p in enumerate(PINS)]
    assert split([moved(n) for n in range(40)], cured)[0] == BEFORE


def test_few_names_that_lost_their_pins_are_a_warning() -> None:
    _, _, warnings = split([moved(0), moved(1), *FILES[2:]], PINS)
    assert len(warnings) == 2
    assert warnings[0].startswith("2 images or groups are pinned in splits.csv but not in")
    assert warnings[1].startswith("2 images have no pin but the file name of a pinned one")
    assert warnings[1].endswith(": 0.png, 1.png.")


def test_hashes_of_files_encoded_otherwise_are_refused() -> None:
    """What earlier versions wrote: `group,split`, the group being the hash of the file."""
    pins = [Pin("", BEFORE[n], group=file.sha256) for n, file in enumerate(FILES)]
    assert split(FILES, pins)[0] == BEFORE
    encoded = [file._replace(sha256=other(n)) for n, file in enumerate(FILES)]
    with pytest.raises(InputError, match=r"40 of 40 pins .* hashes alone.*`make keep-splits`"):
        split(encoded, pins)


def test_other_images_altogether_are_no_error() -> None:
    """An export of new images, and the pins of the old ones, which may come back."""
    after, kept, warnings = split([file_of(n, source=f"{n}.png") for n in range(200, 240)], PINS)
    assert set(after.values()) == set(SPLITS)
    assert len(kept) == 80
    assert [w[:30] for w in warnings] == ["40 images or groups are pinned"]


def test_names_that_stand_in_many_folders_tell_nothing() -> None:
    pins = [Pin(f"film{n // 4}/{n % 4}.jpg", "train") for n in range(40)]
    files = [file_of(n, source=f"film{20 + n // 4}/{n % 4}.jpg") for n in range(40)]
    assert len(split(files, pins)[2]) == 1


names = st.text('abc/1,"\n\r é', min_size=1, max_size=4)
pins = st.builds(
    Pin, st.one_of(st.just(""), names), st.sampled_from(SPLITS), names,
    st.just(""), st.sampled_from(["", "0" * 64]),
)  # fmt: skip


@settings(max_examples=50)
@given(st.lists(pins, max_size=5))
def test_pins_come_back(tmp_path_factory: pytest.TempPathFactory, saved: list[Pin]) -> None:
    seen: dict[tuple[str, str], str] = {}
    saved = [p for p in saved if all(seen.setdefault(c, p.split) == p.split for c in p.cells())]
    path = tmp_path_factory.mktemp("pins") / "splits.csv"
    save_pins(path, saved)
    found = [replace(pin, row=0) for pin in load_pins(path)]
    assert sorted(found, key=repr) == sorted(saved, key=repr)
    assert sorted(pin.row for pin in load_pins(path)) == list(range(2, len(saved) + 2))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        pytest.param("group,split\n", [], id="header only"),
        pytest.param("group,split\r\n", [], id="header of a spreadsheet"),
        pytest.param("group,split\nk, test \n", [("group", "k", "test")], id="old file"),
        pytest.param("image,split\na.jpg,val\n", [("image", "a.jpg", "val")], id="by name alone"),
        pytest.param(
            "split,note,pixels_sha256\nval,mine,00\n", [("pixels_sha256", "00", "val")], id="note"
        ),
    ],
)
def test_files_by_hand(tmp_path: Path, text: str, found: list[tuple[str, str, str]]) -> None:
    (tmp_path / "splits.csv").write_bytes(text.encode())
    loaded = load_pins(tmp_path / "splits.csv")
    assert [(*cell, pin.split) for pin in loaded for cell in pin.cells()] == found


def test_projects_own_file_is_read(root: Path) -> None:
    assert load_pins(root / "data" / "splits.csv") == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(
            "group,split\na,train\nb,validation\n", "row 3: split 'validation'", id="name"
        ),
        pytest.param("image,group,split\n,,train\n", "row 2: all of image, group", id="no name"),
        pytest.param(
            "group,split\na,train\na,test\n",
            "row 3: group 'a' is in train by row 2 and in test here",
            id="two splits",
        ),
        pytest.param(
            "image,split,pixels_sha256\na,train,0\nb,test,0\n",
            "row 3: pixels_sha256 '0' is in train by row 2",
            id="two splits of a content",
        ),
        pytest.param("picture,split\na,train\n", "at least one of image, group", id="other header"),
        pytest.param("group,set\na,train\n", "needs a column 'split'", id="no split"),
        pytest.param("group,split\na\n", "row 2: 1 cells", id="cell missing"),
    ],
)
def test_unusable_files(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "splits.csv").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        load_pins(tmp_path / "splits.csv")


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not found"):
        load_pins(tmp_path / "splits.csv")
