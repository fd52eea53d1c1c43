from __future__ import annotations

import pytest

from rhymes.coco.copy_names import find_named_copies

HASH = "0a1b2c3d4e5f60718293a4b5c6d7e8f9"


@pytest.mark.parametrize(
    ("rule", "names"),
    [
        (".rf.<hash>", [f"x_jpg.rf.{HASH}.jpg", f"x_jpg.rf.{HASH[::-1]}.jpg"]),
        (".rf.<hash>", [f"train/x_png.rf.{HASH}.jpg", f"valid/x_png.rf.{HASH[::-1]}.jpg"]),
        ("_aug3", ["plate_aug1.jpg", "plate_aug2.jpg"]),
        ("_aug3", ["plate.jpg", "plate_aug12.jpg"]),
        ("_hflip", ["coin.png", "coin_hflip.png"]),
        ("_hflip", ["coin_rot90.png", "coin_rot180.png"]),
        ("(3)", ["apple001S(3).jpg", "apple001S.jpg"]),
        ("(3)", ["IMG_1234 (1).jpg", "IMG_1234 (2).jpg"]),
        ("- Copy", ["plate - Copy.jpg", "plate.jpg"]),
        ("- Copy", ["plate - Copy (2).jpg", "plate.jpg"]),
        ("- Copy", ["plate_copy.jpg", "plate.jpg"]),
        ("_temp", ["00041_temp.jpg", "00041.jpg"]),
        ("_temp", ["00041_bright.jpg", "00041_crop2.jpg"]),
        ("_a", ["tray1_a.jpg", "tray1_b.jpg"]),
        ("_a", ["tray1.jpg", "tray1_b.jpg"]),
        ("- Copy", ["https://cdn.x/a/1.jpg?s=1", "https://cdn.x/a/1%20.jpg?", "https://cdn.x/a/1-copy.jpg"]),
    ],
)  # fmt: skip
def test_endings_of_copies_suffice(rule: str, names: list[str]) -> None:
    found = find_named_copies([*names, "other/" + names[0], "another9.jpg"])
    assert [(each.rule, each.sure) for each in found if each.sure] == [(rule, True)]


@pytest.mark.parametrize(
    "names",
    [
        ["apple (1).jpg", "apple (2).jpg"],
        ["coin.png", "coin_flip.png"],
        ["20230101_a.jpg", "20230101_b.jpg"],
        ["row_a.jpg", "row_b.jpg"],
        ["00041_1.jpg", "00041_2.jpg"],
        ["00041.jpg", "00041.png"],
    ],
)
def test_what_may_be_a_series_has_to_be_confirmed(names: list[str]) -> None:
    (found,) = find_named_copies(names)
    assert not found.sure
    assert found.members == (0, 1)


@pytest.mark.parametrize(
    "names",
    [
        [f"BloodImage_{number:05d}.jpg" for number in range(364)],
        [f"IMG_{number:04d}.jpg" for number in range(1, 9)],
        ["20230101_120000.jpg", "20230101_120001.jpg"],
        ["IMG_20190104_165204.jpg", "IMG_20190104_165200.jpg"],
        [f"apple ({number}).jpg" for number in range(1, 40)],
        [f"tray_{number:02d}.jpg" for number in range(40)],
        ["00041_temp.jpg", "00042_temp.jpg"],
        ["one/1_copy.jpg", "two/1.jpg"],
    ],
)
def test_counters_and_times_are_no_series(names: list[str]) -> None:
    assert find_named_copies(names) == []


def test_a_tool_makes_as_many_copies_as_it_likes() -> None:
    names = [f"x_jpg.rf.{number:032x}.jpg" for number in range(50)]
    (found,) = find_named_copies(names)
    assert found.members == tuple(range(50))


def test_several_endings_are_taken_off() -> None:
    (found,) = find_named_copies(["IMG_1.jpg", "IMG_1_flip_aug3 (2).jpg", "IMG_0002.jpg"])
    assert found.members == (0, 1)
    assert found.sure
