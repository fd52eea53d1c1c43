from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from rhymes.coco.copies import (
    CopyGroups,
    copies_to_report,
    copies_to_summary,
    copies_to_warnings,
    group_copies,
    load_groups,
)
from rhymes.coco.splits import ImageGroup
from rhymes.common.errors import InputError
from rhymes.images.fingerprint import image_to_fingerprint
from tests.support.scenes import brightened, encoded, scene


def fingerprints(images: Sequence[Image.Image]) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.stack([image_to_fingerprint(image) for image in images])


def group(
    images: dict[str, Image.Image], listed: dict[str, set[str]] | None = None, auto: bool = True
) -> CopyGroups:
    prints = fingerprints(list(images.values())) if auto else None
    return group_copies([(name,) for name in images], prints, listed or {})


def test_copies_join_by_content_whatever_their_names() -> None:
    images = {f"{seed}.jpg": scene(seed) for seed in range(6)}
    images["renamed.png"] = encoded(scene(2).resize((200, 200)))
    images["mirrored.png"] = brightened(scene(4).transpose(Image.Transpose.FLIP_LEFT_RIGHT), 0.8)
    found = group(images)
    assert found.groups == [[2, 6], [4, 7]]
    report = copies_to_report(found, [(name,) for name in images])
    assert (report["groups"], report["images"]) == (2, 4)
    assert report["rules"]["content"]["examples"][0] == ["2.jpg", "renamed.png"]
    assert "4 images in 2 groups, each" in copies_to_summary(report)
    assert list(copies_to_warnings(report)) == []


def test_copies_join_by_name_whatever_their_content() -> None:
    found = group({"tray1_a.jpg": scene(1), "tray1_b.jpg": scene(2), "tray2_a.jpg": scene(3)})
    assert found.groups == [[0, 1]]


def test_series_joins_only_where_contents_confirm_it() -> None:
    images = {
        "apple (1).jpg": scene(1),
        "apple (2).jpg": encoded(scene(1)),
        "apple (3).jpg": scene(2),
    }
    found = group(images)
    assert found.groups == [[0, 1]]
    assert {link.rule for link in found.links} == {"(3) and content"}


class CountedFingerprints:
    """Fingerprints that count how many are looked at one by one, as comparisons do."""

    def __init__(self, prints: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> None:
        self._prints = prints
        self.looks = 0

    def __len__(self) -> int:
        return len(self._prints)

    def __getitem__(self, key: Any, /) -> Any:
        self.looks += not isinstance(key, slice)
        return self._prints[key]


def test_long_series_is_not_compared_pair_by_pair() -> None:
    # Random ones, so that no two are alike; 400 names of one series have 79,800 pairs.
    prints = np.random.default_rng(1).integers(0, 256, (400, 32, 32, 3), np.uint8)
    counted = CountedFingerprints(prints)
    found = group_copies([(f"tray_{place}_aug1.jpg",) for place in range(400)], counted, {})
    assert found.groups == []
    assert counted.looks <= 2 * 8 * 400


def test_none_joins_nothing_but_what_the_file_says() -> None:
    images = {"1.jpg": scene(1), "1_copy.jpg": scene(1), "2.jpg": scene(2)}
    assert group(images, auto=False).groups == []
    assert group(
        images, {"1.jpg": {"g"}, "2.jpg": {"g"}, "gone.jpg": {"g"}}, auto=False
    ).groups == [[0, 2]]


def test_the_file_adds_and_keeps_images_alone() -> None:
    images = {"1.jpg": scene(1), "1_copy.jpg": scene(1), "2.jpg": scene(2), "3.jpg": scene(3)}
    found = group(images, {"1.jpg": {""}, "2.jpg": {"g"}, "3.jpg": {"g"}, "gone.jpg": {"g"}})
    assert found.groups == [[2, 3]]
    assert found.unknown == ["gone.jpg"]


def test_a_fixed_camera_does_not_swallow_the_set() -> None:
    """Dots so small that content cannot tell the images apart, beside a true copy of another."""
    images = {}
    for number in range(60):
        image = scene(1)
        image.putpixel((number, 5), (255, 0, 0))
        images[f"frame{number}x.jpg"] = image
    images |= {f"other{seed}x.jpg": scene(seed) for seed in range(10, 40)}
    images["twin.jpg"] = encoded(scene(10), 80)
    found = group(images)
    assert max(map(len, found.groups), default=0) <= 20
    assert [60, 90] in found.groups
    (warning,) = copies_to_warnings(copies_to_report(found, [(name,) for name in images]))
    assert warning.startswith("60 images look like copies of each other, more than 10% of all")


def test_a_name_does_not_swallow_the_set() -> None:
    images = {f"x_aug{number}.jpg": scene(number) for number in range(40)}
    found = group(images)
    assert found.groups == []
    assert len(found.loosened) == 1


def test_pins_win_over_copies() -> None:
    found = CopyGroups(groups=[[0, 1, 2], [3, 4]])
    groups = [ImageGroup((number,)) for number in range(5)]
    found.keep_pins(groups, {0: 2, 1: 0})
    assert found.groups == [[1, 2], [3, 4]]
    assert found.torn == [[0, 1, 2]]
    report = copies_to_report(found, [(str(number),) for number in range(5)])
    (warning,) = copies_to_warnings(report)
    assert "1 group of copies is pinned to several splits" in warning


def test_pins_of_one_split_part_nothing() -> None:
    found = CopyGroups(groups=[[0, 1], [1, 2]])
    found.keep_pins([ImageGroup((number,)) for number in range(3)], {0: 1, 2: 1})
    assert found.groups == [[0, 1, 2]]
    assert not found.torn


def test_groups_file(tmp_path: Path) -> None:
    path = tmp_path / "groups.csv"
    assert load_groups(path) == {}
    path.write_text("group,image\ng,a.jpg\ng,b.jpg\nh,b.jpg\n,c.jpg\n", encoding="utf-8")
    assert load_groups(path) == {"a.jpg": {"g"}, "b.jpg": {"g", "h"}, "c.jpg": {""}}


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ("g,\n", "row 2: the image is empty"),
        ("g,a.jpg\n,a.jpg\n", "row 3: image 'a.jpg' is in group 'g' and, by a row without"),
    ],
)
def test_bad_groups_file_says_where(tmp_path: Path, rows: str, reason: str) -> None:
    path = tmp_path / "groups.csv"
    path.write_text("group,image\n" + rows, encoding="utf-8")
    with pytest.raises(InputError, match=reason):
        load_groups(path)
